//! Why the record could not be kept or read.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use testudo::fault::Fault;
use thiserror::Error;

/// An error of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("cannot open the record {}: {source}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is not a database, or not one any more.
    #[error(
        "cannot read the record {}: {source}. Move this file away, keep it, and start again: a new record begins, \
         and the head file beside it tells that the old one is missing",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was written by a later release.
    #[error(
        "cannot use a record of version {found}: this release knows versions up to {known}; install the later one"
    )]
    Newer {
        /// Its version.
        found: usize,
        /// The newest that this release knows.
        known: usize,
    },
    /// Another daemon writes it.
    #[error("cannot use the record in {}: another testudo-auditd does", .0.display())]
    InUse(PathBuf),
    /// The head file cannot be opened.
    #[error("cannot open the head file {}: {source}", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database was moved away or replaced while the daemon had it open.
    #[error("cannot keep a record: {} was moved away under the running daemon; restart testudo-auditd", .0.display())]
    Moved(PathBuf),
    /// There is no room, or nothing may be written.
    #[error("cannot keep a record: {0}; free some space or make the disk writable")]
    NoRoom(rusqlite::Error),
    /// All sequence numbers are used up, which only a forged one can bring about.
    #[error("cannot keep a record: there is no sequence number after {0}")]
    Exhausted(u64),
    /// An entry cannot be written so that reading it gives the same again.
    #[error("cannot write a record as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Any other error of the database.
    #[error("cannot use the record: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => Self::NoRoom(error),
            _ => Self::Database(error),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRoom(_) | StoreError::Moved(_) => Self::Unavailable(error.to_string()),
            StoreError::Database(ref source)
                if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
            {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// Whether this is damage of the file, and not something that trying again could mend.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether a statement named a table or column that is not there.
pub fn is_foreign(error: &rusqlite::Error) -> bool {
    // SQLite has no code of its own for this.
    error.sqlite_error_code() == Some(ErrorCode::Unknown) && error.to_string().contains("no such")
}
