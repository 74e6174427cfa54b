//! The tables of the ledger, as the steps that lead to them. A step is never changed once it was shipped.

use rusqlite::Connection;

use super::LedgerError;

/// Step by step; `user_version` counts how many were taken.
const STEPS: [&str; 3] = [
    // 1: questions and their answers.
    "CREATE TABLE IF NOT EXISTS approval (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         digest TEXT NOT NULL,
         state TEXT NOT NULL,
         asker TEXT NOT NULL,
         requested_ms INTEGER NOT NULL,
         expires_ms INTEGER NOT NULL,
         answered_ms INTEGER,
         answered_by TEXT,
         reason TEXT,
         body TEXT NOT NULL
     ) STRICT;
     CREATE INDEX IF NOT EXISTS approval_state ON approval (state);",
    // 2: how it was answered, what is known around the action, who waits, leases, one-time codes.
    "ALTER TABLE approval ADD COLUMN facts TEXT;
     ALTER TABLE approval ADD COLUMN weight TEXT;
     ALTER TABLE approval ADD COLUMN scope TEXT;
     ALTER TABLE approval ADD COLUMN grants INTEGER NOT NULL DEFAULT 1;
     ALTER TABLE approval ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
     UPDATE approval SET used = 1 WHERE state = 'redeemed';
     CREATE TABLE waiter (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         approval INTEGER NOT NULL,
         asker TEXT NOT NULL,
         call TEXT NOT NULL,
         UNIQUE (approval, asker, call)
     ) STRICT;
     INSERT INTO waiter (approval, asker, call)
         SELECT number, asker, coalesce(json_extract(body, '$.call'), '') FROM approval WHERE state = 'pending';
     CREATE TABLE lease (
         number INTEGER PRIMARY KEY,
         scope TEXT NOT NULL,
         shape TEXT NOT NULL,
         weight TEXT NOT NULL,
         given_by TEXT NOT NULL,
         given_ms INTEGER NOT NULL,
         expires_ms INTEGER,
         revoked_ms INTEGER,
         revoked_by TEXT
     ) STRICT;
     CREATE TABLE otp (
         one INTEGER PRIMARY KEY CHECK (one = 1),
         last_step INTEGER NOT NULL DEFAULT -1,
         failures INTEGER NOT NULL DEFAULT 0,
         locked_until_ms INTEGER NOT NULL DEFAULT 0,
         enrolled TEXT
     ) STRICT;
     INSERT INTO otp (one) VALUES (1);
     CREATE TABLE familiar (value TEXT PRIMARY KEY, skeleton TEXT NOT NULL) STRICT;
     CREATE INDEX familiar_skeleton ON familiar (skeleton);",
    // 3: plans, and which of their steps were meant.
    "ALTER TABLE approval ADD COLUMN steps TEXT;
     CREATE TABLE plan (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         digest TEXT NOT NULL UNIQUE,
         body TEXT NOT NULL
     ) STRICT;",
];

/// Brings a database to the newest step, or leaves it as it was.
pub(super) fn migrate(database: &mut Connection) -> Result<(), LedgerError> {
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(LedgerError::Newer { version, known });
    }
    let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Somebody else may have been faster until the lock was ours.
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
