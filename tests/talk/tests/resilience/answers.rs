//! What the agent answered in a room, as somebody reads it there.

use matrix_sdk::ruma::RoomId;
use serde_json::Value;

use testudo_talk::talk::{MARK, Talk};
use testudo_talk::timeline::{Seen, Timeline};

/// Its messages in a room that are no questions, in their order, as they stand after their edits.
pub fn answers(timeline: &Timeline, talk: &Talk, room: &RoomId) -> Vec<String> {
    let is_right = |seen: &&Seen| {
        seen.readable
            && seen.is_message()
            && seen.room == room.as_str()
            && seen.sender == talk.bot.as_str()
            && !seen.body().starts_with(MARK)
    };
    timeline.so_far().iter().filter(is_right).map(|seen| timeline.text(&seen.event)).collect()
}

/// The numbers in what it answered, which stand between `PREFIX-` and another `-`.
pub fn numbers(timeline: &Timeline, talk: &Talk, room: &RoomId, prefix: &str) -> Vec<usize> {
    let number = |text: &String| text.split(&format!("{prefix}-")).nth(1)?.split('-').next()?.parse().ok();
    answers(timeline, talk, room).iter().filter_map(number).collect()
}

/// The key under which an event was encrypted.
pub fn key(talk: &Talk, seen: &Seen) -> Value {
    let event = seen.event.as_str().try_into().expect("an event's id");
    talk.synapse.sealed(event)["session_id"].clone()
}
