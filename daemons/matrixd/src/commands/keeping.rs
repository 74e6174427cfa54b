//! What a session has beside its messages, seen and changed from its room: model, tokens, pins, a summary.

use testudo::command::Command;

use super::failure::Failure;
use super::{Commands, wording};
use crate::store::Place;

impl Commands {
    /// Does what such a command asks for in the session of a place, for the owner of this id; other commands only look.
    pub(super) async fn keep(&self, command: &Command, place: &Place, by: &str) -> Result<String, Failure> {
        let session = self.rooms.session(place)?;
        Ok(match command {
            Command::Model(Some(name)) => {
                self.agent.use_model(&session, name, by).await?;
                wording::chosen(name)
            }
            Command::Pin(Some(text)) => wording::pinned(self.agent.pin(&session, text, by).await?),
            Command::Unpin(number) => {
                self.agent.unpin(&session, *number, by).await?;
                wording::unpinned(*number)
            }
            Command::Compact => wording::shortened(self.agent.compact(&session, by).await?),
            Command::Model(None) => wording::models(&self.agent.context(&session).await?),
            Command::Usage => wording::usage(&self.agent.context(&session).await?),
            Command::Budget => wording::budget(&self.agent.context(&session).await?),
            _ => wording::pins(&self.agent.context(&session).await?),
        })
    }
}
