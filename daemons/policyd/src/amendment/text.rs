//! The text of an amendment: what it may be called, what it may say, and how its change is shown.

use std::collections::BTreeSet;

use similar::TextDiff;
use testudo::config::Amendments;
use testudo::diagnostic::{Diagnostic, Diagnostics, Severity};
use testudo::visible::is_visible;
use testudo_policy::rule::{self, Policy};

use crate::rules_file::InForce;

/// Reads an amendment and adds what only an amendment may not do.
pub(super) fn check(
    file: &str,
    text: &str,
    in_force: &InForce,
    name: &str,
    amendments: Amendments,
) -> Result<(Policy, Vec<Diagnostic>), Diagnostics> {
    let (policy, warnings) = rule::parse(file, text)?;
    let mut mistakes = Vec::new();
    let mut refuse = |at: usize, width: usize, why: String| {
        mistakes.push(Diagnostic::at(Severity::Error, file, text, at..at + width, why));
    };
    for (at, c) in text.char_indices().filter(|(_, c)| !matches!(c, '\n' | '\t') && !is_visible(*c)) {
        refuse(
            at,
            c.len_utf8(),
            format!("nobody can see the character U+{:04X}: write it as an escape", u32::from(c)),
        );
    }
    let others: BTreeSet<&str> = in_force
        .files()
        .filter(|other| other.name != name)
        .flat_map(|other| other.policy.rules.iter().map(|rule| rule.name.as_str()))
        .collect();
    for rule in policy.rules.iter().filter(|rule| others.contains(rule.name.as_str())) {
        let quoted = format!("\"{}\"", rule.name);
        let at = text.find(&quoted).unwrap_or_default();
        refuse(
            at,
            quoted.len(),
            format!("another policy file has a rule `{}`: reasons name rules by it", rule.name),
        );
    }
    if amendments != Amendments::Replace && !policy.tags.is_empty() {
        let at = text.find("[[tag]]").unwrap_or_default();
        refuse(at, 7, "an added file gives no tags: they would change what declared rules mean".into());
    }
    if mistakes.is_empty() {
        return Ok((policy, warnings));
    }
    mistakes.truncate(100);
    Err(Diagnostics(mistakes))
}

/// The unified diff of a policy file that is new, changed or taken out.
pub(super) fn unified(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let side = |prefix: &str, text: Option<&str>| match text {
        Some(_) => format!("{prefix}/policy/{name}.toml"),
        None => "/dev/null".to_owned(),
    };
    TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default())
        .unified_diff()
        .header(&side("a", before), &side("b", after))
        .to_string()
}

/// Whether a policy file can have this name: it becomes part of a path.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 64 && name.starts_with(is_plain) && name.chars().all(|c| is_plain(c) || c == '-')
}
