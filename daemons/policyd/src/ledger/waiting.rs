//! Who waits for the answer to a question: identical calls share one, and each of them uses its own part of the yes.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};
use testudo::action::Judged;
use testudo::approval::Approval;
use testudo::flow::Finding;
use testudo::label::Source;
use testudo::verdict::{Decision, Layer, Reason, Verdict};

use super::row::{id_of, number_of};
use super::{Entry, Ledger, LedgerError, Row};

/// Most calls that share one question.
const MOST_CALLS: u32 = 8;

impl Ledger {
    /// Joins a question that waits, if there is one about this very action that says exactly the same. Whoever asks
    /// again for the same call, because it did not hear the answer, is still one.
    pub(super) fn join(
        &self,
        new: &Approval,
        facts: &str,
        asker: &str,
        now_ms: i64,
    ) -> Result<Option<String>, LedgerError> {
        let rows = format!(
            "SELECT {}, facts AS facts_text FROM approval WHERE state = 'pending' AND digest = ?1 AND expires_ms > ?2",
            Row::COLUMNS
        );
        let mut statement = self.database.prepare_cached(&rows)?;
        let found = statement.query_map(params![new.digest, now_ms], |row| {
            Ok((Row::read(row)?, row.get::<_, Option<String>>("facts_text")?))
        })?;
        for row in found {
            let (row, same_facts) = row?;
            let old = row.entry(now_ms, self.controls)?.approval;
            let same = old.reasons == new.reasons
                && old.approve_by == new.approve_by
                && old.changes == new.changes
                && old.diff == new.diff
                && old.approvable == new.approvable
                && (&old.route, old.parked) == (&new.route, new.parked)
                && same_facts.as_deref() == Some(facts);
            if !same {
                continue;
            }
            if new.parked {
                return Ok(Some(old.id));
            }
            let number = number_of('a', &old.id)?;
            let known: Option<i64> = self
                .database
                .query_row(
                    "SELECT 1 FROM waiter WHERE approval = ?1 AND asker = ?2 AND call = ?3",
                    params![number, asker, new.call],
                    |row| row.get(0),
                )
                .optional()?;
            if known.is_none() && old.calls >= MOST_CALLS {
                return Err(LedgerError::Full);
            }
            self.wait(number, asker, &new.call)?;
            return Ok(Some(old.id));
        }
        Ok(None)
    }

    /// A yes that was given to this very action while nobody waited for it, and not used yet. What speaks against the
    /// action now must have been in the question, and the yes must be heavy enough for it.
    ///
    /// # Errors
    /// The database's, or a damaged entry.
    pub fn answered(
        &self,
        judged: &Judged,
        decision: &Decision,
        now_ms: i64,
    ) -> Result<Option<String>, LedgerError> {
        let rows = format!(
            "SELECT {} FROM approval WHERE digest = ?1 AND state = 'approved' AND used < grants
                 AND json_extract(body, '$.parked') AND expires_ms > ?2 ORDER BY number",
            Row::COLUMNS
        );
        let mut statement = self.database.prepare_cached(&rows)?;
        let found = statement.query_map(params![decision.digest, now_ms], |row| Ok(Row::read(row)))?;
        for row in found {
            let old = row??.entry(now_ms, self.controls)?;
            let heavy = old.outcome.weight.is_some_and(|given| given >= decision.approve_by);
            if (heavy || !self.controls.weight) && covers(&old, judged, decision) {
                return Ok(Some(old.approval.id));
            }
        }
        Ok(None)
    }

    pub(super) fn wait(&self, number: i64, asker: &str, call: &str) -> Result<(), LedgerError> {
        self.database.execute(
            "INSERT OR IGNORE INTO waiter (approval, asker, call) VALUES (?1, ?2, ?3)",
            params![number, asker, call],
        )?;
        Ok(())
    }

    /// One of the calls that wait for this question needs no answer any more. True when nobody is left.
    ///
    /// # Errors
    /// The database's.
    pub fn leave(&self, id: &str) -> Result<bool, LedgerError> {
        let number = number_of('a', id)?;
        // They are identical, so it does not matter which of them goes.
        self.database.execute(
            "DELETE FROM waiter WHERE number = (SELECT max(number) FROM waiter WHERE approval = ?1)",
            [number],
        )?;
        self.is_deserted(number)
    }

    /// A connection is gone. Gives the questions that nobody waits for any more, now or after an earlier crash.
    ///
    /// # Errors
    /// The database's.
    pub fn depart(&self, asker: &str) -> Result<Vec<String>, LedgerError> {
        let gone = self.database.execute("DELETE FROM waiter WHERE asker = ?1", [asker])?;
        if gone == 0 {
            return Ok(Vec::new());
        }
        let mut statement = self.database.prepare_cached(
            "SELECT number FROM approval WHERE state = 'pending'
             AND NOT coalesce(json_extract(body, '$.parked'), 0)
             AND NOT EXISTS (SELECT 1 FROM waiter WHERE waiter.approval = approval.number)",
        )?;
        let numbers = statement.query_map([], |row| row.get(0))?;
        numbers.map(|number| Ok(id_of(number?))).collect()
    }

    /// The connections that wait for an answer.
    ///
    /// # Errors
    /// The database's.
    pub fn askers(&self) -> Result<Vec<String>, LedgerError> {
        let mut statement = self.database.prepare_cached(
            "SELECT DISTINCT waiter.asker FROM waiter JOIN approval ON approval.number = waiter.approval
             WHERE approval.state = 'pending'",
        )?;
        let askers = statement.query_map([], |row| row.get(0))?;
        Ok(askers.collect::<rusqlite::Result<_>>()?)
    }

    fn is_deserted(&self, number: i64) -> Result<bool, LedgerError> {
        let left: i64 =
            self.database
                .query_row("SELECT count(*) FROM waiter WHERE approval = ?1", [number], |row| row.get(0))?;
        Ok(left == 0)
    }
}

/// Whether the question had everything in it that speaks against the same action now.
fn covers(old: &Entry, judged: &Judged, decision: &Decision) -> bool {
    let Entry { approval, facts, .. } = old;
    let asks_each_time = matches!(decision.layer, Layer::Builtin | Layer::Sentinel);
    judged.hidden.is_none()
        && (!asks_each_time || facts.layer == Some(decision.layer))
        && asking_rules(&decision.reasons).is_subset(&asking_rules(&approval.reasons))
        && words(&judged.flow.findings).is_subset(&words(&facts.flow.findings))
        && foreign(&judged.taint.sources).is_subset(&foreign(&facts.taint.sources))
        && (!judged.taint.private || facts.taint.private)
        && judged.changes == approval.changes
        && judged.diff == approval.diff
}

fn asking_rules(reasons: &[Reason]) -> BTreeSet<&str> {
    let asking = reasons.iter().filter(|reason| reason.verdict == Verdict::Ask);
    asking.map(|reason| reason.rule.as_str()).collect()
}

fn words(findings: &[Finding]) -> BTreeSet<&str> {
    findings.iter().map(|finding| finding.word.as_str()).collect()
}

fn foreign(sources: &BTreeSet<Source>) -> BTreeSet<&Source> {
    sources.iter().filter(|source| source.is_foreign()).collect()
}
