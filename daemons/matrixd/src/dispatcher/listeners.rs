//! Who gets what was said. Each event goes to one of them, one after the other for each room.

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::route::Prompts;
use crate::authorship::Standing;
use crate::incoming::Incoming;

/// An event with what was found out about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The event.
    pub incoming: Incoming,
    /// Who its sender is to us; his proof is in the event.
    pub standing: Standing,
    /// Whether somebody was at it when the daemon ended, so that some of it may be done already.
    pub again: bool,
}

/// Judges answers to questions. At most once: what a restart interrupts is not judged again.
pub trait Answers: Prompts {
    /// Judges an answer, and sees to its effect. Quick: the room's next answer waits.
    fn judge<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()>;

    /// A restart interrupted [`Answers::judge`], which may have had its effect or not.
    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()>;
}

/// Carries out commands. At most once, as answers.
pub trait Commands: Send + Sync + 'static {
    /// Carries out a command and answers it. The room's next command waits, but not `/stop`, which waits for
    /// nothing but another `/stop`.
    fn carry_out<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()>;

    /// A restart interrupted [`Commands::carry_out`], which may have had its effect or not.
    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()>;
}

/// It cannot be heard now; it is tried again, and what the room said after it waits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot hear it now: {0}")]
pub struct Postponed(pub String);

/// Talks: gets messages, and the edits and redactions of what people said. At least once: see [`Heard::again`].
pub trait Conversation: Send + Sync + 'static {
    /// Returns when what was said is with the agent, not when it is answered: the room's next words wait.
    fn hear<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, Result<(), Postponed>>;
}
