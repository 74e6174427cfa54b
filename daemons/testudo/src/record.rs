//! Records of the audit log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a daemon asks `auditd` to keep. Who wrote it and when is `auditd`'s to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What happened, such as `call.decided`.
    pub event: String,
    /// The session it belongs to.
    #[serde(default)]
    pub session: Option<String>,
    /// The call it belongs to.
    #[serde(default)]
    pub call: Option<String>,
    /// The tool it is about.
    #[serde(default)]
    pub tool: Option<String>,
    /// `allow`, `ask`, `deny`, or how it ended.
    #[serde(default)]
    pub decision: Option<String>,
    /// Everything else; never a secret, never a message body.
    #[serde(default)]
    pub detail: Map<String, Value>,
}

impl Entry {
    /// An entry with nothing but its event.
    pub fn new(event: &str) -> Self {
        Self {
            event: event.to_owned(),
            session: None,
            call: None,
            tool: None,
            decision: None,
            detail: Map::new(),
        }
    }

    /// Sets the session.
    #[must_use]
    pub fn session(mut self, session: &str) -> Self {
        self.session = Some(session.to_owned());
        self
    }

    /// Sets the call and its tool.
    #[must_use]
    pub fn call(mut self, call: &str, tool: &str) -> Self {
        self.call = Some(call.to_owned());
        self.tool = Some(tool.to_owned());
        self
    }

    /// Sets the decision.
    #[must_use]
    pub fn decision(mut self, decision: &str) -> Self {
        self.decision = Some(decision.to_owned());
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 1, 2, 3 … without a gap.
    pub seq: u64,
    /// When `auditd` took it, RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// Which daemon wrote it, as the bus says.
    pub writer: String,
    /// As in [`Entry::event`].
    pub event: String,
    /// As in [`Entry::session`].
    pub session: Option<String>,
    /// As in [`Entry::call`].
    pub call: Option<String>,
    /// As in [`Entry::tool`].
    pub tool: Option<String>,
    /// As in [`Entry::decision`].
    pub decision: Option<String>,
    /// As in [`Entry::detail`].
    pub detail: Map<String, Value>,
    /// The hash of the record before; 64 zeros for the first.
    pub previous: String,
    /// SHA-256 over the canonical JSON of all the other fields.
    pub hash: String,
}

/// What verifying the log found: the answer of `Audit1.Verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// True when every record is as it was written and none is missing.
    pub ok: bool,
    /// How many records there are.
    pub records: u64,
    /// The hash of the last one.
    pub head: String,
    /// The first sequence number at which the log is not what was written.
    pub first_bad: Option<u64>,
    /// What is wrong there, in a sentence.
    #[serde(default)]
    pub problem: Option<String>,
}
