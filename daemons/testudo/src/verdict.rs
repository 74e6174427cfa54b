//! The answer of the policy decision point.

use serde::{Deserialize, Serialize};

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
    /// A lease that a person gave earlier.
    Lease,
    /// A rule of a policy file.
    Rules,
    /// Nothing spoke: the default, which is deny.
    Default,
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
    /// For [`Verdict::Ask`]: the approval to wait for.
    #[serde(default)]
    pub approval: Option<String>,
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
