//! The database: its tables, its triggers and how they came to be.
//!
//! The triggers make the table append-only for everyone who goes through SQL, this daemon first of all. Who has
//! the file can drop them; that is what the chain is for. They are armed anew at each start.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// What each version added, in order; `user_version` counts how many of them a database has.
///
/// A step is never changed once it was released: a change is a new step.
const STEPS: &[&str] = &["
    CREATE TABLE record (
        seq INTEGER PRIMARY KEY NOT NULL CHECK (seq > 0),
        time TEXT NOT NULL,
        writer TEXT NOT NULL,
        event TEXT NOT NULL,
        session TEXT,
        call TEXT,
        tool TEXT,
        decision TEXT,
        detail TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_session ON record (session, seq) WHERE session IS NOT NULL;
    CREATE INDEX record_call ON record (call, seq) WHERE call IS NOT NULL;
"];

/// The insertion guard also stops `INSERT OR REPLACE`, which deletes without firing a deletion trigger.
const TRIGGERS: &str = "
    CREATE TRIGGER IF NOT EXISTS record_is_never_changed BEFORE UPDATE ON record
        BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
    CREATE TRIGGER IF NOT EXISTS record_is_never_removed BEFORE DELETE ON record
        BEGIN SELECT RAISE(ABORT, 'a record is never removed'); END;
    CREATE TRIGGER IF NOT EXISTS record_is_only_appended BEFORE INSERT ON record
        WHEN NEW.seq IS NOT (SELECT ifnull(max(seq), 0) + 1 FROM record)
        BEGIN SELECT RAISE(ABORT, 'a record is only ever appended'); END;
";

/// Brings an open database to the newest version.
///
/// # Errors
/// [`StoreError::Newer`] for a database of a later release, which is left as it is.
pub fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    // Nobody else writes; somebody who does all the same must not stop the appliance for long.
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit is on the disk before anybody is told so.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A long verification keeps the write-ahead log from being reused; afterwards it shrinks to this again.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > STEPS.len() {
        return Err(StoreError::Newer { found: version, known: STEPS.len() });
    }
    for step in STEPS.iter().skip(version) {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(TRIGGERS)?;
    transaction.pragma_update(None, "user_version", STEPS.len())?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO record (seq, time, writer, event, detail, previous, hash)
                 VALUES (1, 't', 'w', 'e', '{}', 'p', 'h'), (2, 't', 'w', 'e', '{}', 'p', 'h')",
            )
            .unwrap();
        connection
    }

    #[test]
    fn sql_can_only_append() {
        let mut connection = database();
        let refused = |connection: &Connection| {
            for (sql, reason) in [
                ("UPDATE record SET event = 'x' WHERE seq = 1", "never changed"),
                ("DELETE FROM record WHERE seq = 2", "never removed"),
                ("DELETE FROM record", "never removed"),
                ("INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 1", "only ever appended"),
                ("INSERT INTO record SELECT 4, time, writer, event, session, call, tool, decision, detail, previous, hash
                  FROM record WHERE seq = 1", "only ever appended"),
            ] {
                let error = connection.execute_batch(sql).unwrap_err().to_string();
                assert!(error.contains(reason), "{sql}: {error}");
            }
        };
        refused(&connection);
        connection
            .execute_batch("DROP TRIGGER record_is_never_changed; DROP TRIGGER record_is_never_removed")
            .unwrap();
        prepare(&mut connection).unwrap();
        refused(&connection);
        assert_eq!(connection.query_row("SELECT count(*) FROM record", [], |row| row.get(0)), Ok(2));
    }

    #[test]
    fn an_older_database_is_brought_up_and_a_newer_one_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        let version = |c: &Connection| {
            c.pragma_query_value(None, "user_version", |row| row.get::<_, usize>(0)).unwrap()
        };
        assert_eq!(version(&connection), 0);
        prepare(&mut connection).unwrap();
        assert_eq!(version(&connection), STEPS.len());
        connection.pragma_update(None, "user_version", STEPS.len() + 1).unwrap();
        let error = prepare(&mut connection).unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        assert_eq!(version(&connection), STEPS.len() + 1);
    }
}
