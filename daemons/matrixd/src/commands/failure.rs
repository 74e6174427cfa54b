//! Why a command was not done, in a sentence for who gave it.

use testudo::fault::bus_error_text;
use testudo::limits::LimitError;
use thiserror::Error;

use crate::store::StoreError;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot {doing}: {cause}")]
pub struct Failure {
    doing: String,
    cause: String,
}

impl Failure {
    /// `doing` is a verb and its object: "list the rules".
    pub fn new(doing: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }

    /// What the bus or the daemon behind it said.
    pub fn bus(doing: &str, error: &zbus::Error) -> Self {
        Self::new(doing, bus_error_text(error))
    }

    /// The answer is not what this version understands.
    pub fn answer(doing: &str, error: &LimitError) -> Self {
        Self::new(doing, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new("look up the session of this room", error.to_string())
    }
}
