//! Built-in rules: compiled in, always run, and no policy file or lease can undo them. Ten at most.

use testudo::action::{Judged, Phase};
use testudo::verdict::{Reason, Verdict};

use crate::pattern::lexical;

/// What the built-in rules say about an action.
pub(crate) fn reasons(judged: &Judged) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut say = |rule: &str, verdict, text: &str| {
        reasons.push(Reason { rule: rule.to_owned(), verdict, text: text.to_owned() });
    };
    if judged.changes.iter().any(|change| touches_journal(&change.path)) {
        say(
            "protect-apply-journal",
            Verdict::Deny,
            "the journal of applied changes is not for tools to write",
        );
    }
    if judged.changes.iter().any(|change| climbs_out(&change.path)) {
        say("stay-in-workspace", Verdict::Deny, "a change may not leave the workspace");
    }
    if judged.action.phase == Phase::Apply && judged.action.change_set.is_none() {
        say(
            "name-the-change-set",
            Verdict::Deny,
            "an application must be bound to the digest of its change set",
        );
    }
    reasons
}

fn touches_journal(path: &str) -> bool {
    lexical(path).split('/').next() == Some(".testudo")
}

fn climbs_out(path: &str) -> bool {
    let path = lexical(path);
    path.starts_with('/') || path.split('/').next() == Some("..") || path.is_empty()
}
