//! What is kept of one person, and what an identity is beside it: the deciding part, without I/O.

use serde::{Deserialize, Serialize};

/// What stands in the place of a key where what was kept cannot be read: no identity has this key.
const UNREADABLE: &str = "unreadable";

/// What is kept of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    /// The identity that he is known by.
    pub(super) key: String,
    /// Another identity that was seen of him since: the first one, until an operator says which is his.
    #[serde(default)]
    pub(super) other: Option<String>,
    /// That there is another one is in the record already.
    #[serde(default)]
    pub(super) is_recorded: bool,
}

impl Pin {
    /// Of somebody who is known by this identity, and no other one was seen.
    pub(super) const fn of(key: String) -> Self {
        Self { key, other: None, is_recorded: false }
    }

    /// Reads what was kept. Where it is damaged he was known by one that he cannot have, so that he hears nothing until
    /// an operator verified or accepted the one that he has.
    pub(super) fn read(kept: &[u8]) -> Self {
        serde_json::from_slice(kept).unwrap_or_else(|_| Self::unreadable())
    }

    /// Of somebody who was known by something that cannot be read.
    pub(super) fn unreadable() -> Self {
        Self::of(UNREADABLE.to_owned())
    }

    /// What is kept once another identity was seen. One after it changes nothing: who shows a new one each second must
    /// not have each of them written and recorded.
    pub(super) fn with_another(pin: Option<Self>, key: &str) -> Self {
        let pin = pin.unwrap_or_else(|| Self::of(key.to_owned()));
        if pin.other.is_some() {
            return pin;
        }
        Self { other: Some(key.to_owned()), is_recorded: false, ..pin }
    }
}

/// An identity as the homeserver shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its public master key.
    pub(super) key: String,
    /// An operator verified it.
    pub(super) is_verified: bool,
    /// One of his was verified, and this is not.
    pub(super) is_violation: bool,
}

/// What an identity is, beside the one that is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The one that he is known by.
    Known,
    /// From now on he is known by it.
    Pin,
    /// Another one, of which nobody has said that it is his.
    Changed,
}

/// Verifying outranks what was seen first, in both directions.
pub(super) fn judge(pin: Option<&Pin>, seen: &Seen) -> Judgement {
    match pin {
        Some(pin) if pin.key == seen.key && pin.other.is_none() && !seen.is_violation => Judgement::Known,
        _ if seen.is_verified => Judgement::Pin,
        None if !seen.is_violation => Judgement::Pin,
        _ => Judgement::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_identity_and_one_that_an_operator_verified_are_his() {
        for (pinned, key, is_verified, is_violation, expected) in [
            (None, "a", false, false, Judgement::Pin),
            (None, "a", true, false, Judgement::Pin),
            (Some("a"), "a", false, false, Judgement::Known),
            (Some("a"), "a", true, false, Judgement::Known),
            (Some("a"), "b", false, false, Judgement::Changed),
            (Some("a"), "b", true, false, Judgement::Pin),
            // Verified once, and not any more: also where we never saw the one that was.
            (Some("a"), "b", false, true, Judgement::Changed),
            (Some("b"), "b", false, true, Judgement::Changed),
            (None, "b", false, true, Judgement::Changed),
        ] {
            let seen = Seen { key: key.into(), is_verified, is_violation };
            let pin = pinned.map(|key: &str| Pin::of(key.into()));
            assert_eq!(judge(pin.as_ref(), &seen), expected, "{pinned:?} {seen:?}");
        }
    }

    #[test]
    fn an_identity_that_was_shown_and_taken_back_is_not_forgotten_until_an_operator_looks() {
        let pin = Pin { other: Some("b".into()), ..Pin::of("a".into()) };
        for (key, is_verified, expected) in [
            ("a", false, Judgement::Changed),
            ("b", false, Judgement::Changed),
            ("c", false, Judgement::Changed),
            ("a", true, Judgement::Pin),
            ("b", true, Judgement::Pin),
        ] {
            let seen = Seen { key: key.into(), is_verified, is_violation: false };
            assert_eq!(judge(Some(&pin), &seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_second_other_identity_is_not_recorded_again_until_an_operator_looked() {
        let first = Pin::with_another(Some(Pin::of("a".into())), "b");
        assert_eq!(first, Pin { other: Some("b".into()), ..Pin::of("a".into()) });
        let recorded = Pin { is_recorded: true, ..first };
        for key in ["c", "d", "b", "a"] {
            assert_eq!(Pin::with_another(Some(recorded.clone()), key), recorded, "{key}");
        }
        let accepted = Pin::of("b".into());
        assert!(!Pin::with_another(Some(accepted), "c").is_recorded);
    }

    #[test]
    fn of_what_is_damaged_every_identity_is_another_one_until_an_operator_verified_it() {
        for kept in [&b"{}"[..], b"", b"\xff", b"{\"key\": 1}"] {
            let pin = Pin::read(kept);
            for (is_verified, expected) in [(false, Judgement::Changed), (true, Judgement::Pin)] {
                let seen = Seen { key: "a".into(), is_verified, is_violation: false };
                assert_eq!(judge(Some(&pin), &seen), expected, "{kept:?} {seen:?}");
            }
        }
        assert_eq!(Pin::read(b"{\"key\": \"a\"}"), Pin::of("a".into()));
    }
}
