//! Who hears what is said in a room: looked at before anything is said there.
//!
//! The homeserver says who is in a room, and the SDK gives the keys of what is said to everybody of whom it says so. So
//! while somebody of no list is joined or invited, nothing is said. The room is told so once, in the clear: a notice
//! that is encrypted would give him a key. Operators find it in the status for as long as it lasts.
//!
//! The list that is looked at is the very one that the SDK shares keys by. It looks a little later than we do, and may
//! ask the homeserver for devices in between; so it is looked at again afterwards, and where somebody came in between,
//! the key that he may have got is thrown away: it opens the message that was on its way, and none after it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::api::client::message::send_message_event::v3::Request;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomId, OwnedTransactionId, OwnedUserId, RoomId, TransactionId};
use matrix_sdk::{Room, RoomMemberships, RoomState};

use super::failure::Failure;
use super::{Account, sending};
use crate::approval::rendering::defused;
use crate::authorship::strangers;
use crate::conversation::plain;
use crate::outgoing::Text;
use crate::trust::condition::Word;

/// Most people that are named; the others are counted.
const NAMED: usize = 5;
/// What stands in the place of a transaction id once the notice is in its room.
const TOLD: &[u8] = b"told";

/// Who of no list was in each room, as it was looked at last.
#[derive(Default)]
pub(super) struct Company {
    seen: Mutex<BTreeMap<OwnedRoomId, Vec<OwnedUserId>>>,
    /// One room is told at a time, so that it is told once.
    telling: tokio::sync::Mutex<()>,
}

impl Account {
    /// Looks who is in an encrypted room; the strangers among them. What is wrong with that is said where it should be.
    pub(super) async fn look(&self, room: &Room) -> Result<Vec<OwnedUserId>, Failure> {
        if !self.controls.company {
            return Ok(Vec::new());
        }
        room.sync_members().await.map_err(|error| Failure::of(&error))?;
        let missing = |cause: String| Failure::Later { cause, retry_after: None };
        if !room.are_members_synced() {
            return Err(missing("it is not known yet who is in the room".into()));
        }
        // As the SDK asks when it shares keys, invited people included.
        let people = self.client.state_store().get_user_ids(room.room_id(), RoomMemberships::ACTIVE).await;
        let people = people.map_err(|error| missing(format!("cannot look who is in the room: {error}")))?;
        let strangers = strangers(&self.config, &self.user, &people);
        self.note(room, &strangers).await;
        Ok(strangers)
    }

    /// Why nothing may be said in a room now. Where it is not encrypted everybody hears it anyway, and where it cannot be
    /// known who sends finds out.
    pub(super) async fn why_held(&self, room: &RoomId) -> Option<String> {
        let room = self.client.get_room(room).filter(|room| room.state() == RoomState::Joined)?;
        if !room.latest_encryption_state().await.is_ok_and(|state| state.is_encrypted()) {
            return None;
        }
        let strangers = self.look(&room).await.ok()?;
        (!strangers.is_empty()).then(|| cause(&strangers))
    }

    /// Looks at an encrypted room again after something was said there.
    pub(super) async fn look_behind(&self, room: &Room) {
        if !self.look(room).await.is_ok_and(|strangers| strangers.is_empty()) {
            tracing::error!(
                room = %room.room_id(),
                "somebody may have come into the room while something was said: he may have heard that, and hears no more"
            );
            if let Err(error) = room.discard_room_key().await {
                tracing::error!("cannot throw the key of a room away: {error}");
            }
        }
    }

    /// Looks at the rooms again in which somebody was, so that the status is right although nothing is to be said.
    pub(super) async fn look_again(&self) {
        for id in self.bad() {
            match self.client.get_room(&id).filter(|room| room.state() == RoomState::Joined) {
                Some(room) => {
                    if let Err(failure) = self.look(&room).await {
                        tracing::debug!("cannot look who is in {id}: {failure:?}");
                    }
                }
                None => drop(self.remember(&id, &[])),
            }
        }
    }

    /// Says where it should be said what was seen in a room: in the status, and once in the room itself.
    async fn note(&self, room: &Room, strangers: &[OwnedUserId]) {
        let is_perhaps_told = self.remember(room.room_id(), strangers);
        if strangers.is_empty() && !is_perhaps_told {
            return;
        }
        let _turn = self.company.telling.lock().await;
        if let Err(cause) = self.tell(room, strangers).await {
            tracing::warn!(room = %room.room_id(), "cannot tell the room why nothing is said: {cause}");
        }
    }

