//! The verifications that go on, and the last that ended, by their names here.
//!
//! How many there can be is bounded: whoever may be heard can still ask more often than anybody can answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use matrix_sdk::encryption::verification::{SasVerification, VerificationRequest};
use tokio::sync::watch;

use super::flow::{Flow, Refusal, Seen, Wish};

/// Most of one user that go on at once.
const MOST_OF_ONE: usize = 8;
/// Most that go on at once.
const MOST: usize = 64;
/// Most that are remembered after they ended.
const MOST_ENDED: usize = 32;

/// A verification and what the SDK has of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) flow: Flow,
    /// None where the other side began without asking.
    pub(super) request: Option<VerificationRequest>,
    pub(super) sas: Option<SasVerification>,
    /// The other side's name for it, which must not be listed twice.
    pub(super) transaction: String,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    turned: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    entries: BTreeMap<u64, Entry>,
}

impl Default for Book {
    fn default() -> Self {
        Self { pages: Mutex::default(), turned: watch::Sender::new(0) }
    }
}

/// How a verification gets into the book.
pub(super) struct Opened {
    pub(super) user: String,
    pub(super) device: Option<String>,
    pub(super) ours: bool,
    pub(super) since: i64,
    pub(super) transaction: String,
    pub(super) request: Option<VerificationRequest>,
    pub(super) sas: Option<SasVerification>,
}

impl Book {
    /// Writes one down and gives its number; none when it is there already or there are too many.
    pub(super) fn open(&self, opened: Opened) -> Option<u64> {
        let mut pages = self.lock();
        let is_same =
            |entry: &Entry| entry.transaction == opened.transaction && entry.flow.user == opened.user;
        if pages.entries.values().any(is_same) {
            return None;
        }
        let going = || pages.entries.values().filter(|entry| !entry.flow.state.is_over());
        let of_one = going().filter(|entry| entry.flow.user == opened.user).count();
        if !opened.ours && (of_one >= MOST_OF_ONE || going().count() >= MOST) {
            tracing::warn!("a verification that {} asks for is not listed: there are too many", opened.user);
            return None;
        }
        let ended: Vec<u64> =
            pages.entries.iter().filter(|(_, entry)| entry.flow.state.is_over()).map(|(n, _)| *n).collect();
        for number in ended.iter().take(ended.len().saturating_sub(MOST_ENDED)) {
            pages.entries.remove(number);
        }
        pages.last += 1;
        let number = pages.last;
        let flow = Flow::new(format!("v-{number}"), opened.user, opened.device, opened.ours, opened.since);
        let Opened { request, sas, transaction, .. } = opened;
        pages.entries.insert(number, Entry { flow, request, sas, transaction });
        drop(pages);
        self.turn();
        Some(number)
    }

    /// Works with one; none when there is no such.
    pub(super) fn with<T>(&self, number: u64, work: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut pages = self.lock();
        let entry = pages.entries.get_mut(&number)?;
        let before = entry.flow.clone();
        let worked = work(entry);
        let after = entry.flow.clone();
        drop(pages);
        if before.state != after.state {
            tracing::info!(id = after.id, user = after.user, state = ?after.state, "a verification went on");
        }
        // Who waits for a change looks by this too, and must not wake himself.
        if before != after {
            self.turn();
        }
        Some(worked)
    }

    /// Takes in what happened.
    pub(super) fn see(&self, number: u64, seen: Seen) {
        let _ = self.with(number, |entry| entry.flow.observe(seen));
    }

    /// What an operator wants, with the entry when he may.
    pub(super) fn wish<T>(
        &self,
        number: u64,
        wish: Wish,
        work: impl FnOnce(&mut Entry) -> T,
    ) -> Option<Result<T, Refusal>> {
        self.with(number, |entry| entry.flow.wish(wish).map(|()| work(entry)))
    }

    /// All of them, oldest first.
    pub(super) fn list(&self) -> Vec<Flow> {
        self.lock().entries.values().map(|entry| entry.flow.clone()).collect()
    }

    /// Tells of every change.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    fn turn(&self) {
        self.turned.send_modify(|turn| *turn = turn.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number in a name such as `v-1`.
pub(super) fn number(id: &str) -> Option<u64> {
    id.strip_prefix("v-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(user: &str, transaction: &str) -> Opened {
        Opened {
            user: user.into(),
            device: None,
            ours: false,
            since: 0,
            transaction: transaction.into(),
            request: None,
            sas: None,
        }
    }

    #[test]
    fn one_is_listed_once_and_a_flood_is_bounded() {
        let book = Book::default();
        assert_eq!(book.open(asked("@a:x", "1")), Some(1));
        assert_eq!(book.open(asked("@a:x", "1")), None);
        assert_eq!(book.open(asked("@b:x", "1")), Some(2));
        let mut listed = 2;
        for user in 0..100 {
            for transaction in 0..20 {
                listed +=
                    usize::from(book.open(asked(&format!("@u{user}:x"), &transaction.to_string())).is_some());
            }
        }
        assert_eq!(listed, MOST);
        assert_eq!(book.list().len(), MOST);
    }

    #[test]
    fn what_ended_is_forgotten_at_last() {
        let book = Book::default();
        for transaction in 0..200 {
            let number = book.open(asked("@a:x", &transaction.to_string())).unwrap();
            book.see(number, Seen::Ended { mismatch: false, why: "timeout".into() });
        }
        assert!(book.list().len() <= MOST_ENDED + 1);
        assert_eq!(book.list().last().unwrap().id, "v-200");
    }

    #[test]
    fn only_a_change_wakes_who_waits() {
        let book = Book::default();
        let number = book.open(asked("@a:x", "1")).unwrap();
        let mut turned = book.watch();
        turned.borrow_and_update();
        assert!(book.wish(number, Wish::Show, |_| ()).unwrap().is_err());
        assert!(!turned.has_changed().unwrap());
        book.see(number, Seen::Ready);
        assert!(turned.has_changed().unwrap());
    }

    #[test]
    fn names_are_read() {
        assert_eq!(number("v-12"), Some(12));
        assert_eq!(number("12"), None);
        assert_eq!(number("v-x"), None);
    }
}
