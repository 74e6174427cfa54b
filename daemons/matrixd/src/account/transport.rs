//! The account as a [`Homeserver`]: what goes out is encrypted, or goes to a room that was named as one in the clear.

use std::io::Cursor;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::api::client::receipt::create_receipt::v3::ReceiptType;
use matrix_sdk::ruma::events::receipt::ReceiptThread;
use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedTransactionId, RoomId};
use matrix_sdk::{Room, RoomState};
use serde_json::{Map, Value};

use super::failure::Failure;
use super::floor::Floor;
use super::rooms::may_be_clear;
use super::skew::Moment;
use super::{Account, Phase, company, download, sending};
use crate::homeserver::{Homeserver, SendError};
use crate::outgoing::Outgoing;

const MESSAGE: &str = "m.room.message";
const REACTION: &str = "m.reaction";

impl Homeserver for Account {
    fn send<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<OwnedEventId, SendError>> {
        async move {
            let sent = self.dispatch(room, transaction, outgoing, None).await;
            sent.map_err(|failure| failure.sending(room))
        }
        .boxed()
    }

    fn send_if_free<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Option<Result<OwnedEventId, SendError>>> {
        async move {
            let floor = self.floors.take_if_free(room)?;
            let sent = self.dispatch(room, transaction, outgoing, Some(floor)).await;
            Some(sent.map_err(|failure| failure.sending(room)))
        }
        .boxed()
    }

    fn held<'a>(&'a self, room: &'a RoomId) -> BoxFuture<'a, Option<String>> {
        self.why_held(room).boxed()
    }

    fn typing<'a>(&'a self, room: &'a RoomId, is_typing: bool) -> BoxFuture<'a, ()> {
        async move {
            let Some(room) = self.client.get_room(room) else { return };
            if let Err(error) = room.typing_notice(is_typing).await {
                tracing::debug!("cannot show that we are typing: {error}");
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, room: &'a RoomId, event: &'a EventId) -> BoxFuture<'a, ()> {
        async move {
            let Some(room) = self.client.get_room(room) else { return };
            let receipt =
                room.send_single_receipt(ReceiptType::Read, ReceiptThread::Unthreaded, event.to_owned());
            if let Err(error) = receipt.await {
                tracing::debug!("cannot show what we read: {error}");
            }
        }
        .boxed()
    }

    fn download<'a>(&'a self, source: &'a Value, limit: u64) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        async move {
            let content = download::download(&self.client, &self.http, source, limit).await;
            content.map_err(|failure| failure.sending("a person's file"))
        }
        .boxed()
    }
}

impl Account {
    /// Sends an event. With a `floor` that is its room's; else it is taken once it is needed: a large file goes to the
    /// homeserver before, and what is taken back needs none.
    async fn dispatch(
        &self,
        id: &RoomId,
        transaction: &str,
        outgoing: &Outgoing,
        floor: Option<Floor>,
    ) -> Result<OwnedEventId, Failure> {
        let transaction = OwnedTransactionId::from(transaction);
        let (kind, content) = match outgoing {
            Outgoing::Text(text) => (MESSAGE, sending::words(text)),
            Outgoing::Edit { target, text } => (MESSAGE, sending::edit(target, text)),
            Outgoing::Reaction { target, key } => (REACTION, sending::reaction(target, key)),
            Outgoing::Attachment { name, mime, content, thread, .. } => {
                let is_encrypted = self.may_speak(&self.room(id)?).await?;
                let source = self.upload(mime, content, is_encrypted).await?;
                (MESSAGE, sending::file(name, mime, content.len(), source, thread.as_ref()))
            }
            Outgoing::Redaction { target, reason } => {
                let room = self.room(id)?;
                self.may_speak(&room).await?;
                let redacted = room.redact(target, reason.as_deref(), Some(transaction)).await;
                return redacted.map(|answer| answer.event_id).map_err(|error| Failure::of_http(&error));
            }
        };
        let length = content.to_string().len();
        if length > sending::LARGEST {
            return Err(Failure::Never(format!(
                "it is too large for one event: {length} bytes; ask for less at a time"
            )));
        }
        let floor = match floor {
            Some(floor) => floor,
            None => self.floors.take(id).await,
        };
        self.say(floor, kind, content, &transaction).await
    }

    /// Says something in the room whose floor it is: the only place where anything is encrypted for a room.
    async fn say(
        &self,
        floor: Floor,
        kind: &str,
        content: Value,
        transaction: &OwnedTransactionId,
    ) -> Result<OwnedEventId, Failure> {
        let room = self.room(floor.room())?;
        let is_encrypted = self.may_speak(&room).await?;
        let began = Moment::now();
        #[expect(clippy::disallowed_methods, reason = "who is here has the floor of the room")]
        let sent = room.send_raw(kind, content).with_transaction_id(transaction).await;
        if let Ok(sent) = &sent {
            self.skew.sent(&sent.response.event_id, began);
        }
        // A reaction needs no key.
        if is_encrypted && kind != REACTION {
            self.look_behind(&room).await;
        }
        drop(floor);
        sent.map(|sent| sent.response.event_id).map_err(|error| Failure::of_sending(&error))
    }

    /// Whether a room is encrypted, where anything may be said there now.
    async fn may_speak(&self, room: &Room) -> Result<bool, Failure> {
        // A state that a homeserver invented must not make us say aloud what is to be encrypted.
        let is_encrypted =
            room.latest_encryption_state().await.map_err(|error| Failure::of_sending(&error))?.is_encrypted();
        if !is_encrypted && !may_be_clear(&self.config, room.room_id()) {
            return Err(Failure::Never("the room is not encrypted".into()));
        }
        if is_encrypted {
            self.in_good_company(room).await?;
        }
        Ok(is_encrypted)
    }

    /// Nothing goes where somebody would hear it who is on no list.
    async fn in_good_company(&self, room: &Room) -> Result<(), Failure> {
        let strangers = self.look(room).await?;
        if strangers.is_empty() {
            return Ok(());
        }
        Err(Failure::Later { cause: company::cause(&strangers), retry_after: None })
    }

    fn room(&self, id: &RoomId) -> Result<Room, Failure> {
        let room = self.client.get_room(id).filter(|room| room.state() == RoomState::Joined);
        room.ok_or_else(|| match *self.phase.borrow() {
            Phase::Synced => Failure::Never("we are not in the room".into()),
            _ => Failure::Later { cause: "the rooms are not known yet".into(), retry_after: None },
        })
    }

    /// Puts a file on the homeserver, encrypted as its room is, and says where it lies.
    async fn upload(
        &self,
        mime: &str,
        content: &[u8],
        is_encrypted: bool,
    ) -> Result<Map<String, Value>, Failure> {
        let failed = |error: matrix_sdk::Error| Failure::of_sending(&error);
        let (name, place) = if is_encrypted {
            let mut reader = Cursor::new(content);
            let file = self.client.upload_encrypted_file(&mut reader).await.map_err(failed)?;
            ("file", serde_json::to_value(file))
        } else {
            let mime = mime.parse().unwrap_or(mime::APPLICATION_OCTET_STREAM);
            let answer = self.client.media().upload(&mime, content.to_vec(), None).await.map_err(failed)?;
            ("url", serde_json::to_value(answer.content_uri))
        };
        let place = place.map_err(|error| Failure::Never(error.to_string()))?;
        Ok(Map::from_iter([(name.to_owned(), place)]))
    }
}
