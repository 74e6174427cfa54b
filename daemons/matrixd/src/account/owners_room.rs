//! Where owners are asked what has no room of its own, and no room is configured for it.
//!
//! The homeserver makes rooms and says who is in them. So it must be a room with owners and ourselves and nobody else,
//! joined or invited; and one in which an owner spoke from a device that is proved to be his, which no homeserver can
//! do for him.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use matrix_sdk::{Room, RoomMemberships};
use testudo::config::Matrixd;

use super::Account;
use super::rooms::{Admission, admit, may_be_clear};
use crate::authorship::{are_owners_alone, may_answer};
use crate::incoming::Incoming;
use crate::store::Arrival;

/// What stands behind a room in which an owner spoke.
const SPOKEN: &[u8] = b"1";

/// The rooms of which it is known, in the life of this process, that an owner spoke there.
#[derive(Default)]
pub(super) struct Spoken(Mutex<HashSet<OwnedRoomId>>);

impl Account {
    /// The room; none where there is none that is good enough.
    pub(super) async fn find_owner_room(&self) -> Option<OwnedRoomId> {
        let mut candidates = Vec::new();
        for room in self.client.joined_rooms() {
            if self.may_be_asked_in(&room).await
                && let Ok(()) = room.sync_members().await
                && let Ok(people) =
                    self.client.state_store().get_user_ids(room.room_id(), RoomMemberships::ACTIVE).await
            {
                candidates.push((room.room_id().to_owned(), people));
            }
        }
        chosen(&self.config, &self.user, candidates)
    }

    async fn may_be_asked_in(&self, room: &Room) -> bool {
        let id = room.room_id();
        admit(&self.config, id, room.encryption_state().is_encrypted()) == Admission::Talk
            && !may_be_clear(&self.config, id)
            && self.config.audit_room.as_deref() != Some(id.as_str())
            && self.was_spoken_in(id).await
    }

    /// Keeps in which rooms an owner spoke, and was proved to.
    pub(super) async fn note_spoken(&self, arrivals: &[Arrival]) {
        for Arrival { incoming, .. } in arrivals {
            let origin = incoming.origin();
            let counts = matches!(incoming, Incoming::Message(_))
                && may_answer(&self.config, &origin.sender, &origin.trust);
            if counts && !self.was_spoken_in(&origin.room).await {
                let kept =
                    self.client.state_store().set_custom_value(&key(&origin.room), SPOKEN.to_vec()).await;
                if let Err(error) = kept {
                    tracing::warn!("cannot keep that an owner spoke in {}: {error}", origin.room);
                }
                self.is_spoken_in(&origin.room);
            }
        }
    }

    async fn was_spoken_in(&self, room: &RoomId) -> bool {
        if self.spoken.0.lock().unwrap_or_else(PoisonError::into_inner).contains(room) {
            return true;
        }
        let kept = self.client.state_store().get_custom_value(&key(room)).await;
        let was = kept.ok().flatten().as_deref() == Some(SPOKEN);
        if was {
            self.is_spoken_in(room);
        }
        was
    }

    fn is_spoken_in(&self, room: &RoomId) {
        self.spoken.0.lock().unwrap_or_else(PoisonError::into_inner).insert(room.to_owned());
    }
}

fn key(room: &RoomId) -> Vec<u8> {
    format!("testudo.spoken.{room}").into_bytes()
}

/// Of rooms in which an owner spoke, with everybody who is joined or invited there, the one with the fewest people.
fn chosen(
    config: &Matrixd,
    own: &UserId,
    mut candidates: Vec<(OwnedRoomId, Vec<OwnedUserId>)>,
) -> Option<OwnedRoomId> {
    candidates.retain(|(_, people)| are_owners_alone(config, own, people));
    candidates.into_iter().min_by_key(|(room, people)| (people.len(), room.clone())).map(|(room, _)| room)
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;
    use crate::store::testing::{ANN, BOB, EVE, US, config, room};

    fn found(rooms: &[(u32, &[&str])]) -> Option<OwnedRoomId> {
        let people = |names: &[&str]| names.iter().map(|name| UserId::parse(name).unwrap()).collect();
        let rooms = rooms.iter().map(|(number, names)| (room(*number), people(names))).collect();
        chosen(&config(), user_id!("@testudo:home.org"), rooms)
    }

    #[test]
    fn a_room_with_owners_alone_is_chosen_and_no_other() {
        assert_eq!(found(&[(1, &[US, ANN])]), Some(room(1)));
        assert_eq!(found(&[(1, &[US, ANN, BOB]), (2, &[US, ANN])]), Some(room(2)));
        assert_eq!(found(&[(2, &[US, ANN]), (1, &[US, ANN])]), Some(room(1)));
        for others in [&[US, ANN, BOB][..], &[US, ANN, EVE], &[US, EVE], &[US], &[]] {
            assert_eq!(found(&[(1, others)]), None, "{others:?}");
        }
    }
}