    /// Tells a room once, also over restarts, until it is in good company again.
    async fn tell(&self, room: &Room, strangers: &[OwnedUserId]) -> Result<(), String> {
        let store = self.client.state_store();
        let key = format!("testudo.company.{}", room.room_id()).into_bytes();
        let kept = store.get_custom_value(&key).await.map_err(|error| error.to_string())?;
        if strangers.is_empty() {
            return store.remove_custom_value(&key).await.map(drop).map_err(|error| error.to_string());
        }
        if kept.as_deref() == Some(TOLD) {
            return Ok(());
        }
        // Kept before it is used, so that it is one event although we may end in between.
        let kept = kept.and_then(|kept| String::from_utf8(kept).ok());
        let transaction = kept.map_or_else(TransactionId::new, OwnedTransactionId::from);
        let keep = |value: Vec<u8>| async {
            store.set_custom_value(&key, value).await.map(drop).map_err(|error| error.to_string())
        };
        keep(transaction.as_bytes().to_vec()).await?;
        let content = sending::words(&notice(strangers));
        let content = Raw::new(&content).map_err(|error| error.to_string())?.cast_unchecked();
        let request =
            Request::new_raw(room.room_id().to_owned(), transaction, "m.room.message".into(), content);
        self.client.send(request).await.map_err(|error| error.to_string())?;
        keep(TOLD.to_vec()).await
    }

    /// Keeps who was seen in a room, for the status; whether the room may have been told of somebody before, also by an
    /// earlier run of the daemon.
    fn remember(&self, room: &RoomId, strangers: &[OwnedUserId]) -> bool {
        let mut seen = self.company.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert(room.to_owned(), strangers.to_vec());
        self.conditions.set(Word::StrangerInRoom, sentence(&seen));
        before.is_none_or(|before| !before.is_empty())
    }

    fn bad(&self) -> Vec<OwnedRoomId> {
        let seen = self.company.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(_, strangers)| !strangers.is_empty()).map(|(room, _)| room.clone()).collect()
    }
}

/// Why something is not said now.
pub(super) fn cause(strangers: &[OwnedUserId]) -> String {
    format!("{} in the room and on no list", are(strangers))
}

/// What the room is told. It is nothing of any session: everybody can read it.
fn notice(strangers: &[OwnedUserId]) -> Text {
    let body = format!(
        "{} in this room and on none of my lists, so I say nothing here until that has changed; what I have to say \
         waits. Remove them, or have an operator add them to the lists of [matrixd]. This notice is not encrypted, so \
         take nobody's word for it: `testudoctl matrix status` says the same.",
        are(strangers)
    );
    Text { body: defused(&plain::harmless(&body)), notice: true, ..Text::default() }
}

/// What the status says; none where everything is well.
fn sentence(seen: &BTreeMap<OwnedRoomId, Vec<OwnedUserId>>) -> Option<String> {
    let rooms: Vec<String> = seen
        .iter()
        .filter(|(_, strangers)| !strangers.is_empty())
        .map(|(room, strangers)| format!("in {room} {}", are(strangers)))
        .collect();
    (!rooms.is_empty()).then(|| {
        format!(
            "nothing is said where somebody of no list would hear it: {}; remove them from the room, or add them to \
             `members` or `bridged`",
            rooms.join(", ")
        )
    })
}

/// Names people, such as "@a:x and 3 others are".
fn are(people: &[OwnedUserId]) -> String {
    let mut named: Vec<String> = people.iter().take(NAMED).map(ToString::to_string).collect();
    let others = people.len().saturating_sub(NAMED);
    if others > 0 {
        named.push(format!("{others} others"));
    }
    let verb = if people.len() == 1 { "is" } else { "are" };
    match named.split_last() {
        Some((last, [])) => format!("{last} {verb}"),
        Some((last, first)) => format!("{} and {last} {verb}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{UserId, owned_room_id};

    use super::*;

    fn people(count: usize) -> Vec<OwnedUserId> {
        (0..count).map(|number| UserId::parse(format!("@u{number}:x")).unwrap()).collect()
    }

    #[test]
    fn a_few_are_named_and_the_others_are_counted() {
        for (count, expected) in [
            (1, "@u0:x is"),
            (2, "@u0:x and @u1:x are"),
            (5, "@u0:x, @u1:x, @u2:x, @u3:x and @u4:x are"),
            (9, "@u0:x, @u1:x, @u2:x, @u3:x, @u4:x and 4 others are"),
        ] {
            assert_eq!(are(&people(count)), expected);
        }
    }

    #[test]
    fn the_notice_says_who_and_what_helps_and_rings_at_nobodys() {
        let notice = notice(&people(1));
        for part in ["@u0:x is in this room", "Remove them", "lists of [matrixd]", "testudoctl matrix status"]
        {
            assert!(notice.body.contains(part), "{}", notice.body);
        }
        assert!(notice.notice && notice.mentions.is_empty() && notice.html.is_none());
    }

    #[test]
    fn the_status_names_every_room() {
        assert_eq!(sentence(&BTreeMap::new()), None);
        let mut seen = BTreeMap::from([(owned_room_id!("!good:x"), people(0))]);
        assert_eq!(sentence(&seen), None);
        seen.extend([(owned_room_id!("!a:x"), people(1)), (owned_room_id!("!b:x"), people(2))]);
        let sentence = sentence(&seen).unwrap();
        assert!(sentence.contains("in !a:x @u0:x is, in !b:x @u0:x and @u1:x are;"), "{sentence}");
    }
}
