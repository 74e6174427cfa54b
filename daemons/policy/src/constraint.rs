//! Constraints: what must be true besides the match before a rule may allow. One that is not met silences the rule.

use serde_json::Value;
use testudo::action::{Judged, Phase};
use testudo::config::reader::Table;

use crate::change;

/// Most changes that can be asked for.
const MOST_CHANGES: u32 = 1_000_000;
/// What the instances of our sandboxes are called: this, the template, `@` and a number.
const SANDBOX: &str = "testudo-sandbox-";

/// What an allowing rule demands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Constraints {
    /// Bytes, of all strings among the arguments and of all contents of the change set, each.
    max_size: Option<u64>,
    /// Paths of a change set.
    max_changes: Option<usize>,
    /// Lines that come and go, of the whole change set; what is no text has no number that would be few enough.
    max_lines: Option<u64>,
    /// The call runs in one of our sandboxes.
    sandboxed: bool,
    /// Only a token permits it. Where one is valid the rules are not asked at all.
    token: bool,
}

impl Constraints {
    /// Reads a table; what is wrong with it is noted and read as absent.
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let constraints = Self {
            max_size: table.size("max_size"),
            max_changes: table
                .integer("max_changes", 0..=MOST_CHANGES)
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            max_lines: change::max_lines(table),
            sandboxed: table.word("sandbox", &["standard"]).is_some(),
            token: table.boolean("token").unwrap_or_default(),
        };
        table.finish();
        constraints
    }

    /// Whether all of them are met.
    pub(crate) fn met(&self, judged: &Judged) -> bool {
        let size = |most: u64| {
            let changed = judged.changes.iter().fold(0u64, |sum, change| sum.saturating_add(change.size));
            length(&judged.action.arguments) <= most && changed <= most
        };
        !self.token
            && self.max_size.is_none_or(size)
            && self.max_changes.is_none_or(|most| judged.changes.len() <= most)
            && self.max_lines.is_none_or(|most| change::lines(judged).is_some_and(|lines| lines <= most))
            && (!self.sandboxed || is_sandboxed(judged))
    }
}

/// An application is what came out of a sandbox; a call must name the one that it would run in.
fn is_sandboxed(judged: &Judged) -> bool {
    judged.action.phase == Phase::Apply
        || judged.bearer.as_ref().is_some_and(|bearer| bearer.unit.starts_with(SANDBOX))
}

/// Bytes of all strings of a value, its keys among them.
fn length(value: &Value) -> u64 {
    let of = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    match value {
        Value::String(text) => of(text),
        Value::Array(items) => items.iter().map(length).fold(0, u64::saturating_add),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| of(key).saturating_add(length(value)))
            .fold(0, u64::saturating_add),
        _ => 0,
    }
}
