//! Whom a call reaches, and names that look like something else.
//!
//! A name is suspicious when it mixes scripts in a word, when its letters look like Latin ones and are not, when it
//! hides behind punycode, and when it looks like one that a person approved before and is another.

use serde_json::Value;
use testudo::action::{Effect, Judged};
use testudo::declaration::Role;
use unicode_security::MixedScript as _;
use unicode_security::confusable_detection::skeleton;

use super::values::quoted;
use crate::desk::Desk;
use crate::ledger::{Entry, Ledger, LedgerError};

/// Whom the arguments name: every string in an argument that is a destination or an address of the web. An argument
/// that nobody declared could be one too.
pub fn of(judged: &Judged) -> Vec<String> {
    let outward = judged.effects().iter().any(|effect| {
        matches!(effect, Effect::ReadExternal | Effect::Message | Effect::Spend | Effect::Configure)
    });
    let mut found = Vec::new();
    for (name, value) in judged.action.arguments.as_object().into_iter().flatten() {
        match judged.declaration.arguments.get(name) {
            Some(Role::Destination | Role::Url) => strings(value, &mut found),
            None if outward => strings(value, &mut found),
            _ => {}
        }
    }
    found
}

/// Names of other things that a person could mistake for one another: paths, ids and what something new is called.
fn names(judged: &Judged) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in judged.action.arguments.as_object().into_iter().flatten() {
        if let Some(Role::Path | Role::Selector | Role::Label) = judged.declaration.arguments.get(name) {
            strings(value, &mut found);
        }
    }
    found
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|member| strings(member, found)),
        _ => {}
    }
}

/// What is suspicious about the names in an action. For destinations `familiar` gives a different name that looks the same.
///
/// # Errors
/// Those of `familiar`.
pub fn warnings<E>(
    judged: &Judged,
    familiar: impl Fn(&str) -> Result<Option<String>, E>,
) -> Result<Vec<String>, E> {
    let mut warnings = Vec::new();
    let destinations = of(judged).into_iter().map(|name| (name, true));
    for (name, reached) in destinations.chain(names(judged).into_iter().map(|name| (name, false))) {
        let shown = quoted(&name);
        let words = || name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        if words().any(|word| !word.is_single_script()) {
            warnings.push(format!("{shown} mixes the letters of several scripts in one word"));
        }
        if let Some(word) = words().find(|word| !word.is_ascii() && looks(word).is_ascii()) {
            warnings.push(format!(
                "in {shown}, {} looks like the Latin {}, and is not",
                quoted(word),
                quoted(&looks(word))
            ));
        }
        if name.split(['.', '/', '@', ':']).any(|label| label.to_ascii_lowercase().starts_with("xn--")) {
            warnings.push(format!("{shown} is written in punycode, which shows other letters elsewhere"));
        }
        if reached && let Some(known) = familiar(&name)? {
            warnings.push(format!(
                "{shown} looks like {}, which was approved before, and is another",
                quoted(&known)
            ));
        }
    }
    Ok(warnings)
}

/// What a name looks like: names with the same looks can be taken for each other.
fn looks(name: &str) -> String {
    skeleton(&name.to_lowercase()).collect()
}

impl Ledger {
    /// A name that was approved before, that looks like this one and is another.
    ///
    /// # Errors
    /// The database's.
    pub fn familiar(&self, name: &str) -> Result<Option<String>, LedgerError> {
        let mut statement =
            self.database.prepare_cached("SELECT value FROM familiar WHERE skeleton = ?1 ORDER BY value")?;
        let found: Vec<String> =
            statement.query_map([looks(name)], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let known = found.iter().any(|value| same(value, name));
        Ok(if known { None } else { found.into_iter().next() })
    }

    fn remember(&self, names: &[String]) -> Result<(), LedgerError> {
        for name in names {
            self.database.execute(
                "INSERT OR IGNORE INTO familiar (value, skeleton) VALUES (?1, ?2)",
                [name, &looks(name)],
            )?;
        }
        Ok(())
    }
}

/// Addresses and hosts do not care about the case of ASCII letters.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

impl Desk {
    /// Keeps the destinations of what was approved. Losing one only loses a warning.
    pub(crate) fn remember_destinations(&self, entry: &Entry) {
        let names = of(&entry.judged());
        if let Err(error) = self.with_ledger(|ledger| ledger.remember(&names)) {
            tracing::warn!("destinations were not kept: {}", error.text());
        }
    }
}
