//! The rows of the outbox: what is to be sent, what is being sent, what arrived and what never will.
//!
//! A post is its transaction id: queueing the same id again changes nothing. What was settled is known for a week, so
//! that who asks after a restart learns what became of it; its content is gone at once.

use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::inbox::count;
use super::{Store, StoreError};
use crate::outgoing::Outgoing;

/// Most posts that wait at one time.
const MOST_WAITING: u64 = 10_000;
/// Most bytes of all posts that wait: 256 MiB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// The most of both that one room may have: where nothing may be said for a while, all others are still spoken in.
const MOST_OF_A_ROOM: (u64, u64) = (MOST_WAITING / 4, MOST_BYTES / 4);
/// Most bytes of one: 50 MiB, what a homeserver takes unless it was told otherwise.
const MOST_BYTES_OF_ONE: u64 = 50 * 1024 * 1024;
/// How long it is known what became of a post, in milliseconds: a week.
const KNOWN_FOR_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Most settled posts that are known.
const MOST_KNOWN: u32 = 20_000;

/// One post as it is queued.
#[derive(Debug)]
pub(crate) struct NewPost<'a> {
    pub(crate) transaction: &'a str,
    pub(crate) room: &'a OwnedRoomId,
    pub(crate) outgoing: &'a Outgoing,
    pub(crate) expires_ms: i64,
}

/// The first post of a room that is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) room: OwnedRoomId,
    pub(crate) transaction: String,
    pub(crate) attempts: u32,
    /// Not before this, in milliseconds since 1970.
    pub(crate) due_ms: i64,
    /// Not from this on.
    pub(crate) expires_ms: i64,
}

/// What became of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is in the room, as this event.
    Sent(OwnedEventId),
    /// It never will be, for this reason.
    Failed(String),
}

/// How many posts there are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// They wait for their turn.
    pub queued: u64,
    /// They are on their way.
    pub sending: u64,
    /// They arrived, in the last week.
    pub sent: u64,
    /// They never will, since a week.
    pub failed: u64,
}

/// A post that never arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its room.
    pub room: String,
    /// Its transaction id.
    pub transaction: String,
    /// Why.
    pub cause: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, in milliseconds since 1970.
    pub failed_ms: i64,
}

/// The posts of a store.
#[derive(Clone)]
pub(crate) struct Posts {
    store: Store,
}

