//! A prompt: one question as it was put into one room, with all that an answer to it is measured by.
//!
//! It is made from the approval and never changed after, but for what the homeserver gave it (the ids of its events),
//! whether its file arrived, and its end. A question that looks different by now gets a prompt of its own.

use jiff::Timestamp;
use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedRoomId};
use serde::{Deserialize, Serialize};
use testudo::action::Phase;
use testudo::approval::{Approval, Scope};
use testudo::verdict::Weight;

use super::code::Code;

/// Where a prompt goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The room; encrypted.
    pub room: OwnedRoomId,
    /// The root of the thread.
    pub thread: Option<OwnedEventId>,
    /// Whether it is the room of the session itself; else it is the owner's, and the prompt says whose question it is.
    pub is_own: bool,
}

/// How a prompt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Somebody said yes, here or elsewhere.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// It is not needed any more.
    Withdrawn,
    /// The question looks different by now and was put again.
    Replaced,
    /// It was settled while nobody here could see how.
    Settled,
}

impl End {
    /// As it is said to people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "asked anew below",
            Self::Settled => "settled",
        }
    }
}

/// One question in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that an answer is measured by")]
pub struct Prompt {
    /// Names it in transaction ids; random.
    pub key: String,
    /// The approval, such as `a-7`.
    pub approval: String,
    /// The digest of its action: a yes is to this.
    pub digest: String,
    /// The rendering that is shown: a yes is to this, too.
    pub seen: String,
    /// The session that wants it, for the record.
    pub session: String,
    /// Where it was put.
    pub place: Place,
    /// What a yes in words has to give.
    pub code: Code,
    /// What is asked, in a line.
    pub headline: String,
    /// Its event, once the homeserver gave it one.
    pub event: Option<OwnedEventId>,
    /// The event of the file with the whole of it.
    pub file: Option<OwnedEventId>,
    /// Whether the whole of it is only in a file.
    pub in_file: bool,
    /// Whether a yes is possible at all.
    pub approvable: bool,
    /// Whether a reaction is enough.
    pub light: bool,
    /// How heavy an answer it wants.
    pub approve_by: Weight,
    /// How far a yes may reach.
    pub scopes: Vec<Scope>,
    /// Whether it has steps.
    pub is_plan: bool,
    /// Whether it is about a change of the policy.
    #[serde(default)]
    pub is_amendment: bool,
    /// What a yes to that must type, to the letter.
    #[serde(default)]
    pub phrase: Option<String>,
    /// When it was put, in milliseconds since 1970.
    pub asked_ms: u64,
    /// When it becomes a no by itself, in milliseconds since 1970.
    pub expires_ms: u64,
    /// How it ended; none while it is open.
    pub end: Option<End>,
    /// The same in words for its room.
    pub ending: Option<String>,
}

impl Prompt {
    /// A prompt that is not sent yet. `shown` is the approval as its rendering stands in the message or the file.
    pub fn new(shown: &Approval, place: Place, code: Code, in_file: bool, now_ms: u64) -> Self {
        let headline = shown.rendering.iter().find(|section| section.heading == "what");
        let headline = headline.and_then(|section| section.lines.first()).unwrap_or(&shown.tool);
        Self {
            key: uuid::Uuid::new_v4().to_string(),
            approval: shown.id.clone(),
            digest: shown.digest.clone(),
            seen: shown.seen.clone(),
            session: shown.session.clone(),
            place,
            code,
            headline: headline.chars().take(200).collect(),
            event: None,
            file: None,
            in_file,
            approvable: shown.approvable,
            light: shown.light,
            approve_by: shown.approve_by,
            scopes: shown.scopes.clone(),
            is_plan: shown.phase == Phase::Plan,
            is_amendment: shown.is_amendment(),
            phrase: shown.phrase().map(str::to_owned),
            asked_ms: now_ms,
            expires_ms: milliseconds(&shown.expires_at).unwrap_or(now_ms),
            end: None,
            ending: None,
        }
    }

    /// Whether everything that a yes would be to has arrived in the room.
    pub const fn is_shown(&self) -> bool {
        self.event.is_some() && (!self.in_file || self.file.is_some())
    }

    /// Whether an event is this prompt: its message, or the file that belongs to it.
    pub fn is(&self, event: &EventId) -> bool {
        self.event.as_deref() == Some(event) || self.file.as_deref() == Some(event)
    }
}

/// A time of the bus in milliseconds since 1970; none when it is no time.
fn milliseconds(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok())
}
