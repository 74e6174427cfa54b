//! Dead letters: encrypted events whose key is not here. The room is told once for each lost key, and once an hour for
//! each sender; when the key comes at last, the event is read and comes in as if it were new.
//!
//! Only the names of the events are kept: the homeserver has them, and gives them again when the key is here.

use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use rusqlite::{Connection, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError};
use crate::incoming::Origin;

/// Most that are kept; of more the oldest are forgotten.
const MOST: u32 = 10_000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// An event that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The event.
    pub event: OwnedEventId,
    /// Its room.
    pub room: OwnedRoomId,
    /// Who the homeserver says sent it.
    pub sender: OwnedUserId,
    /// The Megolm session whose key is missing, where the event names it.
    pub session: Option<String>,
    /// When it was sent, in milliseconds since 1970, as the homeserver says.
    pub sent_ms: u64,
    /// Since when it lies here, in milliseconds since 1970.
    pub since_ms: i64,
}

/// A key that did not reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostKey<'a> {
    /// The room.
    pub room: &'a str,
    /// The Megolm session, where its events name it.
    pub session: Option<&'a str>,
}

/// A name for what is sent about the lost keys of somebody: the same for a whole hour, whatever keys these are. As a
/// transaction id it is sent once, so that who makes up keys makes us write no more than one message an hour.
pub fn notice_name(whose: &str, now_ms: i64) -> String {
    format!("lost-key-{}-{}", now_ms.div_euclid(HOUR_MS), hex::encode(Sha256::digest(whose)))
}

/// The dead letters of a store.
#[derive(Clone)]
pub struct DeadLetters {
    store: Store,
}

impl DeadLetters {
    /// The dead letters of this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// At most `most` of them, newest first.
    pub fn list(&self, most: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.select("TRUE ORDER BY number DESC LIMIT ?1", params![most])
    }

    /// Those of one room, or of one lost key of it: what to try again when keys came. Oldest first.
    pub fn waiting_for(&self, room: &str, session: Option<&str>) -> Result<Vec<DeadLetter>, StoreError> {
        self.select(
            "room = ?1 AND (?2 IS NULL OR session IS NULL OR session = ?2) ORDER BY number",
            params![room, session],
        )
    }

    /// How many there are.
    pub fn count(&self) -> Result<u64, StoreError> {
        self.store.with(|database| Ok(super::inbox::count(database, "SELECT count(*) FROM dead_letter", [])?))
    }

    /// Forgets one by its event; true when there was one. Should its key come, it is not read any more.
    pub fn drop_one(&self, event: &str) -> Result<bool, StoreError> {
        self.store.transact(|database| Ok(remove(database, event)? > 0))
    }

    /// Forgets all of them, and says how many these were.
    pub fn drop_all(&self) -> Result<usize, StoreError> {
        self.store.transact(|database| Ok(database.execute("DELETE FROM dead_letter", [])?))
    }

    /// Whether the room was told of this lost key, also before a restart.
    pub fn is_told(&self, key: LostKey<'_>) -> Result<bool, StoreError> {
        let told = self.store.with(|database| {
            let query = "SELECT count(*) FROM told WHERE room = ?1 AND session = ?2";
            Ok(super::inbox::count(database, query, params![key.room, key.session.unwrap_or_default()])?)
        })?;
        Ok(told > 0)
    }

    /// The room is told now.
    pub fn note_told(&self, key: LostKey<'_>) -> Result<(), StoreError> {
        self.store.transact(|database| {
            let parameters = params![key.room, key.session.unwrap_or_default()];
            database.execute("INSERT OR IGNORE INTO told (room, session) VALUES (?1, ?2)", parameters)?;
            keep_newest(database, "told")
        })
    }

    fn select(&self, which: &str, parameters: impl rusqlite::Params) -> Result<Vec<DeadLetter>, StoreError> {
        self.store.with(|database| {
            let mut query = database.prepare_cached(&format!(
                "SELECT event, room, sender, session, sent_ms, since_ms FROM dead_letter WHERE {which}"
            ))?;
            let mut rows = query.query(parameters)?;
            let mut letters = Vec::new();
            while let Some(row) = rows.next()? {
                letters.push(read(row)?);
            }
            Ok(letters)
        })
    }
}

fn read(row: &rusqlite::Row<'_>) -> Result<DeadLetter, StoreError> {
    let damaged = |error| StoreError::damaged("a dead letter", error);
    let sent_ms: i64 = row.get(4)?;
    Ok(DeadLetter {
        event: OwnedEventId::try_from(row.get::<_, String>(0)?).map_err(damaged)?,
        room: OwnedRoomId::try_from(row.get::<_, String>(1)?).map_err(damaged)?,
        sender: OwnedUserId::try_from(row.get::<_, String>(2)?).map_err(damaged)?,
        session: row.get(3)?,
        sent_ms: u64::try_from(sent_ms).unwrap_or_default(),
        since_ms: row.get(5)?,
    })
}

pub(super) fn add(
    database: &Connection,
    origin: &Origin,
    session: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    database
        .prepare_cached(
            "INSERT OR IGNORE INTO dead_letter (event, room, sender, session, sent_ms, since_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            origin.event.as_str(),
            origin.room.as_str(),
            origin.sender.as_str(),
            session,
            i64::try_from(origin.sent_ms).unwrap_or(i64::MAX),
            now_ms
        ])?;
    keep_newest(database, "dead_letter")
}

pub(super) fn remove(database: &Connection, event: &str) -> Result<usize, StoreError> {
    Ok(database.prepare_cached("DELETE FROM dead_letter WHERE event = ?1")?.execute([event])?)
}

fn keep_newest(database: &Connection, table: &str) -> Result<(), StoreError> {
    database
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE number <= (SELECT number FROM {table} ORDER BY number DESC LIMIT 1 OFFSET ?1)"
        ))?
        .execute([MOST])?;
    Ok(())
}
