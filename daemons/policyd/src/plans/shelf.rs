//! Plans in the ledger, so that a restart between the question and its answer loses nothing.

use rusqlite::{OptionalExtension as _, params};
use testudo_policy::plan::Weighed;

use crate::ledger::{Ledger, LedgerError, number_of};

/// Most plans that are kept; one whose question waits longer than so many others take to be asked is asked again.
const MOST: i64 = 500;

impl Ledger {
    /// Keeps a plan under the digest of its question.
    pub(crate) fn keep_plan(&self, digest: &str, weighed: &Weighed) -> Result<(), LedgerError> {
        let damaged = |source| LedgerError::Damaged { id: "a new plan".into(), source };
        let body = serde_json::to_string(weighed).map_err(damaged)?;
        let transaction = self.database.unchecked_transaction()?;
        // The same plan again is one of the sandbox that is there now.
        transaction.execute("DELETE FROM plan WHERE digest = ?1", [digest])?;
        transaction.execute("INSERT INTO plan (digest, body) VALUES (?1, ?2)", params![digest, body])?;
        transaction
            .execute("DELETE FROM plan WHERE number <= (SELECT max(number) FROM plan) - ?1", [MOST])?;
        Ok(transaction.commit()?)
    }

    /// The plan whose question has this digest.
    pub(crate) fn plan(&self, digest: &str) -> Result<Option<Weighed>, LedgerError> {
        let body: Option<String> = self
            .database
            .query_row("SELECT body FROM plan WHERE digest = ?1", [digest], |row| row.get(0))
            .optional()?;
        let damaged = |source| LedgerError::Damaged { id: "a plan".into(), source };
        body.map(|body| serde_json::from_str(&body).map_err(damaged)).transpose()
    }

    /// The steps that a person's yes to this question named; none for all.
    pub(crate) fn steps_of(&self, id: &str) -> Result<Option<String>, LedgerError> {
        let number = number_of('a', id)?;
        let steps =
            self.database
                .query_row("SELECT steps FROM approval WHERE number = ?1", [number], |row| row.get(0));
        Ok(steps.optional()?.flatten())
    }
}
