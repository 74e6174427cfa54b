//! The system call tables as they are written: what passes, what is refused in its own way, and why.
//!
//! A table may start from another. What it says of a call then replaces all that the other says of it, so that a wider
//! table repeats only what differs.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::SeccompError;
use crate::template::Profile;

/// Deepest chain of tables, the last included.
const MOST_TABLES: usize = 4;

/// A table with everything that it starts from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    extends: Option<Profile>,
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
    #[serde(default)]
    pub(super) refuse: Vec<Refuse>,
}

/// Calls that pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    pub(super) reason: String,
    pub(super) calls: Vec<String>,
    pub(super) arch: Option<String>,
    #[serde(default)]
    pub(super) when: Vec<Condition>,
}

/// What an argument must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) argument: u8,
    #[serde(default)]
    pub(super) size: Size,
    pub(super) mask: Option<u64>,
    pub(super) is: Option<u64>,
    pub(super) not: Option<u64>,
    #[serde(default)]
    pub(super) any: Vec<u64>,
}

/// How much of an argument is compared.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Size {
    #[default]
    Dword,
    Qword,
}

/// Calls that fail with an error of their own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refuse {
    pub(super) reason: String,
    pub(super) error: String,
    pub(super) calls: Vec<String>,
}

/// The shipped text of a profile.
pub(super) const fn shipped(profile: Profile) -> &'static str {
    match profile {
        Profile::Strict => include_str!("../../../../policies/seccomp/strict.toml"),
        Profile::Standard => include_str!("../../../../policies/seccomp/standard.toml"),
        Profile::StandardNet => include_str!("../../../../policies/seccomp/standard-net.toml"),
    }
}

impl Table {
    /// Reads a table and what it starts from.
    pub(super) fn read(text: &str) -> Result<Self, SeccompError> {
        let mut table = Self::own(text)?;
        for _ in 1..MOST_TABLES {
            let Some(base) = table.extends.take() else { return Ok(table) };
            table.over(Self::own(shipped(base))?);
        }
        match table.extends {
            Some(_) => Err(SeccompError::Depth),
            None => Ok(table),
        }
    }

    fn own(text: &str) -> Result<Self, SeccompError> {
        let table: Self = toml::from_str(text)?;
        for condition in table.allow.iter().flat_map(|allow| &allow.when) {
            let operators = [condition.is.is_some(), condition.not.is_some(), !condition.any.is_empty()];
            let masked_well = condition.mask.is_none() || condition.is.is_some();
            if operators.iter().filter(|given| **given).count() != 1 || !masked_well {
                return Err(SeccompError::Condition(condition.argument));
            }
        }
        let reasons = table.allow.iter().map(|allow| (&allow.reason, &allow.calls));
        let mut reasons = reasons.chain(table.refuse.iter().map(|refuse| (&refuse.reason, &refuse.calls)));
        match reasons.find(|(reason, _)| reason.trim().is_empty()) {
            Some((_, calls)) => Err(SeccompError::Reason(calls.join(", "))),
            None => Ok(table),
        }
    }

    /// Takes over from `base` what this table says nothing of.
    fn over(&mut self, mut base: Self) {
        let allowed = self.allow.iter().flat_map(|allow| &allow.calls);
        let named: BTreeSet<String> =
            allowed.chain(self.refuse.iter().flat_map(|refuse| &refuse.calls)).cloned().collect();
        for calls in base.allow.iter_mut().map(|allow| &mut allow.calls) {
            calls.retain(|call| !named.contains(call));
        }
        for calls in base.refuse.iter_mut().map(|refuse| &mut refuse.calls) {
            calls.retain(|call| !named.contains(call));
        }
        self.allow.extend(base.allow.into_iter().filter(|allow| !allow.calls.is_empty()));
        self.refuse.extend(base.refuse.into_iter().filter(|refuse| !refuse.calls.is_empty()));
        self.extends = base.extends;
    }
}
