//! The courier: takes posts to the homeserver, for each room one after the other, for a few rooms at once.
//!
//! A post that does not get through is tried again later, and those behind it in its room wait; a homeserver that
//! wants us to wait means all rooms. One that was on its way when the daemon ended is sent again with its transaction
//! id, by which the homeserver knows it. In memory there are only the posts that are on their way, of which at most
//! one carries a file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matrix_sdk::ruma::OwnedEventId;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};

use super::{Delivery, Outbox, backoff};
use crate::homeserver::{Homeserver, SendError};
use crate::store::StoreError;
use crate::store::posts::Head;

/// Most rooms that are sent to at one time.
const MOST_AT_ONCE: usize = 8;
/// How soon is looked again whether what may not be said in a room now may be said.
const WHILE_HELD: Duration = Duration::from_secs(5);
/// How soon the database is asked again when it failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(5);
/// How long to sleep when nothing is to be done; a new post wakes earlier.
const IDLE: Duration = Duration::from_hours(1);

/// Sends what is queued, for ever.
pub async fn run(outbox: Outbox, homeserver: Arc<dyn Homeserver>) {
    let mut courier = Courier::new(outbox, homeserver);
    courier.resume();
    loop {
        let sleep = courier.send_due().unwrap_or_else(|error| {
            tracing::error!("{error}");
            AFTER_A_FAULT
        });
        courier.wait(sleep).await;
    }
}

/// One attempt as it went.
struct Attempt {
    head: Head,
    result: Result<Ended, StoreError>,
}

/// How an attempt ended.
enum Ended {
    /// The homeserver was asked, and answered this.
    Tried(Result<OwnedEventId, SendError>),
    /// Nothing may be said in the room now, for this reason; the post was not even looked at.
    Held(String),
}

struct Courier {
    outbox: Outbox,
    homeserver: Arc<dyn Homeserver>,
    /// One file at a time, as it is in memory whole.
    files: Arc<Semaphore>,
    attempts: JoinSet<Attempt>,
    /// The rooms that are sent to now, by the task that does.
    under_way: HashMap<Id, Head>,
    /// The homeserver wants nothing before this, in milliseconds since 1970.
    paused_until_ms: i64,
}

impl Courier {
    fn new(outbox: Outbox, homeserver: Arc<dyn Homeserver>) -> Self {
        Self {
            outbox,
            homeserver,
            files: Arc::new(Semaphore::new(1)),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            paused_until_ms: 0,
        }
    }

    fn resume(&self) {
        let latest_ms = later(self.outbox.clock.now_ms(), backoff::LONGEST_ASKED);
        if let Err(error) = self.outbox.posts.resume(latest_ms) {
            tracing::error!("{error}");
        }
    }

    /// Begins what is due, and returns for how long nothing else will be.
    fn send_due(&mut self) -> Result<Duration, StoreError> {
        let mut sleep = IDLE;
        for head in self.outbox.posts.heads()? {
            let now_ms = self.outbox.clock.now_ms();
            if self.under_way.values().any(|busy| busy.room == head.room) {
                continue;
            }
            if head.expires_ms <= now_ms {
                self.settle(&head, &Delivery::Failed("its time was over before it could be sent".into()));
                // The next one of its room is a head now.
                sleep = Duration::ZERO;
                continue;
            }
            // Nobody waits for longer than that: what is further ahead was said by a clock that has gone back since.
            let latest_ms = later(now_ms, backoff::LONGEST_ASKED);
            let due_ms =
                [head.due_ms, self.paused_until_ms].into_iter().filter(|due| *due <= latest_ms).max();
            if let Some(due_ms) = due_ms.filter(|due| *due > now_ms) {
                // At its end it expires, should it still be put off then.
                sleep = sleep.min(between(now_ms, due_ms.min(head.expires_ms)));
            } else if self.under_way.len() < MOST_AT_ONCE {
                self.begin(head);
            }
        }
        Ok(sleep)
    }

