//! What operators are shown of the store: what could not be read or not be sent, and the rooms.

use matrix_sdk::Room;
use serde::Serialize;
use testudo::config::Matrixd;

use crate::outbox::Outbox;
use crate::store::{DeadLetters, Places, Store, StoreError};
use crate::trust::{Trust, TrustError};

/// Most of each kind that are listed.
const MOST: u32 = 500;
/// Most characters of a room's name: whoever may change it wrote it.
const NAME: usize = 120;

/// Something that did not arrive, here or there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Letter {
    /// Somebody sent it, and its key is not here.
    Unread {
        /// The room.
        room: String,
        /// The event.
        event: String,
        /// Who the homeserver says sent it.
        sender: String,
        /// When it was sent, in milliseconds since 1970, as the homeserver says.
        at_ms: i64,
        /// Why it cannot be read.
        why: String,
    },
    /// We wanted to send it.
    Unsent {
        /// The room.
        room: String,
        /// Its transaction id.
        transaction: String,
        /// When it was given up, in milliseconds since 1970.
        at_ms: i64,
        /// Why.
        why: String,
    },
}

impl Letter {
    const fn at_ms(&self) -> i64 {
        match self {
            Self::Unread { at_ms, .. } | Self::Unsent { at_ms, .. } => *at_ms,
        }
    }
}

/// A room that we are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Its id.
    pub room: String,
    /// What people call it.
    pub name: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How many are in it.
    pub people: u64,
    /// `talk`, `questions` of jobs, `audit`, or `ignored`.
    pub purpose: &'static str,
    /// Why nothing is said in it now; none where something may be.
    pub held: Option<String>,
    /// The sessions in it, the latest first.
    pub sessions: Vec<String>,
}

/// The store, for operators.
#[derive(Clone)]
pub struct Letters {
    dead: DeadLetters,
    places: Places,
    outbox: Outbox,
}

impl Letters {
    /// Of this store and its outbox.
    pub fn new(store: &Store, outbox: Outbox) -> Self {
        Self { dead: DeadLetters::new(store.clone()), places: Places::new(store.clone()), outbox }
    }

    /// What did not arrive, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self) -> Result<Vec<Letter>, StoreError> {
        let unread = self.dead.list(MOST)?.into_iter().map(|letter| Letter::Unread {
            room: letter.room.to_string(),
            event: letter.event.to_string(),
            sender: letter.sender.to_string(),
            at_ms: i64::try_from(letter.sent_ms).unwrap_or(i64::MAX),
            why: "its key is not here".to_owned(),
        });
        let unsent = self.outbox.failures(MOST)?.into_iter().map(|failure| Letter::Unsent {
            room: failure.room,
            transaction: failure.transaction,
            at_ms: failure.failed_ms,
            why: failure.cause,
        });
        let mut letters: Vec<Letter> = unread.chain(unsent).collect();
        letters.sort_by_key(Letter::at_ms);
        Ok(letters)
    }

    /// The rooms that we are in.
    ///
    /// # Errors
    /// When nobody is logged in, or the store fails.
    pub async fn rooms(&self, trust: &Trust) -> Result<Vec<Known>, TrustError> {
        let mut rooms = Vec::new();
        for room in trust.client()?.joined_rooms() {
            rooms.push(self.known(&room, trust).await?);
        }
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        Ok(rooms)
    }

    async fn known(&self, room: &Room, trust: &Trust) -> Result<Known, StoreError> {
        let name = room.display_name().await.ok().map(|name| name.to_string().chars().take(NAME).collect());
        let places = self.places.of_room(room.room_id())?;
        Ok(Known {
            room: room.room_id().to_string(),
            name,
            // What is not known to be encrypted is shown as if it were not.
            encrypted: room.latest_encryption_state().await.is_ok_and(|state| state.is_encrypted()),
            people: room.joined_members_count(),
            purpose: purpose(trust.config(), room.room_id().as_str()),
            held: trust.conditions().held(room.room_id().as_str()),
            sessions: places.iter().map(crate::store::Place::session).collect(),
        })
    }
}

fn purpose(config: &Matrixd, room: &str) -> &'static str {
    let is = |named: &Option<String>| named.as_deref() == Some(room);
    if is(&config.audit_room) {
        "audit"
    } else if is(&config.owner_room) {
        "questions"
    } else if config.rooms.is_empty() || config.rooms.iter().any(|named| named == room) {
        "talk"
    } else {
        "ignored"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_for_what_the_configuration_says() {
        let mut config = Matrixd {
            audit_room: Some("!a:x".into()),
            owner_room: Some("!o:x".into()),
            ..Matrixd::default()
        };
        assert_eq!(
            ["!a:x", "!o:x", "!r:x"].map(|room| purpose(&config, room)),
            ["audit", "questions", "talk"]
        );
        config.rooms = vec!["!r:x".into()];
        assert_eq!(["!r:x", "!s:x"].map(|room| purpose(&config, room)), ["talk", "ignored"]);
    }

    #[test]
    fn letters_are_written_for_programs() {
        let letter = Letter::Unsent {
            room: "!r:x".into(),
            transaction: "t".into(),
            at_ms: 1,
            why: "too large".into(),
        };
        let expected = serde_json::json!({"kind": "unsent", "room": "!r:x", "transaction": "t", "at_ms": 1, "why": "too large"});
        assert_eq!(serde_json::to_value(letter).unwrap(), expected);
    }
}
