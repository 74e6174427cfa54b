//! The answer of the policy decision point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::Judged;
use crate::flow::{Finding, Origin};

/// What may happen. Whoever gets one must look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[must_use = "a verdict that nobody looks at guards nothing"]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It may happen if a person says so.
    Ask,
    /// It must not happen.
    Deny,
}

impl Verdict {
    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// The stricter of two.
    pub fn stricter(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Which layer settled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Compiled in.
    Builtin,
    /// A token of a step that a person approved.
    Token,
    /// A rule of a policy file.
    Rules,
    /// An extension rule.
    Extension,
    /// A lease that a person gave earlier.
    Lease,
    /// A rule in plain language, judged by a model.
    Sentinel,
    /// Nothing spoke: the default, which is deny.
    Default,
}

/// How heavy an answer must be. The order is that of weight; a heavier answer serves for a lighter question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// A reaction, which a homeserver could forge.
    Reaction,
    /// An answer in words that names the question, from a person whom the channel knows.
    #[default]
    Reply,
    /// With a one-time code that `policyd` verifies itself.
    Otp,
    /// At the machine, authenticated by polkit.
    Local,
}

impl Weight {
    /// All of them, lightest first.
    pub const ALL: [Self; 4] = [Self::Reaction, Self::Reply, Self::Otp, Self::Local];

    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reaction => "reaction",
            Self::Reply => "reply",
            Self::Otp => "otp",
            Self::Local => "local",
        }
    }
}

/// Why: one rule that spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The rule's name.
    pub rule: String,
    /// What it said.
    pub verdict: Verdict,
    /// Its reason, in its author's words.
    pub text: String,
}

/// A verdict with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "a decision that nobody looks at guards nothing"]
pub struct Decision {
    /// What may happen.
    pub verdict: Verdict,
    /// Who settled it.
    pub layer: Layer,
    /// Every rule that matched and had an opinion.
    pub reasons: Vec<Reason>,
    /// Rules that would have matched and stood aside because of an exception.
    pub abstained: Vec<String>,
    /// The digest of the action that was judged.
    pub digest: String,
    /// For [`Verdict::Ask`]: how heavy an answer it wants.
    #[serde(default)]
    pub approve_by: Weight,
    /// For [`Verdict::Ask`]: how long the question stands, in milliseconds, where a rule says so.
    #[serde(default)]
    pub ttl_ms: Option<u64>,
    /// For [`Verdict::Ask`]: the approval to wait for.
    #[serde(default)]
    pub approval: Option<String>,
}

/// A decision for people, with where the arguments came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What would be decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// The origin of each argument, by its name.
    pub origins: BTreeMap<String, Origin>,
    /// What the information flow of the session says against it.
    pub findings: Vec<Finding>,
}

impl Explanation {
    /// The decision about an action that was judged.
    pub fn new(decision: Decision, judged: &Judged) -> Self {
        Self { decision, origins: judged.flow.origins.clone(), findings: judged.flow.findings.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_verdict_wins_in_any_order() {
        use Verdict::{Allow, Ask, Deny};
        for (a, b, expected) in
            [(Allow, Ask, Ask), (Ask, Deny, Deny), (Allow, Deny, Deny), (Allow, Allow, Allow)]
        {
            assert_eq!(a.stricter(b), expected);
            assert_eq!(b.stricter(a), expected);
        }
    }
}
