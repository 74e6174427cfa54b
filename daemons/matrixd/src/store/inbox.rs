//! The inbox: what the homeserver brought and nobody dealt with yet, in the order in which it came.
//!
//! Promises: the events of a sync and its token are kept together or not at all, so an event comes in at least once;
//! an event id is let in once, and so are the words under one seal, so they go out once, however often, in whatever
//! order and under whatever id they come. A dead letter that can be read at last comes in a second time, in the place of the first. What a crash left in the middle comes out
//! again, and says so.

use std::collections::HashMap;
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomId, UserId};
use rusqlite::{Connection, OptionalExtension as _, params};
use testudo::config::Matrixd;
use tokio::sync::Notify;

use super::door::{self, Admission};
use super::seals::{self, Arriving};
use super::{Store, StoreError, dead_letters};
use crate::authorship::{Standing, standing};
use crate::incoming::Incoming;

/// Under which name the token of the last sync is kept.
const TOKEN: &str = "sync token";

/// What became of the events of one sync.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many are new and wait now.
    pub new: u64,
    /// How many were here before.
    pub known: u64,
    /// How many are of people or of a kind that is not heard.
    pub unheard: u64,
    /// How many are lost because their senders had too many waiting.
    pub crowded: u64,
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its number: what came later has a higher one.
    pub seq: i64,
    /// What it is.
    pub incoming: Incoming,
    /// Whether somebody was dealing with it when the daemon ended.
    pub again: bool,
}

/// The inbox. Clones are the same one.
#[derive(Clone)]
pub struct Inbox {
    store: Store,
    config: Arc<Matrixd>,
    arrived: Arc<Notify>,
}

impl Inbox {
    /// The inbox of a store, for the people of a configuration.
    pub fn new(store: Store, config: Arc<Matrixd>) -> Self {
        Self { store, config, arrived: Arc::new(Notify::new()) }
    }

    /// Keeps what a sync brought and the token of the next one, both or neither. `now_ms` is milliseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room for an owner's event; nothing is kept then, and the same sync is
    /// to be tried again later.
    pub fn take<E: Arriving>(
        &self,
        events: &[E],
        sync_token: &str,
        now_ms: i64,
    ) -> Result<Taken, StoreError> {
        self.let_in(events, Some(sync_token), now_ms)
    }

    /// Keeps events that no sync brought: dead letters that can be read now, or what a gap in a timeline hid.
    pub fn take_late<E: Arriving>(&self, events: &[E], now_ms: i64) -> Result<Taken, StoreError> {
        self.let_in(events, None, now_ms)
    }

    /// The token of the next sync; none before the first one.
    pub fn sync_token(&self) -> Result<Option<String>, StoreError> {
        let kept = self.store.kept(TOKEN)?;
        kept.map(|bytes| String::from_utf8(bytes).map_err(|error| StoreError::damaged(TOKEN, error)))
            .transpose()
    }

    /// Forgets the token: the next sync begins anew, and what it brings twice is known.
    pub fn forget_sync_token(&self) -> Result<(), StoreError> {
        self.store.forget(TOKEN).map(drop)
    }

