//! The ledger of approvals: questions to people, their answers and the leases that these gave, in `SQLite`.
//!
//! Everything survives a restart. Every transition is one conditional `UPDATE`, so two racing answers or two racing
//! uses give one success. Times are milliseconds since 1970 in UTC and come from the caller.
//!
//! This file has the life of a question; [`schema`] the tables, [`row`] how they are read, [`waiting`] who waits.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use testudo::action::{Judged, Phase};
use testudo::approval::{Approval, Outcome, Scope, State};
use testudo::verdict::{Decision, Layer, Weight};

use crate::controls::Controls;
use crate::routing::Watch;

mod error;
mod row;
mod schema;
mod unused;
mod waiting;

pub use error::LedgerError;
pub use row::{Entry, Facts};
use row::{Row, id_of};
pub(crate) use row::{number_of, rfc3339, word};

/// How long an approved action may take to be used, in milliseconds.
const REDEEM_WITHIN_MS: i64 = 60_000;
/// Most questions that wait at one time; more would only bury the one that matters.
const MOST_PENDING: i64 = 100;
/// Most of them of one session, so that no session crowds the others out.
const MOST_OF_SESSION: i64 = 8;
/// Most bytes that all waiting questions may have as JSON, so that the list of them fits into one answer.
const MOST_BYTES: i64 = 6 * 1024 * 1024;
/// Most bytes of the questions of one session.
const MOST_BYTES_OF_SESSION: i64 = 1024 * 1024;
/// How long another process, such as one that just ends, may hold the database.
const BUSY: Duration = Duration::from_secs(5);

/// A person's yes, as the ledger keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yes<'a> {
    /// Who said it.
    pub by: &'a str,
    /// How heavy it was.
    pub weight: Weight,
    /// For how long it holds.
    pub scope: Scope,
    /// For a plan: the steps that he meant, if not all.
    pub steps: Option<&'a str>,
    /// How many calls waited for it when he was shown the question.
    pub calls: u32,
}

/// Who asks, when, and what is said with it.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// A connection of the bus.
    pub asker: &'a str,
    /// Who watches the session.
    pub watch: &'a Watch,
    /// What looks like something else.
    pub warnings: Vec<String>,
    /// Milliseconds since 1970 in UTC.
    pub now_ms: i64,
    /// How long the question stands, in milliseconds.
    pub ttl_ms: i64,
}

/// The ledger.
pub struct Ledger {
    pub(crate) database: Connection,
    pub(crate) controls: Controls,
}

