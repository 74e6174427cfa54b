//! An event as it was sealed: the SDK shows what was in it, and keeps to itself where in its sender's session it stood.
//!
//! So the sealed event is fetched and opened again, and what is heard is what this one says: words and seal come out of
//! the same bytes, whatever else the homeserver showed.

use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::ruma::EventId;
use matrix_sdk::ruma::api::client::room::get_room_event;
use matrix_sdk_crypto::types::events::room::encrypted::{EncryptedEvent, RoomEventEncryptionScheme};

use super::failure::Failure;
use crate::store::Seal;

/// The event as its room has it, opened, with its seal; none where there is no sealed event of that id any more.
pub(super) async fn original(room: &Room, id: &EventId) -> Result<Option<(TimelineEvent, Seal)>, Failure> {
    let request = get_room_event::v3::Request::new(room.room_id().to_owned(), id.to_owned());
    let sealed = match room.client().send(request).await {
        Ok(answer) => answer.event,
        Err(error) => match Failure::of_http(&error) {
            Failure::Never(cause) => {
                tracing::warn!(event = %id, "not heard, since it cannot be fetched: {cause}");
                return Ok(None);
            }
            failure => return Err(failure),
        },
    };
    let Some(seal) = sealed.deserialize_as_unchecked::<EncryptedEvent>().ok().and_then(|event| seal(&event))
    else {
        return Ok(None);
    };
    let opened = room.decrypt_event(sealed.cast_ref_unchecked(), None).await;
    Ok(Some((opened.map_err(|error| Failure::of(&error))?, seal)))
}

/// Where an event stands in its session. The index is under the sender's signature: who changes it opens nothing.
fn seal(event: &EncryptedEvent) -> Option<Seal> {
    match &event.content.scheme {
        RoomEventEncryptionScheme::MegolmV1AesSha2(content) => {
            Some(Seal { session: content.session_id.clone(), index: content.ciphertext.message_index() })
        }
        RoomEventEncryptionScheme::Unknown(_) => None,
    }
}
