//! Answers invitations, and leaves rooms that are not talked in.
//!
//! Never by the SDK's own `leave`: it also leaves the rooms that a room claims to have come after, so that a stranger's
//! invitation could take us out of an owner's room.

use matrix_sdk::ruma::TransactionId;
use matrix_sdk::ruma::api::client::membership::leave_room;
use matrix_sdk::ruma::api::client::message::send_message_event;
use matrix_sdk::ruma::events::room::message::RoomMessageEventContent;
use matrix_sdk::{Client, Room};
use testudo::config::Matrixd;

use super::rooms::accepts;
use crate::controls::Controls;

/// What a room in the clear is told.
const IN_THE_CLEAR: &str = "This room is not encrypted, so I do not talk here. Turn encryption on and invite me again, \
    or name the room in `unencrypted_rooms` of my configuration.";

/// Accepts or declines an invitation; true when it is settled, false to try again with the next sync.
pub(super) async fn answer(config: &Matrixd, controls: Controls, room: &Room) -> bool {
    let id = room.room_id();
    let is_accepted = match room.invite_details().await {
        Ok(invitation) => accepts(config, &controls, id, &invitation.inviter_id),
        Err(_) => false,
    };
    if is_accepted {
        let joined = room.join().await;
        match &joined {
            Ok(()) => tracing::info!(room = %id, "joined a room by an owner's invitation"),
            Err(error) => tracing::warn!(room = %id, "cannot join a room: {error}"),
        }
        return joined.is_ok();
    }
    tracing::info!(room = %id, "declined an invitation");
    leave(&room.client(), room).await
}

/// Says why in a room that is not encrypted, and leaves it.
pub(super) async fn refuse(room: &Room) -> bool {
    tracing::info!(room = %room.room_id(), "left a room that is not encrypted");
    // In the clear whatever the room has become: it is no secret, and a key for it is not ours to make here.
    let content = RoomMessageEventContent::notice_plain(IN_THE_CLEAR);
    match send_message_event::v3::Request::new(room.room_id().to_owned(), TransactionId::new(), &content) {
        Ok(notice) => {
            if let Err(error) = room.client().send(notice).await {
                tracing::debug!("cannot say why a room is left: {error}");
            }
        }
        Err(error) => tracing::debug!("cannot say why a room is left: {error}"),
    }
    leave(&room.client(), room).await
}

async fn leave(client: &Client, room: &Room) -> bool {
    let left = client.send(leave_room::v3::Request::new(room.room_id().to_owned())).await;
    left.inspect_err(|error| tracing::warn!(room = %room.room_id(), "cannot leave a room: {error}")).is_ok()
}
