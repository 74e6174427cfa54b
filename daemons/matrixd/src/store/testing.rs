//! People, rooms and events for tests.

use std::path::Path;
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, device_id};
use testudo::config::Matrixd;

use super::Store;
use crate::incoming::{Content, Incoming, Message, Origin, Trust};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const ANN: &str = "@ann:home.org";
pub(crate) const BOB: &str = "@bob:home.org";
pub(crate) const EVE: &str = "@eve:evil.net";
pub(crate) const US: &str = "@testudo:home.org";

pub(crate) fn config() -> Arc<Matrixd> {
    Arc::new(Matrixd {
        user: Some(US.into()),
        owners: vec![ANN.into()],
        members: vec![BOB.into()],
        ..Matrixd::default()
    })
}

pub(crate) fn opened(directory: &Path) -> Store {
    Store::open(&directory.join("matrixd.db"), &KEY).unwrap()
}

pub(crate) fn room(number: u32) -> OwnedRoomId {
    OwnedRoomId::try_from(format!("!room{number}:home.org")).unwrap()
}

pub(crate) fn event(number: u32) -> OwnedEventId {
    OwnedEventId::try_from(format!("$event{number}")).unwrap()
}

pub(crate) fn origin(number: u32, of_room: u32, sender: &str) -> Origin {
    Origin {
        room: room(of_room),
        event: event(number),
        sender: OwnedUserId::try_from(sender).unwrap(),
        trust: Trust::Verified(device_id!("D").to_owned()),
        sent_ms: u64::from(number),
    }
}

/// A message, by default of words that have the number in them.
pub(crate) fn said(number: u32, of_room: u32, sender: &str, text: &str) -> Incoming {
    Incoming::Message(Message {
        origin: origin(number, of_room, sender),
        thread: None,
        reply_to: None,
        content: Content::Text(text.to_owned()),
    })
}

pub(crate) fn replied(number: u32, of_room: u32, sender: &str, text: &str, to: u32) -> Incoming {
    let Incoming::Message(mut message) = said(number, of_room, sender, text) else { unreachable!() };
    message.reply_to = Some(event(to));
    Incoming::Message(message)
}

pub(crate) fn reacted(number: u32, of_room: u32, sender: &str, to: u32) -> Incoming {
    Incoming::Reaction { origin: origin(number, of_room, sender), target: event(to), key: "✅".into() }
}

pub(crate) fn unreadable(number: u32, of_room: u32, sender: &str, session: &str) -> Incoming {
    Incoming::Undecryptable { origin: origin(number, of_room, sender), session: Some(session.into()) }
}
