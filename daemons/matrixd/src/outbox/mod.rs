//! The outbox: what must arrive. [`Outbox::queue`] keeps it before anything else happens; [`courier`] sends it.
//!
//! Promises: what is queued is sent at least once, under one transaction id, so that in the room it is one event; the
//! posts of a room arrive in the order in which they were queued; a room that is stuck holds up no other; every file that
//! is in a room is in the record, from before it went there. What cannot be sent is reported, by [`Ticket::delivered`] to who queued it, by
//! [`Outbox::failures`] to operators, and where the homeserver refused it to its room.
//!
//! For the parts of the daemon: `outbox.queue(Post::new(room, outgoing))?.delivered().await`, which need not be
//! awaited; a post that must not be doubled by a restart gets a name of its own by [`Post::named`], and
//! [`Outbox::follow`] takes up its delivery again. What need not survive (streaming edits) does not belong here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedRoomId, RoomId};
use tokio::sync::{Notify, oneshot};

use crate::outgoing::Outgoing;
use crate::store::posts::{NewPost, Posts};
use crate::store::{Store, StoreError};

mod attempt;
mod backoff;
mod clock;
pub mod courier;
mod ledger;
mod passage;
mod refused;
#[cfg(test)]
mod tests;

pub use crate::store::posts::{Counts, Delivery, Failure};
pub use backoff::delay;
pub use clock::Clock;
pub use ledger::Ledger;

/// How long a post is tried unless it says otherwise, in milliseconds: a week.
const TRIED_FOR_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// One event to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    room: OwnedRoomId,
    outgoing: Outgoing,
    transaction: String,
    expires_ms: Option<i64>,
}

impl Post {
    /// For a room, under a transaction id that nobody had before.
    pub fn new(room: OwnedRoomId, outgoing: Outgoing) -> Self {
        Self { room, outgoing, transaction: uuid::Uuid::new_v4().to_string(), expires_ms: None }
    }

    /// Under this transaction id: of all posts with it only the first is sent, also over restarts (for a week).
    #[must_use]
    pub fn named(mut self, transaction: impl Into<String>) -> Self {
        self.transaction = transaction.into();
        self
    }

    /// Not sent from this time on, in milliseconds since 1970.
    #[must_use]
    pub fn until(mut self, expires_ms: i64) -> Self {
        self.expires_ms = Some(expires_ms);
        self
    }
}

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct Outbox {
    posts: Posts,
    clock: Clock,
    shared: Arc<Shared>,
}

/// What the clones share in memory.
#[derive(Default)]
struct Shared {
    queued: Notify,
    followers: Mutex<HashMap<String, Vec<oneshot::Sender<Delivery>>>>,
    /// The rooms that are looked at at once, although nothing may have been said there a moment ago.
    hurried: Mutex<HashSet<OwnedRoomId>>,
}

impl Outbox {
    /// The outbox of a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { posts: Posts::new(store), clock, shared: Arc::default() }
    }

    /// Queues a post: when this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits, [`StoreError::TooLarge`] for what no homeserver takes.
    pub fn queue(&self, post: Post) -> Result<Ticket, StoreError> {
        let Post { room, outgoing, transaction, expires_ms } = post;
        let now_ms = self.clock.now_ms();
        let expires_ms = expires_ms.unwrap_or_else(|| now_ms.saturating_add(TRIED_FOR_MS));
        let new = NewPost { transaction: &transaction, room: &room, outgoing: &outgoing, expires_ms };
        self.posts.add(&new, now_ms)?;
        let ticket = self.follow(&transaction)?;
        self.shared.queued.notify_one();
        Ok(ticket)
    }

    /// The delivery of a post that was queued before, also before a restart.
    pub fn follow(&self, transaction: &str) -> Result<Ticket, StoreError> {
        let (told, delivery) = oneshot::channel();
        self.followers().entry(transaction.to_owned()).or_default().push(told);
        // Asked after that, so that what is settled in between is not missed.
        if let Some(delivery) = self.posts.delivery(transaction)? {
            self.tell(transaction, &delivery);
        }
        Ok(Ticket { transaction: transaction.to_owned(), delivery })
    }

    /// Takes a post back that was queued: it is forgotten, and who waits for its delivery is told that there is none. A
    /// post that is on its way or in its room already is not; then this is its ticket.
    pub fn withdraw(&self, transaction: &str) -> Result<Option<Ticket>, StoreError> {
        if self.posts.forget_queued(transaction)? {
            self.tell(transaction, &Delivery::Failed("it was withdrawn before it was sent".into()));
            // What waited behind it in its room may be due.
            self.shared.queued.notify_one();
            return Ok(None);
        }
        if self.posts.is_known(transaction)? { self.follow(transaction).map(Some) } else { Ok(None) }
    }

    /// Whether a post with this transaction id was queued in the last week.
    pub fn is_known(&self, transaction: &str) -> Result<bool, StoreError> {
        self.posts.is_known(transaction)
    }

    /// What of a room waits for another attempt is tried at once: what was in its way may be gone, or there may be no
    /// time. What the homeserver itself asked to wait for still waits.
    pub fn hurry(&self, room: &RoomId) -> Result<(), StoreError> {
        self.posts.hurry(room)?;
        self.shared.hurried.lock().unwrap_or_else(PoisonError::into_inner).insert(room.to_owned());
        self.shared.queued.notify_one();
        Ok(())
    }

    /// The time by which posts are sent, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Whether a room has posts that have not arrived: what is sent beside the outbox would overtake them.
    pub fn is_busy(&self, room: &RoomId) -> Result<bool, StoreError> {
        self.posts.is_busy(room)
    }

    /// How many posts there are in each state.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.posts.counts()
    }

    /// At most `most` posts of the last week that never arrived, the latest first.
    pub fn failures(&self, most: u32) -> Result<Vec<Failure>, StoreError> {
        self.posts.failures(most)
    }

    fn tell(&self, transaction: &str, delivery: &Delivery) {
        for told in self.followers().remove(transaction).unwrap_or_default() {
            // Who does not wait for it any more need not know.
            let _ = told.send(delivery.clone());
        }
    }

    /// The rooms that somebody is in a hurry about, once each.
    fn hurried(&self) -> HashSet<OwnedRoomId> {
        std::mem::take(&mut *self.shared.hurried.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn followers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<oneshot::Sender<Delivery>>>> {
        self.shared.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queued post. Letting it go changes nothing.
#[derive(Debug)]
pub struct Ticket {
    transaction: String,
    delivery: oneshot::Receiver<Delivery>,
}

impl Ticket {
    /// Its transaction id, for [`Outbox::follow`].
    pub fn transaction(&self) -> &str {
        &self.transaction
    }

    /// Returns when it is settled, which can take days.
    pub async fn delivered(self) -> Delivery {
        self.delivery.await.unwrap_or_else(|_| Delivery::Failed("the daemon ended before it was sent".into()))
    }
}
