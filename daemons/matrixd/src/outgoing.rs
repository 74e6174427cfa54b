//! What goes to the homeserver.

use matrix_sdk::ruma::{OwnedEventId, OwnedUserId};
use serde::{Deserialize, Serialize};

/// One event to be sent to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outgoing {
    /// Words.
    Text(Text),
    /// New words in the place of an event of ours.
    Edit {
        /// The event.
        target: OwnedEventId,
        /// The words that replace it.
        text: Text,
    },
    /// A reaction of ours.
    Reaction {
        /// To what.
        target: OwnedEventId,
        /// With what.
        key: String,
    },
    /// A file.
    Attachment {
        /// Its name as people see it.
        name: String,
        /// Its type.
        mime: String,
        /// What it is.
        #[serde(with = "hex::serde")]
        content: Vec<u8>,
        /// The root of the thread that it belongs to.
        thread: Option<OwnedEventId>,
        /// What the record says of it beside; none of what was queued by a version that did not know.
        #[serde(default)]
        behalf: Option<Behalf>,
    },
    /// An event of ours, or one that we may take back, is taken back.
    Redaction {
        /// Which.
        target: OwnedEventId,
        /// Why, for people.
        reason: Option<String>,
    },
}

/// For whom a file leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behalf {
    /// The session that it comes out of.
    pub session: String,
    /// Who asked there; none where nobody did, as for the whole of a question.
    pub requester: Option<OwnedUserId>,
}

/// Words with the way they look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// For clients that show no HTML.
    pub body: String,
    /// As it should look: sanitised, and only of what the Matrix specification allows. None where it is plain.
    pub html: Option<String>,
    /// The root of the thread that it belongs to.
    pub thread: Option<OwnedEventId>,
    /// What it replies to.
    pub reply_to: Option<OwnedEventId>,
    /// Whether it is a notice: clients show it quietly, and bots do not answer it.
    pub notice: bool,
    /// Who is notified of it, and nobody else: it always goes as `m.mentions`, the empty list too, so that no word of
    /// the text can notify anybody. In an edit, whom the edit notifies.
    #[serde(default)]
    pub mentions: Vec<OwnedUserId>,
}