    /// At most `most` of what waits, after a number, oldest first.
    pub(crate) fn page(&self, after: i64, most: u32) -> Result<Vec<Waiting>, StoreError> {
        let rows = self.store.with(|database| {
            let mut query = database.prepare_cached(
                "SELECT seq, event, handed, body FROM inbox WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let rows = query.query_map(params![after, most], Row::read)?.collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })?;
        Ok(rows.into_iter().filter_map(|row| self.opened(row)).collect())
    }

    /// One of what waits, by its number; none when it is dealt with, or a later event took its place.
    pub(crate) fn load(&self, seq: i64) -> Result<Option<Waiting>, StoreError> {
        let row = self.store.with(|database| {
            let mut query =
                database.prepare_cached("SELECT seq, event, handed, body FROM inbox WHERE seq = ?1")?;
            Ok(query.query_row([seq], Row::read).optional()?)
        })?;
        Ok(row.and_then(|row| self.opened(row)))
    }

    /// Marks one as being dealt with: on the disk before this returns.
    pub(crate) fn hand(&self, seq: i64) -> Result<(), StoreError> {
        self.store.with(|database| {
            database.prepare_cached("UPDATE inbox SET handed = 1 WHERE seq = ?1")?.execute([seq])?;
            Ok(())
        })
    }

    /// They are dealt with, and gone. A power failure may bring them back, marked as what was being dealt with.
    pub(crate) fn finish(&self, seqs: &[i64]) -> Result<(), StoreError> {
        self.store.transact_lightly(|database| {
            for seq in seqs {
                database.prepare_cached("DELETE FROM inbox WHERE seq = ?1")?.execute([seq])?;
            }
            Ok(())
        })
    }

    /// How many wait.
    pub fn waiting(&self) -> Result<u64, StoreError> {
        self.store.with(|database| Ok(count(database, "SELECT count(*) FROM inbox", [])?))
    }

    /// Returns when something came since the last time.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Who somebody is.
    pub(crate) fn standing(&self, user: &UserId) -> Standing {
        standing(&self.config, user)
    }

    fn let_in<E: Arriving>(
        &self,
        events: &[E],
        token: Option<&str>,
        now_ms: i64,
    ) -> Result<Taken, StoreError> {
        let taken = self.store.transact(|database| {
            let mut taken = Taken::default();
            let mut crowd = Crowd::of(database)?;
            for event in events {
                self.let_one_in(database, event, &mut crowd, &mut taken, now_ms)?;
            }
            if let Some(token) = token {
                self.store.keep_in(database, TOKEN, token.as_bytes())?;
            }
            if taken.new > 0 {
                forget_old(database, now_ms)?;
            }
            Ok(taken)
        })?;
        if taken.crowded > 0 {
            tracing::warn!("lost {} events: their senders have too many waiting", taken.crowded);
        }
        if taken.new > 0 {
            self.arrived.notify_one();
        }
        Ok(taken)
    }

    fn let_one_in(
        &self,
        database: &Connection,
        arriving: &impl Arriving,
        crowd: &mut Crowd,
        taken: &mut Taken,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (incoming, seal) = (arriving.incoming(), arriving.seal());
        let origin = incoming.origin();
        let standing = self.standing(&origin.sender);
        if self.config.user.as_deref() == Some(origin.sender.as_str()) {
            taken.unheard += 1;
            return Ok(());
        }
        let of_sender = crowd.of_sender(database, origin.sender.as_str())?;
        match door::admit(incoming, standing, of_sender, crowd.all) {
            Admission::Enters => {}
            Admission::Unheard => {
                taken.unheard += 1;
                return Ok(());
            }
            // Known events are no reason to lose or to refuse anything, so this is asked first.
            Admission::Crowded | Admission::Full if is_known(database, incoming)? => {
                taken.known += 1;
                return Ok(());
            }
            Admission::Crowded => {
                taken.crowded += 1;
                return Ok(());
            }
            Admission::Full => {
                return Err(StoreError::Full { what: "events", most: door::MOST_WAITING });
            }
        }
        if is_known(database, incoming)? {
            taken.known += 1;
            return Ok(());
        }
        let event = origin.event.as_str();
        if let Some(seal) = seal {
            if seals::is_spent(database, seal)? {
                tracing::warn!(event, "heard this before: the homeserver repeats what somebody once said");
                dead_letters::remove(database, event)?;
                taken.known += 1;
                return Ok(());
            }
            seals::spend(database, seal, now_ms)?;
        }
        let body = serde_json::to_vec(incoming)
            .map_err(|error| StoreError::Unwritable { what: event.to_owned(), cause: error.to_string() })?;
        let sealed = self.store.seal(&place(event), &body)?;
        // A dead letter that can be read now takes the place of the one that could not.
        let replaced = database.prepare_cached("DELETE FROM inbox WHERE event = ?1")?.execute([event])?;
        database
            .prepare_cached("INSERT INTO inbox (event, room, sender, body) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![event, origin.room.as_str(), origin.sender.as_str(), sealed])?;
        database
            .prepare_cached("INSERT OR IGNORE INTO seen (event, seen_ms) VALUES (?1, ?2)")?
            .execute(params![event, now_ms])?;
        if let Incoming::Undecryptable { session, .. } = incoming {
            dead_letters::add(database, origin, session.as_deref(), now_ms)?;
        } else {
            dead_letters::remove(database, event)?;
        }
        if replaced == 0 {
            crowd.enters(origin.sender.as_str());
        }
        taken.new += 1;
        Ok(())
    }

    /// What cannot be opened is nothing that this daemon wrote: it is put away, so that it stops nothing else.
    fn opened(&self, row: Row) -> Option<Waiting> {
        let Row { seq, event, again, body } = row;
        let opened = self.store.unseal(&place(&event), &body).and_then(|body| {
            serde_json::from_slice(&body).map_err(|error| StoreError::damaged(place(&event), error))
        });
        match opened {
            Ok(incoming) => Some(Waiting { seq, incoming, again }),
            Err(error) => {
                tracing::error!("{error}; the event is lost");
                if let Err(error) = self.finish(&[seq]) {
                    tracing::error!("{error}");
                }
                None
            }
        }
    }
}

/// A row as it lies there.
struct Row {
    seq: i64,
    event: String,
    again: bool,
    body: Vec<u8>,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, event: row.get(1)?, again: row.get(2)?, body: row.get(3)? })
    }
}

/// How many wait while a sync is let in, so that each is counted once and not for every event.
struct Crowd {
    all: u64,
    of_sender: HashMap<String, u64>,
}

impl Crowd {
    fn of(database: &Connection) -> Result<Self, StoreError> {
        let all = count(database, "SELECT count(*) FROM inbox", [])?;
        Ok(Self { all, of_sender: HashMap::new() })
    }

