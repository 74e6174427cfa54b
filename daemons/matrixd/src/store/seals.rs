//! Which sealed words were heard: a homeserver can show what somebody once said as a new event, any number of times.
//!
//! An event's id says nothing about that, since it is the homeserver's. What cannot be invented is the place of the
//! words in their sender's Megolm session: a session's every message has an index of its own, under the sender's
//! signature. So a seal is let in once. What was let in is not forgotten by time: where too much is known, a session's
//! indices are given up for a floor, and nothing at or below it is ever new again.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{StoreError, door, inbox};
use crate::incoming::Incoming;

/// Where words stand in their sender's session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seal {
    /// The Megolm session.
    pub session: String,
    /// The index of the message in it.
    pub index: u32,
}

/// An event with the seal that it came under.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// What it is.
    pub incoming: Incoming,
    /// Its seal; none of what was not encrypted or could not be read.
    pub seal: Option<Seal>,
}

/// What can come into the inbox.
pub trait Arriving {
    /// What it is.
    fn incoming(&self) -> &Incoming;
    /// Its seal.
    fn seal(&self) -> Option<&Seal>;
}

impl Arriving for Arrival {
    fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }
}

impl Arriving for Incoming {
    fn incoming(&self) -> &Incoming {
        self
    }

    fn seal(&self) -> Option<&Seal> {
        None
    }
}

/// Whether words under this seal were let in before.
pub(super) fn is_spent(database: &Connection, seal: &Seal) -> Result<bool, StoreError> {
    let floor: Option<i64> = database
        .prepare_cached("SELECT floor FROM sealed_session WHERE session = ?1")?
        .query_row([&seal.session], |row| row.get(0))
        .optional()?;
    let Some(floor) = floor else { return Ok(false) };
    let mut query = database
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sealed_index WHERE session = ?1 AND number = ?2)")?;
    Ok(i64::from(seal.index) < floor
        || query.query_row(params![seal.session, seal.index], |row| row.get(0))?)
}

/// From now on they are spent.
pub(super) fn spend(database: &Connection, seal: &Seal, now_ms: i64) -> Result<(), StoreError> {
    database
        .prepare_cached(
            "INSERT INTO sealed_session (session, floor, used_ms) VALUES (?1, 0, ?2)
             ON CONFLICT (session) DO UPDATE SET used_ms = excluded.used_ms",
        )?
        .execute(params![seal.session, now_ms])?;
    database
        .prepare_cached("INSERT OR IGNORE INTO sealed_index (session, number) VALUES (?1, ?2)")?
        .execute(params![seal.session, seal.index])?;
    Ok(())
}

/// Gives up the indices of sessions that were not used for as long as an event is known, and of the least used ones
/// while there are too many: what they have not said by now below their highest index, they do not say any more.
pub(super) fn forget_old(database: &Connection, now_ms: i64) -> Result<(), StoreError> {
    let old = "SELECT session FROM sealed_session WHERE used_ms < ?1
        AND EXISTS (SELECT 1 FROM sealed_index WHERE sealed_index.session = sealed_session.session)";
    let sessions = database
        .prepare_cached(old)?
        .query_map([door::known_since(now_ms)], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    for session in sessions {
        close(database, &session)?;
    }
    while inbox::count(database, "SELECT count(*) FROM sealed_index", [])? > door::MOST_KNOWN {
        let least_used =
            "SELECT session FROM sealed_session WHERE session IN (SELECT session FROM sealed_index)
            ORDER BY used_ms, session LIMIT 1";
        let session: String = database.query_row(least_used, [], |row| row.get(0))?;
        close(database, &session)?;
    }
    Ok(())
}

fn close(database: &Connection, session: &str) -> Result<(), StoreError> {
    database.execute(
        "UPDATE sealed_session SET floor = max(floor, 1 +
             (SELECT coalesce(max(number), -1) FROM sealed_index WHERE session = ?1)) WHERE session = ?1",
        [session],
    )?;
    database.execute("DELETE FROM sealed_index WHERE session = ?1", [session])?;
    Ok(())
}
