//! Takes what a sync brought into the inbox: who is heard, in what order, from when on.

use futures_util::{StreamExt as _, TryStreamExt as _};
use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::{TimelineEvent, TimelineEventKind};
use matrix_sdk::ruma::UserId;

use super::failure::Failure;
use super::rooms::{Admission, admit};
use super::sync::{Pending, Trouble, now_ms};
use super::{Account, invitation, original, receiving};
use crate::authorship::{Standing, standing};
use crate::incoming::Incoming;
use crate::store::{Arrival, Inbox};

/// How many events are fetched as they were sealed at one time.
const AT_ONCE: usize = 8;

impl Account {
    /// Takes a sync in after the token `taken`; none when nothing was ever taken in, so that nothing is new.
    pub(super) async fn take(
        &self,
        inbox: &Inbox,
        pending: &Pending,
        taken: Option<&str>,
    ) -> Result<(), Trouble> {
        let response = &pending.response;
        let mut events = Vec::new();
        if pending.is_anew {
            // It brought the end of every room. What was said before this account began is nobody's command to it.
            if let Some(taken) = taken {
                self.fill_all(inbox, taken, &response.next_batch).await?;
            }
        } else {
            for (id, update) in &response.rooms.joined {
                let Some(room) = self.client.get_room(id) else { continue };
                if !self.is_talked_in(&room).await? {
                    continue;
                }
                let timeline = &update.timeline;
                let is_known = pending.joined.contains(id);
                self.skew.learn(&self.user, &timeline.events);
                if is_known && timeline.limited {
                    self.fill(inbox, &room, taken, timeline.prev_batch.as_deref()).await?;
                }
                let new = if is_known {
                    &timeline.events[..]
                } else {
                    after_invitation(&timeline.events, &self.user)
                };
                events.extend(self.read(&room, new).await?);
            }
            for (id, update) in &response.rooms.left {
                let Some(room) = self.client.get_room(id) else { continue };
                let read = self.read(&room, &update.timeline.events).await?;
                let is_member = |event: &Arrival| matches!(event.incoming, Incoming::Member { .. });
                events.extend(read.into_iter().filter(is_member));
            }
        }
        inbox.take(&events, &response.next_batch, now_ms())?;
        self.note_spoken(&events).await;
        self.look_again().await;
        self.settle_rooms();
        if pending.is_anew || !response.rooms.is_empty() || self.owner_room.borrow().is_none() {
            let found = self.find_owner_room().await;
            self.owner_room.send_if_modified(|known| std::mem::replace(known, found.clone()) != found);
        }
        Ok(())
    }

    /// What events of a room say, in their order.
    pub(super) async fn read(&self, room: &Room, events: &[TimelineEvent]) -> Result<Vec<Arrival>, Trouble> {
        futures_util::stream::iter(events.iter().map(|event| self.read_one(room, event)))
            .buffered(AT_ONCE)
            .try_filter_map(|read| async { Ok(read) })
            .try_collect()
            .await
            .map_err(Trouble::Homeserver)
    }

    /// What one says. What somebody who is heard said under a seal is read from the sealed event.
    pub(super) async fn read_one(
        &self,
        room: &Room,
        event: &TimelineEvent,
    ) -> Result<Option<Arrival>, Failure> {
        let read = receiving::receive(&self.client, &self.user, room.room_id(), &self.skew, event).await;
        let Some(incoming) = read else { return Ok(None) };
        let origin = incoming.origin();
        let is_sealed = matches!(event.kind, TimelineEventKind::Decrypted(_));
        if !is_sealed || !self.controls.replay || standing(&self.config, &origin.sender) == Standing::Stranger
        {
            return Ok(Some(Arrival { incoming, seal: None }));
        }
        let Some((opened, seal)) = original::original(room, &origin.event).await? else { return Ok(None) };
        let read = receiving::receive(&self.client, &self.user, room.room_id(), &self.skew, &opened).await;
        // The homeserver answers with what it likes; only the event that was asked for counts.
        let read = read.filter(|read| read.origin().event == origin.event);
        Ok(read.map(|incoming| {
            let is_readable = !matches!(incoming, Incoming::Undecryptable { .. });
            Arrival { incoming, seal: is_readable.then_some(seal) }
        }))
    }

    /// Whether a room is talked in. One that may not be in the clear is left.
    pub(super) async fn is_talked_in(&self, room: &Room) -> Result<bool, Trouble> {
        let is_encrypted = match room.latest_encryption_state().await {
            Ok(state) => state.is_encrypted(),
            Err(error) => match Failure::of(&error) {
                // We are not in it any more.
                Failure::Never(_) => return Ok(false),
                failure => return Err(Trouble::Homeserver(failure)),
            },
        };
        let admission = admit(&self.config, room.room_id(), is_encrypted);
        if admission == Admission::Leave {
            let left = room.clone();
            self.settle(room.room_id(), async move { invitation::refuse(&left).await });
        }
        Ok(admission == Admission::Talk)
    }

    fn settle_rooms(&self) {
        for room in self.client.invited_rooms() {
            let (config, controls) = (self.config.clone(), self.controls);
            let id = room.room_id().to_owned();
            self.settle(&id, async move { invitation::answer(&config, controls, &room).await });
        }
    }
}

/// What was said in a room since we were invited: what was said before was not said to us.
fn after_invitation<'e>(events: &'e [TimelineEvent], own: &UserId) -> &'e [TimelineEvent] {
    let is_ours = |event: &TimelineEvent, wanted: &str| {
        receiving::membership(event)
            .is_some_and(|(user, membership)| user == own.as_str() && membership == wanted)
    };
    let invited = events.iter().rposition(|event| is_ours(event, "invite"));
    let joined = || events.iter().position(|event| is_ours(event, "join"));
    let from = invited.or_else(joined).map_or(0, |at| at + 1);
    events.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::serde::Raw;
    use matrix_sdk::ruma::user_id;
    use serde_json::{Value, json};

    use super::*;

    fn event(number: usize, kind: &str, content: &Value, key: Option<&str>) -> TimelineEvent {
        let mut event = json!({
            "event_id": format!("$e{number}"), "sender": "@ann:home.org", "type": kind, "origin_server_ts": 1,
            "content": content,
        });
        if let Some(key) = key {
            event["state_key"] = key.into();
        }
        TimelineEvent::from_plaintext(Raw::from_json_string(event.to_string()).unwrap())
    }

    #[test]
    fn what_was_said_before_the_invitation_was_not_said_to_us() {
        let own = user_id!("@t:home.org");
        let said = |number| event(number, "m.room.message", &json!({ "body": "x" }), None);
        let became = |number, whose, what: &str| {
            event(number, "m.room.member", &json!({ "membership": what }), Some(whose))
        };
        let numbers = |events: &[TimelineEvent]| {
            after_invitation(events, own)
                .iter()
                .map(|e| e.event_id().unwrap().to_string())
                .collect::<Vec<_>>()
        };
        let room =
            [said(0), became(1, "@t:home.org", "invite"), said(2), became(3, "@t:home.org", "join"), said(4)];
        assert_eq!(numbers(&room), ["$e2", "$e3", "$e4"]);
        assert_eq!(numbers(&room[2..]), ["$e4"]);
        assert_eq!(numbers(&room[4..]), ["$e4"]);
        let of_another = [said(0), became(1, "@bob:home.org", "invite"), said(2)];
        assert_eq!(numbers(&of_another).len(), 3);
    }
}
