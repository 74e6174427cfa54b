//! One attempt to send one post, and the record of it where it is a file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matrix_sdk::ruma::OwnedEventId;
use testudo::record::Entry;
use testudo::recorder::RecordError;

use super::passage::Passage;
use super::{Ledger, Outbox, backoff, ledger, refused};
use crate::homeserver::{Homeserver, SendError};
use crate::outgoing::Outgoing;
use crate::store::StoreError;
use crate::store::posts::Head;

/// How an attempt ended.
pub(super) enum Ended {
    /// It is in the room, and in the record where it is a file.
    Sent(OwnedEventId),
    /// The homeserver, or the record, does not take it now.
    Later(SendError),
    /// It never will be there; this is to be told in its place.
    Refused(SendError, Option<Outgoing>),
    /// Nothing may be said in the room now, for this reason; the post was not even looked at.
    Held(String),
}

/// What attempts are made with. Clones are the same.
#[derive(Clone)]
pub(super) struct Means {
    outbox: Outbox,
    homeserver: Arc<dyn Homeserver>,
    ledger: Arc<dyn Ledger>,
    /// What this life has recorded of files that go to a room, by their transaction ids: once, however often they are
    /// tried.
    announced: Arc<Mutex<HashMap<String, Entry>>>,
}

impl Means {
    pub(super) fn new(outbox: Outbox, homeserver: Arc<dyn Homeserver>, ledger: Arc<dyn Ledger>) -> Self {
        Self { outbox, homeserver, ledger, announced: Arc::default() }
    }

    /// Makes an attempt. Its passage is the next one's as soon as the post is in its room.
    pub(super) async fn attempt(&self, head: &Head, passage: Passage) -> Result<Ended, StoreError> {
        if let Some(cause) = self.homeserver.held(&head.room).await {
            return Ok(Ended::Held(cause));
        }
        let outgoing = self.outbox.posts.begin(head)?;
        let entry = ledger::sending(&head.room, &outgoing);
        if let Some(entry) = &entry
            && let Err(error) = self.announce(&head.transaction, entry).await
        {
            let cause = format!("the record does not take that a file goes there: {error}");
            return Ok(Ended::Later(SendError::Later {
                room: head.room.to_string(),
                cause,
                retry_after: None,
            }));
        }
        let sent = self.homeserver.send(&head.room, &head.transaction, &outgoing).await;
        Ok(match sent {
            Ok(event) => {
                drop(outgoing);
                drop(passage);
                if let Some(entry) = entry {
                    // What waits for a passage can go while this waits for the record.
                    self.outbox.shared.queued.notify_one();
                    self.record(&ledger::sent(entry, &event)).await;
                }
                Ended::Sent(event)
            }
            Err(error @ SendError::Later { .. }) => Ended::Later(error),
            Err(SendError::Never { room, cause }) => {
                let telling = refused::telling(&head.transaction, &outgoing, &cause);
                Ended::Refused(SendError::Never { room, cause }, telling)
            }
        })
    }

    /// No more attempts are made at this post.
    pub(super) fn forget(&self, transaction: &str) {
        self.announced().remove(transaction);
    }

    /// Records that a file goes to a room, before anything of it leaves: whatever becomes of us or of the homeserver's
    /// answer then, a file that is in a room is in the record.
    async fn announce(&self, transaction: &str, entry: &Entry) -> Result<(), RecordError> {
        let is_announced = self.announced().get(transaction) == Some(entry);
        if !is_announced {
            self.ledger.keep(entry.clone()).await?;
            self.announced().insert(transaction.to_owned(), entry.clone());
        }
        Ok(())
    }

    /// Records a file that is in its room, for as long as that takes: nothing goes behind it before, and it is not sent
    /// again. Should we end meanwhile, it is, as the same event, and then recorded.
    async fn record(&self, entry: &Entry) {
        let mut failures = 0_u32;
        while let Err(error) = self.ledger.keep(entry.clone()).await {
            tracing::error!("a file that was sent waits for its record: {error}");
            failures = failures.saturating_add(1);
            tokio::time::sleep(backoff::delay(failures, None)).await;
        }
    }

    fn announced(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
