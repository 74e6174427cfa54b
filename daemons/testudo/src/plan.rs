//! A plan: steps that a person is asked about once, before any of them.
//!
//! A yes to a plan is a yes to exactly these steps in this order. It becomes one token for each step, which only
//! `toold` gets and presents; a call that is no step of it, or comes out of turn, is decided like any other.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::action::{Judged, Phase};
use crate::canonical;
use crate::verdict::{Reason, Verdict, Weight};

/// Most steps of a plan; more than that nobody reads.
pub const MOST_STEPS: usize = 20;

/// A plan as `toold` hands it to `policyd`. All steps are of one session and one requester.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is for, in the words of who proposes it.
    pub goal: String,
    /// The call that proposes it.
    pub call: String,
    /// In order; 1 to [`MOST_STEPS`].
    pub steps: Vec<Step>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The call itself.
    pub call: Judged,
    /// Every way in which its changes may be applied without another question, where that can be foreseen; of them
    /// at most one happens.
    pub applications: Vec<Judged>,
}

/// The answer to a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "a decision that nobody looks at guards nothing"]
pub struct Planned {
    /// Allow: no step needs a person, each is decided as it comes. Ask: a person is asked. Deny: a step is denied.
    pub verdict: Verdict,
    /// The digest that a yes is bound to.
    pub digest: String,
    /// What was found of each step, in order.
    pub steps: Vec<StepVerdict>,
    /// For [`Verdict::Ask`]: the approval to wait for.
    pub approval: Option<String>,
}

/// What was found of one step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepVerdict {
    /// The strictest of the call and its foreseen applications.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<Reason>,
    /// How heavy an answer it wants.
    pub approve_by: Weight,
}

/// What a yes to a plan gives `toold`, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// The steps that were granted, from 1.
    pub granted: Vec<usize>,
    /// When the tokens end, RFC 3339 in UTC.
    pub expires_at: String,
    /// In the order in which they can be spent.
    pub tokens: Vec<Spendable>,
}

/// A token with the digest of the one thing that it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spendable {
    /// The digest of the action; for an application, [`foreseen`].
    pub digest: String,
    /// The token as `policyd` wants it back.
    pub token: String,
}

/// The digest of an application that could be foreseen: it covers what a change set's digest covers that a plan
/// can know, which is every path and every content.
///
/// None for a call, and for changes that no plan can name: anything but new or changed plain files that are not
/// executable, and the directories on the way to them.
pub fn foreseen(judged: &Judged) -> Option<String> {
    if judged.action.phase != Phase::Apply || judged.hidden.is_some() || judged.changes.is_empty() {
        return None;
    }
    let is_way = |path: &str| {
        let below = format!("{path}/");
        judged.changes.iter().any(|change| change.sha256.is_some() && change.path.starts_with(&below))
    };
    let mut files = Vec::new();
    for change in &judged.changes {
        let is_plain = change.mode.is_some_and(|mode| mode & 0o7111 == 0)
            && change.target.is_none()
            && change.repository.is_none();
        match (change.kind.as_str(), &change.sha256) {
            ("add" | "modify", Some(sha256)) if is_plain => {
                files.push(json!([change.path, change.kind, sha256]));
            }
            ("mkdir", None) if change.mode.is_some_and(|mode| mode & 0o7022 == 0) && is_way(&change.path) => {
            }
            _ => return None,
        }
    }
    let text = canonical::text_of(&files).ok()?;
    let mut action = judged.action.clone();
    action.change_set = Some(canonical::digest("testudo.foreseen.v1", &text));
    action.digest().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Effect};
    use crate::change::ChangeSummary;
    use crate::identity::Principal;

    fn change(path: &str, kind: &str, sha256: Option<&str>, mode: u32) -> ChangeSummary {
        let sha256 = sha256.map(str::to_owned);
        ChangeSummary {
            path: path.into(),
            kind: kind.into(),
            size: 1,
            mode: Some(mode),
            sha256,
            target: None,
            ..ChangeSummary::default()
        }
    }

    fn applied(changes: &[ChangeSummary]) -> Judged {
        let action = Action {
            tool: "fs.write".into(),
            arguments: json!({"path": "d/a"}),
            effect: Effect::Write,
            phase: Phase::Apply,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: Some("of the real one".into()),
        };
        Judged { changes: changes.to_vec(), ..Judged::new(action, "c") }
    }

    #[test]
    fn directories_on_the_way_are_foreseen_with_the_file() {
        let file = change("d/a", "add", Some("00"), 0o644);
        let alone = foreseen(&applied(std::slice::from_ref(&file)));
        assert!(alone.is_some());
        assert_eq!(foreseen(&applied(&[change("d", "mkdir", None, 0o755), file])), alone);
    }

    #[test]
    fn every_other_difference_is_another_digest_or_none() {
        let file = change("d/a", "add", Some("00"), 0o644);
        let base = foreseen(&applied(std::slice::from_ref(&file)));
        for other in [
            vec![change("d/b", "add", Some("00"), 0o644)],
            vec![change("d/a", "add", Some("01"), 0o644)],
            vec![change("d/a", "modify", Some("00"), 0o644)],
            vec![change("d/a", "add", Some("00"), 0o755)],
            vec![change("d/a", "add", Some("00"), 0o4644)],
            vec![file.clone(), change("x", "delete", None, 0)],
            vec![file.clone(), change("e", "mkdir", None, 0o755)],
            vec![file.clone(), change("x", "add", Some("00"), 0o644)],
            vec![],
        ] {
            assert_ne!(foreseen(&applied(&other)), base, "{other:?}");
        }
        let hidden = Judged { hidden: Some("too long".into()), ..applied(std::slice::from_ref(&file)) };
        assert_eq!(foreseen(&hidden), None);
        let mut other = applied(&[file]);
        other.action.session = "other".into();
        assert_ne!(foreseen(&other), base);
    }
}
