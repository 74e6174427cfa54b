//! Why the store did not do what it was asked.

use std::error::Error;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("cannot use matrixd.db: {0}")]
    Database(#[from] rusqlite::Error),
    /// Its file could not be made, or the kernel gave no randomness.
    #[error("cannot make matrixd.db: {0}")]
    File(#[from] std::io::Error),
    /// It was written by a newer version.
    #[error("cannot use matrixd.db: its version {version} is newer than {known}; install the newer Testudo")]
    Newer {
        /// What it is.
        version: i64,
        /// What this program knows.
        known: i64,
    },
    /// It is sealed with another key.
    #[error(
        "cannot open matrixd.db: it is sealed with another store key than the credential matrix-store-key"
    )]
    WrongKey,
    /// What stands in it is not what this program wrote.
    #[error("cannot read {what} in matrixd.db: {cause}")]
    Damaged {
        /// What.
        what: String,
        /// What is wrong.
        cause: String,
    },
    /// Something cannot be written as what is kept.
    #[error("cannot keep {what}: {cause}")]
    Unwritable {
        /// What.
        what: String,
        /// Why.
        cause: String,
    },
    /// No more is kept at one time.
    #[error("cannot keep more {what}: {most} are waiting already")]
    Full {
        /// What.
        what: &'static str,
        /// The most there can be.
        most: u64,
    },
    /// One thing is larger than anything that is kept.
    #[error("cannot keep {what} of {bytes} bytes: at most {most} are")]
    TooLarge {
        /// What.
        what: &'static str,
        /// What it has.
        bytes: u64,
        /// What it may have.
        most: u64,
    },
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged { what: what.into(), cause: cause.into().to_string() }
    }
}
