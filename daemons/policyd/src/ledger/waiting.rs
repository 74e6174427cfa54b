//! Who waits for the answer to a question: identical calls share one, and each of them uses its own part of the yes.

use rusqlite::{OptionalExtension as _, params};
use testudo::approval::Approval;

use super::row::{id_of, number_of};
use super::{Ledger, LedgerError, Row};

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

    /// A yes that was given to this very action while nobody waited for it, and not used yet.
    ///
    /// # Errors
    /// The database's.
    pub fn answered(&self, digest: &str, now_ms: i64) -> Result<Option<String>, LedgerError> {
        let number = self.database.query_row(
            "SELECT number FROM approval WHERE digest = ?1 AND state = 'approved' AND used < grants
                 AND json_extract(body, '$.parked') AND expires_ms > ?2 ORDER BY number LIMIT 1",
            params![digest, now_ms],
            |row| row.get(0),
        );
        Ok(number.optional()?.map(id_of))
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
