//! What the rest of the daemon needs of a homeserver; [`crate::account`] does it with the SDK, tests by themselves.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, OwnedEventId, RoomId};
use thiserror::Error;

use crate::outgoing::Outgoing;

/// Why something was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// Later it may be: the homeserver is away or wants us to wait.
    #[error("cannot send to {room} now: {cause}")]
    Later {
        /// The room.
        room: String,
        /// Why.
        cause: String,
        /// How long the homeserver wants us to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// Never: we are not in the room, it is too large, it is refused.
    #[error("cannot send to {room}: {cause}")]
    Never {
        /// The room.
        room: String,
        /// Why.
        cause: String,
    },
}

impl SendError {
    /// How long the homeserver wants us to wait, where it says so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later { retry_after, .. } => *retry_after,
            Self::Never { .. } => None,
        }
    }
}

/// A homeserver. Sending is encrypted wherever the room is.
pub trait Homeserver: Send + Sync + 'static {
    /// Sends an event under a transaction id: the same id again is the same event, also after a restart. What goes to one
    /// room goes one after the other, in the order in which it was asked for.
    fn send<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<OwnedEventId, SendError>>;

    /// Sends what need not be sent, such as an answer that still grows: none, and nothing was sent, where something else is
    /// on its way to the room or waits to be. So it never holds up what must arrive.
    fn send_if_free<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Option<Result<OwnedEventId, SendError>>> {
        self.send(room, transaction, outgoing).map(Some).boxed()
    }

    /// Why nothing may be said in a room for now, such as somebody who must not hear it; none where it may be. Where that
    /// cannot be known now, [`Homeserver::send`] says so.
    fn held<'a>(&'a self, room: &'a RoomId) -> BoxFuture<'a, Option<String>> {
        let _ = room;
        std::future::ready(None).boxed()
    }

    /// Shows or hides that we are typing. What goes wrong is only logged.
    fn typing<'a>(&'a self, room: &'a RoomId, is_typing: bool) -> BoxFuture<'a, ()>;

    /// Shows that we read up to an event. What goes wrong is only logged.
    fn read<'a>(&'a self, room: &'a RoomId, event: &'a EventId) -> BoxFuture<'a, ()>;

    /// The content of a file that somebody sent, decrypted; refused when it is larger than `limit` bytes.
    fn download<'a>(
        &'a self,
        source: &'a serde_json::Value,
        limit: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, SendError>>;
}
