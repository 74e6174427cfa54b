//! What is still good for something: questions that wait, and yeses that were not used yet.

use rusqlite::params;
use testudo::approval::{Approval, Outcome};

use super::row::number_of;
use super::{Ledger, LedgerError, REDEEM_WITHIN_MS, Row};

impl Ledger {
    /// Every question that waits for an answer, and every yes that can still be used.
    ///
    /// # Errors
    /// The database's, or a damaged entry.
    pub fn unused(&self, now_ms: i64) -> Result<Vec<Approval>, LedgerError> {
        let rows = format!(
            "SELECT {} FROM approval WHERE state = 'pending'
                 OR (state = 'approved' AND (answered_ms > ?1 OR expires_ms > ?2)) ORDER BY number",
            Row::COLUMNS
        );
        let mut statement = self.database.prepare_cached(&rows)?;
        let rows = statement
            .query_map([now_ms.saturating_sub(REDEEM_WITHIN_MS), now_ms], |row| Ok(Row::read(row)))?;
        rows.map(|row| Ok(row??.entry(i64::MIN, self.controls)?.approval)).collect()
    }

    /// Takes a yes back that was not used yet.
    ///
    /// # Errors
    /// [`LedgerError::Settled`] when somebody was faster.
    pub fn revoke(&self, id: &str, reason: &str, now_ms: i64) -> Result<Outcome, LedgerError> {
        let changed = self.database.execute(
            "UPDATE approval SET state = 'withdrawn', reason = ?2 WHERE number = ?1 AND state = 'approved'",
            params![number_of('a', id)?, reason],
        )?;
        self.settled(id, changed, now_ms)
    }
}
