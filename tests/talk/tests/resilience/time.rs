//! Clocks: keys that grow old, and machines that do not agree on what time it is.

use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::{RoomId, uint};
use serde_json::json;

use crate::answers::{key, numbers};
use testudo_talk::clock::Clock;
use testudo_talk::human::Human;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{Question, Talk};

/// A day in seconds.
const DAY: i32 = 24 * 60 * 60;
/// Every daemon of the machine.
const DAEMONS: [&str; 7] = ["auditd", "policyd", "modeld", "toold", "egressd", "agentd", "matrixd"];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_grown_old_is_not_used_any_more() {
    let clock = Clock::new();
    let synapse = Synapse::start();
    let talk = Talk::with(synapse, "reply", |plan| clock.enter(plan, &["matrixd"]));
    let ann = Human::login(&talk.synapse, "ann").await;
    let mut hourly = RoomEncryptionEventContent::with_recommended_defaults();
    hourly.rotation_period_ms = Some(uint!(3_600_000));
    let room = ann.create_room_with(&[&talk.bot], Some(hourly)).await;
    ann.member(&room, &talk.bot, "join").await;
    let (eve, user) = talk.eve(&ann, &room).await;

    let mut keys = Vec::new();
    for (number, offset) in ["+0", "+59m", "+61m", "+119m"].iter().enumerate() {
        let word = format!("number-{number}-");
        clock.set(offset);
        ann.say(&room, &format!("say {word}")).await;
        let heard = ann.hears(&room, &word).await;
        eve.timeline.wait(&word, |seen| seen.event == heard.event && seen.sealed && seen.readable).await;
        keys.push(key(&talk, &heard));
    }
    assert_eq!(keys[0], keys[1], "it is not old yet");
    assert_ne!(keys[1], keys[2], "now it is");
    assert_eq!(keys[2], keys[3], "the next one lives as long");

    eve.order(json!({ "do": "leave", "room": room.as_str() })).await;
    ann.member(&room, &user, "leave").await;
    for (number, offset) in [(4, "+120m"), (5, "+4h")] {
        let word = format!("number-{number}-");
        clock.set(offset);
        ann.say(&room, &format!("say {word}")).await;
        keys.push(key(&talk, &ann.hears(&room, &word).await));
    }
    assert_ne!(keys[4], keys[5]);
    let hers = eve.order(json!({ "do": "sessions", "room": room.as_str() })).await;
    let has = |key| hers["sessions"].as_array().unwrap().contains(key);
    assert!(has(&keys[0]) && has(&keys[2]), "{hers} lacks what was said to her");
    assert!(!has(&keys[4]) && !has(&keys[5]), "{hers} has what was said behind her back");
    assert_eq!(numbers(&ann.timeline, &talk, &room, "number"), [0, 1, 2, 3, 4, 5]);
}

/// Somebody talks, in the order in which he sees it answered.
async fn talks(talk: &Talk, ann: &Human, room: &RoomId, numbers_of: std::ops::Range<usize>) {
    let last = format!("number-{}-", numbers_of.end - 1);
    for number in numbers_of.clone() {
        ann.say(room, &format!("say number-{number}-")).await;
    }
    ann.hears(room, &last).await;
    let in_order: Vec<usize> = (0..numbers_of.end).collect();
    assert_eq!(numbers(&ann.timeline, talk, room, "number"), in_order);
}

async fn asked(talk: &Talk, ann: &Human, room: &RoomId, file: &str) -> Question {
    let mark = ann.timeline.mark();
    ann.say(room, &format!("write 'x' to {file}")).await;
    talk.question(ann, room, mark).await
}

/// How a question ended, as it is shown.
async fn end(ann: &Human, question: &Question) -> String {
    ann.timeline.wait("the end of the question", |seen| seen.edits(&question.event)).await;
    ann.timeline.text(&question.event).to_lowercase()
}

/// What somebody does who does not look at the clock: talks, is asked, says yes, says no.
async fn nobody_notices(talk: &Talk, before: impl Fn(), before_the_yes: impl Fn()) {
    let (ann, room) = talk.owner().await;
    before();
    talks(talk, &ann, &room, 0..5).await;
    let question = asked(talk, &ann, &room, "a.txt").await;
    before_the_yes();
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").is_some());
    let how = end(&ann, &question).await;
    assert!(how.contains("approved"), "{how}");
    let question = asked(talk, &ann, &room, "b.txt").await;
    ann.reply(&room, &question.event, "no").await;
    let how = end(&ann, &question).await;
    assert!(how.contains("denied"), "{how}");
    assert_eq!(talk.scene.file("b.txt"), None);
    talks(talk, &ann, &room, 5..7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_whose_clock_is_a_day_ahead_is_talked_with_as_any_other() {
    let talk = Talk::with(Synapse::ahead(DAY), "reply", |_| {});
    nobody_notices(&talk, || {}, || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_whose_clock_is_a_day_behind_is_talked_with_as_any_other() {
    let talk = Talk::with(Synapse::ahead(-DAY), "reply", |_| {});
    nobody_notices(&talk, || {}, || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_clock_is_put_a_day_ahead_and_back_talks_on() {
    let clock = Clock::new();
    let talk = Talk::with(Synapse::start(), "reply", |plan| clock.enter(plan, &DAEMONS));
    nobody_notices(&talk, || clock.set("+1d"), || clock.set("+0")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_clock_is_put_a_day_back_talks_on() {
    let clock = Clock::new();
    let talk = Talk::with(Synapse::start(), "reply", |plan| clock.enter(plan, &DAEMONS));
    nobody_notices(&talk, || clock.set("-1d"), || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_ends_by_the_clock_of_the_machine_whatever_the_homeserver_has() {
    let clock = Clock::new();
    let talk = Talk::with(Synapse::ahead(-DAY), "reply", |plan| clock.enter(plan, &DAEMONS));
    let (ann, room) = talk.owner().await;
    let question = asked(&talk, &ann, &room, "a.txt").await;
    clock.set("+2d");
    ann.say(&room, &format!("yes {}", question.code)).await;
    let how = end(&ann, &question).await;
    assert!(how.contains("expired"), "{how}");
    assert_eq!(talk.scene.file("a.txt"), None);
}
