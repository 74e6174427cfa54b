//! Which session is which room or thread. A name is computed, so it is the same for ever; the way back is kept.

use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError};

/// Most places that are kept; of more those that were used longest ago are forgotten until they are used again.
const MOST: u32 = 10_000;

/// A room, or a thread in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The room.
    pub room: OwnedRoomId,
    /// The root of the thread; none is the room's main timeline.
    pub thread: Option<OwnedEventId>,
}

impl Place {
    /// The name of its session.
    pub fn session(&self) -> String {
        session_name(&self.room, self.thread.as_deref())
    }
}

/// The name of the session of a room's main timeline or of a thread in it: `m-` and 12 digits of the room's digest,
/// for a thread `-` and 12 of the digest of its root.
pub fn session_name(room: &RoomId, thread: Option<&EventId>) -> String {
    let room = short(room.as_str());
    thread.map_or_else(|| format!("m-{room}"), |root| format!("m-{room}-{}", short(root.as_str())))
}

fn short(id: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(id));
    digits.truncate(12);
    digits
}

/// The places of a store.
#[derive(Clone)]
pub struct Places {
    store: Store,
}

impl Places {
    /// The places of this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Keeps a place, now used, and returns the name of its session.
    ///
    /// # Errors
    /// When another place has that name already, which takes a homeserver that tried very many ids to get into it.
    pub fn used(&self, place: &Place, now_ms: i64) -> Result<String, StoreError> {
        let session = place.session();
        self.store.transact(|database| {
            let kept = database.execute(
                "INSERT INTO place (session, room, thread, used_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (session) DO UPDATE SET used_ms = excluded.used_ms
                     WHERE room = excluded.room AND thread IS excluded.thread",
                params![session, place.room.as_str(), place.thread.as_deref().map(EventId::as_str), now_ms],
            )?;
            if kept == 0 {
                let cause = "another room or thread has that name".to_owned();
                return Err(StoreError::Unwritable { what: format!("the session {session}"), cause });
            }
            database.execute(
                "DELETE FROM place WHERE session IN
                     (SELECT session FROM place ORDER BY used_ms DESC, session LIMIT -1 OFFSET ?1)",
                [MOST],
            )?;
            Ok(())
        })?;
        Ok(session)
    }

    /// The place of a session, also of one that was begun anew there; none when it is no session of a room that is known.
    pub fn of(&self, session: &str) -> Result<Option<Place>, StoreError> {
        let row: Option<(String, Option<String>)> = self.store.with(|database| {
            let mut query = database.prepare_cached("SELECT room, thread FROM place WHERE session = ?1")?;
            Ok(query.query_row([first(session)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })?;
        row.map(|(room, thread)| parsed(room, thread)).transpose()
    }

    /// All places of a room, those used last first.
    pub fn of_room(&self, room: &RoomId) -> Result<Vec<Place>, StoreError> {
        let rows: Vec<(String, Option<String>)> = self.store.with(|database| {
            let mut query = database.prepare_cached(
                "SELECT room, thread FROM place WHERE room = ?1 ORDER BY used_ms DESC, session",
            )?;
            let rows = query.query_map([room.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        rows.into_iter().map(|(room, thread)| parsed(room, thread)).collect()
    }
}

/// The name of a session that somebody began anew in the place of this one, the first time or a later one.
pub fn renewed(session: &str, times: i64) -> String {
    format!("{session}-n{times}")
}

/// The name that a place had before anything was begun anew there. The digits of a digest are no `n`.
fn first(session: &str) -> &str {
    match session.rsplit_once("-n") {
        Some((first, times)) if !times.is_empty() && times.bytes().all(|byte| byte.is_ascii_digit()) => first,
        _ => session,
    }
}

fn parsed(room: String, thread: Option<String>) -> Result<Place, StoreError> {
    let damaged = |error| StoreError::damaged("a place", error);
    Ok(Place {
        room: OwnedRoomId::try_from(room).map_err(damaged)?,
        thread: thread.map(OwnedEventId::try_from).transpose().map_err(damaged)?,
    })
}
