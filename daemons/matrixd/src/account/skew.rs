//! How far the homeserver's clock is from ours. Nobody has to set either for people to be understood.
//!
//! Learned from what we say ourselves, which comes back with the homeserver's time a moment later; kept, since a question
//! may be answered after a restart. When something was said is then told by our clock. A homeserver can say what it
//! likes about that, with a wrong clock or with a right one: nothing but the order of events may hang on it.

use std::sync::atomic::{AtomicI64, Ordering};

use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::ruma::{OwnedUserId, UserId};
use serde::Deserialize;

use crate::store::{Store, StoreError};

/// Where it is kept.
const KEPT: &str = "clock of the homeserver";
/// Less of a change than this is not written down, in milliseconds.
const SLIGHT_MS: i64 = 60 * 1000;

/// The difference: what the homeserver's clock is ahead of ours, in milliseconds.
pub(super) struct Skew {
    store: Store,
    ahead_ms: AtomicI64,
}

/// What of an event says when the homeserver had it.
#[derive(Deserialize)]
struct Stamp {
    sender: OwnedUserId,
    origin_server_ts: u64,
}

impl Skew {
    /// As it was found before; none where nothing was learned yet.
    pub(super) fn of(store: Store) -> Result<Self, StoreError> {
        let kept = store.kept(KEPT)?.and_then(|bytes| bytes.try_into().ok());
        let ahead_ms = AtomicI64::new(kept.map_or(0, i64::from_be_bytes));
        Ok(Self { store, ahead_ms })
    }

    /// Learns from the last of the events that is our own, which has come just now.
    pub(super) fn learn(&self, own: &UserId, events: &[TimelineEvent], now_ms: i64) {
        let stamp = |event: &TimelineEvent| event.raw().deserialize_as_unchecked::<Stamp>().ok();
        let ours = events.iter().rev().filter_map(stamp).find(|stamp| stamp.sender == own);
        let Some(ours) = ours else { return };
        let ahead_ms = i64::try_from(ours.origin_server_ts).unwrap_or(i64::MAX).saturating_sub(now_ms);
        let before_ms = self.ahead_ms.swap(ahead_ms, Ordering::Relaxed);
        if before_ms.abs_diff(ahead_ms) < SLIGHT_MS.unsigned_abs() {
            return;
        }
        tracing::info!(ahead_s = ahead_ms / 1000, "the homeserver's clock is not as it was");
        if let Err(error) = self.store.keep(KEPT, &ahead_ms.to_be_bytes()) {
            tracing::warn!("{error}");
        }
    }

    /// A time of the homeserver by our clock.
    pub(super) fn ours(&self, theirs_ms: u64) -> u64 {
        let theirs_ms = i64::try_from(theirs_ms).unwrap_or(i64::MAX);
        u64::try_from(theirs_ms.saturating_sub(self.ahead_ms.load(Ordering::Relaxed))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::serde::Raw;
    use matrix_sdk::ruma::user_id;
    use serde_json::json;

    use super::*;
    use crate::store::testing::opened;

    fn event(sender: &str, at_ms: u64) -> TimelineEvent {
        let event = json!({ "event_id": "$e", "sender": sender, "origin_server_ts": at_ms });
        TimelineEvent::from_plaintext(Raw::from_json_string(event.to_string()).unwrap())
    }

    #[test]
    fn it_is_learned_from_our_own_words_alone_and_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let own = user_id!("@testudo:home.org");
        let day = 24 * 60 * 60 * 1000;
        let skew = Skew::of(opened(directory.path())).unwrap();
        skew.learn(own, &[event("@ann:home.org", 0)], 10 * day);
        assert_eq!(skew.ours(5), 5, "others can say what they like");
        let behind = 9 * day.unsigned_abs();
        skew.learn(
            own,
            &[event(own.as_str(), 1), event(own.as_str(), behind), event("@ann:home.org", 2)],
            10 * day,
        );
        assert_eq!(skew.ours(behind + 7), 10 * day.unsigned_abs() + 7);
        drop(skew);
        let skew = Skew::of(opened(directory.path())).unwrap();
        assert_eq!(skew.ours(behind + 7), 10 * day.unsigned_abs() + 7);
        skew.learn(own, &[event(own.as_str(), 12 * day.unsigned_abs())], 10 * day);
        assert_eq!(skew.ours(12 * day.unsigned_abs()), 10 * day.unsigned_abs(), "ahead, too");
    }

    #[test]
    fn no_time_is_too_large_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let own = user_id!("@testudo:home.org");
        let skew = Skew::of(opened(directory.path())).unwrap();
        skew.learn(own, &[event(own.as_str(), u64::MAX)], -5);
        assert_eq!(skew.ours(0), 0);
        skew.learn(own, &[event(own.as_str(), 0)], i64::MAX);
        assert!(skew.ours(u64::MAX) > 0);
    }
}
