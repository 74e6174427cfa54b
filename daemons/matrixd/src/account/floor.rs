//! Who may speak in a room now: one at a time.
//!
//! The SDK makes a new key for a room when the old one was used often enough. Where two who send meet at that moment,
//! both are given the one new key, and the second finds it used up already, which the SDK takes for a bug and panics. So
//! everything that we say in a room is said by who has its floor, and by nobody else: only a [`Floor`] is a way to
//! `Room::send_raw`, which `clippy.toml` keeps from everybody else. The SDK itself says something in a room where
//! somebody has himself verified there; what panics of that is caught where we sync, and nobody's words wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedRoomId, RoomId};
use tokio::sync::OwnedMutexGuard;

/// The floors of all rooms that were spoken in.
#[derive(Default)]
pub(super) struct Floors(Mutex<HashMap<OwnedRoomId, Arc<tokio::sync::Mutex<()>>>>);

/// The right to speak in a room, until it is dropped.
pub(super) struct Floor {
    room: OwnedRoomId,
    _held: OwnedMutexGuard<()>,
}

impl Floor {
    /// Where.
    pub(super) fn room(&self) -> &RoomId {
        &self.room
    }
}

impl Floors {
    /// The floor of a room, after everybody who asked for it before.
    pub(super) async fn take(&self, room: &RoomId) -> Floor {
        let held = self.of(room).lock_owned().await;
        Floor { room: room.to_owned(), _held: held }
    }

    /// The floor of a room; none where somebody has it or waits for it.
    pub(super) fn take_if_free(&self, room: &RoomId) -> Option<Floor> {
        let held = self.of(room).try_lock_owned().ok()?;
        Some(Floor { room: room.to_owned(), _held: held })
    }

    fn of(&self, room: &RoomId) -> Arc<tokio::sync::Mutex<()>> {
        // Nothing that holds it can panic.
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(floors.entry(room.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;
    use crate::store::testing::room;

    #[tokio::test(start_paused = true)]
    async fn in_a_room_one_speaks_at_a_time_in_the_order_in_which_they_asked() {
        let (floors, speaking) = (Arc::new(Floors::default()), Arc::new(AtomicUsize::new(0)));
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut people = JoinSet::new();
        for number in 0..20 {
            let (floors, speaking, said) = (floors.clone(), speaking.clone(), said.clone());
            people.spawn(async move {
                let floor = floors.take(&room(1)).await;
                assert_eq!(floor.room(), room(1));
                assert_eq!(speaking.fetch_add(1, Ordering::SeqCst), 0, "nobody else speaks");
                tokio::time::sleep(Duration::from_secs(1)).await;
                speaking.fetch_sub(1, Ordering::SeqCst);
                said.lock().unwrap().push(number);
            });
        }
        while let Some(ended) = people.join_next().await {
            ended.unwrap();
        }
        assert_eq!(*said.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn what_need_not_be_said_is_not_while_somebody_speaks_or_waits_to() {
        let floors = Arc::new(Floors::default());
        let first = floors.take_if_free(&room(1)).unwrap();
        assert!(floors.take_if_free(&room(1)).is_none());
        assert!(floors.take_if_free(&room(2)).is_some(), "rooms do not wait for each other");
        let waits = {
            let floors = floors.clone();
            tokio::spawn(async move { floors.take(&room(1)).await })
        };
        // Everybody else sleeps by then, so he waits.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert!(floors.take_if_free(&room(1)).is_none(), "nobody gets in before who waits");
        drop(waits.await.unwrap());
        assert!(floors.take_if_free(&room(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_panics_while_he_speaks_leaves_the_floor() {
        let floors = Arc::new(Floors::default());
        let speaks = {
            let floors = floors.clone();
            tokio::spawn(async move {
                let _floor = floors.take(&room(1)).await;
                panic!("Session expired");
            })
        };
        assert!(speaks.await.unwrap_err().is_panic());
        assert!(floors.take_if_free(&room(1)).is_some());
    }
}
