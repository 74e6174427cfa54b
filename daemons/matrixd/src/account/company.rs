//! Who hears what is said in a room: looked at before anything is said there.
//!
//! The homeserver says who is in a room, and the SDK gives the keys of what is said to everybody of whom it says so. So
//! while somebody is joined or invited who must not hear it, nothing is said: somebody of no list, somebody behind a
//! bridge where none is expected, or who has another identity than the one that he is known by. The room is told so
//! once, in the clear: a notice that is encrypted would give him a key. Operators find it in the status for as long as
//! it lasts.
//!
//! The list that is looked at is the very one that the SDK shares keys by. It looks a little later than we do, and may
//! ask the homeserver for devices in between; so it is looked at again afterwards, and where somebody came in between,
//! the key that he may have got is thrown away: it opens the message that was on its way, and none after it.

mod wording;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::api::client::message::send_message_event::v3::Request;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomId, OwnedTransactionId, RoomId, TransactionId, UserId};
use matrix_sdk::{Room, RoomMemberships, RoomState};

use super::failure::Failure;
use super::{Account, sending};
pub(super) use wording::cause;

use crate::authorship::{Objection, Unwelcome, unwelcome};
use crate::trust::pinning::PinningError;

/// What stands in the place of a transaction id once the notice is in its room.
const TOLD: &[u8] = b"told";

/// Who was in each room and must not hear what is said there, as it was looked at last.
#[derive(Default)]
pub(super) struct Company {
    seen: Mutex<BTreeMap<OwnedRoomId, Vec<Unwelcome>>>,
    /// One room is told at a time, so that it is told once.
    telling: tokio::sync::Mutex<()>,
}

impl Account {
    /// Looks who is in an encrypted room; those who must not hear anything. What is wrong with that is said where it
    /// should be.
    pub(super) async fn look(&self, room: &Room) -> Result<Vec<Unwelcome>, Failure> {
        if !self.controls.company && !self.controls.identity {
            return Ok(Vec::new());
        }
        room.sync_members().await.map_err(|error| Failure::of_sending(&error))?;
        let missing = |cause: String| Failure::Later { cause, retry_after: None };
        if !room.are_members_synced() {
            return Err(missing("it is not known yet who is in the room".into()));
        }
        // As the SDK asks when it shares keys, invited people included.
        let people = self.client.state_store().get_user_ids(room.room_id(), RoomMemberships::ACTIVE).await;
        let people = people.map_err(|error| missing(format!("cannot look who is in the room: {error}")))?;
        let mut found = Vec::new();
        if self.controls.company {
            found = unwelcome(&self.config, &self.user, room.room_id(), &people);
        }
        if self.controls.identity {
            for user in &people {
                if !found.iter().any(|one| one.user == *user)
                    && self.is_another(user).await.map_err(|error| missing(error.to_string()))?
                {
                    found.push(Unwelcome { user: user.clone(), objection: Objection::Identity });
                }
            }
        }
        self.note(room, &found).await;
        Ok(found)
    }

    /// Whether somebody has another identity than the one that he is known by. Our own is not the homeserver's to say:
    /// the SDK shares no keys while it is not the one that this device holds.
    async fn is_another(&self, user: &UserId) -> Result<bool, PinningError> {
        Ok(*user != self.user && self.pins.look(&self.client, user).await?.is_some())
    }

    /// Pins the identities of those who are on a list, as soon as they are seen.
    async fn look_at_people(&self) {
        let people = self.config.owners.iter().chain(&self.config.members);
        for user in people.filter_map(|user| UserId::parse(user).ok()) {
            if let Err(error) = self.is_another(&user).await {
                tracing::warn!("{error}");
            }
        }
    }

    /// Why nothing may be said in a room now. Where it is not encrypted everybody hears it anyway, and where it cannot be
    /// known who sends finds out.
    pub(super) async fn why_held(&self, room: &RoomId) -> Option<String> {
        let room = self.client.get_room(room).filter(|room| room.state() == RoomState::Joined)?;
        if !room.latest_encryption_state().await.is_ok_and(|state| state.is_encrypted()) {
            return None;
        }
        let found = self.look(&room).await.ok()?;
        (!found.is_empty()).then(|| cause(&found))
    }

    /// Looks at an encrypted room again after something was said there.
    pub(super) async fn look_behind(&self, room: &Room) {
        if !self.look(room).await.is_ok_and(|found| found.is_empty()) {
            tracing::error!(
                room = %room.room_id(),
                "somebody may have come into the room while something was said: he may have heard that, and hears no more"
            );
            if let Err(error) = room.discard_room_key().await {
                tracing::error!("cannot throw the key of a room away: {error}");
            }
        }
    }

    /// Looks at people again, and at the rooms in which somebody was, so that the status is right although nothing is to
    /// be said.
    pub(super) async fn look_again(&self) {
        if self.controls.identity {
            self.look_at_people().await;
        }
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
    async fn note(&self, room: &Room, found: &[Unwelcome]) {
        let is_perhaps_told = self.remember(room.room_id(), found);
        if found.is_empty() && !is_perhaps_told {
            return;
        }
        let _turn = self.company.telling.lock().await;
        if let Err(cause) = self.tell(room, found).await {
            tracing::warn!(room = %room.room_id(), "cannot tell the room why nothing is said: {cause}");
        }
    }

    /// Tells a room once, also over restarts, until it is in good company again.
    async fn tell(&self, room: &Room, found: &[Unwelcome]) -> Result<(), String> {
        let store = self.client.state_store();
        let key = format!("testudo.company.{}", room.room_id()).into_bytes();
        let kept = store.get_custom_value(&key).await.map_err(|error| error.to_string())?;
        if found.is_empty() {
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
        let content = sending::words(&wording::notice(found));
        let content = Raw::new(&content).map_err(|error| error.to_string())?.cast_unchecked();
        let request =
            Request::new_raw(room.room_id().to_owned(), transaction, "m.room.message".into(), content);
        self.client.send(request).await.map_err(|error| error.to_string())?;
        keep(TOLD.to_vec()).await
    }

    /// Keeps who was seen in a room, for the status; whether the room may have been told of somebody before, also by an
    /// earlier run of the daemon.
    fn remember(&self, room: &RoomId, found: &[Unwelcome]) -> bool {
        let mut seen = self.company.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert(room.to_owned(), found.to_vec());
        for (word, sentence) in wording::sentences(&seen) {
            self.conditions.set(word, sentence);
        }
        self.conditions.hold(room.as_str(), (!found.is_empty()).then(|| cause(found)));
        before.is_none_or(|before| !before.is_empty())
    }

    fn bad(&self) -> Vec<OwnedRoomId> {
        let seen = self.company.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(_, found)| !found.is_empty()).map(|(room, _)| room.clone()).collect()
    }
}
