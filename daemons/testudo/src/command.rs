//! What a line means that somebody typed: something to say, or a command. One grammar for all channels.
//!
//! Pure: nothing is done here. [`table`] has every command once, with what follows it, where there is it, who may
//! give it and what it does; reading, [`help`] and the table in `docs/commands.md` are all made from that.
//! [`jobs`] and [`MEMORY`] are answers that all channels give alike.
//!
//! A command begins with the one ASCII slash, and nothing that looks like it. Two slashes say one.

pub mod help;
pub mod jobs;
pub mod table;
mod words;

use thiserror::Error;

use self::table::{Entry, TABLE};
use crate::visible;

/// The most characters of an unknown word that are repeated to who typed it.
const REPEATED: usize = 24;

/// The answer to `/memory`.
pub const MEMORY: &str = "nothing is remembered beyond a session; what this one holds (pins, messages, a summary) is shown by /pin and /usage";

/// Where somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `testudoctl chat`, by an operator at the machine.
    Chat,
    /// A Matrix room.
    Matrix,
}

impl Channel {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "testudoctl chat",
            Self::Matrix => "Matrix",
        }
    }
}

/// Who may give a command in a room. At the machine only operators are let in at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Owners and members.
    Member,
    /// Owners alone, from a verified device.
    Owner,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What there is, or what the command of this name does.
    Help(Option<&'static str>),
    /// Is everything there, and what goes on.
    Status,
    /// Cancel what is running here.
    Stop,
    /// Let the stopped session go on.
    Resume,
    /// Begin a new session, perhaps by this name.
    New(Option<String>),
    /// List the sessions.
    Sessions,
    /// List the rules in plain language.
    Rules,
    /// Switch this rule off here.
    Disable(String),
    /// Switch this rule on again here.
    Enable(String),
    /// Which models there are, or use this one.
    Model(Option<String>),
    /// What was used of the models.
    Usage,
    /// What may be used of them.
    Budget,
    /// Keep this before the model's eyes, or list what is kept there.
    Pin(Option<String>),
    /// Take the pin of this number away.
    Unpin(u32),
    /// Shorten the conversation.
    Compact,
    /// List the jobs.
    Jobs,
    /// What is remembered beyond a session.
    Memory,
    /// How the appliance is guarded.
    Security,
    /// Vouch for something that the judges shall know.
    ApproveContext(String),
    /// What waits for an answer.
    Approvals,
    /// Say yes to this question.
    Approve {
        /// Which.
        id: String,
        /// What follows it: a code, how long; may be empty.
        answer: String,
    },
    /// Say no to this question.
    Deny {
        /// Which.
        id: String,
        /// Why; may be empty.
        reason: String,
    },
    /// List the yeses that hold for longer than once.
    Leases,
    /// End this one.
    Revoke(String),
    /// Leave.
    Quit,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing was typed.
    Nothing,
    /// To the agent.
    Say(String),
    /// A command.
    Command(Command),
    /// It begins like a command and is none.
    Wrong(Wrong),
}

/// Why a line that begins like a command is none. The text is for who typed it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wrong {
    /// There is no command of this name here.
    #[error("there is no /{word}{}: /help lists what there is", meant(*.nearest))]
    Unknown {
        /// The beginning of what was typed, with all that cannot be seen written out.
        word: String,
        /// The command of this channel that is spelled most alike, if one is.
        nearest: Option<&'static str>,
    },
    /// There is, but not in this channel.
    #[error("there is no /{name} in {}, only in {}", .here.name(), .there.name())]
    Elsewhere {
        /// The command.
        name: &'static str,
        /// Where it was typed.
        here: Channel,
        /// Where it could be.
        there: Channel,
    },
    /// Something has to follow it.
    #[error("{question} /{name} {arguments}{listed}")]
    Missing {
        /// What is asked back.
        question: &'static str,
        /// The command.
        name: &'static str,
        /// What has to follow.
        arguments: &'static str,
        /// `; /rules lists them`, or empty.
        listed: &'static str,
    },
    /// What follows it is too long to be one.
    #[error("what follows /{name} has more than {most} characters")]
    TooLong {
        /// The command.
        name: &'static str,
        /// The most.
        most: usize,
    },
    /// It has to be the number of a pin.
    #[error("a pin has a number: /{0} NUMBER; /pin lists them")]
    Number(&'static str),
    /// No session can have this name.
    #[error("a session's name is a letter or digit, then letters, digits, _ and -, at most {0}")]
    Name(usize),
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean /{name}?"))
}

/// Reads a line that was typed in a channel. Never fails: what is no command is said, or answered with what is wrong.
pub fn read(line: &str, channel: Channel) -> Line {
    let typed = line.trim_matches(|c: char| c.is_ascii_whitespace());
    let Some(command) = typed.strip_prefix('/') else {
        let said = line.trim();
        return if said.is_empty() { Line::Nothing } else { Line::Say(said.to_owned()) };
    };
    if command.starts_with('/') {
        return Line::Say(command.to_owned());
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let Some(entry) = Entry::named(word) else {
        return Line::Wrong(Wrong::Unknown { word: shown(word), nearest: nearest(word, channel) });
    };
    let Some(usage) = entry.usage(channel) else {
        let there = if channel == Channel::Chat { Channel::Matrix } else { Channel::Chat };
        return Line::Wrong(Wrong::Elsewhere { name: entry.name, here: channel, there });
    };
    let rest = words::Rest { name: entry.name, arguments: usage.arguments, text: rest.trim() };
    (entry.read)(&rest).map_or_else(Line::Wrong, Line::Command)
}

fn shown(word: &str) -> String {
    let start: String = word.chars().take(REPEATED).collect();
    let rest = if start.len() < word.len() { "…" } else { "" };
    format!("{}{rest}", visible::line(&start))
}

/// The command of a channel that a word was meant to be, if it is near enough to one.
fn nearest(word: &str, channel: Channel) -> Option<&'static str> {
    // Comparing takes time by the product of both lengths.
    let word: String = word.chars().take(REPEATED).collect::<String>().to_ascii_lowercase();
    TABLE
        .iter()
        .filter(|entry| entry.usage(channel).is_some())
        .map(|entry| (strsim::damerau_levenshtein(&word, entry.name), entry.name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
