//! Replay: what other rules would have said about actions that were weighed before, as they were weighed then.
//!
//! Both sides are the built-in rules and the rules of files alone. Leases, tokens, extensions and the sentinel are
//! left out: they answer for one moment, and the question is what the rules themselves say.

use serde::{Deserialize, Serialize};
use testudo::action::Judged;
use testudo::verdict::{Decision, Reason, Verdict, Weight};

use crate::engine::Hearing;
use crate::index::RuleSet;

pub mod report;

/// Most breaking changes that an ordinary yes is enough for.
pub const MOST_BREAKING: usize = 5;

/// What a change of an outcome means to people. The order is that in which they must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It would have got through more easily.
    Loosening,
    /// It could happen, asked or not, and would be denied.
    Breaking,
    /// It would have been asked about, or wanted a heavier answer.
    Tightening,
}

impl Mark {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loosening => "loosening",
            Self::Breaking => "breaking",
            Self::Tightening => "tightening",
        }
    }
}

/// What rules say about one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What may happen.
    pub verdict: Verdict,
    /// For an ask: how heavy an answer it wants.
    pub approve_by: Weight,
    /// Every rule that spoke.
    pub reasons: Vec<Reason>,
}

/// An outcome that other rules change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What it means.
    pub mark: Mark,
    /// Under the rules in force.
    pub before: Outcome,
    /// Under the others.
    pub after: Outcome,
}

/// What the built-in rules and these say about an action, without any effect.
pub fn outcome(rules: &RuleSet, judged: &Judged) -> Outcome {
    // The digest names the action in records; nothing is recorded here.
    let heard = Hearing::open(judged, String::new()).and_then(|hearing| hearing.rules(rules, judged));
    let Decision { verdict, approve_by, reasons, .. } = match heard {
        Ok(hearing) => hearing.conclude(),
        Err(decision) => *decision,
    };
    Outcome { verdict, approve_by, reasons }
}

/// What changes for one action, if its outcome does.
pub fn compare(before: &RuleSet, after: &RuleSet, judged: &Judged) -> Option<Change> {
    let (before, after) = (outcome(before, judged), outcome(after, judged));
    Some(Change { mark: mark(&before, &after)?, before, after })
}

/// What it means that an outcome becomes another one; nothing when it stays what it was.
fn mark(before: &Outcome, after: &Outcome) -> Option<Mark> {
    // How heavy an answer is matters only where one is asked for.
    let ease = |outcome: &Outcome| {
        (outcome.verdict, if outcome.verdict == Verdict::Ask { outcome.approve_by } else { Weight::Reaction })
    };
    match ease(after).cmp(&ease(before)) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Mark::Loosening),
        std::cmp::Ordering::Greater if after.verdict == Verdict::Deny => Some(Mark::Breaking),
        std::cmp::Ordering::Greater => Some(Mark::Tightening),
    }
}

/// What a person must type to take so many breaking changes; nothing for [`MOST_BREAKING`] of them and fewer.
pub fn phrase(breaking: usize) -> Option<String> {
    (breaking > MOST_BREAKING).then(|| format!("I break {breaking} decisions"))
}

#[cfg(test)]
mod tests;
