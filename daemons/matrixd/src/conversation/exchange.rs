//! One thing that somebody said, and how far its answer came.

use matrix_sdk::ruma::OwnedEventId;
use serde::{Deserialize, Serialize};
use testudo::observation::Author;

use crate::agent::Speaker;
use crate::conversation::plain;
use crate::incoming::{Content, Message};
use crate::store::Place;

/// The most bytes of what was said that are kept when it is answered, for replies to it.
const KEPT: usize = 1024;

/// How far an exchange came. A restart goes on from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The agent was not told yet.
    Waiting,
    /// It is being told, since this time in milliseconds since 1970: it may have heard it or not.
    Asking(i64),
    /// It works on this turn.
    Running(String),
    /// The answer is with the outbox.
    Over,
    /// The person took back what he said.
    Withdrawn,
}

/// The message that shows the answer while it grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// There is none.
    Nothing,
    /// It was sent, and may have arrived.
    Perhaps,
    /// It is this event.
    As(OwnedEventId),
}

/// One thing that somebody said, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The session that it belongs to, as the place had it when it was said.
    pub session: String,
    /// What was said.
    pub message: Message,
    /// What its speaker was to the owner when he said it.
    pub author: Author,
    /// How far it came.
    pub stage: Stage,
    /// The message of its answer.
    pub shown: Shown,
    /// How many files the answer has.
    pub files: usize,
    /// How many files the agent gave with it.
    #[serde(default)]
    pub given: usize,
}

impl Exchange {
    /// Something new.
    pub const fn new(session: String, message: Message, author: Author) -> Self {
        Self { session, message, author, stage: Stage::Waiting, shown: Shown::Nothing, files: 0, given: 0 }
    }

    /// Where it was said.
    pub fn place(&self) -> Place {
        Place { room: self.message.origin.room.clone(), thread: self.message.thread.clone() }
    }

    /// Who said it.
    pub fn speaker(&self) -> Speaker {
        Speaker { author: self.author, id: self.message.origin.sender.to_string() }
    }

    /// What he said in words.
    pub fn words(&self) -> &str {
        match &self.message.content {
            Content::Text(text) => text,
            Content::File { caption, .. } => caption.as_deref().unwrap_or_default(),
            Content::Other(_) => "",
        }
    }

    /// Ends it, and forgets all of what was said but its beginning.
    pub fn end(&mut self) {
        self.stage = Stage::Over;
        self.message.content = Content::Text(plain::head(self.words(), KEPT).to_owned());
    }

    /// Ends it because it was taken back, and forgets all of what was said.
    pub fn withdraw(&mut self) {
        self.stage = Stage::Withdrawn;
        self.message.content = Content::Text(String::new());
    }
}