    fn begin(&mut self, head: Head) {
        let (outbox, homeserver, files) =
            (self.outbox.clone(), Arc::clone(&self.homeserver), Arc::clone(&self.files));
        let of_task = head.clone();
        let task = self.attempts.spawn(async move {
            let result = attempt(&outbox, homeserver.as_ref(), &files, &head).await;
            Attempt { head, result }
        });
        self.under_way.insert(task.id(), of_task);
    }

    /// Returns when an attempt ended, a post was queued, or the time is over.
    async fn wait(&mut self, sleep: Duration) {
        tokio::select! {
            Some(ended) = self.attempts.join_next_with_id() => match ended {
                Ok((id, attempt)) => {
                    self.under_way.remove(&id);
                    self.ended(&attempt);
                }
                Err(panic) => {
                    if let Some(head) = self.under_way.remove(&panic.id()) {
                        self.put_off(&head, &panic.to_string(), None);
                    }
                }
            },
            () = self.outbox.shared.queued.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }

    fn ended(&mut self, Attempt { head, result }: &Attempt) {
        match result {
            Ok(Ended::Held(cause)) => self.hold(head, cause),
            Ok(Ended::Tried(Ok(event))) => self.settle(head, &Delivery::Sent(event.clone())),
            Ok(Ended::Tried(Err(error @ SendError::Later { retry_after, .. }))) => {
                if let Some(asked) = retry_after {
                    let asked = (*asked).min(backoff::LONGEST_ASKED);
                    self.paused_until_ms = self.paused_until_ms.max(later(self.outbox.clock.now_ms(), asked));
                }
                self.put_off(head, &error.to_string(), *retry_after);
            }
            Ok(Ended::Tried(Err(error @ SendError::Never { .. }))) => {
                self.settle(head, &Delivery::Failed(error.to_string()));
            }
            Err(error @ StoreError::Damaged { .. }) => {
                self.settle(head, &Delivery::Failed(error.to_string()));
            }
            Err(error) => self.put_off(head, &error.to_string(), None),
        }
    }

    /// It stays where it is, as long as it may not be said; that is no failed attempt.
    fn hold(&self, head: &Head, cause: &str) {
        let due_ms = later(self.outbox.clock.now_ms(), WHILE_HELD);
        if let Err(error) = self.outbox.posts.put_off(head.seq, due_ms, cause) {
            tracing::error!("{error}");
        }
    }

    fn put_off(&self, head: &Head, cause: &str, asked: Option<Duration>) {
        let delay = backoff::delay(head.attempts.saturating_add(1), asked);
        tracing::warn!("a post to {} waits {} s: {cause}", head.room, delay.as_secs());
        let due_ms = later(self.outbox.clock.now_ms(), delay);
        if let Err(error) = self.outbox.posts.put_off(head.seq, due_ms, cause) {
            tracing::error!("{error}");
        }
    }

    fn settle(&self, head: &Head, delivery: &Delivery) {
        if let Delivery::Failed(cause) = delivery {
            tracing::error!("a post to {} is given up: {cause}", head.room);
        }
        // Not written down, it is sent again after a restart: at least once, and the same event.
        if let Err(error) = self.outbox.posts.settle(head.seq, delivery, self.outbox.clock.now_ms()) {
            tracing::error!("{error}");
        }
        self.outbox.tell(&head.transaction, delivery);
    }
}

async fn attempt(
    outbox: &Outbox,
    homeserver: &dyn Homeserver,
    files: &Semaphore,
    head: &Head,
) -> Result<Ended, StoreError> {
    if let Some(cause) = homeserver.held(&head.room).await {
        return Ok(Ended::Held(cause));
    }
    // The semaphore is never closed; without a permit it would only be less polite to the memory.
    let _file = if outbox.posts.has_content(head.seq)? { files.acquire().await.ok() } else { None };
    let outgoing = outbox.posts.begin(head)?;
    Ok(Ended::Tried(homeserver.send(&head.room, &head.transaction, &outgoing).await))
}

fn later(now_ms: i64, delay: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

fn between(now_ms: i64, then_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(then_ms.saturating_sub(now_ms)).unwrap_or_default())
}
