//! What a restart must not forget, in `matrixd.db`: an encrypted `SQLite` database of this daemon alone.
//!
//! What people say and send is sealed with the store key. What must not happen twice, and what was promised, is on the
//! disk before anything follows from it. Every method is one transaction: a crash is before it or after it. Calls
//! block for as long as the disk takes, which is milliseconds.
//!
//! For the parts of the daemon: [`Inbox::take`] persists what a sync brought together with its token (`account`);
//! [`Store::keep`] and [`Store::kept`] hold small secrets such as the SDK's session; [`Store::with`] gives the
//! connection for a table of one's own (`approval`), and [`Store::seal`] what makes its content unreadable;
//! [`Places`] knows which session is which room or thread; [`DeadLetters`] what could not be read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

mod dead_letters;
mod door;
mod error;
mod inbox;
mod places;
pub(crate) mod posts;
mod schema;
mod sealing;
mod seals;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use dead_letters::{DeadLetter, DeadLetters, LostKey, notice_name};
pub use error::StoreError;
pub use inbox::{Inbox, Taken, Waiting};
pub use places::{Place, Places, renewed, session_name};
use sealing::Sealer;
pub use seals::{Arrival, Arriving, Seal};

/// How long another process, such as one that just ends, may hold the database.
const BUSY: Duration = Duration::from_secs(5);

/// The database. Clones are the same one.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    database: Mutex<Connection>,
    sealer: Sealer,
}

impl Store {
    /// Opens or makes the database, readable for this user alone.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] with another store key than it was made with, or than the last one it was given.
    pub fn open(path: &Path, store_key: &[u8; 32]) -> Result<Self, StoreError> {
        // The database's companions get its mode, whatever the umask is.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let mut database = Connection::open(path)?;
        database.busy_timeout(BUSY)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        // What was said is not to stay readable in free pages once the key is known.
        database.pragma_update(None, "secure_delete", "ON")?;
        schema::migrate(&mut database)?;
        let sealer = Sealer::of(&mut database, store_key)?;
        Ok(Self { shared: Arc::new(Shared { database: Mutex::new(database), sealer }) })
    }

    /// From now on another store key opens it, and the old one does not. Nothing else changes.
    pub fn rekey(&self, store_key: &[u8; 32]) -> Result<(), StoreError> {
        self.shared.sealer.rekey(&self.lock(), store_key)
    }

    /// Works with the connection. It is held for all of `work`: no other method of the store may be called in it but
    /// [`Store::seal`] and [`Store::unseal`].
    pub fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(&self.lock())
    }

    /// The same in one transaction, which is on the disk when this returns, or did not happen.
    pub fn transact<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut database = self.lock();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// As [`Store::transact`], but that a power failure (and nothing else) may undo it, together with all that came
    /// after it. For what is only done twice then, to no effect: it does not wait for the disk.
    pub(crate) fn transact_lightly<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut database = self.lock();
        database.pragma_update(None, "synchronous", "NORMAL")?;
        let done = (|| {
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })();
        database.pragma_update(None, "synchronous", "FULL")?;
        done
    }

    /// Seals what people are not to read. `place` names the table and the row where it will lie: it opens only there.
    pub fn seal(&self, place: &str, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.shared.sealer.seal(place, content)
    }

    /// Opens what was sealed for `place`.
    pub fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.shared.sealer.open(place, sealed)
    }

    /// Keeps a small secret by its name, in the place of what it was before.
    pub fn keep(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        self.transact(|database| self.keep_in(database, name, content))
    }

    /// The secret of that name.
    pub fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = self.with(|database| {
            let mut query = database.prepare_cached("SELECT body FROM value WHERE name = ?1")?;
            Ok(query.query_row([name], |row| row.get(0)).optional()?)
        })?;
        sealed.map(|sealed| self.unseal(&value_place(name), &sealed)).transpose()
    }

    /// Forgets the secret of that name; true when there was one.
    pub fn forget(&self, name: &str) -> Result<bool, StoreError> {
        self.transact(|database| Ok(database.execute("DELETE FROM value WHERE name = ?1", [name])? > 0))
    }

    fn keep_in(&self, database: &Connection, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let sealed = self.seal(&value_place(name), content)?;
        database
            .prepare_cached(
                "INSERT INTO value (name, body) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            )?
            .execute(params![name, sealed])?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // Who panicked while he held it left at most a transaction, which was rolled back when it was dropped.
        self.shared.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value_place(name: &str) -> String {
    format!("value {name}")
}
