//! What a conversation has beside its messages, as `Agent1.Context` tells it: its model, what it used, what is pinned.

use serde::{Deserialize, Serialize};

/// What `Agent1.Context` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The session.
    pub session: String,
    /// How many messages it has.
    #[serde(default)]
    pub messages: u64,
    /// The model that answers in it; empty while the models cannot be listed and none was chosen.
    pub model: String,
    /// What there is to choose from; empty while they cannot be listed.
    pub models: Vec<Model>,
    /// What each model read and wrote in this session.
    pub usage: Vec<Used>,
    /// What all sessions used today, in UTC.
    pub today: Today,
    /// What they may use in a day, if there is a limit.
    pub budget: Option<Budget>,
    /// What is shown to the model first.
    pub pins: Vec<Pin>,
    /// How far a summary stands for what was said, if one does.
    pub compacted: Option<Compacted>,
}

/// A model, as `Models1.List` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Who has it.
    pub provider: String,
    /// Whether it answers where none was chosen.
    pub configured: bool,
}

/// What a model was asked for in a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The model.
    pub model: String,
    /// How many times it was asked, whether it answered or not.
    pub requests: u64,
    /// Tokens that it read.
    pub input: u64,
    /// Tokens that it wrote.
    pub output: u64,
    /// How many of both its provider did not count, so that they are estimated.
    #[serde(default)]
    pub estimated: u64,
}

/// Tokens of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    /// That models read.
    pub input: u64,
    /// That they wrote.
    pub output: u64,
    /// How many of both no provider counted, so that they are estimated.
    #[serde(default)]
    pub estimated: u64,
}

/// The limit of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How many tokens all sessions may use in a day, read and written.
    pub tokens: u64,
    /// How many they have used.
    pub spent: u64,
    /// When the next day begins, RFC 3339 in UTC.
    pub resets_at: String,
}

/// Something that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Its number in the session, which no other pin ever has.
    pub number: u32,
    /// What it says.
    pub text: String,
    /// Who pinned it.
    pub by: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

/// A summary that is shown instead of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// How many messages it stands for.
    pub messages: u64,
    /// When it was made, RFC 3339 in UTC.
    pub at: String,
}

/// What `Agent1.Compact` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortened {
    /// How many messages the summary stands for that were shown before; 0 when there was nothing to compact.
    pub messages: u64,
    /// Bytes of what the model was shown before.
    pub before_bytes: u64,
    /// And of what it is shown from now on.
    pub after_bytes: u64,
}

/// Most pins of a session.
pub const MOST_PINS: usize = 16;
/// Most characters of a pin.
pub const LONGEST_PIN: usize = 1_000;
