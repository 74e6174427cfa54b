//! Who was told already that a command is not for him: once in a while is enough, and a flood gets no flood back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

/// How long one telling lasts, in milliseconds.
const LASTS_MS: u64 = 60_000;
/// Most people who are remembered; with more all are told anew.
const MOST: usize = 1_000;

/// Who was told when.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<(OwnedRoomId, OwnedUserId), u64>>);

impl Told {
    /// Whether somebody was not told in this room lately; from now on he was.
    pub(super) fn is_news(&self, room: &RoomId, user: &UserId, now_ms: u64) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now_ms.saturating_sub(*at) < LASTS_MS);
        if told.len() >= MOST {
            told.clear();
        }
        let key = (room.to_owned(), user.to_owned());
        if told.contains_key(&key) {
            return false;
        }
        told.insert(key, now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matrix_sdk::ruma::{room_id, user_id};

    #[test]
    fn each_is_told_once_a_minute_in_each_room() {
        let (told, bob) = (Told::default(), user_id!("@bob:home.org"));
        assert!(told.is_news(room_id!("!a:home.org"), bob, 5));
        assert!(!told.is_news(room_id!("!a:home.org"), bob, 60_004));
        assert!(told.is_news(room_id!("!b:home.org"), bob, 60_004));
        assert!(told.is_news(room_id!("!a:home.org"), bob, 60_005));
    }

    #[test]
    fn a_thousand_rooms_are_not_kept_for_ever() {
        let (told, bob) = (Told::default(), user_id!("@bob:home.org"));
        for number in 0..5_000 {
            let room = OwnedRoomId::try_from(format!("!r{number}:home.org")).unwrap();
            assert!(told.is_news(&room, bob, 0));
        }
        assert!(told.0.lock().unwrap().len() <= MOST);
    }
}
