//! What approvals need of the rest of the daemon, and no more: an outbox, the rooms, the record.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId, RoomId};
use testudo::record::Entry;
use testudo::recorder::Recorder;

use super::prompt::Place;
use crate::homeserver::Homeserver;
use crate::outbox::{self, Delivery, Outbox};
use crate::outgoing::Outgoing;
use crate::store::{Places, StoreError};

/// An outbox: what was queued arrives, in the order of its room, whatever happens to this process.
pub trait Post: Send + Sync + 'static {
    /// Queues an event under a transaction id, to be sent until a time in milliseconds since 1970. The same id again
    /// changes nothing.
    fn queue(
        &self,
        room: &RoomId,
        transaction: &str,
        outgoing: Outgoing,
        until_ms: Option<u64>,
    ) -> Result<(), StoreError>;

    /// What of a room waits for another attempt is tried at once.
    fn hurry(&self, room: &RoomId) -> Result<(), StoreError>;

    /// The event that it became, once it did; none when it never will. Waits for as long as that takes.
    fn delivered(&self, transaction: &str) -> BoxFuture<'static, Option<OwnedEventId>>;
}

impl Post for Outbox {
    fn queue(
        &self,
        room: &RoomId,
        transaction: &str,
        outgoing: Outgoing,
        until_ms: Option<u64>,
    ) -> Result<(), StoreError> {
        let post = outbox::Post::new(room.to_owned(), outgoing).named(transaction);
        let post = match until_ms.and_then(|until| i64::try_from(until).ok()) {
            Some(until) => post.until(until),
            None => post,
        };
        Self::queue(self, post).map(drop)
    }

    fn hurry(&self, room: &RoomId) -> Result<(), StoreError> {
        Self::hurry(self, room)
    }

    fn delivered(&self, transaction: &str) -> BoxFuture<'static, Option<OwnedEventId>> {
        let ticket = self.follow(transaction);
        let transaction = transaction.to_owned();
        async move {
            let why = match ticket {
                Ok(ticket) => match ticket.delivered().await {
                    Delivery::Sent(event) => return Some(event),
                    Delivery::Failed(why) => why,
                },
                Err(error) => error.to_string(),
            };
            tracing::warn!("{transaction} did not arrive: {why}");
            None
        }
        .boxed()
    }
}

/// The rooms that there are.
pub trait Rooms: Send + Sync + 'static {
    /// The room, and perhaps thread, that a session is; none for a session of another channel.
    fn of(&self, session: &str) -> Option<Place>;

    /// Where owners are asked what has no room of its own.
    fn of_owner(&self) -> Option<OwnedRoomId>;

    /// Whether what is sent there is encrypted. What is not is no place for a question.
    fn is_encrypted(&self, room: &RoomId) -> bool;

    /// Whether something may be said there now: not while somebody of no list would hear it.
    fn is_open<'a>(&'a self, room: &'a RoomId) -> BoxFuture<'a, bool>;
}

/// The rooms of the store and of the configuration.
pub struct KnownRooms {
    places: Places,
    named: Option<OwnedRoomId>,
    plain: Vec<String>,
    first: Box<dyn Fn() -> Option<OwnedRoomId> + Send + Sync>,
    homeserver: Arc<dyn Homeserver>,
}

impl KnownRooms {
    /// The rooms of a configuration; `first` is an owner's room that was found, for when none is named for questions;
    /// `homeserver` knows in which rooms nothing may be said.
    pub fn new(
        places: Places,
        config: &testudo::config::Matrixd,
        first: impl Fn() -> Option<OwnedRoomId> + Send + Sync + 'static,
        homeserver: Arc<dyn Homeserver>,
    ) -> Self {
        let named = config.owner_room.as_deref().and_then(|room| OwnedRoomId::try_from(room).ok());
        Self { places, named, plain: config.unencrypted_rooms.clone(), first: Box::new(first), homeserver }
    }
}

impl Rooms for KnownRooms {
    fn of(&self, session: &str) -> Option<Place> {
        let place = self.places.of(session).unwrap_or_else(|error| {
            tracing::error!("the room of {session} is not known: {error}");
            None
        })?;
        Some(Place { room: place.room, thread: place.thread, is_own: true })
    }

    fn of_owner(&self) -> Option<OwnedRoomId> {
        self.named.clone().or_else(|| (self.first)())
    }

    /// Every room that is not named as one without is encrypted: in others nothing is said at all.
    fn is_encrypted(&self, room: &RoomId) -> bool {
        !self.plain.iter().any(|plain| plain == room.as_str())
    }

    fn is_open<'a>(&'a self, room: &'a RoomId) -> BoxFuture<'a, bool> {
        async move { self.homeserver.held(room).await.is_none() }.boxed()
    }
}

/// The record.
pub trait Recording: Send + Sync + 'static {
    /// Keeps an entry. What goes wrong is only logged: it is about what has no effect.
    fn append(&self, entry: Entry) -> BoxFuture<'_, ()>;
}

impl Recording for Recorder {
    fn append(&self, entry: Entry) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = Self::append(self, &entry).await {
                tracing::error!("{} is not in the record: {error}", entry.event);
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::EventId;

    use super::*;
    use crate::homeserver::SendError;
    use crate::store;
    use crate::store::testing::{config, event, opened, room};

    /// A homeserver that does nothing, and holds what goes to the first room.
    struct Nobody;

    impl Homeserver for Nobody {
        fn send<'a>(
            &'a self,
            room: &'a RoomId,
            _: &'a str,
            _: &'a Outgoing,
        ) -> BoxFuture<'a, Result<OwnedEventId, SendError>> {
            let (room, cause) = (room.to_string(), "nobody is there".to_owned());
            std::future::ready(Err(SendError::Never { room, cause })).boxed()
        }

        fn held<'a>(&'a self, to: &'a RoomId) -> BoxFuture<'a, Option<String>> {
            std::future::ready((to == room(1)).then(|| "somebody is there".to_owned())).boxed()
        }

        fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
            std::future::ready(()).boxed()
        }

        fn read<'a>(&'a self, _: &'a RoomId, _: &'a EventId) -> BoxFuture<'a, ()> {
            std::future::ready(()).boxed()
        }

        fn download<'a>(
            &'a self,
            _: &'a serde_json::Value,
            _: u64,
        ) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
            std::future::ready(Ok(Vec::new())).boxed()
        }
    }

    #[tokio::test]
    async fn a_room_in_which_nothing_may_be_said_is_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::new(opened(directory.path()));
        let rooms = KnownRooms::new(places, &config(), || None, Arc::new(Nobody));
        assert!(!rooms.is_open(&room(1)).await);
        assert!(rooms.is_open(&room(2)).await);
    }

    #[test]
    fn a_session_that_was_begun_anew_is_still_of_its_room() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::new(opened(directory.path()));
        let rooms = KnownRooms::new(places.clone(), &config(), || None, Arc::new(Nobody));
        for thread in [None, Some(event(1))] {
            let place = store::Place { room: room(1), thread };
            let session = places.used(&place, 1).unwrap();
            for session in [session.clone(), store::renewed(&session, 1), store::renewed(&session, 12)] {
                let found = rooms.of(&session).unwrap();
                assert_eq!(
                    (found.room, found.thread),
                    (place.room.clone(), place.thread.clone()),
                    "{session}"
                );
                assert!(found.is_own);
            }
            for other in [format!("{session}-n"), format!("{session}-nx"), "main-n1".to_owned()] {
                assert!(rooms.of(&other).is_none(), "{other}");
            }
        }
    }
}
