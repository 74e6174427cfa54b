//! The homeserver decides who is in a room. That gives it nothing of what is said, and no say in where owners are asked.

use matrix_sdk::ruma::events::room::encrypted::OriginalSyncRoomEncryptedEvent;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{EventId, OwnedRoomId, RoomId};
use serde_json::json;

use crate::without::without;
use testudo_talk::human::Human;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{OWNER, Talk};
use testudo_talk::timeline::Seen;

/// Nobody's friend, with a client as good as anybody's and an identity that signs it.
const GHOST: &str = "mallory";

/// A homeserver with the ghost on it, and who talks there.
async fn haunted(control: bool) -> (Talk, Human, OwnedRoomId, Human) {
    let synapse = Synapse::start();
    synapse.register(GHOST);
    let talk = Talk::with(synapse, "reply", |plan| {
        if !control {
            without(plan, "company");
        }
    });
    let (ann, room) = talk.owner().await;
    let ghost = Human::login(&talk.synapse, GHOST).await;
    (talk, ann, room, ghost)
}

/// The homeserver has the ghost invited, in the owner's name and without her doing, and he joins.
async fn haunts(talk: &Talk, ann: &Human, room: &RoomId, ghost: &Human) {
    let token = talk.synapse.impersonate(ann.user().as_str()).await;
    let path = format!("/_matrix/client/v3/rooms/{room}/invite");
    let invited = talk.synapse.call("POST", &path, &token, &json!({ "user_id": ghost.user() })).await;
    assert_eq!(invited, json!({}));
    ghost.join(room).await;
    ann.member(room, ghost.user(), "join").await;
}

fn is_sealed(talk: &Talk, seen: &Seen, room: &RoomId) -> bool {
    seen.kind == "m.room.message"
        && seen.sender == talk.bot.as_str()
        && seen.room == room.as_str()
        && seen.sealed
}

/// What the agent said in a room, each message as it stands by now.
fn said(talk: &Talk, human: &Human, room: &RoomId) -> Vec<String> {
    let seen = human.timeline.so_far();
    let messages = seen.iter().filter(|seen| seen.is_message() && is_sealed(talk, seen, room));
    messages.map(|seen| human.timeline.text(&seen.event)).collect()
}

/// What of the agent's sealed words a person could read.
fn readable(talk: &Talk, human: &Human) -> Vec<Seen> {
    let is_read = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.sealed && seen.readable && seen.kind == "m.room.message"
    };
    human.timeline.so_far().into_iter().filter(is_read).collect()
}

/// Whether a person's client opens something that the agent said, if the homeserver hands him all of it.
async fn opens(talk: &Talk, human: &Human, seen: &Seen) -> bool {
    let (event, room) = (EventId::parse(&seen.event).unwrap(), RoomId::parse(&seen.room).unwrap());
    let sealed = json!({
        "event_id": event, "room_id": room, "sender": talk.bot, "origin_server_ts": 1,
        "type": "m.room.encrypted", "content": talk.synapse.sealed(&event),
    });
    let sealed = Raw::<OriginalSyncRoomEncryptedEvent>::from_json_string(sealed.to_string()).unwrap();
    human.room(&room).decrypt_event(&sealed, None).await.is_ok_and(|opened| !opened.kind.is_utd())
}

