//! Leases in the ledger.

use rusqlite::params;
use testudo::approval::lease::Lease;
use testudo::approval::{Outcome, Scope};
use testudo::verdict::Weight;

use super::shape::Shape;
use crate::ledger::{Ledger, LedgerError, Yes, number_of, rfc3339, word};

/// A lease as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub(super) number: i64,
    pub(super) scope: Scope,
    pub(super) shape: Shape,
    pub(super) weight: Weight,
    pub(super) by: String,
    pub(super) given_ms: i64,
    /// None when only a revocation ends it.
    pub(super) expires_ms: Option<i64>,
}

impl Kept {
    /// Whether its time is not over: at the moment of its expiry it is.
    pub(super) fn is_current(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|end| now_ms < end)
    }

    pub(super) fn id(&self) -> String {
        format!("l-{}", self.number)
    }

    pub(super) fn shown(&self) -> Lease {
        Lease {
            id: self.id(),
            scope: self.scope,
            session: self.shape.session.clone(),
            requester: self.shape.requester.clone(),
            tool: self.shape.tool.clone(),
            phase: self.shape.phase,
            exactly: self.shape.exactly.clone(),
            freely: self.shape.freely.iter().cloned().collect(),
            paths: self.shape.changes.iter().map(|change| change.path.clone()).collect(),
            rules: self.shape.rules.iter().cloned().collect(),
            weight: self.weight,
            by: self.by.clone(),
            given_at: rfc3339(self.given_ms),
            expires_at: self.expires_ms.map(rfc3339),
        }
    }
}

impl Ledger {
    /// Settles a question as a yes and keeps the lease that it gives, both or neither.
    ///
    /// # Errors
    /// As [`Ledger::approve`].
    pub fn lease(
        &self,
        id: &str,
        yes: Yes<'_>,
        shape: Shape,
        expires_ms: Option<i64>,
        now_ms: i64,
    ) -> Result<(Outcome, Kept), LedgerError> {
        let number = number_of('a', id)?;
        let text = serde_json::to_string(&shape)
            .map_err(|source| LedgerError::Damaged { id: format!("l-{number}"), source })?;
        let transaction = self.database.unchecked_transaction()?;
        let outcome = self.approve(id, yes, now_ms)?;
        transaction.execute(
            "INSERT INTO lease (number, scope, shape, weight, given_by, given_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![number, yes.scope.word(), text, yes.weight.word(), yes.by, now_ms, expires_ms],
        )?;
        transaction.commit()?;
        let kept = Kept {
            number,
            scope: yes.scope,
            shape,
            weight: yes.weight,
            by: yes.by.to_owned(),
            given_ms: now_ms,
            expires_ms,
        };
        Ok((outcome, kept))
    }

    /// The leases that were not revoked and whose time is not over.
    ///
    /// # Errors
    /// The database's, or a damaged lease: one that cannot be read may not be forgotten silently.
    pub fn leases(&self, now_ms: i64) -> Result<Vec<Kept>, LedgerError> {
        let mut statement = self.database.prepare_cached(
            "SELECT number, scope, shape, weight, given_by, given_ms, expires_ms FROM lease
             WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?1) ORDER BY number",
        )?;
        let rows = statement.query_map([now_ms], |row| {
            let texts: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            Ok((row.get::<_, i64>(0)?, texts, row.get(4)?, row.get(5)?, row.get(6)?))
        })?;
        rows.map(|row| {
            let (number, [scope, shape, weight], by, given_ms, expires_ms) = row?;
            let damaged = |source| LedgerError::Damaged { id: format!("l-{number}"), source };
            Ok(Kept {
                number,
                scope: word(&scope).map_err(damaged)?,
                shape: serde_json::from_str(&shape).map_err(damaged)?,
                weight: word(&weight).map_err(damaged)?,
                by,
                given_ms,
                expires_ms,
            })
        })
        .collect()
    }

    /// Ends a lease now.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] when it does not hold (any more).
    pub fn end_lease(&self, id: &str, by: &str, now_ms: i64) -> Result<(), LedgerError> {
        let changed = self.database.execute(
            "UPDATE lease SET revoked_ms = ?2, revoked_by = ?3
             WHERE number = ?1 AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?2)",
            params![number_of('l', id)?, now_ms, by],
        )?;
        if changed == 0 {
            return Err(LedgerError::Unknown { kind: "lease", id: id.into() });
        }
        Ok(())
    }
}
