//! Anchors: where the record stands, posted to a room that this machine cannot change afterwards.
//!
//! One line each: `anchor SEQ HASH TIME`. Whoever rewrites the log has to come to the same hash at the same number
//! again. When one is due is decided by [`Schedule`], which is pure: after so many records, after so many hours if
//! there was a new record, and where the daemon starts or stops.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use matrix_sdk::ruma::{OwnedRoomId, RoomId};
use serde::Deserialize;
use testudo::fault::bus_error_text;
use testudo::limits::{self, BUS};
use testudo::proxy::Audit1Proxy;
use thiserror::Error;

use crate::approval::Post;
use crate::approval::book::Book;
use crate::outgoing::{Outgoing, Text};
use crate::store::StoreError;

/// How often it is looked where the record stands.
pub const LOOK: Duration = Duration::from_mins(1);
/// How long the last anchor may take at the end of the daemon.
const LAST: Duration = Duration::from_secs(5);
/// Characters of a SHA-256 in hexadecimal.
const HASH: usize = 64;

/// Where the record stands, as `auditd` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// The number of the last record; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// The last anchor that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The number of the record.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// When it was posted, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What makes an anchor due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Time goes by.
    Passing,
    /// The daemon starts or stops: what is new must not wait.
    Turning,
}

/// When an anchor is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// After so many new records.
    pub records: u64,
    /// After so long, if there is a new record.
    pub every: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { records: 1000, every: Duration::from_hours(6) }
    }
}

impl Schedule {
    /// Whether an anchor at `head` is due. A record that is shorter than the last anchor, or has another hash at the
    /// same number, was changed: that is due at once, so that it is seen beside the last one.
    pub fn is_due(&self, last: Option<&Anchor>, head: &Head, moment: Moment, now_ms: u64) -> bool {
        let Some(last) = last else { return head.seq > 0 };
        if head.seq == last.seq && head.hash == last.hash {
            return false;
        }
        let every = u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX);
        moment == Moment::Turning
            || head.seq <= last.seq
            || head.seq.saturating_sub(last.seq) >= self.records
            || now_ms.saturating_sub(last.at_ms) >= every
    }
}

/// The line of an anchor.
pub fn line(head: &Head, now_ms: u64) -> String {
    let time = i64::try_from(now_ms).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let time = time.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    format!("anchor {} {} {time}", head.seq, head.hash)
}

/// Why no anchor was posted.
#[derive(Debug, Error)]
pub enum AnchorError {
    /// `auditd` did not say where the record stands.
    #[error("cannot learn where the record stands: {0}")]
    Head(String),
    /// What was posted last is not known, or it cannot be queued or kept.
    #[error("cannot keep the anchor: {0}")]
    Store(#[from] StoreError),
}

/// Who knows where the record stands.
pub trait Heading: Send + Sync + 'static {
    /// Where it stands, or why that is not known.
    fn head(&self) -> BoxFuture<'_, Result<Head, String>>;
}

impl Heading for Audit1Proxy<'static> {
    fn head(&self) -> BoxFuture<'_, Result<Head, String>> {
        Box::pin(async move {
            let text = Self::head(self).await.map_err(|error| bus_error_text(&error))?;
            let head: Head = limits::parse(&text, BUS).map_err(|error| error.to_string())?;
            let is_hash = head.hash.len() == HASH && head.hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hash { Ok(head) } else { Err("its hash is no hash".to_owned()) }
        })
    }
}

/// Posts anchors to one room.
pub struct Anchors {
    room: OwnedRoomId,
    schedule: Schedule,
    record: Box<dyn Heading>,
    book: Book,
    post: Arc<dyn Post>,
}

impl Anchors {
    /// Anchors of this record for this room.
    pub fn new(
        room: OwnedRoomId,
        schedule: Schedule,
        record: Box<dyn Heading>,
        book: Book,
        post: Arc<dyn Post>,
    ) -> Self {
        Self { room, schedule, record, book, post }
    }

    /// The room.
    pub fn room(&self) -> &RoomId {
        &self.room
    }

    /// Posts an anchor if one is due, and returns its transaction id when it did. The same record is posted once, however often this is called.
    pub async fn look(&self, moment: Moment, now_ms: u64) -> Result<Option<String>, AnchorError> {
        let head = self.record.head().await.map_err(AnchorError::Head)?;
        let last = self.book.anchor(&self.room)?;
        if !self.schedule.is_due(last.as_ref(), &head, moment, now_ms) {
            return Ok(None);
        }
        let text = Text { body: line(&head, now_ms), notice: true, ..Text::default() };
        let transaction = format!("anchor.{}.{}", head.seq, head.hash.get(..12).unwrap_or(&head.hash));
        self.post.queue(&self.room, &transaction, Outgoing::Text(text), None)?;
        self.book.keep_anchor(&self.room, &Anchor { seq: head.seq, hash: head.hash, at_ms: now_ms })?;
        Ok(Some(transaction))
    }

    /// The same, with what goes wrong in the journal: a daemon talks on when it cannot anchor.
    pub async fn look_or_say(&self, moment: Moment, now_ms: u64) {
        if let Err(error) = self.look(moment, now_ms).await {
            tracing::warn!("no anchor was posted: {error}");
        }
    }

    /// The last anchor, when the daemon stops: posted and on its way for as long as [`LAST`]. What does not arrive by
    /// then stays queued, and arrives after the next start.
    pub async fn close(&self, now_ms: u64) {
        let last = async {
            match self.look(Moment::Turning, now_ms).await {
                Ok(Some(transaction)) => {
                    // An earlier one may wait for its next attempt, and this one behind it: now there is no time.
                    if let Err(error) = self.post.hurry(&self.room) {
                        tracing::warn!("the last anchor is not hurried: {error}");
                    }
                    drop(self.post.delivered(&transaction).await);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!("no anchor was posted: {error}"),
            }
        };
        if tokio::time::timeout(LAST, last).await.is_err() {
            tracing::warn!("the last anchor is not in its room yet");
        }
    }
}

#[cfg(test)]
mod tests;
