//! The allow-lists of system calls, from `policies/seccomp/*.toml`, one for each [`Profile`].
//!
//! A table is compiled once, when the zygote starts, and loaded by each child as its last step before the
//! program. seccompiler makes a list of it, and one more for each kind of refusal; [`dispatch`] makes one
//! program of all of them, because loading the lists took a fifth of a whole call.

mod dispatch;
mod table;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, TargetArch};
use serde_json::{Value, json};

use crate::template::Profile;
pub use dispatch::DispatchError;
use table::{Allow, Condition, Size, Table, shipped};

/// Why a table gives no filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// It does not follow the format.
    #[error("cannot read the system call table: {0}")]
    Table(#[from] toml::de::Error),
    /// It names a call or architecture that is unknown, or contradicts itself.
    #[error("cannot compile the system call table: {0}")]
    Compile(#[from] seccompiler::Error),
    /// The compiled table cannot be made into one program.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// An error name is not one of those a refusal may give.
    #[error("cannot compile the system call table: it has no error {0}")]
    ErrorName(String),
    /// An entry does not say why it is there.
    #[error("cannot accept the system call table: the entry of {0} gives no reason")]
    Reason(String),
    /// A condition says nothing, or two things at once.
    #[error("cannot accept the system call table: a condition on argument {0} needs one of is, not and any")]
    Condition(u8),
    /// Tables extend each other without end.
    #[error("cannot accept the system call table: it extends too many others")]
    Depth,
    /// The template's calls may not have this profile.
    #[error("cannot run the call: its profile {0:?} is wider than its template's")]
    Profile(Profile),
    /// This processor has no table.
    #[error("cannot filter system calls on {0}")]
    Architecture(String),
    /// The kernel refused the filter.
    #[error("cannot load the system call filter: {0}")]
    Load(#[source] seccompiler::Error),
}

/// A compiled table.
#[derive(Debug, Clone)]
pub struct Filter(BpfProgram);

impl Filter {
    /// The shipped table of a profile, for the processor that this runs on.
    ///
    /// # Errors
    /// The processor has no table.
    pub fn shipped(profile: Profile) -> Result<Self, SeccompError> {
        Self::compile(shipped(profile), std::env::consts::ARCH)
    }

    /// Compiles a table for an architecture.
    ///
    /// # Errors
    /// The table is wrong, or the architecture unknown.
    pub fn compile(table: &str, arch: &str) -> Result<Self, SeccompError> {
        let target = TargetArch::try_from(arch).map_err(|_| SeccompError::Architecture(arch.to_owned()))?;
        Ok(Self(dispatch::search(&linear(&Table::read(table)?, arch, target)?)?))
    }

    /// Loads the filter into this process, for good.
    pub(crate) fn load(&self) -> Result<(), SeccompError> {
        seccompiler::apply_filter(&self.0).map_err(SeccompError::Load)
    }
}

/// The filters of all profiles that calls may have here.
#[derive(Debug, Clone)]
pub struct Filters(BTreeMap<Profile, Filter>);

impl Filters {
    /// Compiles the profiles up to `widest`.
    ///
    /// # Errors
    /// As [`Filter::shipped`].
    pub fn up_to(widest: Profile) -> Result<Self, SeccompError> {
        let profiles = Profile::ALL.into_iter().filter(|profile| *profile <= widest);
        let filters = profiles.map(|profile| Ok((profile, Filter::shipped(profile)?)));
        filters.collect::<Result<_, SeccompError>>().map(Self)
    }

    /// The filter of a profile.
    ///
    /// # Errors
    /// The profile is wider than what this was made for.
    pub fn of(&self, profile: Profile) -> Result<&Filter, SeccompError> {
        self.0.get(&profile).ok_or(SeccompError::Profile(profile))
    }
}

/// The refusals and the list, of which the first that does not let a call pass has the word.
fn linear(table: &Table, arch: &str, target: TargetArch) -> Result<Vec<BpfProgram>, SeccompError> {
    let mut programs = Vec::new();
    for refuse in &table.refuse {
        let rules: Vec<Value> = refuse.calls.iter().map(|name| json!({ "syscall": name })).collect();
        let action = json!({ "errno": number(&refuse.error)? });
        programs.push(program(&json!("allow"), &action, &rules, target)?);
    }
    let ours = table.allow.iter().filter(|allow| allow.arch.as_deref().is_none_or(|only| only == arch));
    let passing: Vec<Value> = ours.flat_map(rules).collect();
    let denied = json!({ "errno": number("EPERM")? });
    programs.push(program(&denied, &json!("allow"), &passing, target)?);
    Ok(programs)
}

/// The rules of an entry, of which one must hold: a list of values makes one for each of them.
fn rules(allow: &Allow) -> Vec<Value> {
    let mut ways: Vec<Vec<Value>> = vec![vec![]];
    for condition in &allow.when {
        let alternatives = alternatives(condition);
        ways = ways
            .iter()
            .flat_map(|way| {
                alternatives.iter().map(|one| way.iter().chain([one]).cloned().collect::<Vec<_>>())
            })
            .collect();
    }
    let call = |name: &String| {
        let name = name.clone();
        ways.iter().map(move |way| match way.as_slice() {
            [] => json!({ "syscall": name }),
            way => json!({ "syscall": name, "args": way }),
        })
    };
    allow.calls.iter().flat_map(call).collect()
}

fn alternatives(condition: &Condition) -> Vec<Value> {
    let size = match condition.size {
        Size::Dword => "dword",
        Size::Qword => "qword",
    };
    let one = |operator: Value, value: u64| json!({ "index": condition.argument, "type": size, "op": operator, "val": value });
    let equal = condition.mask.map_or(json!("eq"), |mask| json!({ "masked_eq": mask }));
    let is = condition.is.iter().chain(&condition.any).map(|value| one(equal.clone(), *value));
    is.chain(condition.not.iter().map(|value| one(json!("ne"), *value))).collect()
}

fn program(
    otherwise: &Value,
    matched: &Value,
    rules: &[Value],
    target: TargetArch,
) -> Result<BpfProgram, SeccompError> {
    let text = json!({ "filter": {
        "mismatch_action": otherwise, "match_action": matched, "filter": rules,
    }});
    let mut programs: BTreeMap<_, _> =
        seccompiler::compile_from_json(text.to_string().as_bytes(), target)?.into_iter().collect();
    Ok(programs.remove("filter").unwrap_or_default())
}

fn number(error: &str) -> Result<i32, SeccompError> {
    use nix::libc::{EACCES, ENOSYS, EPERM};
    match error {
        "EPERM" => Ok(EPERM),
        "EACCES" => Ok(EACCES),
        "ENOSYS" => Ok(ENOSYS),
        other => Err(SeccompError::ErrorName(other.to_owned())),
    }
}

#[cfg(test)]
mod tests;
