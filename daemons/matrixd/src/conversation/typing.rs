//! That we are typing, shown in a room for as long as a turn of any of its sessions runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::OwnedRoomId;
use tokio::task::JoinHandle;

use crate::homeserver::Homeserver;

/// How often it is shown anew; clients forget it after a few seconds.
const RENEWED: Duration = Duration::from_secs(3);

type Rooms = Arc<Mutex<HashMap<OwnedRoomId, (usize, JoinHandle<()>)>>>;

/// Who types where.
#[derive(Clone)]
pub struct Typing {
    homeserver: Arc<dyn Homeserver>,
    rooms: Rooms,
}

impl Typing {
    /// Nobody yet.
    pub fn new(homeserver: Arc<dyn Homeserver>) -> Self {
        Self { homeserver, rooms: Rooms::default() }
    }

    /// Shows it until what is returned is dropped, and for as long as anybody else has one for the room.
    pub fn begin(&self, room: &OwnedRoomId) -> IsTyping {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, _) = rooms.entry(room.clone()).or_insert_with(|| {
            let (homeserver, room) = (self.homeserver.clone(), room.clone());
            let task = tokio::spawn(async move {
                loop {
                    homeserver.typing(&room, true).await;
                    tokio::time::sleep(RENEWED).await;
                }
            });
            (0, task)
        });
        *count += 1;
        IsTyping { typing: self.clone(), room: room.clone() }
    }
}

/// It is shown that we type.
pub struct IsTyping {
    typing: Typing,
    room: OwnedRoomId,
}

impl Drop for IsTyping {
    fn drop(&mut self) {
        let mut rooms = self.typing.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, _)) = rooms.get_mut(&self.room) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        if let Some((_, task)) = rooms.remove(&self.room) {
            task.abort();
            let (homeserver, room) = (self.typing.homeserver.clone(), self.room.clone());
            // When the daemon ends there is nothing left to do that with; clients forget it by themselves.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { homeserver.typing(&room, false).await });
            }
        }
    }
}
