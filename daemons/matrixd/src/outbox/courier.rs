//! The courier: takes posts to the homeserver, for each room one after the other, for a few rooms at once.
//!
//! A post that does not get through is tried again later, and those behind it in its room wait; a homeserver that
//! wants us to wait means all rooms. One that was on its way when the daemon ended is sent again with its transaction
//! id, by which the homeserver knows it. In memory there are only the posts that are on their way, of which at most
//! one carries a file; a file that waits, or its record, holds up its own room alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matrix_sdk::ruma::OwnedRoomId;
use tokio::task::{Id, JoinSet};

use super::attempt::{Ended, Means};
use super::passage::{Passage, Passages};
use super::{Delivery, Ledger, Outbox, Post, backoff, refused};
use crate::homeserver::Homeserver;
use crate::outgoing::Outgoing;
use crate::store::StoreError;
use crate::store::posts::Head;

/// How soon is looked again whether what may not be said in a room now may be said.
const WHILE_HELD: Duration = Duration::from_secs(5);
/// How soon the database is asked again when it failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(5);
/// How long to sleep when nothing is to be done; a new post wakes earlier.
const IDLE: Duration = Duration::from_hours(1);

/// Sends what is queued, for ever.
pub async fn run(outbox: Outbox, homeserver: Arc<dyn Homeserver>, ledger: Arc<dyn Ledger>) {
    let mut courier = Courier::new(outbox, homeserver, ledger);
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

/// What became of a post, for the database.
enum Fate {
    Settled(Delivery),
    /// It is tried again at this time, in milliseconds since 1970, for this reason.
    PutOff(i64, String),
}

struct Courier {
    outbox: Outbox,
    means: Means,
    passages: Passages,
    attempts: JoinSet<Attempt>,
    /// The rooms that are sent to now, or of which a file is recorded, by the task that does.
    under_way: HashMap<Id, Head>,
    /// The homeserver wants nothing before this, in milliseconds since 1970.
    paused_until_ms: i64,
    /// Where nothing may be said, until when that is not looked at again. It passes with the process, and is looked at so
    /// often that the disk is spared.
    held: HashMap<OwnedRoomId, i64>,
    /// What the database did not take, of each room: until it does, nothing else goes there, which would overtake it.
    unwritten: HashMap<OwnedRoomId, (Head, Fate)>,
}

impl Courier {
    fn new(outbox: Outbox, homeserver: Arc<dyn Homeserver>, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            means: Means::new(outbox.clone(), homeserver, ledger),
            outbox,
            passages: Passages::new(),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            paused_until_ms: 0,
            held: HashMap::new(),
            unwritten: HashMap::new(),
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
        let mut sleep = if self.catch_up() { IDLE } else { AFTER_A_FAULT };
        for room in self.outbox.hurried() {
            self.held.remove(&room);
        }
        for head in self.outbox.posts.heads()? {
            let now_ms = self.outbox.clock.now_ms();
            if self.under_way.values().any(|busy| busy.room == head.room)
                || self.unwritten.contains_key(&head.room)
            {
                continue;
            }
            if head.expires_ms <= now_ms {
                self.settle(&head, Delivery::Failed("its time was over before it could be sent".into()));
                // The next one of its room is a head now, unless that could not be written.
                let is_written = !self.unwritten.contains_key(&head.room);
                sleep = if is_written { Duration::ZERO } else { sleep.min(AFTER_A_FAULT) };
                continue;
            }
            // Nobody waits for longer than that: what is further ahead was said by a clock that has gone back since.
            let latest_ms = later(now_ms, backoff::LONGEST_ASKED);
            let held_ms = self.held.get(&head.room).copied().unwrap_or_default();
            let due_ms = [head.due_ms, self.paused_until_ms, held_ms];
            let due_ms = due_ms.into_iter().filter(|due| *due <= latest_ms).max();
            if let Some(due_ms) = due_ms.filter(|due| *due > now_ms) {
                // At its end it expires, should it still be put off then.
                sleep = sleep.min(between(now_ms, due_ms.min(head.expires_ms)));
            } else if let Some(passage) = self.passages.take(|| self.outbox.posts.has_content(head.seq))? {
                self.begin(head, passage);
            }
        }
        Ok(sleep)
    }

    fn begin(&mut self, head: Head, passage: Passage) {
        self.held.remove(&head.room);
        let (means, of_task) = (self.means.clone(), head.clone());
        let task = self.attempts.spawn(async move {
            let result = means.attempt(&head, passage).await;
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
            Ok(Ended::Sent(event)) => self.settle(head, Delivery::Sent(event.clone())),
            Ok(Ended::Later(error)) => {
                let retry_after = error.retry_after();
                if let Some(asked) = retry_after {
                    let asked = asked.min(backoff::LONGEST_ASKED);
                    self.paused_until_ms = self.paused_until_ms.max(later(self.outbox.clock.now_ms(), asked));
                }
                self.put_off(head, &error.to_string(), retry_after);
            }
            Ok(Ended::Refused(error, telling)) => {
                // Queued before it is settled: by its name it is one post, should we end in between.
                if let Some(telling) = telling {
                    self.tell(head, telling.clone());
                }
                self.settle(head, Delivery::Failed(error.to_string()));
            }
            Err(error @ StoreError::Damaged { .. }) => {
                self.settle(head, Delivery::Failed(error.to_string()));
            }
            Err(error) => self.put_off(head, &error.to_string(), None),
        }
    }

    /// It stays where it is, as long as it may not be said; that is no failed attempt.
    fn hold(&mut self, head: &Head, cause: &str) {
        tracing::debug!("a post to {} is held: {cause}", head.room);
        self.held.insert(head.room.clone(), later(self.outbox.clock.now_ms(), WHILE_HELD));
    }

    /// Tells a room what was refused.
    fn tell(&self, head: &Head, telling: Outgoing) {
        let post = Post::new(head.room.clone(), telling).named(refused::name(&head.transaction));
        if let Err(error) = self.outbox.queue(post) {
            tracing::error!("a room is not told what was refused: {error}");
        }
    }

    fn put_off(&mut self, head: &Head, cause: &str, asked: Option<Duration>) {
        let delay = backoff::delay(head.attempts.saturating_add(1), asked);
        tracing::warn!("a post to {} waits {} s: {cause}", head.room, delay.as_secs());
        let due_ms = later(self.outbox.clock.now_ms(), delay);
        self.write(head.clone(), Fate::PutOff(due_ms, cause.to_owned()));
    }

    fn settle(&mut self, head: &Head, delivery: Delivery) {
        if let Delivery::Failed(cause) = &delivery {
            tracing::error!("a post to {} is given up: {cause}", head.room);
        }
        self.means.forget(&head.transaction);
        self.write(head.clone(), Fate::Settled(delivery));
    }

    /// Writes down what became of a post. What the database does not take is written with the next look at it; should we
    /// end before, the post is sent again after the restart: at least once, and the same event.
    fn write(&mut self, head: Head, fate: Fate) {
        let posts = &self.outbox.posts;
        let written = match &fate {
            Fate::Settled(delivery) => {
                let written = posts.settle(head.seq, delivery, self.outbox.clock.now_ms());
                // It is so, written or not; who asked in between is told when it is.
                self.outbox.tell(&head.transaction, delivery);
                written
            }
            Fate::PutOff(due_ms, cause) => posts.put_off(head.seq, *due_ms, cause),
        };
        if let Err(error) = written {
            tracing::error!("{error}");
            self.unwritten.insert(head.room.clone(), (head, fate));
        }
    }

    /// Writes down what could not be; whether that is all of it.
    fn catch_up(&mut self) -> bool {
        for (head, fate) in std::mem::take(&mut self.unwritten).into_values() {
            self.write(head, fate);
        }
        self.unwritten.is_empty()
    }
}

fn later(now_ms: i64, delay: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

fn between(now_ms: i64, then_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(then_ms.saturating_sub(now_ms)).unwrap_or_default())
}
