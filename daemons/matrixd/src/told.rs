//! Who was told already that something has no effect: at first at once, and then so many times a minute, so that a flood
//! gets no flood back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedUserId, UserId};

/// For how long a telling counts, in milliseconds.
const LASTS_MS: u64 = 60_000;
/// Most people who are remembered; with more all are told anew.
const MOST: usize = 1_000;

/// Who was told when about what. A restart may tell once more.
#[derive(Debug)]
pub(crate) struct Told {
    a_minute: usize,
    told: Mutex<HashMap<(String, OwnedUserId), Vec<u64>>>,
}

impl Told {
    /// Each is told so many times a minute about one subject.
    pub(crate) fn at_most(a_minute: usize) -> Self {
        Self { a_minute, told: Mutex::default() }
    }

    /// Whether somebody is told now about a subject, such as a room or a prompt; then it counts.
    pub(crate) fn is_due(&self, subject: &str, user: &UserId, now_ms: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, times| {
            // A clock that went back silences nobody.
            times.retain(|at| (*at..at.saturating_add(LASTS_MS)).contains(&now_ms));
            !times.is_empty()
        });
        if told.len() >= MOST {
            told.clear();
        }
        let times = told.entry((subject.to_owned(), user.to_owned())).or_default();
        let is_due = times.len() < self.a_minute;
        if is_due {
            times.push(now_ms);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;

    #[test]
    fn each_is_told_at_once_and_then_so_many_times_a_minute() {
        let ann = user_id!("@ann:x");
        for (a_minute, expected) in [
            (1, vec![5_000, 65_000, 125_000]),
            (3, vec![5_000, 6_000, 7_000, 65_000, 66_000, 67_000, 125_000, 126_000, 127_000]),
        ] {
            let told = Told::at_most(a_minute);
            let seconds = (0..180).map(|second| 5_000 + second * 1_000);
            let due: Vec<u64> = seconds.filter(|now| told.is_due("p", ann, *now)).collect();
            assert_eq!(due, expected);
            assert!(told.is_due("p", user_id!("@bob:x"), 184_000), "another person");
            assert!(told.is_due("q", ann, 184_000), "another subject");
            assert!(told.is_due("p", ann, 1_000), "the clock went back");
        }
    }

    #[test]
    fn a_thousand_subjects_are_not_kept_for_ever() {
        let (told, bob) = (Told::at_most(1), user_id!("@bob:home.org"));
        for number in 0..5_000 {
            assert!(told.is_due(&format!("!r{number}:home.org"), bob, 0));
        }
        assert!(told.told.lock().unwrap().len() <= MOST);
    }
}
