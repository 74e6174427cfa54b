//! How far the homeserver's clock is from ours. Nobody has to set either for people to be understood.
//!
//! Learned from what we say ourselves: it has the homeserver's time when it comes back, and cannot have been said before
//! the moment at which we began to send it. So however late it comes back, what others said is dated too early by it and
//! never too late. Only what this process sent counts, and each once: an old event of ours that a homeserver shows again
//! says nothing. Kept, since a question may be answered after a restart; and forgotten with a day, or when our own clock
//! was set meanwhile, since it is the difference to that.
//!
//! A homeserver can say what it likes about when something was said, with a wrong clock or with a right one: it gains
//! nothing by having us learn a wrong difference. Nothing but the order of events may hang on it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedUserId, UserId};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// Where it is kept.
const KEPT: &str = "clock of the homeserver";
/// Less of a change than this is not written down, and so much may our clock be corrected, in milliseconds.
const SLIGHT_MS: u64 = 60 * 1000;
/// How long it holds, in milliseconds.
const HOLDS_MS: i64 = 24 * 60 * 60 * 1000;
/// How many of what we sent are waited for, and how many of ours that came may still turn out to be one.
const AWAITED: usize = 64;

/// A moment by our clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Milliseconds since 1970; it can be set.
    pub(super) wall_ms: i64,
    /// Since the machine was started, its sleep included; it cannot. None where it is not known.
    pub(super) up: Option<Duration>,
}

impl Moment {
    /// Now.
    pub(super) fn now() -> Self {
        let up = clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from);
        Self { wall_ms: jiff::Timestamp::now().as_millisecond(), up }
    }
}

/// What was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Learned {
    /// What the homeserver's clock is ahead of ours, in milliseconds.
    ahead_ms: i64,
    /// When we began to send what it was learned from.
    at_ms: i64,
    /// The same by the clock that nobody sets; of another start of the machine it says nothing.
    #[serde(skip)]
    up: Option<Duration>,
}

impl Learned {
    /// Whether it still says something: it is of the last day, and our clock was not set since.
    fn holds(&self, now: Moment) -> bool {
        let passed_ms = now.wall_ms.saturating_sub(self.at_ms);
        let was_set = match (self.up, now.up) {
            (Some(then), Some(now)) => {
                let truly_ms = i64::try_from(now.saturating_sub(then).as_millis()).unwrap_or(i64::MAX);
                passed_ms.abs_diff(truly_ms) > SLIGHT_MS
            }
            _ => false,
        };
        !was_set && (0..HOLDS_MS).contains(&passed_ms)
    }
}

/// The difference, as far as it is known.
pub(super) struct Skew {
    store: Store,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    learned: Option<Learned>,
    /// What we sent and when we began to, the latest last.
    sent: VecDeque<(OwnedEventId, Moment)>,
    /// What came of us, with the homeserver's time, and is not known to be of this process: a sync can be faster than the
    /// answer that says that it was sent.
    came: VecDeque<(OwnedEventId, u64)>,
}

/// What of an event says when the homeserver had it.
#[derive(Deserialize)]
struct Stamp {
    event_id: OwnedEventId,
    sender: OwnedUserId,
    origin_server_ts: u64,
}

impl Skew {
    /// As it was found before; none where nothing was learned yet.
    pub(super) fn of(store: Store) -> Result<Self, StoreError> {
        let kept = store.kept(KEPT)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self { store, known: Mutex::new(Known { learned: kept, ..Known::default() }) })
    }

    /// We sent this, and began to at that moment.
    pub(super) fn sent(&self, event: &EventId, began: Moment) {
        let mut known = self.lock();
        if let Some(stamp_ms) = taken(&mut known.came, event) {
            return self.came_back(known, stamp_ms, began);
        }
        put(&mut known.sent, (event.to_owned(), began));
    }

    /// Learns from what of these events we sent ourselves.
    pub(super) fn learn(&self, own: &UserId, events: &[TimelineEvent]) {
        let stamps = events.iter().filter_map(|event| event.raw().deserialize_as_unchecked::<Stamp>().ok());
        for stamp in stamps.filter(|stamp| stamp.sender == own) {
            let mut known = self.lock();
            match taken(&mut known.sent, &stamp.event_id) {
                Some(began) => self.came_back(known, stamp.origin_server_ts, began),
                None => put(&mut known.came, (stamp.event_id, stamp.origin_server_ts)),
            }
        }
    }

    fn came_back(&self, mut known: MutexGuard<'_, Known>, stamp_ms: u64, began: Moment) {
        let ahead_ms = i64::try_from(stamp_ms).unwrap_or(i64::MAX).saturating_sub(began.wall_ms);
        let learned = Learned { ahead_ms, at_ms: began.wall_ms, up: began.up };
        let before = known.learned.replace(learned);
        drop(known);
        let is_slight = |before: Learned| {
            let aged_ms = learned.at_ms.abs_diff(before.at_ms);
            before.ahead_ms.abs_diff(ahead_ms) < SLIGHT_MS && aged_ms < SLIGHT_MS
        };
        if before.is_some_and(is_slight) {
            return;
        }
        if before.is_none_or(|before| before.ahead_ms.abs_diff(ahead_ms) >= SLIGHT_MS) {
            tracing::info!(ahead_s = ahead_ms / 1000, "the homeserver's clock is not as it was");
        }
        let kept = serde_json::to_vec(&learned).map(|text| self.store.keep(KEPT, &text));
        if let Ok(Err(error)) = kept {
            tracing::warn!("{error}");
        }
    }

    /// A time of a homeserver by our clock. Nothing was said later than now; where the difference is not known, as of
    /// every homeserver but our own, its clock is taken for ours.
    pub(super) fn ours(&self, theirs_ms: u64, is_own: bool, now: Moment) -> u64 {
        let learned = self.lock().learned.filter(|learned| is_own && learned.holds(now));
        let ahead_ms = learned.map_or(0, |held| held.ahead_ms);
        let theirs_ms = i64::try_from(theirs_ms).unwrap_or(i64::MAX);
        u64::try_from(theirs_ms.saturating_sub(ahead_ms).min(now.wall_ms)).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what stands beside an event.
fn taken<T>(list: &mut VecDeque<(OwnedEventId, T)>, event: &EventId) -> Option<T> {
    let at = list.iter().position(|(listed, _)| listed == event)?;
    list.remove(at).map(|(_, beside)| beside)
}

/// Puts one more behind the others; the oldest makes room.
fn put<T>(list: &mut VecDeque<T>, one: T) {
    if list.len() >= AWAITED {
        list.pop_front();
    }
    list.push_back(one);
}

#[cfg(test)]
mod tests;
