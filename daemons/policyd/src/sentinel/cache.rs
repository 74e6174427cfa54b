//! Verdicts that need not be asked for again, for one session.
//!
//! A verdict is remembered for one rule in its exact words and one action by its digest, and only while the session is
//! as it was: a message, an answer of a person, a switched rule, what the owner vouches for or a new label in the session
//! forgets everything.
//! Failures are never remembered.

use std::collections::HashMap;

use testudo::label::Labels;

use super::verdict::Spoken;

/// Most verdicts of one session.
const MOST: usize = 512;

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The rule's id.
    pub rule: String,
    /// The digest of its question.
    pub question: String,
    /// The digest of the action.
    pub action: String,
}

/// What a session was like when a verdict was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// The number of the last entry of its log that matters.
    pub entry: i64,
    /// Its labels, as far as they are of somebody whom the owner does not answer for.
    pub taint: Labels,
}

impl Moment {
    /// A session after this entry of its log, with these labels.
    pub fn of(entry: i64, taint: &Labels) -> Self {
        let sources = taint.sources.iter().filter(|source| source.is_foreign()).cloned().collect();
        Self { entry, taint: Labels { sources, private: taint.private } }
    }
}

/// The verdicts of one session.
#[derive(Debug, Default)]
pub struct Cache {
    moment: Moment,
    verdicts: HashMap<Key, Spoken>,
}

impl Cache {
    /// The verdict on this, if it was given in this moment.
    pub fn get(&mut self, moment: &Moment, key: &Key) -> Option<Spoken> {
        self.move_to(moment);
        self.verdicts.get(key).cloned()
    }

    /// Remembers a verdict that was given in this moment.
    pub fn put(&mut self, moment: &Moment, key: Key, spoken: Spoken) {
        self.move_to(moment);
        if self.verdicts.len() >= MOST {
            self.verdicts.clear();
        }
        self.verdicts.insert(key, spoken);
    }

    fn move_to(&mut self, moment: &Moment) {
        if self.moment != *moment {
            self.moment = moment.clone();
            self.verdicts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentinel::verdict::Risk;
    use testudo::label::Source;
    use testudo::verdict::Verdict;

    fn key(rule: &str, question: &str, action: &str) -> Key {
        Key { rule: rule.into(), question: question.into(), action: action.into() }
    }

    fn spoken() -> Spoken {
        Spoken { decision: Verdict::Allow, explanation: String::new(), risk: Risk::Low }
    }

    #[test]
    fn a_verdict_is_for_its_rule_its_words_and_its_action() {
        let (mut cache, now) = (Cache::default(), Moment::default());
        cache.put(&now, key("r", "q", "a"), spoken());
        assert_eq!(cache.get(&now, &key("r", "q", "a")), Some(spoken()));
        for other in [key("s", "q", "a"), key("r", "p", "a"), key("r", "q", "b")] {
            assert_eq!(cache.get(&now, &other), None);
        }
    }

    #[test]
    fn whatever_matters_forgets_everything() {
        let now = Moment::default();
        let moments = [
            Moment { entry: 1, ..now.clone() },
            Moment { taint: Labels::of(Source::Mail), ..now.clone() },
            Moment { taint: Labels::default().private(), ..now.clone() },
        ];
        for later in moments {
            let mut cache = Cache::default();
            cache.put(&now, key("r", "q", "a"), spoken());
            assert_eq!(cache.get(&later, &key("r", "q", "a")), None, "{later:?}");
            assert_eq!(cache.get(&now, &key("r", "q", "a")), None, "it is gone for good");
        }
    }

    #[test]
    fn only_labels_of_others_matter() {
        let plain = Moment::of(1, &Labels::default());
        assert_eq!(Moment::of(1, &Labels::of(Source::Model)), plain);
        for other in [Labels::of(Source::File), Labels::of(Source::Stranger), Labels::default().private()] {
            assert_ne!(Moment::of(1, &other), plain);
        }
    }

    #[test]
    fn it_is_bounded() {
        let (mut cache, now) = (Cache::default(), Moment::default());
        for number in 0..=MOST {
            cache.put(&now, key("r", "q", &number.to_string()), spoken());
        }
        assert!(cache.verdicts.len() <= MOST);
    }
}
