//! The record on the disk: opening it, and appending to it.
//!
//! [`Store::open`] verifies everything that is there and writes down what it finds before anything else is
//! appended. [`Store::append`] keeps a batch in one transaction: all of it is durable when it returns, or none of
//! it was written. One thread owns a store, see [`crate::writer`].

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use testudo::record::{Entry, Verification};
use testudo::{daemon, journal};

use crate::archive::Archive;
use crate::chain::{self, Tip};
use crate::error::{StoreError, is_damage, is_foreign};
use crate::head::{self, Head};
use crate::row::{COLUMNS, Row};
use crate::schema;
use crate::walk::{AUDITD, Break, Expected};

/// The database's name in the state directory.
pub const FILE: &str = "audit.db";

/// An entry and who wrote it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The daemon, by its name.
    pub writer: &'static str,
    /// What it wants kept.
    pub entry: Entry,
}

/// An open record.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    head: Head,
    tip: Tip,
    path: PathBuf,
    /// Device and inode of the file that is open, to notice when another lies in its place.
    identity: (u64, u64),
}

impl Store {
    /// Opens the record in this directory, verifies it and begins it where there is none.
    ///
    /// A broken chain is written down and reported and does not keep the store from being used: recording must
    /// go on.
    ///
    /// # Errors
    /// When the database is not one, is of a later release, or cannot be written.
    pub fn open(directory: &Path, now: Timestamp) -> Result<(Self, Verification), StoreError> {
        let path = directory.join(FILE);
        let head_path = directory.join(head::FILE);
        let head = Head::open(&head_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => StoreError::InUse(directory.to_owned()),
            _ => StoreError::Head { path: head_path.clone(), source },
        })?;
        let damaged = |error| match error {
            StoreError::Database(source) if is_damage(&source) => {
                StoreError::Damaged { path: path.clone(), source }
            }
            other => other,
        };
        let mut connection =
            Connection::open(&path).map_err(|source| StoreError::Open { path: path.clone(), source })?;
        schema::prepare(&mut connection).map_err(|error| match error {
            // A database without our tables is somebody else's, or what somebody left of ours.
            StoreError::Database(source) if is_foreign(&source) => {
                StoreError::Damaged { path: path.clone(), source }
            }
            other => damaged(other),
        })?;
        let identity = identity(&path).ok_or_else(|| StoreError::Moved(path.clone()))?;
        let tip = last(&connection).map_err(|error| damaged(error.into()))?;
        let expected = head
            .expected(tip.seq == 0)
            .map_err(|source| StoreError::Head { path: head_path.clone(), source })?;
        let findings = Archive::at(&path).verify(expected.clone())?;
        let mut store = Self { connection, head, tip, path: path.clone(), identity };
        if let Some(found) = &findings.news {
            let mut entry = found.entry();
            if let Expected::AtLeast(tip) = expected {
                entry = entry.with("acknowledged", tip.seq).with("acknowledged_hash", tip.hash);
            }
            store.append(vec![Draft { writer: AUDITD, entry }], now).map_err(damaged)?;
        }
        // Only now: until the break is written down, the old head is what shows it.
        store.head.begin(&store.tip).map_err(|source| StoreError::Head { path: head_path, source })?;
        if let (Some(seq), Some(problem)) = (findings.verification.first_bad, &findings.verification.problem)
        {
            report(&Break { seq, problem: problem.clone() });
        }
        Ok((store, findings.verification))
    }

    /// Keeps all of these, in order, and returns the sequence of each.
    ///
    /// # Errors
    /// Nothing was kept then. [`StoreError::NoRoom`] and [`StoreError::Moved`] tell what an operator can mend.
    pub fn append(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Result<Vec<u64>, StoreError> {
        self.check_place()?;
        let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // The database is asked again each time: nobody else writes here, and if somebody did, it shows now.
        let mut tip = last(&transaction)?;
        let found = meddling(&self.tip, &tip);
        if let Some(found) = &found {
            tip = insert(&transaction, &tip, &time, AUDITD, found.entry())?;
        }
        let mut sequences = Vec::with_capacity(drafts.len());
        for Draft { writer, entry } in drafts {
            tip = insert(&transaction, &tip, &time, writer, entry)?;
            sequences.push(tip.seq);
        }
        transaction.commit()?;
        self.tip = tip;
        // What was committed is durable without it, so a head that stays behind is only told of.
        if let Err(error) = self.head.write(&self.tip) {
            tracing::warn!("the head file stays behind the record: {error}");
        }
        if let Some(found) = found {
            report(&found);
            daemon::status(&format!("Recording; BROKEN from record {} on: {}.", found.seq, found.problem));
        }
        Ok(sequences)
    }

    /// The last record that was acknowledged.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Fails once the database's path names another file, or none: what is appended then would be lost.
    ///
    /// # Errors
    /// [`StoreError::Moved`].
    pub fn check_place(&self) -> Result<(), StoreError> {
        if identity(&self.path) == Some(self.identity) {
            Ok(())
        } else {
            Err(StoreError::Moved(self.path.clone()))
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The actual last row, whatever it says.
fn last(connection: &Connection) -> rusqlite::Result<Tip> {
    let sql = format!("SELECT {COLUMNS} FROM record ORDER BY seq DESC LIMIT 1");
    let row = connection.prepare_cached(&sql)?.query_row([], Row::read).optional()?;
    Ok(row.map_or_else(Tip::genesis, |row| Tip { seq: row.seq, hash: row.hash }))
}

/// What became of the end since it was last written.
fn meddling(known: &Tip, actual: &Tip) -> Option<Break> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (seq, problem) = match actual.seq.cmp(&known.seq) {
        Less => (actual.seq.saturating_add(1), format!("records up to {} were cut off", known.seq)),
        Greater => (known.seq.saturating_add(1), format!("records up to {} were added", actual.seq)),
        Equal if actual.hash != known.hash => (known.seq, "the last record was changed".to_owned()),
        Equal => return None,
    };
    Some(Break { seq, problem: format!("{problem} by somebody else while testudo-auditd ran") })
}

fn insert(
    transaction: &Transaction<'_>,
    tip: &Tip,
    time: &str,
    writer: &str,
    entry: Entry,
) -> Result<Tip, StoreError> {
    let record = chain::seal(tip, time, writer, entry)?;
    let row = Row::of(&record);
    let seq = i64::try_from(record.seq).map_err(|_| StoreError::Exhausted(tip.seq))?;
    let sql = format!("INSERT INTO record ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    transaction.prepare_cached(&sql)?.execute(params![
        seq,
        row.time,
        row.writer,
        row.event,
        row.session,
        row.call,
        row.tool,
        row.decision,
        row.detail,
        row.previous,
        row.hash,
    ])?;
    Ok(Tip::of(&record))
}

fn report(found: &Break) {
    let text = format!("the record is broken from record {} on: {}", found.seq, found.problem);
    let fields = [("SEQUENCE", found.seq.to_string()), ("PROBLEM", found.problem.clone())];
    let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
    journal::event(journal::CHAIN_BROKEN, libsystemd::logging::Priority::Error, &text, &fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn drafts(count: usize) -> Vec<Draft> {
        let entry = Entry::new("x").with("long", "x".repeat(10_000));
        vec![Draft { writer: "toold", entry }; count]
    }

    fn verify(store: &Store) -> Verification {
        Archive::at(&store.path).verify(Expected::AtLeast(store.tip.clone())).unwrap().verification
    }

    #[test]
    fn a_full_disk_refuses_a_batch_whole_and_recording_goes_on_when_there_is_room_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path(), NOW).unwrap();
        assert_eq!(store.append(drafts(2), NOW).unwrap(), [1, 2]);
        let pages: u32 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages + 3).unwrap();
        let error = store.append(drafts(3), NOW).unwrap_err();
        assert!(matches!(error, StoreError::NoRoom(_)), "{error}");
        assert_eq!((verify(&store).ok, verify(&store).records, store.tip.seq), (true, 2, 2));
        store.connection.pragma_update(None, "max_page_count", 100_000).unwrap();
        assert_eq!(store.append(drafts(3), NOW).unwrap(), [3, 4, 5]);
        assert!(verify(&store).ok);
    }

    #[test]
    fn a_database_that_cannot_be_written_refuses_and_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path(), NOW).unwrap();
        store.connection.pragma_update(None, "query_only", true).unwrap();
        let error = store.append(drafts(1), NOW).unwrap_err();
        assert!(matches!(error, StoreError::NoRoom(_)), "{error}");
        store.connection.pragma_update(None, "query_only", false).unwrap();
        assert_eq!(store.append(drafts(1), NOW).unwrap(), [1]);
    }

    #[test]
    fn a_forged_last_number_that_has_no_next_is_an_error_and_not_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path(), NOW).unwrap();
        store.append(drafts(1), NOW).unwrap();
        store
            .connection
            .execute_batch(&format!(
                "DROP TRIGGER record_is_never_changed; UPDATE record SET seq = {} WHERE seq = 1",
                i64::MAX
            ))
            .unwrap();
        assert!(matches!(store.append(drafts(1), NOW), Err(StoreError::Exhausted(_))));
        assert_eq!(verify(&store).first_bad, Some(1));
    }
}