    fn of_sender(&mut self, database: &Connection, sender: &str) -> Result<u64, StoreError> {
        if let Some(known) = self.of_sender.get(sender) {
            return Ok(*known);
        }
        let counted = count(database, "SELECT count(*) FROM inbox WHERE sender = ?1", [sender])?;
        self.of_sender.insert(sender.to_owned(), counted);
        Ok(counted)
    }

    fn enters(&mut self, sender: &str) {
        self.all += 1;
        if let Some(known) = self.of_sender.get_mut(sender) {
            *known += 1;
        }
    }
}

/// Whether it was here before. What could not be read is new again when it can.
fn is_known(database: &Connection, incoming: &Incoming) -> Result<bool, StoreError> {
    let event = incoming.origin().event.as_str();
    let readable = !matches!(incoming, Incoming::Undecryptable { .. });
    let mut query = database.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM seen WHERE event = ?1 UNION ALL SELECT 1 FROM inbox WHERE event = ?1)
            AND NOT (?2 AND EXISTS (SELECT 1 FROM dead_letter WHERE event = ?1))",
    )?;
    Ok(query.query_row(params![event, readable], |row| row.get(0))?)
}

/// Forgets what was seen too long ago, and the oldest of too many.
fn forget_old(database: &Connection, now_ms: i64) -> Result<(), StoreError> {
    database.prepare_cached("DELETE FROM seen WHERE seen_ms < ?1")?.execute([door::known_since(now_ms)])?;
    seals::forget_old(database, now_ms)?;
    let known = count(database, "SELECT count(*) FROM seen", [])?;
    if let Some(surplus) = known.checked_sub(door::MOST_KNOWN).filter(|surplus| *surplus > 0) {
        database
            .prepare_cached(
                "DELETE FROM seen WHERE event IN (SELECT event FROM seen ORDER BY seen_ms, event LIMIT ?1)",
            )?
            .execute([i64::try_from(surplus).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

pub(super) fn count(
    database: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<u64> {
    let counted: i64 = database.prepare_cached(query)?.query_row(parameters, |row| row.get(0))?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

fn place(event: &str) -> String {
    format!("inbox {event}")
}

impl Waiting {
    /// The room that it happened in: of what was sealed, and not of the row beside it, which could be changed.
    pub fn room(&self) -> &OwnedRoomId {
        &self.incoming.origin().room
    }
}
