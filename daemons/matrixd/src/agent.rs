//! The agent as this daemon uses it: [`bus`] does it over `Agent1`, tests by themselves.
//!
//! An `agentd` that restarts is no failure to people: what it was asked is asked again when it is back, and whether it
//! had heard already is asked first.

pub mod bus;
pub mod memfd;
mod stream;

use std::fs::File;

use futures_util::future::BoxFuture;
use serde::Serialize;
use testudo::observation::Author;
use testudo::turn::{Event, Finished};
use thiserror::Error;
use tokio::sync::mpsc;

/// Why the agent did not do something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AgentError {
    /// It is not there, or has too much to do; later it may.
    #[error("cannot reach the agent now: {0}")]
    Later(String),
    /// It does not take that, and never will.
    #[error("cannot ask the agent: {0}")]
    Refused(String),
    /// It knows of no such turn or session.
    #[error("cannot find that with the agent: {0}")]
    Unknown(String),
}

/// Who says something, as the configuration and the proof that came with it make him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// What he is to the owner.
    pub author: Author,
    /// His user id.
    pub id: String,
}

/// A file that came with a message, where the agent's tools find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Where, as [`Agent::attach`] gave it.
    pub path: String,
    /// Its name, as its sender has it.
    pub name: String,
    /// Its type, as its sender has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// Its size in bytes.
    pub size: u64,
}

/// What the agent knows of something that may have been said to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// It was not said.
    No,
    /// It was, and its turn goes on.
    Running,
    /// It was, and this came of it.
    Over(Finished),
}

/// The agent.
pub trait Agent: Send + Sync + 'static {
    /// Says something in a session; answers with its turn.
    fn say<'a>(
        &'a self,
        session: &'a str,
        speaker: &'a Speaker,
        text: &'a str,
        files: &'a [Attached],
    ) -> BoxFuture<'a, Result<String, AgentError>>;

    /// Gives it a file that a person sent; answers with the path under which its tools find it.
    fn attach<'a>(
        &'a self,
        session: &'a str,
        speaker: &'a Speaker,
        name: &'a str,
        mime: Option<&'a str>,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<String, AgentError>>;

    /// A file that it gave to people in a session, sealed; to be read with [`memfd::read`]. Unknown when it is gone.
    fn fetch<'a>(&'a self, session: &'a str, file: &'a str) -> BoxFuture<'a, Result<File, AgentError>>;

    /// Waits for a turn to end.
    fn wait<'a>(&'a self, session: &'a str, turn: &'a str) -> BoxFuture<'a, Result<Finished, AgentError>>;

    /// Ends a turn; the empty one means all of the session.
    fn cancel<'a>(&'a self, session: &'a str, turn: &'a str) -> BoxFuture<'a, Result<bool, AgentError>>;

    /// What happens in a session from now on. Pieces may be lost: only [`Agent::wait`] is sure to tell the end.
    fn follow<'a>(&'a self, session: &'a str) -> BoxFuture<'a, mpsc::Receiver<Event>>;

    /// Whether this was said in a session at or after a time, in milliseconds since 1970.
    fn heard<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        since_ms: i64,
    ) -> BoxFuture<'a, Result<Heard, AgentError>>;
}
