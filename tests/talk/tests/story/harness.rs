//! That the people and the homeserver of these tests are what they seem: without the appliance, people among themselves.

use serde_json::{Value, json};

use testudo_talk::human::{Human, reaction};
use testudo_talk::nio::Nio;
use testudo_talk::synapse::Synapse;
use testudo_talk::verification::compare;

/// A homeserver with two people and an encrypted room that both are in.
async fn company(synapse: &Synapse) -> (Human, Human, matrix_sdk::ruma::OwnedRoomId) {
    synapse.register("ann");
    synapse.register("bob");
    let (ann, bob) = (Human::login(synapse, "ann").await, Human::login(synapse, "bob").await);
    let room = ann.create_room(&[bob.user()]).await;
    bob.join(&room).await;
    ann.member(&room, bob.user(), "join").await;
    (ann, bob, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_say_reply_thread_edit_react_take_back_and_send_files() {
    let synapse = Synapse::start();
    let (ann, bob, room) = company(&synapse).await;

    let hello = ann.say(&room, "hello").await;
    let heard = bob.hears(&room, "hello").await;
    assert_eq!((heard.event.as_str(), heard.sealed), (hello.as_str(), true));
    ann.edit(&room, hello.as_str(), "hello you").await;
    bob.timeline.wait("the edit", |seen| seen.edits(hello.as_str())).await;
    assert_eq!(bob.timeline.text(hello.as_str()), "hello you");

    bob.reply(&room, hello.as_str(), "and you").await;
    ann.hears(&room, "and you").await;
    let in_thread = bob.say_in_thread(&room, hello.as_str(), "aside").await;
    assert!(ann.hears(&room, "aside").await.relates("m.thread", hello.as_str()));
    bob.react(&room, hello.as_str(), "👍").await;
    let reacted = ann.timeline.wait("a reaction", |seen| seen.reacts(hello.as_str(), "👍")).await;
    assert!(!reacted.sealed, "a reaction is never encrypted");
    bob.redact(&room, &in_thread).await;
    let is_right = |seen: &testudo_talk::timeline::Seen| seen.kind == "m.room.redaction";
    ann.timeline.wait("that it was taken back", is_right).await;

    bob.attach(&room, "a.bin", "application/octet-stream", &[0, 1, 2, 255]).await;
    let file = ann.hears(&room, "a.bin").await;
    assert_eq!(ann.download(&file).await, [0, 1, 2, 255]);

    let mut kinds = Vec::new();
    let database = synapse.database();
    let mut statement = database.prepare("SELECT DISTINCT type FROM events ORDER BY type").unwrap();
    for kind in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        kinds.push(kind.unwrap());
    }
    assert!(kinds.contains(&"m.room.encrypted".to_owned()), "{kinds:?}");
    assert!(!kinds.contains(&"m.room.message".to_owned()), "the homeserver could read something: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_verify_each_other_by_emojis() {
    let synapse = Synapse::start();
    let (ann, bob, room) = company(&synapse).await;
    assert!(!ann.trusts(bob.user()).await && !bob.trusts(ann.user()).await);
    // A device is known to whoever has heard from it.
    bob.say(&room, "it is me").await;
    ann.hears(&room, "it is me").await;

    let request = ann.ask_verification(bob.user(), bob.device()).await;
    let (asked, accepted) = tokio::join!(compare(&request, true), bob.accept_verification(ann.user()));
    assert_eq!(asked.emojis, accepted.emojis);
    assert_eq!(asked.emojis.len(), 7);
    asked.says_same().await;
    bob.is_confirmed_by(ann.user()).await;
    accepted.says_same().await;
    tokio::join!(asked.is_over(), accepted.is_over());
    ann.comes_to_trust(bob.user()).await;
    bob.comes_to_trust(ann.user()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_talks_with_ours() {
    let synapse = Synapse::start();
    synapse.register("ann");
    synapse.register("eve");
    let ann = Human::login(&synapse, "ann").await;
    let eve = Nio::login(&synapse, "eve").await;
    let user = matrix_sdk::ruma::OwnedUserId::try_from(eve.user.as_str()).unwrap();
    let room = ann.create_room(&[&user]).await;
    eve.join(room.as_str()).await;
    ann.member(&room, &user, "join").await;

    ann.say(&room, "hello eve").await;
    let heard = eve.timeline.wait("a greeting", |seen| seen.body() == "hello eve").await;
    assert!(heard.sealed);
    eve.say(room.as_str(), "hello ann").await;
    assert!(ann.hears(&room, "hello ann").await.sealed);
    let devices = ann.client.encryption().get_user_devices(&user).await.unwrap();
    assert!(devices.devices().all(|device| device.is_cross_signed_by_owner()), "eve signed her device");

    eve.attach(room.as_str(), "e.txt", "text/plain", "from eve").await;
    let file = ann.hears(&room, "e.txt").await;
    assert_eq!(ann.download(&file).await, b"from eve");
    ann.attach(&room, "n.txt", "text/plain", b"from ann").await;
    let file = eve.timeline.wait("a file", |seen| seen.body() == "n.txt").await;
    assert_eq!(eve.read(&file).await, "from ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_can_speak_for_everybody_and_repeat_what_was_sealed() {
    let synapse = Synapse::start();
    let (ann, bob, room) = company(&synapse).await;
    let hello = ann.say(&room, "hello").await;
    bob.hears(&room, "hello").await;

    let content = reaction(hello.as_str(), "✅");
    let forged = synapse.forge(ann.user().as_str(), room.as_str(), "m.reaction", &content).await;
    let seen = bob.timeline.wait("the forgery", |seen| seen.event == forged).await;
    assert_eq!((seen.sender.as_str(), seen.sealed), (ann.user().as_str(), false));
    // What she once said under her seal can be said again: neither the seal nor the SDK knows which event it was.
    let copy =
        synapse.forge(ann.user().as_str(), room.as_str(), "m.room.encrypted", &synapse.sealed(&hello)).await;
    let seen = bob.timeline.wait("the copy", |seen| seen.event == copy).await;
    assert_eq!((seen.body(), seen.sealed), ("hello", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_was_killed_or_stopped_comes_back_with_everything() {
    let synapse = Synapse::start();
    let (ann, bob, room) = company(&synapse).await;
    for text in ["before it was killed", "before it was stopped"] {
        ann.say(&room, text).await;
        bob.hears(&room, text).await;
        if text.contains("killed") {
            synapse.kill();
        } else {
            synapse.stop();
        }
        synapse.resume();
        let after = text.replace("before", "after");
        bob.say(&room, &after).await;
        ann.hears(&room, &after).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_with_limits_says_how_long_to_wait() {
    let synapse = Synapse::with(&json!({ "rc_message": { "per_second": 0.2, "burst_count": 3 } }));
    synapse.register("ann");
    let ann = Human::login(&synapse, "ann").await;
    let room = ann.create_room_with(&[], None).await;
    let token = ann.session().tokens.access_token;
    let mut refused = Value::Null;
    for number in 0..20 {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/t{number}");
        let content = json!({ "msgtype": "m.text", "body": "x" });
        let answer = synapse.call("PUT", &path, &token, &content).await;
        if answer["errcode"] == "M_LIMIT_EXCEEDED" {
            refused = answer;
            break;
        }
    }
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
}