impl Posts {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    #[cfg(test)]
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps a post; false when its transaction id is known already.
    pub(crate) fn add(&self, post: &NewPost<'_>, now_ms: i64) -> Result<bool, StoreError> {
        let NewPost { transaction, room, outgoing, expires_ms } = post;
        let (body, content) = split(outgoing, transaction)?;
        let bytes = length(&body) + content.map_or(0, length);
        if bytes > MOST_BYTES_OF_ONE {
            return Err(StoreError::TooLarge { what: "a post", bytes, most: MOST_BYTES_OF_ONE });
        }
        let body = self.store.seal(&body_place(transaction), &body)?;
        let content =
            content.map(|content| self.store.seal(&content_place(transaction), content)).transpose()?;
        self.store.transact(|database| {
            let known = count(database, "SELECT count(*) FROM post WHERE txn = ?1", [transaction])?;
            if known > 0 {
                return Ok(false);
            }
            has_room_for(database, room, bytes)?;
            database
                .prepare_cached(
                    "INSERT INTO post (txn, room, state, body, content, bytes, queued_ms, expires_ms)
                     VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    transaction,
                    room.as_str(),
                    body,
                    content,
                    i64::try_from(bytes).unwrap_or(i64::MAX),
                    now_ms,
                    expires_ms
                ])?;
            Ok(true)
        })
    }

    /// What was on its way when the daemon ended is queued again; nothing is put off for longer than until `latest_ms`,
    /// should the clock have been wrong.
    pub(crate) fn resume(&self, latest_ms: i64) -> Result<(), StoreError> {
        self.store.transact(|database| {
            database.execute("UPDATE post SET state = 'queued' WHERE state = 'sending'", [])?;
            database
                .execute("UPDATE post SET due_ms = min(due_ms, ?1) WHERE state = 'queued'", [latest_ms])?;
            Ok(())
        })
    }

    /// Forgets a post that waits for its turn; false when there is none of this id, or not any more.
    pub(crate) fn forget_queued(&self, transaction: &str) -> Result<bool, StoreError> {
        self.store.transact(|database| {
            let query = "DELETE FROM post WHERE txn = ?1 AND state = 'queued'";
            Ok(database.execute(query, [transaction])? > 0)
        })
    }

    /// Whether there is a post of this id, in whatever state.
    pub(crate) fn is_known(&self, transaction: &str) -> Result<bool, StoreError> {
        let query = "SELECT count(*) FROM post WHERE txn = ?1";
        self.store.with(|database| Ok(count(database, query, [transaction])? > 0))
    }

    /// Whether a room has posts that have not arrived.
    pub(crate) fn is_busy(&self, room: &RoomId) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM post WHERE room = ?1 AND state = 'queued')
             OR EXISTS (SELECT 1 FROM post WHERE room = ?1 AND state = 'sending')";
        self.store.with(|database| Ok(database.query_row(query, [room.as_str()], |row| row.get(0))?))
    }

    /// The first queued post of each room. Each is found by the index, however many are queued behind it.
    pub(crate) fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.store.with(|database| {
            let mut query = database.prepare_cached(
                "WITH RECURSIVE queue (room) AS (
                     SELECT min(room) FROM post WHERE state = 'queued'
                     UNION ALL
                     SELECT (SELECT min(room) FROM post WHERE state = 'queued' AND room > queue.room)
                     FROM queue WHERE queue.room IS NOT NULL)
                 SELECT seq, room, txn, attempts, due_ms, expires_ms FROM post WHERE seq IN (
                     SELECT (SELECT min(seq) FROM post WHERE state = 'queued' AND room = queue.room)
                     FROM queue WHERE queue.room IS NOT NULL)
                 ORDER BY seq",
            )?;
            let mut rows = query.query([])?;
            let mut heads = Vec::new();
            while let Some(row) = rows.next()? {
                let room: String = row.get(1)?;
                heads.push(Head {
                    seq: row.get(0)?,
                    room: OwnedRoomId::try_from(room)
                        .map_err(|error| StoreError::damaged("a post", error))?,
                    transaction: row.get(2)?,
                    attempts: row.get(3)?,
                    due_ms: row.get(4)?,
                    expires_ms: row.get(5)?,
                });
            }
            Ok(heads)
        })
    }

    /// Whether a post carries a file.
    pub(crate) fn has_content(&self, seq: i64) -> Result<bool, StoreError> {
        self.store.with(|database| {
            let query = "SELECT count(*) FROM post WHERE seq = ?1 AND content IS NOT NULL";
            Ok(count(database, query, [seq])? > 0)
        })
    }

    /// What a post is, now on its way.
    pub(crate) fn begin(&self, head: &Head) -> Result<Outgoing, StoreError> {
        let (body, content): (Vec<u8>, Option<Vec<u8>>) = self.store.transact_lightly(|database| {
            database
                .prepare_cached("UPDATE post SET state = 'sending', attempts = attempts + 1 WHERE seq = ?1")?
                .execute([head.seq])?;
            let mut query = database.prepare_cached("SELECT body, content FROM post WHERE seq = ?1")?;
            Ok(query.query_row([head.seq], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })?;
        let body = self.store.unseal(&body_place(&head.transaction), &body)?;
        let content = content
            .map(|content| self.store.unseal(&content_place(&head.transaction), &content))
            .transpose()?;
        joined(&body, content, &head.transaction)
    }

    /// It did not get through: it is queued again, not before `due_ms`.
    pub(crate) fn put_off(&self, seq: i64, due_ms: i64, cause: &str) -> Result<(), StoreError> {
        self.store.transact_lightly(|database| {
            database
                .prepare_cached("UPDATE post SET state = 'queued', due_ms = ?2, cause = ?3 WHERE seq = ?1")?
                .execute(params![seq, due_ms, cause])?;
            Ok(())
        })
    }

    /// What waits in a room for another attempt is due now.
    pub(crate) fn hurry(&self, room: &RoomId) -> Result<(), StoreError> {
        self.store.transact_lightly(|database| {
            database
                .prepare_cached("UPDATE post SET due_ms = 0 WHERE room = ?1 AND state = 'queued'")?
                .execute([room.as_str()])?;
            Ok(())
        })
    }

    /// It is settled; its content is forgotten.
    pub(crate) fn settle(&self, seq: i64, delivery: &Delivery, now_ms: i64) -> Result<(), StoreError> {
        let (state, event, cause) = match delivery {
            Delivery::Sent(event) => ("sent", Some(event.as_str()), None),
            Delivery::Failed(cause) => ("failed", None, Some(cause.as_str())),
        };
        self.store.transact(|database| {
            database
                .prepare_cached(
                    "UPDATE post SET state = ?2, event = ?3, cause = ?4, settled_ms = ?5, body = NULL,
                         content = NULL, bytes = 0 WHERE seq = ?1",
                )?
                .execute(params![seq, state, event, cause, now_ms])?;
            database
                .prepare_cached("DELETE FROM post WHERE settled_ms < ?1")?
                .execute([now_ms.saturating_sub(KNOWN_FOR_MS)])?;
            database
                .prepare_cached(
                    "DELETE FROM post WHERE settled_ms IS NOT NULL AND seq <= (
                         SELECT seq FROM post ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
                )?
                .execute([MOST_KNOWN])?;
            Ok(())
        })
    }

    /// What became of a post; none while it waits, or when it is not known (any more).
    pub(crate) fn delivery(&self, transaction: &str) -> Result<Option<Delivery>, StoreError> {
        let row: Option<(String, Option<String>, Option<String>)> = self.store.with(|database| {
            let mut query = database.prepare_cached("SELECT state, event, cause FROM post WHERE txn = ?1")?;
            Ok(query
                .query_row([transaction], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?)
        })?;
        match row {
            Some((state, Some(event), _)) if state == "sent" => OwnedEventId::try_from(event)
                .map(|event| Some(Delivery::Sent(event)))
                .map_err(|error| StoreError::damaged("a post", error)),
            Some((state, _, cause)) if state == "failed" => {
                Ok(Some(Delivery::Failed(cause.unwrap_or_default())))
            }
            _ => Ok(None),
        }
    }

    /// How many there are in each state.
    pub(crate) fn counts(&self) -> Result<Counts, StoreError> {
        self.store.with(|database| {
            let of = |state: &str| count(database, "SELECT count(*) FROM post WHERE state = ?1", [state]);
            Ok(Counts {
                queued: of("queued")?,
                sending: of("sending")?,
                sent: of("sent")?,
                failed: of("failed")?,
            })
        })
    }

    /// At most `most` that never arrived, the latest first.
    pub(crate) fn failures(&self, most: u32) -> Result<Vec<Failure>, StoreError> {
        self.store.with(|database| {
            let mut query = database.prepare_cached(
                "SELECT room, txn, cause, attempts, settled_ms FROM post WHERE state = 'failed'
                 ORDER BY settled_ms DESC, seq DESC LIMIT ?1",
            )?;
            let rows = query.query_map([most], |row| {
                Ok(Failure {
                    room: row.get(0)?,
                    transaction: row.get(1)?,
                    cause: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                    attempts: row.get(3)?,
                    failed_ms: row.get::<_, Option<i64>>(4)?.unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn has_room_for(database: &Connection, room: &RoomId, bytes: u64) -> Result<(), StoreError> {
    let all = "FROM post WHERE state IN ('queued', 'sending')";
    let of_room = format!("{all} AND room = ?1");
    let room = [room.as_str()];
    let waiting = count(database, &format!("SELECT count(*) {all}"), [])?;
    let here = count(database, &format!("SELECT count(*) {of_room}"), room)?;
    if waiting >= MOST_WAITING || here >= MOST_OF_A_ROOM.0 {
        let most = if waiting >= MOST_WAITING { MOST_WAITING } else { MOST_OF_A_ROOM.0 };
        return Err(StoreError::Full { what: "posts", most });
    }
    let kept = count(database, &format!("SELECT coalesce(sum(bytes), 0) {all}"), [])?;
    let here = count(database, &format!("SELECT coalesce(sum(bytes), 0) {of_room}"), room)?;
    if kept.saturating_add(bytes) > MOST_BYTES || here.saturating_add(bytes) > MOST_OF_A_ROOM.1 {
        let most = if kept.saturating_add(bytes) > MOST_BYTES { MOST_BYTES } else { MOST_OF_A_ROOM.1 };
        return Err(StoreError::Full { what: "bytes of posts", most });
    }
    Ok(())
}

/// A post without the content of its file, as JSON, and that content: as text it would have twice the size.
fn split<'a>(outgoing: &'a Outgoing, transaction: &str) -> Result<(Vec<u8>, Option<&'a [u8]>), StoreError> {
    let (written, content) = match outgoing {
        Outgoing::Attachment { name, mime, content, thread, behalf } => {
            let empty = Outgoing::Attachment {
                name: name.clone(),
                mime: mime.clone(),
                content: Vec::new(),
                thread: thread.clone(),
                behalf: behalf.clone(),
            };
            (serde_json::to_vec(&empty), Some(content.as_slice()))
        }
        _ => (serde_json::to_vec(outgoing), None),
    };
    let body = written.map_err(|error| StoreError::Unwritable {
        what: format!("the post {transaction}"),
        cause: error.to_string(),
    })?;
    Ok((body, content))
}

fn joined(body: &[u8], file: Option<Vec<u8>>, transaction: &str) -> Result<Outgoing, StoreError> {
    let mut outgoing = serde_json::from_slice(body)
        .map_err(|error| StoreError::damaged(format!("the post {transaction}"), error))?;
    if let (Outgoing::Attachment { content, .. }, Some(file)) = (&mut outgoing, file) {
        *content = file;
    }
    Ok(outgoing)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn body_place(transaction: &str) -> String {
    format!("post {transaction}")
}

fn content_place(transaction: &str) -> String {
    format!("post content {transaction}")
}
