use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{event_id, user_id};
use serde_json::json;

use super::*;
use crate::store::testing::opened;

const OWN: &str = "@testudo:home.org";
const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

fn event(id: &str, sender: &str, at_ms: i64) -> TimelineEvent {
    let event = json!({ "event_id": id, "sender": sender, "origin_server_ts": at_ms });
    TimelineEvent::from_plaintext(Raw::from_json_string(event.to_string()).unwrap())
}

/// A moment by a clock that was right all the time.
fn at(wall_ms: i64) -> Moment {
    Moment { wall_ms, up: Some(Duration::from_millis(wall_ms.unsigned_abs())) }
}

fn ours(skew: &Skew, theirs_ms: i64, now: Moment) -> i64 {
    skew.ours(theirs_ms.unsigned_abs(), true, now).try_into().unwrap()
}

#[test]
fn it_is_learned_from_what_this_process_sent_alone_and_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let own = user_id!("@testudo:home.org");
    let skew = Skew::of(opened(directory.path())).unwrap();
    let behind = 9 * DAY;
    skew.sent(event_id!("$ours"), at(10 * DAY));
    for other in
        [event("$hers", "@ann:home.org", 1), event("$old", OWN, 1), event("$ours", "@ann:home.org", 1)]
    {
        skew.learn(own, &[other]);
        assert_eq!(ours(&skew, behind, at(10 * DAY)), behind, "others can say what they like");
    }
    skew.learn(own, &[event("$ours", OWN, behind), event("$hers", "@ann:home.org", 2)]);
    let later = at(10 * DAY + 9);
    assert_eq!(ours(&skew, behind + 7, later), 10 * DAY + 7);
    let elsewhere = skew.ours(behind.unsigned_abs(), false, later);
    assert_eq!(elsewhere, behind.unsigned_abs(), "of another homeserver's clock nothing is known");
    skew.learn(own, &[event("$ours", OWN, 1)]);
    assert_eq!(ours(&skew, behind + 7, later), 10 * DAY + 7, "each says it once");
    drop(skew);
    let skew = Skew::of(opened(directory.path())).unwrap();
    assert_eq!(ours(&skew, behind + 7, later), 10 * DAY + 7);
    skew.learn(own, &[event("$ours", OWN, 1)]);
    assert_eq!(ours(&skew, behind + 7, later), 10 * DAY + 7, "what another process sent says nothing");
    skew.learn(own, &[event("$fast", OWN, 8 * DAY)]);
    assert_eq!(ours(&skew, behind + 7, later), 10 * DAY + 7);
    skew.sent(event_id!("$fast"), at(10 * DAY));
    assert_eq!(ours(&skew, 8 * DAY + 7, later), 10 * DAY + 7, "it may come back before its sending is over");
    skew.sent(event_id!("$next"), at(10 * DAY));
    skew.learn(own, &[event("$next", OWN, 12 * DAY)]);
    assert_eq!(ours(&skew, 12 * DAY, later), 10 * DAY, "ahead, too");
}

/// Whether something that was said ten minutes before we spoke, when both clocks were right, looks as if it was after.
#[test]
fn nothing_makes_what_was_said_before_look_as_if_it_was_said_after() {
    let said = 100 * DAY - 10 * MINUTE;
    let spoke = at(100 * DAY);
    for (what, came_back, now, known) in [
        ("it comes back at once", Some(spoke.wall_ms), at(spoke.wall_ms + 1), said),
        ("the machine slept before it came back", Some(spoke.wall_ms), at(spoke.wall_ms + DAY / 2), said),
        ("it never comes back", None, at(spoke.wall_ms + 1), said),
        // A server that stamps what we say a minute late makes others' words older, not newer.
        ("it is stamped late", Some(spoke.wall_ms + MINUTE), at(spoke.wall_ms + 1), said - MINUTE),
        ("it is forgotten after a day", Some(spoke.wall_ms - DAY), at(spoke.wall_ms + DAY), said),
        (
            "our clock was put back meanwhile",
            Some(spoke.wall_ms - DAY),
            Moment { wall_ms: spoke.wall_ms + 1, up: spoke.up.map(|up| up + Duration::from_hours(5)) },
            said,
        ),
        (
            "our clock was put ahead meanwhile",
            Some(spoke.wall_ms - 5 * MINUTE),
            Moment { wall_ms: spoke.wall_ms + DAY / 2, up: spoke.up },
            said,
        ),
        ("it was learned in the future", Some(spoke.wall_ms - DAY), at(spoke.wall_ms - 1), said),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let skew = Skew::of(opened(directory.path())).unwrap();
        skew.sent(event_id!("$ours"), spoke);
        if let Some(stamp) = came_back {
            skew.learn(user_id!("@testudo:home.org"), &[event("$ours", OWN, stamp)]);
        }
        assert_eq!(ours(&skew, said, now), known, "{what}");
    }
}

#[test]
fn nothing_was_said_later_than_now() {
    let directory = tempfile::tempdir().unwrap();
    let own = user_id!("@testudo:home.org");
    let skew = Skew::of(opened(directory.path())).unwrap();
    assert_eq!(ours(&skew, 9 * DAY, at(DAY)), DAY);
    skew.sent(event_id!("$ours"), at(DAY));
    skew.learn(own, &[event("$ours", OWN, 1)]);
    assert_eq!(ours(&skew, 9 * DAY, at(DAY + 1)), DAY + 1);
}

#[test]
fn no_time_is_too_large_for_it_and_only_so_many_are_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let own = user_id!("@testudo:home.org");
    let skew = Skew::of(opened(directory.path())).unwrap();
    skew.sent(event_id!("$ours"), Moment { wall_ms: -5, up: None });
    let stamp = json!({ "event_id": "$ours", "sender": OWN, "origin_server_ts": u64::MAX });
    skew.learn(own, &[TimelineEvent::from_plaintext(Raw::from_json_string(stamp.to_string()).unwrap())]);
    assert_eq!(skew.ours(0, true, Moment { wall_ms: 0, up: None }), 0);
    assert_eq!(skew.ours(u64::MAX, true, Moment { wall_ms: i64::MAX, up: None }), i64::MAX.unsigned_abs());
    skew.sent(event_id!("$first"), at(DAY));
    for _ in 0..AWAITED {
        skew.sent(event_id!("$more"), at(DAY));
    }
    assert_eq!(skew.lock().sent.len(), AWAITED);
    skew.learn(own, &[event("$first", OWN, 1)]);
    assert_eq!(skew.lock().sent.len(), AWAITED);
}
