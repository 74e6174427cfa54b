//! The circuit breaker of one session: a judge that failed again and again is left alone for a while.
//!
//! ```text
//!  closed ──5 failures in a row──▶ open ──60 s──▶ half open: one question ──answered──▶ closed
//!                                    ▲                          └──────failed──────┐
//!                                    └──────────────────────────────────────────────┘
//! ```
//! While it is open the outcome is that of a failure, and never an allow.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it stays open.
const REST: Duration = Duration::from_mins(1);

/// Counts failures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Breaker {
    in_a_row: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Whether the judge may be asked now. The caller asks one question at a time, so half open lets one through.
    pub fn admits(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| now >= until)
    }

    /// Whether it is open.
    pub fn is_open(&self, now: Instant) -> bool {
        !self.admits(now)
    }

    /// The judge gave a verdict.
    pub const fn answered(&mut self) {
        *self = Self { in_a_row: 0, rests_until: None };
    }

    /// The judge gave none.
    pub fn failed(&mut self, now: Instant) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row >= FAILURES {
            self.rests_until = now.checked_add(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_for_a_minute() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(start);
        }
        breaker.answered();
        for _ in 0..4 {
            breaker.failed(start);
            assert!(breaker.admits(start));
        }
        breaker.failed(start);
        assert!(breaker.is_open(start));
        assert!(breaker.is_open(start + REST.saturating_sub(Duration::from_millis(1))));
        assert!(breaker.admits(start + REST));
    }

    #[test]
    fn half_open_one_failure_opens_it_again_and_one_answer_closes_it() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed(start);
        }
        let later = start + REST;
        breaker.failed(later);
        assert!(breaker.is_open(later + REST.saturating_sub(Duration::from_millis(1))));
        breaker.answered();
        assert!(breaker.admits(later));
        breaker.failed(later);
        assert!(breaker.admits(later));
    }
}
