//! The ledger of approvals: questions to people and their answers, in `SQLite`, surviving a restart.
//!
//! Every transition is one conditional `UPDATE`, so two racing answers or two racing uses give one success.
//! Times are milliseconds since 1970 in UTC and come from the caller.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use testudo::action::Judged;
use testudo::approval::{Approval, Outcome, Scope, State};
use testudo::verdict::Decision;
use thiserror::Error;

use crate::controls::Controls;

/// The schema that this program writes, in `user_version`.
const SCHEMA: i64 = 1;
/// How long an approved action may take to be used, in milliseconds.
const REDEEM_WITHIN_MS: i64 = 60_000;
/// Most questions that wait at one time; more would only bury the one that matters.
const MOST_PENDING: i64 = 100;

/// Most of them of one session, so that no session crowds the others out.
const MOST_OF_SESSION: i64 = 8;
/// Most bytes that all waiting questions may have as JSON, so that the list of them fits into one answer.
const MOST_BYTES: i64 = 6 * 1024 * 1024;
/// Most of them of one session.
const MOST_BYTES_OF_SESSION: i64 = 1024 * 1024;

/// Why the ledger did not do what it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("cannot use the ledger of approvals: {0}")]
    Database(#[from] rusqlite::Error),
    /// What stands in it is not what this program writes.
    #[error("cannot read approval {id}: {source}")]
    Damaged {
        /// Which one.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It was written by a newer version.
    #[error(
        "cannot use the ledger of approvals: its version {0} is newer than {SCHEMA}; install the newer Testudo"
    )]
    Newer(i64),
    /// No such approval.
    #[error("there is no approval `{0}`")]
    Unknown(String),
    /// It is not in the state that this needs.
    #[error("approval {id} is {} already", .state.word())]
    Settled {
        /// Which one.
        id: String,
        /// Where it stands.
        state: State,
    },
    /// The digest is another one.
    #[error("approval {id} is for another action: its digest is {expected}, not {given}")]
    OtherDigest {
        /// Which one.
        id: String,
        /// What was asked.
        expected: String,
        /// What was given.
        given: String,
    },
    /// It cannot be shown whole.
    #[error("approval {0} cannot be given: not all of the action can be shown")]
    NotApprovable(String),
    /// Too many wait.
    #[error("too many approvals are waiting already: answer some of them first")]
    Full,
    /// Nobody could read it all.
    #[error("cannot ask about {0} bytes at once: make smaller changes")]
    TooLong(usize),
}

/// The ledger.
pub struct Ledger {
    database: Connection,
    controls: Controls,
}

