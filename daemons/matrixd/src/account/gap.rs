//! Fetches what a sync left out: a homeserver gives only the end of what happened while we were away.
//!
//! Forwards and page by page, each page into the inbox before the next is asked for, so that a thousand messages take
//! the room of a hundred. What comes twice is known by its event id.

use matrix_sdk::Room;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::UInt;

use super::Account;
use super::failure::Failure;
use super::sync::{PAGE, Trouble, now_ms};
use crate::store::Inbox;

/// Most pages of one gap: a homeserver that always has another one must not keep us for ever.
const PAGES: usize = 1000;

impl Account {
    /// Fetches what happened between two tokens in every room that is talked in.
    pub(super) async fn fill_all(&self, inbox: &Inbox, from: &str, to: &str) -> Result<(), Trouble> {
        for room in self.client.joined_rooms() {
            if self.is_talked_in(&room).await? {
                self.fill(inbox, &room, Some(from), Some(to)).await?;
            }
        }
        Ok(())
    }

    /// Fetches what happened in a room between two tokens, the oldest first. Nothing without a beginning.
    pub(super) async fn fill(
        &self,
        inbox: &Inbox,
        room: &Room,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), Trouble> {
        let Some(mut from) = from.map(str::to_owned) else { return Ok(()) };
        let mut events = 0;
        for _ in 0..PAGES {
            let mut options = MessagesOptions::forward().from(from.as_str());
            options.to = to.map(str::to_owned);
            options.limit = UInt::from(PAGE);
            let page = match room.messages(options).await {
                Ok(page) => page,
                Err(error) => match Failure::of(&error) {
                    Failure::Never(cause) => {
                        tracing::warn!(room = %room.room_id(), "cannot fetch what was missed: {cause}");
                        return Ok(());
                    }
                    failure => return Err(Trouble::Homeserver(failure)),
                },
            };
            let read = self.read(room, &page.chunk).await?;
            events += inbox.take_late(&read, now_ms())?.new;
            match page.end.filter(|end| *end != from && !page.chunk.is_empty()) {
                Some(end) => from = end,
                None => {
                    tracing::info!(room = %room.room_id(), events, "fetched what was missed");
                    return Ok(());
                }
            }
        }
        tracing::warn!(room = %room.room_id(), "gave up to fetch what was missed: there is too much of it");
        Ok(())
    }
}
