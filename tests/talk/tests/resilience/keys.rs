//! Keys that do not arrive: who is asked for them, what people are told, and what is read when they come.

use matrix_sdk::ruma::events::room_key_request::ToDeviceRoomKeyRequestEvent;
use tokio::sync::mpsc;
use tokio::task::block_in_place;

use crate::answers::{answers, key};
use testudo_talk::human::Human;
use testudo_talk::talk::{BOT, Talk};
use testudo_talk::timeline::{PATIENCE, Seen};

/// The device of the daemon, as its homeserver knows it.
fn device(talk: &Talk) -> String {
    let query = "SELECT device_id FROM devices WHERE user_id = ?1 AND NOT hidden";
    talk.synapse.database().query_row(query, [talk.bot.as_str()], |row| row.get(0)).unwrap()
}

/// What was sent to the daemon beside the rooms while it was away is lost on the way.
fn lose_keys(talk: &Talk, device: &str) {
    assert!(talk.synapse.drop_messages_to(talk.bot.as_str(), device) > 0, "there was nothing to lose");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_lost_is_asked_for_and_what_it_opens_is_answered() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let of_daemon = device(&talk);
    // Another device of the agent's account, which is signed.
    let recovery = talk.operator("RecoveryKey", &[]);
    let other = Human::login_unsigned(&talk.synapse, BOT).await;
    other.client.encryption().recovery().recover(recovery.stdout.trim()).await.unwrap();
    let (sender, mut asked) = mpsc::unbounded_channel();
    other.client.add_event_handler(move |event: ToDeviceRoomKeyRequestEvent| {
        let sender = sender.clone();
        async move {
            sender.send(event.content).ok();
        }
    });
    // The daemon knows of it from here on.
    ann.say(&room, "say good-morning").await;
    ann.hears(&room, "good-morning").await;

    block_in_place(|| talk.scene.appliance.stop_unit("matrixd").unwrap());
    ann.rotate(&room).await;
    let said = ann.say(&room, "say lost-and-found").await;
    let is_said = |seen: &Seen| seen.event == said.as_str() && seen.readable;
    let said = other.timeline.wait("what she said", is_said).await;
    lose_keys(&talk, &of_daemon);
    block_in_place(|| talk.scene.appliance.start_unit("matrixd").unwrap());

    let request = tokio::time::timeout(PATIENCE, asked.recv()).await.expect("the key is asked for").unwrap();
    assert_eq!(request.requesting_device_id.as_str(), of_daemon);
    let wanted = request.body.expect("it says which key");
    assert_eq!((wanted.room_id.as_str(), key(&talk, &said)), (room.as_str(), wanted.session_id.into()));
    ann.hears(&room, "lost-and-found").await;
    ann.say(&room, "say good-evening").await;
    ann.hears(&room, "good-evening").await;
    let told = answers(&ann.timeline, &talk, &room);
    for part in ["good-morning", "cannot read", "lost-and-found", "good-evening"] {
        assert_eq!(told.iter().filter(|text| text.contains(part)).count(), 1, "{part}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_keys_that_nobody_has_a_room_is_told_once() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let of_daemon = device(&talk);
    // They know each other: at a first contact her client would send its key once more.
    ann.say(&room, "say good-morning").await;
    ann.hears(&room, "good-morning").await;
    block_in_place(|| talk.scene.appliance.stop_unit("matrixd").unwrap());
    let mut lost = Vec::new();
    for number in 0..5 {
        ann.rotate(&room).await;
        lost.push(ann.say(&room, &format!("say lost-{number}-")).await);
    }
    lose_keys(&talk, &of_daemon);
    block_in_place(|| talk.scene.appliance.start_unit("matrixd").unwrap());
    ann.hears(&room, "cannot read").await;
    // Her client believes that its last key arrived: what else it says under that one is not read either.
    let after = ann.say(&room, "say still-lost").await;
    let session = |event| talk.synapse.sealed(event)["session_id"].clone();
    assert_eq!(session(lost.last().unwrap()), session(&after));
    ann.rotate(&room).await;
    ann.say(&room, "say found").await;
    ann.hears(&room, "found").await;
    let told = answers(&ann.timeline, &talk, &room);
    assert_eq!(told.len(), 3, "{told:?}");
    for (text, part) in told.iter().zip(["good-morning", "its key did not reach me", "found"]) {
        assert!(text.contains(part), "{told:?}");
    }
}
