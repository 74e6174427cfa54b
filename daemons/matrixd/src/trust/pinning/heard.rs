//! The identities that were heard of people and are not weighed yet.
//!
//! The homeserver sends as many as it likes, faster than a store is written. So they wait here, a few of each person,
//! and only of people who are on a list: however many it sends, what waits stays small.

use std::collections::BTreeMap;

use matrix_sdk::ruma::{OwnedUserId, UserId};

/// How many different identities of one person wait. He is known by one of them at most, so that whichever are kept of
/// more, one of them is another one.
pub(super) const MOST: usize = 4;

/// What waits, by whose it is; of each person in the order in which it was heard.
pub(super) struct Heard<I> {
    of: BTreeMap<OwnedUserId, Vec<Waiting<I>>>,
    /// How many were heard.
    count: u64,
}

/// One that waits.
struct Waiting<I> {
    /// Which of all that were heard.
    number: u64,
    /// The key of the identity.
    key: String,
    identity: I,
}

impl<I> Default for Heard<I> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), count: 0 }
    }
}

impl<I: Clone> Heard<I> {
    /// Keeps one that was heard now, in the place of what was heard of the same one; of too many, the oldest goes.
    pub(super) fn hear(&mut self, user: OwnedUserId, key: String, identity: I) {
        self.count = self.count.wrapping_add(1);
        let waiting = self.of.entry(user).or_default();
        waiting.retain(|one| one.key != key);
        if waiting.len() >= MOST {
            waiting.remove(0);
        }
        waiting.push(Waiting { number: self.count, key, identity });
    }

    /// Somebody of whom an identity waits.
    pub(super) fn somebody(&self) -> Option<OwnedUserId> {
        self.of.keys().next().cloned()
    }

    /// The oldest of somebody, with its number. It waits until it is said to be weighed: who weighs it may be dropped.
    pub(super) fn oldest(&self, user: &UserId) -> Option<(u64, I)> {
        self.of.get(user)?.first().map(|one| (one.number, one.identity.clone()))
    }

    /// The one of this number was weighed. What was heard of the same identity since waits.
    pub(super) fn weighed(&mut self, user: &UserId, number: u64) {
        let Some(waiting) = self.of.get_mut(user) else { return };
        waiting.retain(|one| one.number != number);
        if waiting.is_empty() {
            self.of.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;

    /// Weighs all that waits of somebody.
    fn all_of(heard: &mut Heard<u32>, user: &UserId) -> Vec<u32> {
        let mut all = Vec::new();
        while let Some((number, identity)) = heard.oldest(user) {
            heard.weighed(user, number);
            all.push(identity);
        }
        all
    }

    #[test]
    fn of_each_person_a_few_identities_wait_in_their_order_however_many_come() {
        let (ann, bob) = (user_id!("@ann:home.org"), user_id!("@bob:home.org"));
        let mut heard = Heard::default();
        heard.hear(bob.to_owned(), "his".into(), 7);
        for number in 0..1000 {
            heard.hear(ann.to_owned(), format!("key {number}"), number);
        }
        assert_eq!(heard.somebody().as_deref(), Some(ann));
        assert_eq!(all_of(&mut heard, ann), [996, 997, 998, 999]);
        assert_eq!(heard.somebody().as_deref(), Some(bob), "who waits is not pushed out by another");
        assert_eq!(all_of(&mut heard, bob), [7]);
        assert_eq!(heard.somebody(), None);
    }

    #[test]
    fn the_same_identity_waits_once_as_it_was_heard_last() {
        let ann = user_id!("@ann:home.org");
        let mut heard = Heard::default();
        for (key, identity) in [("a", 1), ("b", 2), ("a", 3)] {
            heard.hear(ann.to_owned(), key.into(), identity);
        }
        assert_eq!(all_of(&mut heard, ann), [2, 3]);
    }

    #[test]
    fn an_identity_waits_until_it_was_weighed_and_again_where_it_was_heard_meanwhile() {
        let ann = user_id!("@ann:home.org");
        let mut heard = Heard::default();
        heard.hear(ann.to_owned(), "a".into(), 1);
        let (number, _) = heard.oldest(ann).unwrap();
        assert_eq!(heard.oldest(ann), Some((number, 1)), "who began to weigh it was dropped");
        heard.hear(ann.to_owned(), "a".into(), 2);
        heard.weighed(ann, number);
        assert_eq!(all_of(&mut heard, ann), [2]);
    }
}
