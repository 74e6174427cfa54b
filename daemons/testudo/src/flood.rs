//! Records that a hostile caller could make as fast as it likes: one a second is written, those between are counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one is written, of all callers together.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What waits to be counted.
#[derive(Debug, Default)]
pub struct Flood(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    recorded: Option<Instant>,
    unrecorded: u64,
}

impl Flood {
    /// How many were left out before this one, or none when this one is left out too.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        // Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.recorded.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            waiting.unrecorded += 1;
            return None;
        }
        waiting.recorded = Some(now);
        Some(std::mem::take(&mut waiting.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_recorded_one_by_one() {
        let flood = Flood::default();
        let start = Instant::now();
        assert_eq!(flood.admit(start), Some(0));
        for _ in 0..50 {
            assert_eq!(flood.admit(start), None);
        }
        assert_eq!(flood.admit(start + INTERVAL), Some(50));
    }
}