impl Ledger {
    /// Opens or makes the ledger.
    ///
    /// # Errors
    /// When the file is not a ledger of this version.
    pub fn open(path: &Path, controls: Controls) -> Result<Self, LedgerError> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > SCHEMA {
            return Err(LedgerError::Newer(version));
        }
        database.execute_batch(
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
             CREATE INDEX IF NOT EXISTS approval_state ON approval (state);
             PRAGMA user_version = 1;",
        )?;
        Ok(Self { database, controls })
    }

    /// Keeps a new question of `asker`, a connection of the bus, and returns it.
    ///
    /// # Errors
    /// [`LedgerError::Full`], or the database's.
    pub fn ask(
        &self,
        judged: &Judged,
        decision: &Decision,
        asker: &str,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Approval, LedgerError> {
        let expires_ms = now_ms.saturating_add(ttl_ms);
        let mut approval = Approval {
            id: String::new(),
            digest: decision.digest.clone(),
            session: judged.action.session.clone(),
            tool: judged.action.tool.clone(),
            arguments: judged.action.arguments.clone(),
            reasons: decision.reasons.clone(),
            requested_at: rfc3339(now_ms),
            expires_at: rfc3339(expires_ms),
            phase: judged.action.phase,
            effect: judged.action.effect,
            requester: judged.action.requester.clone(),
            call: judged.call.clone(),
            changes: judged.changes.clone(),
            diff: judged.diff.clone(),
            approvable: judged.hidden.is_none(),
            light: false,
            state: State::Pending,
            answer: judged.hidden.clone(),
        };
        let body = serde_json::to_string(&approval)
            .map_err(|source| LedgerError::Damaged { id: "(new)".into(), source })?;
        self.check_room(&approval.session, body.len())?;
        self.database.execute(
            "INSERT INTO approval (digest, state, asker, requested_ms, expires_ms, body)
             VALUES (?1, 'pending', ?2, ?3, ?4, ?5)",
            params![approval.digest, asker, now_ms, expires_ms, body],
        )?;
        approval.id = id_of(self.database.last_insert_rowid());
        Ok(approval)
    }

    /// Whether one more question of `bytes` fits beside those that wait, of all sessions and of this one.
    fn check_room(&self, session: &str, bytes: usize) -> Result<(), LedgerError> {
        let new = i64::try_from(bytes).unwrap_or(i64::MAX);
        if new > MOST_BYTES_OF_SESSION {
            return Err(LedgerError::TooLong(bytes));
        }
        let waiting: [i64; 4] = self.database.query_row(
            "SELECT count(*), coalesce(sum(length(body)), 0),
                    count(*) FILTER (WHERE json_extract(body, '$.session') = ?1),
                    coalesce(sum(length(body)) FILTER (WHERE json_extract(body, '$.session') = ?1), 0)
             FROM approval WHERE state = 'pending'",
            [session],
            |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
        )?;
        let [all, all_bytes, own, own_bytes] = waiting;
        let full = all >= MOST_PENDING
            || own >= MOST_OF_SESSION
            || all_bytes.saturating_add(new) > MOST_BYTES
            || own_bytes.saturating_add(new) > MOST_BYTES_OF_SESSION;
        if full { Err(LedgerError::Full) } else { Ok(()) }
    }

    /// Says whether a person may now answer yes to this, without changing anything.
    ///
    /// # Errors
    /// Why not.
    pub fn may_approve(&self, id: &str, digest: &str, now_ms: i64) -> Result<Approval, LedgerError> {
        let approval = self.find(id, now_ms)?;
        if approval.state != State::Pending {
            return Err(LedgerError::Settled { id: id.into(), state: approval.state });
        }
        if self.controls.digest_binding && approval.digest != digest {
            return Err(LedgerError::OtherDigest {
                id: id.into(),
                expected: approval.digest,
                given: digest.into(),
            });
        }
        if !approval.approvable {
            return Err(LedgerError::NotApprovable(id.into()));
        }
        Ok(approval)
    }

    /// Settles a pending question.
    ///
    /// # Errors
    /// [`LedgerError::Settled`] when somebody or the clock was faster.
    pub fn settle(
        &self,
        id: &str,
        state: State,
        by: &str,
        reason: Option<&str>,
        now_ms: i64,
    ) -> Result<Outcome, LedgerError> {
        let in_time = if state == State::Approved && self.controls.expiry { now_ms } else { i64::MIN };
        let changed = self.database.execute(
            "UPDATE approval SET state = ?2, answered_ms = ?3, answered_by = ?4, reason = ?5
             WHERE number = ?1 AND state = 'pending' AND expires_ms > ?6",
            params![number_of(id)?, state.word(), now_ms, by, reason, in_time],
        )?;
        if changed == 0 {
            return Err(LedgerError::Settled { id: id.into(), state: self.find(id, now_ms)?.state });
        }
        self.outcome(id, now_ms)
    }

    /// Uses up an approved question, for exactly this digest.
    ///
    /// # Errors
    /// Why it cannot be used; nothing may run then.
    pub fn redeem(&self, id: &str, digest: &str, now_ms: i64) -> Result<(), LedgerError> {
        let approval = self.find(id, now_ms)?;
        if self.controls.digest_binding && approval.digest != digest {
            return Err(LedgerError::OtherDigest {
                id: id.into(),
                expected: approval.digest,
                given: digest.into(),
            });
        }
        let usable = if self.controls.single_use { "('approved')" } else { "('approved', 'redeemed')" };
        let since = if self.controls.expiry { now_ms.saturating_sub(REDEEM_WITHIN_MS) } else { i64::MIN };
        let changed = self.database.execute(
            &format!(
                "UPDATE approval SET state = 'redeemed' WHERE number = ?1 AND state IN {usable} AND answered_ms > ?2"
            ),
            params![number_of(id)?, since],
        )?;
        if changed == 0 {
            return Err(LedgerError::Settled { id: id.into(), state: self.find(id, now_ms)?.state });
        }
        Ok(())
    }

    /// One approval as it stands at `now_ms`: a pending one past its time reads as expired.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], or the database's.
    pub fn find(&self, id: &str, now_ms: i64) -> Result<Approval, LedgerError> {
        self.database
            .query_row("SELECT * FROM approval WHERE number = ?1", [number_of(id)?], |row| Ok(Row::read(row)))
            .optional()?
            .ok_or_else(|| LedgerError::Unknown(id.into()))??
            .approval(now_ms, self.controls)
    }

    /// How an approval ended, or that it is pending.
    ///
    /// # Errors
    /// As [`Ledger::find`].
    pub fn outcome(&self, id: &str, now_ms: i64) -> Result<Outcome, LedgerError> {
        let approval = self.find(id, now_ms)?;
        let by: Option<String> = self.database.query_row(
            "SELECT answered_by FROM approval WHERE number = ?1",
            [number_of(id)?],
            |row| row.get(0),
        )?;
        Ok(Outcome {
            id: approval.id,
            state: approval.state,
            digest: approval.digest,
            reason: approval.answer,
            by,
        })
    }

    /// All that wait for an answer, oldest first, with the connections that asked.
    ///
    /// # Errors
    /// The database's, or a damaged entry.
    pub fn pending(&self) -> Result<Vec<(Approval, String)>, LedgerError> {
        let mut statement =
            self.database.prepare_cached("SELECT * FROM approval WHERE state = 'pending' ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok(Row::read(row)))?;
        rows.map(|row| {
            let row = row??;
            let asker = row.asker.clone();
            // Listed as pending until the sweep settles it, whatever the clock says.
            Ok((row.approval(i64::MIN, self.controls)?, asker))
        })
        .collect()
    }

    /// Ids of questions whose time is over.
    ///
    /// # Errors
    /// The database's.
    pub fn overdue(&self, now_ms: i64) -> Result<Vec<String>, LedgerError> {
        if !self.controls.expiry {
            return Ok(Vec::new());
        }
        let mut statement = self
            .database
            .prepare_cached("SELECT number FROM approval WHERE state = 'pending' AND expires_ms <= ?1")?;
        let numbers = statement.query_map([now_ms], |row| row.get(0))?;
        numbers.map(|number| Ok(id_of(number?))).collect()
    }
}

/// A row as the database has it.
struct Row {
    number: i64,
    state: String,
    asker: String,
    expires_ms: i64,
    reason: Option<String>,
    body: String,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            state: row.get("state")?,
            asker: row.get("asker")?,
            expires_ms: row.get("expires_ms")?,
            reason: row.get("reason")?,
            body: row.get("body")?,
        })
    }

    fn approval(self, now_ms: i64, controls: Controls) -> Result<Approval, LedgerError> {
        let id = id_of(self.number);
        let damaged = |source| LedgerError::Damaged { id: id.clone(), source };
        let mut approval: Approval = serde_json::from_str(&self.body).map_err(damaged)?;
        approval.state = serde_json::from_value(self.state.into()).map_err(damaged)?;
        if controls.expiry && approval.state == State::Pending && self.expires_ms <= now_ms {
            approval.state = State::Expired;
        }
        approval.answer = self.reason.or(approval.answer);
        approval.id = id;
        Ok(approval)
    }
}

/// The settlement of a question that a person gave for a scope.
pub const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Once => "once",
        Scope::Session => "session",
    }
}

fn id_of(number: i64) -> String {
    format!("a-{number}")
}

fn number_of(id: &str) -> Result<i64, LedgerError> {
    id.strip_prefix("a-")
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| LedgerError::Unknown(id.into()))
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests;
