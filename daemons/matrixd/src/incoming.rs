//! What the homeserver brought, as the rest of the daemon sees it: no type of the SDK but identifiers.
//!
//! Everything in here was said by somebody else: the homeserver can invent what is [`Trust::Plain`], and a person can
//! claim any relation to any event. Only [`Origin::sender`] together with [`Trust::Verified`] is proof of who spoke.

use matrix_sdk::ruma::{OwnedDeviceId, OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};

/// How far it is proved who sent an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "trust", content = "device")]
pub enum Trust {
    /// It was not encrypted: the homeserver may have invented it.
    Plain,
    /// Encrypted, by a device that its user did not cross-sign, or whose user is not verified to be who he says.
    Unverified(OwnedDeviceId),
    /// Encrypted, by a device that its user cross-signed; nobody verified the user himself.
    CrossSigned(OwnedDeviceId),
    /// Encrypted, by a cross-signed device of a user whose identity an operator verified.
    Verified(OwnedDeviceId),
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The room.
    pub room: OwnedRoomId,
    /// The event.
    pub event: OwnedEventId,
    /// Who the homeserver says sent it; with [`Trust::Verified`] it is true.
    pub sender: OwnedUserId,
    /// How far that is proved.
    pub trust: Trust,
    /// When, in milliseconds since 1970 by our clock, as the homeserver says.
    pub sent_ms: u64,
}

/// One thing that happened in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Incoming {
    /// Somebody said something.
    Message(Message),
    /// Somebody replaced what he had said. Never a command, never an answer.
    Edit {
        /// Where the edit came from.
        origin: Origin,
        /// What it replaces.
        target: OwnedEventId,
        /// The new text.
        text: String,
    },
    /// Somebody reacted. Never encrypted.
    Reaction {
        /// Where it came from.
        origin: Origin,
        /// To what.
        target: OwnedEventId,
        /// With what, such as a check mark.
        key: String,
    },
    /// Somebody took an event back.
    Redaction {
        /// Where it came from.
        origin: Origin,
        /// What is taken back.
        target: OwnedEventId,
    },
    /// An encrypted event whose key is not here.
    Undecryptable {
        /// Where it came from.
        origin: Origin,
        /// The Megolm session whose key is missing.
        session: Option<String>,
    },
    /// Somebody's membership of a room changed: his own, or who was invited.
    Member {
        /// Where it came from.
        origin: Origin,
        /// Whose.
        user: OwnedUserId,
        /// Whether he is in the room now.
        joined: bool,
    },
}

impl Incoming {
    /// Where it came from.
    pub const fn origin(&self) -> &Origin {
        match self {
            Self::Message(message) => &message.origin,
            Self::Edit { origin, .. }
            | Self::Reaction { origin, .. }
            | Self::Redaction { origin, .. }
            | Self::Undecryptable { origin, .. }
            | Self::Member { origin, .. } => origin,
        }
    }
}

/// Somebody said something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Where it came from.
    pub origin: Origin,
    /// The root of the thread that it claims to be in.
    pub thread: Option<OwnedEventId>,
    /// What it claims to reply to; the fallback of a thread is no reply.
    pub reply_to: Option<OwnedEventId>,
    /// What was said.
    pub content: Content,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// Words, without the quotation of a reply.
    Text(String),
    /// A file or an image.
    File {
        /// Its name, as its sender has it: hostile.
        name: String,
        /// Its type, as its sender has it.
        mime: Option<String>,
        /// Its size in bytes, as its sender has it.
        size: Option<u64>,
        /// What was said with it.
        caption: Option<String>,
        /// Where it lies and how it is decrypted, as [`crate::homeserver::Homeserver::download`] takes it.
        source: serde_json::Value,
    },
    /// Something else, by its message type.
    Other(String),
}
