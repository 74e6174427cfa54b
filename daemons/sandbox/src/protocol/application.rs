//! Applying a change set, and what the history says of it.

use serde::{Deserialize, Serialize};

/// Asks for a change set to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Names this application; the same id is applied once only. 1–128 of `[A-Za-z0-9._:-]`.
    pub id: String,
    /// SHA-256 of the manifest, hex: what was approved.
    pub digest: String,
    /// What it comes from, for the history.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// What a change set comes from, as the history says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The tool.
    pub tool: String,
    /// The call.
    pub call: String,
    /// Its session.
    pub session: String,
    /// The approval that was used up for it.
    #[serde(default)]
    pub approval: Option<String>,
    /// Who gave it.
    #[serde(default)]
    pub approver: Option<String>,
    /// The application that it undoes.
    #[serde(default)]
    pub undoes: Option<String>,
}

/// One application in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// Its id.
    pub application: String,
    /// As [`Origin`] said, where it said it.
    pub tool: Option<String>,
    /// The call.
    pub call: Option<String>,
    /// Its session.
    pub session: Option<String>,
    /// The approval that was used up for it.
    pub approval: Option<String>,
    /// Who gave it.
    pub approver: Option<String>,
    /// SHA-256 of its manifest, hex.
    pub change_set: String,
    /// How many entries it has.
    pub changes: u64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// Its commit in the history.
    pub commit: String,
    /// The application that it undid.
    pub undoes: Option<String>,
    /// The application that undid it, and that was not undone itself.
    pub undone_by: Option<String>,
}
