//! What the daemon keeps in memory: before anybody says anything, after many messages, and after very many events.

use std::path::Path;

use futures_util::StreamExt as _;
use matrix_sdk::ruma::RoomId;
use serde_json::json;
use tokio::task::block_in_place;

use super::report::Report;
use super::{settle, start};
use crate::human::Human;
use crate::talk::Talk;
use crate::timeline::Seen;

/// Events that are sent before it is made sure that the daemon has had them.
const STRETCH: usize = 500;
/// Events on their way at once: of two that meet where a room's key is changed, the SDK's client of the people panics.
const AT_ONCE: usize = 1;

/// Bytes of a process: its proportional set, in which shared pages count once in all, and its resident set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    proportional: i64,
    resident: i64,
}

/// Looks at the daemon after so many messages, each answered, and after so many events more.
pub async fn measure(daemons: &Path, messages: usize, events: usize, report: &mut Report) {
    let talk = start(daemons, |_| {});
    let (ann, room) = talk.owner().await;
    let bob = talk.member(&ann, &room).await;
    settle().await;
    let idle = look(&talk);
    report.size("PSS of matrixd: idle, in one room, before the first message", idle.proportional);
    for number in 0..messages {
        answered(&talk, &ann, &room, &format!("message-{number}-")).await;
    }
    settle().await;
    let answered_all = look(&talk);
    report.size(
        &format!("PSS of matrixd: after {messages} messages, each answered"),
        answered_all.proportional,
    );
    for first in (0..events).step_by(STRETCH) {
        let stretch = first..events.min(first + STRETCH);
        let sent = futures_util::stream::iter(stretch).map(|number| notice(&bob, &room, number));
        sent.buffer_unordered(AT_ONCE).count().await;
        // What comes after them in the room shows that they are behind.
        answered(&talk, &ann, &room, &format!("after-{first}-")).await;
    }
    settle().await;
    let last = look(&talk);
    report.size(&format!("PSS of matrixd: after {events} encrypted events more"), last.proportional);
    report
        .size(&format!("RSS of matrixd: growth over these {events}"), last.resident - answered_all.resident);
    report.size(
        &format!("RSS of matrixd: growth over all {}", messages + events),
        last.resident - idle.resident,
    );
}

/// Says something and waits for the answer.
async fn answered(talk: &Talk, ann: &Human, room: &RoomId, word: &str) {
    let is_right = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains(word);
    let mark = ann.timeline.mark();
    ann.say(room, &format!("say {word}")).await;
    ann.timeline.after(mark, word, is_right).await;
}

/// A machine's message: decrypted as every other, and not answered.
async fn notice(bob: &Human, room: &RoomId, number: usize) {
    let content = json!({ "msgtype": "m.notice", "body": format!("notice {number}") });
    bob.send(room, "m.room.message", content).await;
}

fn look(talk: &Talk) -> Size {
    let pid = block_in_place(|| talk.scene.appliance.pid_of("matrixd")).expect("it runs");
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    parse(&text).unwrap_or_else(|| panic!("{path} has no sizes: {text}"))
}

fn parse(text: &str) -> Option<Size> {
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Size { proportional: of("Pss:")?, resident: of("Rss:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_all_pages_are_taken() {
        let text = "55d0-7ffd ---p 0 00:00 0 [rollup]\nRss:  9000 kB\nPss:    1234 kB\nPss_Dirty:  7 kB\n";
        assert_eq!(parse(text), Some(Size { proportional: 1234 * 1024, resident: 9000 * 1024 }));
        assert_eq!(parse("Rss: 1 kB\nPss_Dirty: 7 kB\n"), None);
    }
}
