//! How long to wait before the homeserver is asked again. Pure: chance and what the homeserver wants are passed in.

use std::time::Duration;

/// Shortest wait.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest wait of our own choice.
const LONGEST: Duration = Duration::from_mins(5);
/// Longest wait that a homeserver may ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);
/// Failures after which the wait does not grow any more.
const CEILING: u32 = 10;

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure is a first one.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it failed in a row.
    pub(super) const fn failures(self) -> u32 {
        self.failures
    }

    /// The wait after another failure: doubled each time, and spread by `chance` (0 to 1) over its upper half, so that
    /// a homeserver that comes back is not met by everybody at once. Never shorter than the homeserver `asked`.
    pub(super) fn failed(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let whole =
            SHORTEST.saturating_mul(2_u32.saturating_pow(self.failures.min(CEILING) + 1)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let own = whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
        own.clamp(SHORTEST, LONGEST).max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

/// A number from 0 to 1 by chance.
pub(super) fn chance() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_a_second_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(None, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150, 150]);
        assert_eq!(backoff.failed(None, 1.0), LONGEST);
        backoff.reset();
        assert_eq!(backoff.failed(None, 1.0), Duration::from_secs(2));
    }

    proptest::proptest! {
        #[test]
        fn a_homeserver_is_found_within_twice_its_absence_and_always_within_five_minutes(
            chances in proptest::collection::vec(0.0..1.0, 1..200),
        ) {
            let (mut backoff, mut away) = (Backoff::default(), Duration::ZERO);
            for chance in chances {
                // It comes back right after an attempt failed.
                let wait = backoff.failed(None, chance);
                proptest::prop_assert!(wait <= away * 2 + Duration::from_secs(2) && wait <= LONGEST);
                away += wait;
            }
        }

        #[test]
        fn no_wait_is_outside_its_bounds(failures in 0_u32.., asked in 0_u64.., chance: f64) {
            let mut backoff = Backoff { failures };
            let wait = backoff.failed(None, chance);
            proptest::prop_assert!((SHORTEST..=LONGEST).contains(&wait));
            let asked = Duration::from_secs(asked);
            let wait = backoff.failed(Some(asked), chance);
            proptest::prop_assert!(wait >= asked.min(LONGEST_ASKED) && wait <= LONGEST_ASKED);
        }
    }
}