impl Ledger {
    /// Opens or makes the ledger.
    ///
    /// # Errors
    /// When the file is not a ledger of this version or an older one.
    pub fn open(path: &Path, controls: Controls) -> Result<Self, LedgerError> {
        let mut database = Connection::open(path)?;
        database.busy_timeout(BUSY)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut database)?;
        Ok(Self { database, controls })
    }

    /// Keeps a question and returns it. A question that waits already and says
    /// exactly the same is returned instead, and true.
    ///
    /// # Errors
    /// [`LedgerError::Full`], or the database's.
    pub fn ask(
        &self,
        judged: &Judged,
        decision: &Decision,
        asking: Asking<'_>,
    ) -> Result<(Entry, bool), LedgerError> {
        let Asking { warnings, watch, asker, now_ms, ttl_ms } = asking;
        let damaged = |source| LedgerError::Damaged { id: "a new approval".into(), source };
        let expires_ms = now_ms.saturating_add(ttl_ms);
        let once_only = matches!(decision.layer, Layer::Builtin | Layer::Sentinel)
            || judged.hidden.is_some()
            || judged.action.phase == Phase::Plan;
        let scopes: &[Scope] = if once_only { &[Scope::Once] } else { &Scope::ALL };
        let approval = Approval {
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
            light: decision.approve_by == Weight::Reaction,
            approve_by: decision.approve_by,
            scopes: scopes.to_vec(),
            calls: 1,
            origins: judged.flow.origins.clone(),
            rendering: Vec::new(),
            cut: false,
            seen: String::new(),
            route: watch.route.clone(),
            parked: watch.parked,
            state: State::Pending,
            answer: judged.hidden.clone(),
        };
        let facts = Facts {
            declaration: judged.declaration.clone(),
            flow: judged.flow.clone(),
            taint: judged.taint.clone(),
            layer: Some(decision.layer),
            warnings,
        };
        let facts = serde_json::to_string(&facts).map_err(damaged)?;
        if let Some(id) = self.join(&approval, &facts, asker, now_ms)? {
            return Ok((self.entry(&id, now_ms)?, true));
        }
        let body = serde_json::to_string(&approval).map_err(damaged)?;
        self.check_room(&approval.session, body.len() + facts.len())?;
        let transaction = self.database.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO approval (digest, state, asker, requested_ms, expires_ms, facts, body)
             VALUES (?1, 'pending', ?2, ?3, ?4, ?5, ?6)",
            params![approval.digest, asker, now_ms, expires_ms, facts, body],
        )?;
        let number = transaction.last_insert_rowid();
        if !approval.parked {
            self.wait(number, asker, &approval.call)?;
        }
        transaction.commit()?;
        Ok((self.entry(&id_of(number), now_ms)?, false))
    }

    /// Whether one more question of `bytes` fits beside those that wait, of all sessions and of this one.
    fn check_room(&self, session: &str, bytes: usize) -> Result<(), LedgerError> {
        let new = i64::try_from(bytes).unwrap_or(i64::MAX);
        if new > MOST_BYTES_OF_SESSION {
            return Err(LedgerError::TooLong(bytes));
        }
        let waiting: [i64; 4] = self.database.query_row(
            "WITH pending AS (
                 SELECT length(body) + coalesce(length(facts), 0) AS bytes, json_extract(body, '$.session') = ?1 AS own
                 FROM approval WHERE state = 'pending')
             SELECT count(*), coalesce(sum(bytes), 0), count(*) FILTER (WHERE own),
                    coalesce(sum(bytes) FILTER (WHERE own), 0) FROM pending",
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
    pub fn may_approve(&self, id: &str, digest: &str, now_ms: i64) -> Result<Entry, LedgerError> {
        let entry = self.entry(id, now_ms)?;
        let approval = &entry.approval;
        if approval.state != State::Pending {
            return Err(LedgerError::Settled { id: id.into(), state: approval.state });
        }
        self.same_digest(approval, digest)?;
        if !approval.approvable {
            return Err(LedgerError::NotApprovable(id.into()));
        }
        Ok(entry)
    }

    fn same_digest(&self, approval: &Approval, digest: &str) -> Result<(), LedgerError> {
        if self.controls.digest_binding && approval.digest != digest {
            return Err(LedgerError::OtherDigest {
                id: approval.id.clone(),
                expected: approval.digest.clone(),
                given: digest.into(),
            });
        }
        Ok(())
    }

    /// Settles a pending question as a yes: of the calls that wait for it now, as many as the person saw may each
    /// happen once.
    ///
    /// # Errors
    /// [`LedgerError::Settled`] when somebody or the clock was faster.
    pub fn approve(&self, id: &str, yes: Yes<'_>, now_ms: i64) -> Result<Outcome, LedgerError> {
        let in_time = if self.controls.expiry { now_ms } else { i64::MIN };
        let changed = self.database.execute(
            "UPDATE approval SET state = 'approved', answered_ms = ?2, answered_by = ?3, weight = ?4, scope = ?5, steps = ?7,
                 grants = max(1, min(?8, (SELECT count(*) FROM waiter WHERE waiter.approval = approval.number)))
             WHERE number = ?1 AND state = 'pending' AND expires_ms > ?6",
            params![number_of('a', id)?, now_ms, yes.by, yes.weight.word(), yes.scope.word(), in_time, yes.steps, yes.calls],
        )?;
        self.settled(id, changed, now_ms)
    }

    /// Settles a pending question as a no.
    ///
    /// # Errors
    /// [`LedgerError::Settled`] when somebody was faster.
    pub fn settle(
        &self,
        id: &str,
        state: State,
        by: &str,
        reason: Option<&str>,
        now_ms: i64,
    ) -> Result<Outcome, LedgerError> {
        let changed = self.database.execute(
            "UPDATE approval SET state = ?2, answered_ms = ?3, answered_by = ?4, reason = ?5
             WHERE number = ?1 AND state = 'pending'",
            params![number_of('a', id)?, state.word(), now_ms, by, reason],
        )?;
        self.settled(id, changed, now_ms)
    }

    fn settled(&self, id: &str, changed: usize, now_ms: i64) -> Result<Outcome, LedgerError> {
        let outcome = self.outcome(id, now_ms)?;
        if changed == 0 {
            return Err(LedgerError::Settled { id: id.into(), state: outcome.state });
        }
        Ok(outcome)
    }

    /// Uses up an approved question, for exactly this digest: as often as calls were seen to wait for it, and no more.
    ///
    /// # Errors
    /// Why it cannot be used; nothing may run then.
    pub fn redeem(&self, id: &str, digest: &str, now_ms: i64) -> Result<(), LedgerError> {
        let approval = self.find(id, now_ms)?;
        self.same_digest(&approval, digest)?;
        let usable = if self.controls.single_use {
            "state = 'approved' AND used < grants"
        } else {
            "state IN ('approved', 'redeemed')"
        };
        let since = if self.controls.expiry { now_ms.saturating_sub(REDEEM_WITHIN_MS) } else { i64::MIN };
        let changed = self.database.execute(
            &format!(
                "UPDATE approval SET used = used + 1,
                     state = CASE WHEN used + 1 >= grants THEN 'redeemed' ELSE 'approved' END
                 WHERE number = ?1 AND {usable}
                     AND (answered_ms > ?2 OR (json_extract(body, '$.parked') AND expires_ms > ?3))"
            ),
            params![number_of('a', id)?, since, now_ms],
        )?;
        if changed == 0 {
            return Err(LedgerError::Settled { id: id.into(), state: self.find(id, now_ms)?.state });
        }
        Ok(())
    }

    /// One approval as it stands at `now_ms`: a pending one past its time reads as expired. It is not worded.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], or the database's.
    pub fn find(&self, id: &str, now_ms: i64) -> Result<Approval, LedgerError> {
        Ok(self.entry(id, now_ms)?.approval)
    }

    /// How an approval ended, or that it is pending.
    ///
    /// # Errors
    /// As [`Ledger::find`].
    pub fn outcome(&self, id: &str, now_ms: i64) -> Result<Outcome, LedgerError> {
        Ok(self.entry(id, now_ms)?.outcome)
    }

    /// One approval with everything that belongs to it.
    ///
    /// # Errors
    /// As [`Ledger::find`].
    pub fn entry(&self, id: &str, now_ms: i64) -> Result<Entry, LedgerError> {
        let rows = format!("SELECT {} FROM approval WHERE number = ?1", Row::COLUMNS);
        self.database
            .query_row(&rows, [number_of('a', id)?], |row| Ok(Row::read(row)))
            .optional()?
            .ok_or_else(|| LedgerError::Unknown { kind: "approval", id: id.into() })??
            .entry(now_ms, self.controls)
    }

    /// All that wait for an answer, oldest first.
    ///
    /// # Errors
    /// The database's, or a damaged entry.
    pub fn pending(&self) -> Result<Vec<Entry>, LedgerError> {
        let rows = format!("SELECT {} FROM approval WHERE state = 'pending' ORDER BY number", Row::COLUMNS);
        let mut statement = self.database.prepare_cached(&rows)?;
        let rows = statement.query_map([], |row| Ok(Row::read(row)))?;
        // Listed as pending until the sweep settles it, whatever the clock says.
        rows.map(|row| row??.entry(i64::MIN, self.controls)).collect()
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

#[cfg(test)]
mod tests;
