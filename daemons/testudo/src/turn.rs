//! A turn of a conversation as clients of `Agent1` see it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::ChangeSummary;
use crate::refusal::Refusal;
use crate::tool::GivenFile;
use crate::verdict::Verdict;

/// One tool call of a turn, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// The strictest verdict, if it came to one.
    pub verdict: Option<Verdict>,
    /// Why it failed, if it did.
    pub error: Option<Refusal>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The files that it gave to people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<GivenFile>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The model gave its reply.
    Replied,
    /// Somebody cancelled it.
    Cancelled,
    /// The limit of model calls in one turn was reached.
    TurnLimit,
    /// Something that it needs failed; the reply says what.
    Failed,
    /// A question waits for a person who is not there; the reply names it. A message after the answer goes on.
    Blocked,
    /// The day's tokens are used up; the reply says when it goes on.
    BudgetReached,
}

/// A finished turn: the answer of `Agent1.Wait`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// The session.
    pub session: String,
    /// The turn's id.
    pub turn: String,
    /// What the agent says.
    pub reply: String,
    /// What it did.
    pub calls: Vec<Call>,
    /// How it ended.
    pub end: End,
}

/// The last turn of a session that began, as `Agent1.Sessions` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began, RFC 3339 in UTC.
    pub began_at: String,
    /// How it ended, if it has.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// How a turn ended, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// How.
    pub end: End,
    /// The question with which it was blocked.
    #[serde(default)]
    pub question: Option<String>,
}

/// What happens during a turn: the body of `Agent1.Event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A turn began with this text of a person.
    TurnStarted {
        /// The turn's id.
        turn: String,
        /// What the person said.
        text: String,
    },
    /// The model says this much more.
    Text {
        /// The turn's id.
        turn: String,
        /// A piece of the reply.
        delta: String,
    },
    /// A tool is called.
    CallStarted {
        /// The turn's id.
        turn: String,
        /// The call's id, which the end of it, Tools1 and the record carry too.
        request: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A running call printed something. Of much that comes at once this is the last; the result has all of it.
    CallOutput {
        /// The turn's id.
        turn: String,
        /// As in `CallStarted`.
        request: String,
        /// What it printed, of both streams.
        text: String,
    },
    /// A tool call ended.
    CallFinished {
        /// The turn's id.
        turn: String,
        /// As in `CallStarted`.
        request: String,
        /// How it went.
        call: Call,
        /// The result, cut to a few lines.
        preview: String,
        /// What was applied to the workspace.
        changes: Vec<ChangeSummary>,
    },
    /// The turn is over.
    TurnFinished {
        /// How it ended.
        turn: Finished,
    },
}
