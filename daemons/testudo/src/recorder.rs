//! The way to the record, for daemons that act: nothing happens before its record is durable.

use thiserror::Error;
use zbus::Connection;

use crate::fault::bus_error_text;
use crate::proxy::{Audit1Proxy, Options};
use crate::record::Entry;

/// Why a record was not taken; the caller must not go on with what it was about.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It could not be written as JSON.
    #[error("cannot write the record: {0}")]
    Json(#[from] serde_json::Error),
    /// `auditd` did not take it.
    #[error("cannot reach the record: {}", bus_error_text(.0))]
    Bus(#[from] zbus::Error),
}

/// A client of `auditd`.
#[derive(Debug, Clone)]
pub struct Recorder {
    audit: Audit1Proxy<'static>,
}

impl Recorder {
    /// A client on this connection; `auditd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self { audit: Audit1Proxy::new(connection).await? })
    }

    /// Keeps an entry and returns its sequence number once it is durable.
    ///
    /// # Errors
    /// When it is not certain that it was kept.
    pub async fn append(&self, entry: &Entry) -> Result<u64, RecordError> {
        let text = serde_json::to_string(entry)?;
        Ok(self.audit.append(&text, Options::new()).await?)
    }
}
