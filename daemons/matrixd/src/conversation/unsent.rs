//! Drops what is queued and was not begun to be sent.

use rusqlite::OptionalExtension as _;

use crate::store::{Store, StoreError};

/// Drops a post that waits for its turn; whether one of this name is left: on its way, or settled.
pub(super) fn drop_queued(store: &Store, transaction: &str) -> Result<bool, StoreError> {
    store.transact(|database| {
        database.execute("DELETE FROM post WHERE txn = ?1 AND state = 'queued'", [transaction])?;
        let left =
            database.query_row("SELECT 1 FROM post WHERE txn = ?1", [transaction], |_| Ok(())).optional()?;
        Ok(left.is_some())
    })
}
