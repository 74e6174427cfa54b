//! How long to wait before something is tried again: pure.

use std::time::Duration;

/// After the first failure.
const SHORTEST: Duration = Duration::from_secs(1);
/// However often it failed.
const LONGEST: Duration = Duration::from_mins(5);
/// The longest that a homeserver can make us wait at one time.
pub(crate) const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How long to wait after `failures` in a row (from 1 on): one second, doubled each time, at most five minutes; but
/// never less than what the homeserver asked for, of which at most an hour is believed.
pub fn delay(failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let own = SHORTEST.saturating_mul(doubled).min(LONGEST);
    own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_doubles_from_one_second_to_five_minutes() {
        let seconds: Vec<u64> = (1..=12).map(|failures| delay(failures, None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(delay(0, None), SHORTEST);
        assert_eq!(delay(u32::MAX, None), LONGEST);
    }

    proptest! {
        #[test]
        fn it_is_never_shorter_than_asked_nor_longer_than_the_longest(
            failures in any::<u32>(), asked in proptest::option::of(any::<u64>().prop_map(Duration::from_millis)),
        ) {
            let waited = delay(failures, asked);
            prop_assert!(waited >= SHORTEST);
            prop_assert!(waited <= LONGEST_ASKED);
            prop_assert!(waited >= asked.unwrap_or_default().min(LONGEST_ASKED));
            prop_assert!(asked.is_some() || waited <= LONGEST);
            prop_assert!(waited <= delay(failures.saturating_add(1), asked));
        }
    }
}
