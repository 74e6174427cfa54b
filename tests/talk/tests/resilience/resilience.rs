//! Nothing is lost, nothing is doubled, and nothing is read by who has left.

use std::time::{Duration, Instant};

use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::{OwnedEventId, uint};
use serde_json::json;
use tokio::task::block_in_place;

use crate::answers::numbers;
use testudo_talk::gap::Gap;
use testudo_talk::human::Human;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::Talk;
use testudo_talk::timeline::{PATIENCE, Seen, Timeline};

/// How many messages come at once unless it is said otherwise: each is a whole turn of the appliance.
const BURST: usize = 300;

/// How many messages come at once: `TESTUDO_TALK_BURST`, for who wants to see a thousand of them.
fn burst() -> usize {
    std::env::var("TESTUDO_TALK_BURST").map_or(BURST, |count| count.parse().expect("a number"))
}

/// How often the agent said this.
fn said(timeline: &Timeline, talk: &Talk, part: &str) -> usize {
    let is_right = |seen: &&Seen| {
        seen.readable && seen.is_message() && seen.sender == talk.bot.as_str() && seen.body().contains(part)
    };
    timeline.so_far().iter().filter(is_right).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_change_with_every_few_messages_lose_nothing() {
    let talk = Talk::start();
    let ann = Human::login(&talk.synapse, "ann").await;
    let mut often = RoomEncryptionEventContent::with_recommended_defaults();
    often.rotation_period_msgs = Some(uint!(3));
    let room = ann.create_room_with(&[&talk.bot], Some(often)).await;
    ann.member(&room, &talk.bot, "join").await;
    for number in 0..12 {
        if number % 5 == 0 {
            ann.rotate(&room).await;
        }
        ann.say(&room, &format!("say number-{number}-")).await;
        ann.hears(&room, &format!("number-{number}-")).await;
    }
    for number in 0..12 {
        assert_eq!(said(&ann.timeline, &talk, &format!("number-{number}-")), 1, "number {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_reads_on_and_who_left_does_not() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let (eve, user) = talk.eve(&ann, &room).await;
    ann.say(&room, "say welcome").await;
    eve.timeline.wait("a greeting", |seen| seen.body().contains("welcome") && seen.sealed).await;

    eve.order(json!({ "do": "leave", "room": room.as_str() })).await;
    ann.member(&room, &user, "leave").await;
    ann.say(&room, "say behind-her-back").await;
    let secret = ann.hears(&room, "behind-her-back").await;
    // The homeserver hands her the sealed event itself, as a dishonest one would: her keys do not open it.
    let event = OwnedEventId::try_from(secret.event).unwrap();
    let session = talk.synapse.sealed(&event)["session_id"].clone();
    let keys = eve.order(json!({ "do": "sessions", "room": room.as_str() })).await;
    assert!(!keys["sessions"].as_array().unwrap().contains(&session), "{keys} has {session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_goes_and_comes_back_costs_nothing() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    for (number, way) in ["killed", "stopped"].iter().enumerate() {
        let mark = ann.timeline.mark();
        ann.say(&room, &format!("write 'x' to {way}.txt")).await;
        let question = talk.question(&ann, &room, mark).await;
        block_in_place(|| if number == 0 { talk.synapse.kill() } else { talk.synapse.stop() });
        block_in_place(|| talk.synapse.resume());
        ann.say(&room, &format!("yes {}", question.code)).await;
        let file = format!("{way}.txt");
        talk.until("written", |talk| talk.scene.file(&file).is_some());
        ann.hears(&room, &file).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_again_and_again_says_everything_once() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    // They know each other: the SDK keeps the very first secret of two devices before it keeps the key of the message
    // that came under it, and a kill between the two loses that key. The room is told then; it cannot be mended here.
    ann.say(&room, "say good-morning").await;
    ann.hears(&room, "good-morning").await;
    for number in 0..6 {
        ann.say(&room, &format!("say number-{number}-")).await;
        // At another point of its work each time: at once, when it is seen to read, when it answers.
        if number % 3 == 1 {
            ann.timeline.wait("a receipt", |seen| seen.kind == "m.receipt").await;
        }
        if number % 3 == 2 {
            ann.hears(&room, &format!("number-{number}-")).await;
        }
        block_in_place(|| {
            talk.scene.appliance.kill9("matrixd").unwrap();
            talk.scene.appliance.wait_ready("matrixd").unwrap();
        });
        ann.hears(&room, &format!("number-{number}-")).await;
    }
    for number in 0..6 {
        assert_eq!(said(&ann.timeline, &talk, &format!("number-{number}-")), 1, "number {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_homeserver_has_and_the_daemon_does_not_know_of_is_not_said_again() {
    let synapse = Synapse::start();
    let gap = Gap::before(synapse.url());
    let talk = Talk::with(synapse, "reply", |plan| {
        plan.set("matrixd", "homeserver", &gap.url);
    });
    let (ann, room) = talk.owner().await;
    gap.lose_next();
    ann.say(&room, "say exactly-once").await;
    block_in_place(|| {
        gap.lost.recv_timeout(PATIENCE).expect("the daemon answers");
        talk.scene.appliance.kill9("matrixd").unwrap();
        talk.scene.appliance.wait_ready("matrixd").unwrap();
    });
    ann.hears(&room, "exactly-once").await;
    // What comes after it in the room shows that nothing is behind.
    ann.say(&room, "say and-then").await;
    ann.hears(&room, "and-then").await;
    assert_eq!(said(&ann.timeline, &talk, "exactly-once"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_question_outlives_its_daemon() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let mark = ann.timeline.mark();
    ann.say(&room, "write 'x' to a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    block_in_place(|| {
        talk.scene.appliance.kill9("matrixd").unwrap();
        talk.scene.appliance.wait_ready("matrixd").unwrap();
    });
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_messages_is_all_heard_in_order() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let bob = talk.member(&ann, &room).await;
    let pid = talk.scene.appliance.pid_of("matrixd").unwrap();
    let before = resident(pid);
    let count = burst();
    for number in 0..count {
        bob.say(&room, &format!("say burst-{number}-")).await;
    }
    ann.say(&room, "say after-the-burst").await;
    let is_last = |seen: &Seen| {
        seen.is_message() && seen.sender == talk.bot.as_str() && seen.body().contains("after-the-burst")
    };
    let said = Instant::now();
    let patience = Duration::from_secs(count.try_into().unwrap()).max(Duration::from_mins(5));
    ann.timeline.within(patience, "the last answer", is_last).await;
    let took = said.elapsed();
    let answers = numbers(&ann.timeline, &talk, &room, "burst");
    assert!(answers.is_sorted(), "{answers:?}");
    assert_eq!(answers.len(), count, "each was answered once");
    let after = resident(pid);
    eprintln!(
        "{count} messages, the last answered {took:?} after it; {before} KiB resident before, {after} after"
    );
    let grown = after.saturating_sub(before);
    assert!(grown < 128 << 10, "it grew by {grown} KiB");
    assert_eq!(talk.scene.appliance.pid_of("matrixd").unwrap(), pid, "it was not restarted");
}

/// Resident memory of a process in KiB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
