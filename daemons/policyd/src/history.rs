//! The last decisions, each with everything that was weighed, so that other rules can be tried on them.
//!
//! What the session knew at the time (taint, origins, findings) is kept as it was then; the diff is not, since no
//! rule looks at it. At least the last [`REPLAYED`] decisions are kept, and those behind the last questions longer,
//! so that a question can be weighed anew. Bounds: [`MOST_BYTES`] for one decision, so a few dozen MiB for all.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use testudo::action::Judged;
use testudo::verdict::{Decision, Verdict};

/// How many decisions are replayed.
pub const REPLAYED: usize = 100;
/// How many are kept, and how many that asked people.
const KEPT: i64 = 128;
/// Every so many decisions the oldest are thrown away.
const PRUNED_EVERY: i64 = 32;
/// A longer one is kept without what was weighed, and counted as left out.
pub const MOST_BYTES: usize = 128 * 1024;

/// A decision that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When, in milliseconds since 1970 in UTC.
    pub at_ms: i64,
    /// What was decided, by all layers.
    pub verdict: Verdict,
    /// What was weighed.
    pub judged: Judged,
}

/// The last decisions, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latest {
    /// Those that can be weighed anew.
    pub decisions: Vec<Past>,
    /// How many cannot, because they are too long.
    pub left_out: usize,
}

/// The store.
pub struct History {
    database: Mutex<Connection>,
}

impl History {
    /// Opens it; one that cannot be read is put aside and a new one is begun, since nothing is decided by it. Says so.
    ///
    /// # Errors
    /// When none can be begun either.
    pub fn open_or_begin(path: &Path) -> rusqlite::Result<(Self, Option<String>)> {
        match Self::open(path) {
            Ok(history) => Ok((history, None)),
            Err(error) => {
                let aside = path.with_extension("damaged");
                let kept = std::fs::rename(path, &aside).is_ok();
                let where_to =
                    if kept { format!(", and is kept as {}", aside.display()) } else { String::new() };
                let lost =
                    format!("the history of decisions cannot be read{where_to}; it begins anew: {error}");
                Ok((Self::open(path)?, Some(lost)))
            }
        }
    }

    /// Opens or makes it.
    ///
    /// # Errors
    /// The database's.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // A crash of the machine may lose the last ones; what they led to is in the record and the ledger.
        database.pragma_update(None, "synchronous", "NORMAL")?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS decision (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 at_ms INTEGER NOT NULL,
                 verdict TEXT NOT NULL,
                 approval TEXT,
                 judged TEXT
             ) STRICT;
             CREATE INDEX IF NOT EXISTS decision_approval ON decision (approval) WHERE approval IS NOT NULL;
             CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
        )?;
        Ok(Self { database: Mutex::new(database) })
    }

    /// Keeps a decision.
    ///
    /// # Errors
    /// The database's.
    pub fn keep(&self, judged: &Judged, decision: &Decision, now_ms: i64) -> rusqlite::Result<()> {
        let weighed = Judged { diff: None, ..judged.clone() };
        let body = serde_json::to_string(&weighed).ok().filter(|body| body.len() <= MOST_BYTES);
        let database = self.lock();
        database
            .prepare_cached(
                "INSERT INTO decision (at_ms, verdict, approval, judged) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![now_ms, decision.verdict.word(), decision.approval, body])?;
        let number = database.last_insert_rowid();
        if number % PRUNED_EVERY == 0 {
            database.execute(
                "DELETE FROM decision WHERE number <= ?1 AND (approval IS NULL OR number NOT IN
                     (SELECT number FROM decision WHERE approval IS NOT NULL ORDER BY number DESC LIMIT ?2))",
                [number.saturating_sub(KEPT), KEPT],
            )?;
        }
        Ok(())
    }

    /// The last [`REPLAYED`] decisions.
    ///
    /// # Errors
    /// The database's.
    pub fn latest(&self) -> rusqlite::Result<Latest> {
        let database = self.lock();
        let mut statement = database
            .prepare_cached("SELECT at_ms, verdict, judged FROM decision ORDER BY number DESC LIMIT ?1")?;
        let rows = statement.query_map([i64::try_from(REPLAYED).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        })?;
        let mut latest = Latest::default();
        for row in rows {
            let (at_ms, verdict, judged) = row?;
            match (serde_json::from_value(verdict.into()), judged.as_deref().map(serde_json::from_str)) {
                (Ok(verdict), Some(Ok(judged))) => latest.decisions.push(Past { at_ms, verdict, judged }),
                _ => latest.left_out += 1,
            }
        }
        Ok(latest)
    }

    /// What was weighed when a question was asked, if it is still known.
    ///
    /// # Errors
    /// The database's.
    pub fn behind(&self, approval: &str) -> rusqlite::Result<Option<Judged>> {
        let found: Option<Option<String>> = self
            .lock()
            .prepare_cached("SELECT judged FROM decision WHERE approval = ?1 ORDER BY number DESC LIMIT 1")?
            .query_row([approval], |row| row.get(0))
            .optional()?;
        Ok(found.flatten().and_then(|judged| serde_json::from_str(&judged).ok()))
    }

    /// Notes by which rules is decided from now on, and says whether those are others than before.
    ///
    /// # Errors
    /// The database's.
    pub fn decide_by(&self, digest: &str) -> rusqlite::Result<bool> {
        let database = self.lock();
        let before: Option<String> = database
            .query_row("SELECT value FROM fact WHERE name = 'policy'", [], |row| row.get(0))
            .optional()?;
        database.execute("INSERT OR REPLACE INTO fact (name, value) VALUES ('policy', ?1)", [digest])?;
        Ok(before.is_some_and(|before| before != digest))
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