fn is_notice(talk: &Talk, seen: &Seen) -> bool {
    seen.sender == talk.bot.as_str() && seen.body().contains("on none of my lists")
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_homeserver_puts_into_a_room_hears_nothing_and_afterwards_everything_arrives() {
    let (talk, ann, room, ghost) = haunted(true).await;
    ann.say(&room, "say before").await;
    ann.hears(&room, "before").await;
    haunts(&talk, &ann, &room, &ghost).await;
    ann.say(&room, "say secret-one").await;
    ann.say(&room, "say secret-two").await;
    let notice = ann.timeline.wait("the notice", |seen| is_notice(&talk, seen)).await;
    assert!(!notice.sealed, "a sealed one would give him a key");
    assert!(
        notice.body().contains("@mallory:home.test is in this room") && !notice.body().contains("secret")
    );
    talk.until("shown to operators", |talk| {
        let status = talk.operator("Status", &[]);
        status.stdout.contains("stranger-in-room") && status.stdout.contains("@mallory:home.test")
    });
    // What the agent said is with the daemon by now: both turns ended.
    talk.until("both turns ended", |talk| {
        let log = talk.scene.log();
        log.iter().filter(|record| record["event"] == "turn.finished").count() >= 3
    });
    assert!(
        !said(&talk, &ann, &room).iter().any(|text| text.contains("secret")),
        "nothing is said meanwhile"
    );

    ghost.room(&room).leave().await.unwrap();
    ann.member(&room, ghost.user(), "leave").await;
    ann.hears(&room, "secret-two").await;
    let secrets: Vec<String> =
        said(&talk, &ann, &room).into_iter().filter(|text| text.contains("secret")).collect();
    assert_eq!(secrets.len(), 2, "each arrives once: {secrets:?}");
    assert!(secrets[0].contains("secret-one"), "in order: {secrets:?}");
    assert_eq!(ann.timeline.so_far().iter().filter(|seen| is_notice(&talk, seen)).count(), 1);
    let mut opened = Vec::new();
    for seen in ann.timeline.so_far().iter().filter(|seen| is_sealed(&talk, seen, &room)) {
        opened.push((opens(&talk, &ann, seen).await, opens(&talk, &ghost, seen).await));
    }
    assert!(opened.len() >= 3 && opened.iter().all(|both| *both == (true, false)), "{opened:?}");
    assert!(readable(&talk, &ghost).is_empty());
    talk.until("over", |talk| !talk.operator("Status", &[]).stdout.contains("stranger-in-room"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_company_he_reads_everything() {
    let (talk, ann, room, ghost) = haunted(false).await;
    haunts(&talk, &ann, &room, &ghost).await;
    ann.say(&room, "say secret-one").await;
    let reads = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.sealed && seen.readable && seen.body().contains("secret-one")
    };
    let secret = ghost.timeline.wait("the secret", reads).await;
    assert!(opens(&talk, &ghost, &secret).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_invited_is_company_too() {
    let (talk, ann, room, ghost) = haunted(true).await;
    ann.room(&room).invite_user_by_id(ghost.user()).await.unwrap();
    ann.member(&room, ghost.user(), "invite").await;
    ann.say(&room, "say secret-one").await;
    ann.timeline.wait("the notice", |seen| is_notice(&talk, seen)).await;
    assert!(said(&talk, &ann, &room).is_empty());
    ann.room(&room).kick_user(ghost.user(), None).await.unwrap();
    ann.hears(&room, "secret-one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_heard_in_its_room_is_asked_in_the_owner_s() {
    let (talk, ann, room, ghost) = haunted(true).await;
    let other = ann.create_room(&[&talk.bot]).await;
    ann.member(&other, &talk.bot, "join").await;
    ann.say(&other, "say hello").await;
    ann.hears(&other, "hello").await;
    haunts(&talk, &ann, &room, &ghost).await;
    let mark = ann.timeline.mark();
    ann.say(&room, "write 'x' to a.txt").await;
    let question = talk.question(&ann, &other, mark).await;
    ann.say(&other, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
    assert!(readable(&talk, &ghost).is_empty());
}

/// The homeserver makes a room in the owner's name, smaller than any of hers, and has her talk there.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_the_homeserver_made_up_is_not_where_owners_are_asked() {
    let synapse = Synapse::start();
    synapse.register("keeper");
    let owners = vec![synapse.id(OWNER), synapse.id("keeper")];
    let talk = Talk::with(synapse, "reply", |plan| {
        plan.set("matrixd", "owners", owners);
    });
    let (ann, room) = talk.owner().await;
    let keeper = Human::login(&talk.synapse, "keeper").await;
    ann.room(&room).invite_user_by_id(keeper.user()).await.unwrap();
    keeper.join(&room).await;
    ann.say(&room, "say hello").await;
    ann.hears(&room, "hello").await;

    let token = talk.synapse.impersonate(ann.user().as_str()).await;
    let encryption = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    let made = json!({
        "preset": "private_chat", "invite": [talk.bot],
        "initial_state": [{ "type": "m.room.encryption", "state_key": "", "content": encryption }],
    });
    let made = talk.synapse.call("POST", "/_matrix/client/v3/createRoom", &token, &made).await;
    let made = OwnedRoomId::try_from(made["room_id"].as_str().unwrap()).unwrap();
    ann.member(&made, &talk.bot, "join").await;
    let words = json!({ "msgtype": "m.text", "body": "say here-i-am" });
    talk.synapse.forge(ann.user().as_str(), made.as_str(), "m.room.message", &words).await;
    // What is not sealed is a stranger's word, and is answered; so the room is known by now.
    ann.hears(&made, "here-i-am").await;

    let mark = ann.timeline.mark();
    let started = talk.scene.as_user("root", "Agent1", "Send", &["s:desk", "s:write 'x' to a.txt", "o:"]);
    assert_eq!(started.status, 0, "{started:?}");
    let question = talk.question(&ann, &room, mark).await;
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
    let asked = |seen: &Seen| seen.room == made.as_str() && seen.body().contains("TESTUDO ASKS");
    assert!(!ann.timeline.so_far().iter().any(asked));
}
