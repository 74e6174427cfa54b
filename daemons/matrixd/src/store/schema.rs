//! The tables, as the steps that lead to them. A step is never changed once it was shipped.
//!
//! What people said and sent is only in columns of the type BLOB, sealed. In clear stand identifiers and times, all
//! of which the homeserver knows anyway. Another part of the daemon may keep a table of its own beside these.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Step by step; `user_version` counts how many were taken.
const STEPS: [&str; 2] = [
    "CREATE TABLE sealing (one INTEGER PRIMARY KEY CHECK (one = 1), wrapped BLOB NOT NULL) STRICT;
     CREATE TABLE value (name TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
     CREATE TABLE inbox (
         seq INTEGER PRIMARY KEY AUTOINCREMENT,
         event TEXT NOT NULL UNIQUE,
         room TEXT NOT NULL,
         sender TEXT NOT NULL,
         handed INTEGER NOT NULL DEFAULT 0,
         body BLOB NOT NULL
     ) STRICT;
     CREATE INDEX inbox_sender ON inbox (sender);
     CREATE TABLE seen (event TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE INDEX seen_age ON seen (seen_ms);
     CREATE TABLE dead_letter (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         event TEXT NOT NULL UNIQUE,
         room TEXT NOT NULL,
         sender TEXT NOT NULL,
         session TEXT,
         sent_ms INTEGER NOT NULL,
         since_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX dead_letter_session ON dead_letter (room, session);
     CREATE TABLE told (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         room TEXT NOT NULL,
         session TEXT NOT NULL,
         UNIQUE (room, session)
     ) STRICT;
     CREATE TABLE post (
         seq INTEGER PRIMARY KEY AUTOINCREMENT,
         txn TEXT NOT NULL UNIQUE,
         room TEXT NOT NULL,
         state TEXT NOT NULL,
         body BLOB,
         content BLOB,
         bytes INTEGER NOT NULL,
         attempts INTEGER NOT NULL DEFAULT 0,
         due_ms INTEGER NOT NULL DEFAULT 0,
         queued_ms INTEGER NOT NULL,
         expires_ms INTEGER NOT NULL,
         settled_ms INTEGER,
         event TEXT,
         cause TEXT
     ) STRICT;
     CREATE INDEX post_state ON post (state, room, seq);
     CREATE INDEX post_settled ON post (settled_ms);
     CREATE TABLE place (
         session TEXT PRIMARY KEY,
         room TEXT NOT NULL,
         thread TEXT,
         used_ms INTEGER NOT NULL
     ) STRICT;",
    // What was let in before this step has no seal here: its events are known by their ids.
    "CREATE TABLE sealed_session (
         session TEXT PRIMARY KEY,
         floor INTEGER NOT NULL,
         used_ms INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX sealed_session_age ON sealed_session (used_ms);
     CREATE TABLE sealed_index (
         session TEXT NOT NULL,
         number INTEGER NOT NULL,
         PRIMARY KEY (session, number)
     ) STRICT, WITHOUT ROWID;",
];

/// Brings a database to the newest step, or leaves it as it was.
pub(super) fn migrate(database: &mut Connection) -> Result<(), StoreError> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::Newer { version, known });
    }
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
