//! The account's keys: made once, shown once, rotated, lost and found again; and who is verified by whom.

use matrix_sdk::Client;
use matrix_sdk::config::SyncSettings;
use matrix_sdk::ruma::UserId;
use serde_json::Value;
use tokio::task::block_in_place;

use testudo_talk::human::Human;
use testudo_talk::synapse::{PASSWORD, Synapse};
use testudo_talk::talk::{BOT, MEMBER, OWNER, Talk};
use testudo_talk::verification::compare;

use crate::looking::{die, settled, state, status, word};

/// The operator is told no, and why.
fn refused(talk: &Talk, member: &str, arguments: &[&str], why: &str) {
    let said = talk.operator(member, arguments);
    // The caller prints the bus's error as it prints an answer.
    assert!(said.status != 0 && said.stdout.contains(why), "{member}: {said:?}\n{}", talk.told());
}

/// The verifications, as a program sees them.
fn verifications(talk: &Talk) -> Vec<Value> {
    let listed = talk.ctl(&["--json", "matrix", "verify"]).json();
    listed.as_array().unwrap_or_else(|| panic!("no list: {listed}")).clone()
}

/// How often the daemon's whole log says something; it goes on over the daemon's deaths.
fn logged(talk: &Talk, what: &str) -> usize {
    talk.scene.appliance.log("matrixd").matches(what).count()
}

/// Whether a recovery key opens the account to who has nothing but its password.
async fn opens(synapse: &Synapse, key: &str) -> bool {
    stranger_with_the_password(synapse).await.encryption().recovery().recover(key).await.is_ok()
}

/// Another client of the agent's account, with nothing but its password.
async fn stranger_with_the_password(synapse: &Synapse) -> Client {
    let client =
        Client::builder().homeserver_url(synapse.url()).build().await.expect("a client can be built");
    client.matrix_auth().login_username(BOT, PASSWORD).await.expect("he may log in");
    client.sync_once(SyncSettings::default()).await.expect("the homeserver answers");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recovery_key_is_shown_once_and_opens_the_account_until_it_is_rotated() {
    let talk = Talk::start();
    settled(&talk);
    assert_eq!(status(&talk)["recovery_key"], "unshown");
    let first = talk.operator("RecoveryKey", &[]);
    assert_eq!(first.status, 0, "{first:?}\n{}", talk.told());
    let first = word(&first);
    assert_eq!(status(&talk)["recovery_key"], "shown");
    refused(&talk, "RecoveryKey", &[], "shown already");

    let other = stranger_with_the_password(&talk.synapse).await;
    other.encryption().recovery().recover(&first).await.expect("it opens the account");
    let device = other.encryption().get_own_device().await.unwrap().expect("it is known");
    assert!(device.is_cross_signed_by_owner());

    let second = talk.ctl(&["--json", "matrix", "rotate"]);
    assert_eq!(second.status, 0, "{second:?}\n{}", talk.told());
    let second = second.json()["recovery_key"].as_str().expect("a key").to_owned();
    assert_ne!(first, second);
    assert!(!opens(&talk.synapse, &first).await, "the old key opens nothing");
    let late = stranger_with_the_password(&talk.synapse).await;
    late.encryption().recovery().recover(&second).await.expect("the new one does");

    // Nothing that the old key opens lies on the homeserver: one copy of each secret.
    for secret in [
        "m.cross_signing.master",
        "m.cross_signing.self_signing",
        "m.cross_signing.user_signing",
        "m.megolm_backup.v1",
    ] {
        let content =
            late.account().fetch_account_data(secret.into()).await.unwrap().expect("it is kept there");
        let content: Value = content.deserialize_as_unchecked().unwrap();
        assert_eq!(
            content["encrypted"].as_object().map(serde_json::Map::len),
            Some(1),
            "{secret}: {content}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_verified_by_the_operator_and_by_nobody_else() {
    let talk = Talk::start();
    settled(&talk);
    let ann = Human::login(&talk.synapse, OWNER).await;
    let room = ann.create_room(&[&talk.bot]).await;
    ann.member(&room, &talk.bot, "join").await;
    let device = status(&talk)["device"].as_str().expect("it is logged in").to_owned();
    ann.client.encryption().request_user_identity(&talk.bot).await.unwrap();
    let request = ann.ask_verification(&talk.bot, &device).await;
    talk.until("asked", |talk| status(talk)["verifications"] == 1);
    let listed = verifications(&talk);
    assert_eq!(
        (&listed[0]["state"], &listed[0]["ours"]),
        (&Value::from("requested"), &Value::from(false)),
        "{listed:?}"
    );
    let id = listed[0]["id"].as_str().expect("a name").to_owned();
    let named = format!("s:{id}");
    refused(&talk, "Emojis", &[&named], "accept it first");

    assert_eq!(talk.operator("Accept", &[&named]).status, 0);
    let theirs = compare(&request, true).await;
    talk.until("comparable", |talk| verifications(talk)[0]["state"] == "keys-exchanged");
    refused(&talk, "Confirm", &[&named, "b:true"], "look at them first");
    // A program sees them and confirms nothing.
    let shown = talk.ctl(&["--json", "matrix", "verify", &id]);
    assert_eq!(shown.status, 1, "{shown:?}");
    let emojis: Vec<String> = shown.json()["emojis"]
        .as_array()
        .expect("seven")
        .iter()
        .filter_map(|emoji| emoji["symbol"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(emojis, theirs.emojis);
    assert_eq!(status(&talk)["owners"][0]["identity"], "unverified");
    assert_eq!(talk.operator("Confirm", &[&named, "b:true"]).status, 0);
    ann.is_confirmed_by(&talk.bot).await;
    theirs.says_same().await;
    theirs.is_over().await;
    talk.until("verified", |talk| status(talk)["owners"][0]["identity"] == "verified");
    talk.until("over", |talk| verifications(talk)[0]["state"] == "done");
    refused(&talk, "Confirm", &[&named, "b:true"], "is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn emoji_that_differ_verify_nobody() {
    let talk = Talk::start();
    settled(&talk);
    let ann = Human::login(&talk.synapse, OWNER).await;
    // Her client hears only devices that it knows.
    ann.client.encryption().request_user_identity(&talk.bot).await.unwrap();
    let started = talk.operator("Verify", &[&format!("s:{}", ann.user()), "s:"]);
    assert_eq!(started.status, 0, "{started:?}\n{}", talk.told());
    let theirs = ann.accept_verification(&talk.bot).await;
    let id = format!("s:{}", word(&started));
    assert_eq!(talk.operator("Emojis", &[&id]).status, 0);
    theirs.reject().await;
    talk.until("over", |talk| verifications(talk)[0]["state"] == "mismatched");
    refused(&talk, "Confirm", &[&id, "b:true"], "is over");
    assert_eq!(status(&talk)["owners"][0]["identity"], "unverified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_even_ask() {
    let synapse = Synapse::start();
    synapse.register("mallory");
    let talk = Talk::with(synapse, "reply", |_| {});
    settled(&talk);
    let mallory = Human::login(&talk.synapse, "mallory").await;
    let ann = Human::login(&talk.synapse, OWNER).await;
    let room = ann.create_room(&[&talk.bot, mallory.user()]).await;
    mallory.join(&room).await;
    ann.member(&room, mallory.user(), "join").await;
    ann.member(&room, &talk.bot, "join").await;
    talk.verify(&ann).await;
    // The agent learns of her device as of anybody's in an encrypted room: it is not for want of knowing it that she is
    // not heard. By what it says of her it has seen her.
    ann.say(&room, "say to-nobody").await;
    mallory.hears(&room, "@mallory:home.test is in this room").await;

    let device = status(&talk)["device"].as_str().expect("it is logged in").to_owned();
    for human in [&mallory, &ann] {
        human.client.encryption().request_user_identity(&talk.bot).await.unwrap();
        human.ask_verification(&talk.bot, &device).await;
    }
    talk.until("asked", |talk| status(talk)["verifications"] != 0);
    let listed = verifications(&talk);
    let waiting = listed.iter().filter(|flow| flow["state"] == "requested");
    let users: Vec<&str> = waiting.filter_map(|flow| flow["user"].as_str()).collect();
    assert_eq!(users, [ann.user().as_str()], "{listed:?}");
    assert_eq!(logged(&talk, "@mallory:home.test is on no list"), 1, "she asked: {}", talk.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_nobody_knew_is_heard_when_it_asks_again() {
    let talk = Talk::start();
    settled(&talk);
    // No room is shared with him: the homeserver tells nobody of his device.
    let bob = Human::login(&talk.synapse, MEMBER).await;
    let device = status(&talk)["device"].as_str().expect("it is logged in").to_owned();
    bob.client.encryption().request_user_identity(&talk.bot).await.unwrap();
    let unheard = bob.ask_verification(&talk.bot, &device).await;
    talk.until("learned", |talk| logged(talk, "he must end it and ask again") == 1);
    assert_eq!(status(&talk)["verifications"], 0);
    unheard.cancel().await.expect("a request can be taken back");
    bob.ask_verification(&talk.bot, &device).await;
    talk.until("asked", |talk| status(talk)["verifications"] == 1);
    assert_eq!(verifications(&talk)[0]["user"], bob.user().as_str());
}

/// What the operator left for a machine that lost its store, before it was ever started.
const PASSPHRASE: &str = "correct horse battery staple";

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_heals_without_hands() {
    let talk = Talk::with(Synapse::start(), "reply", |plan| {
        plan.credential("matrixd", "matrix-recovery-key", PASSPHRASE);
    });
    settled(&talk);
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say before-the-loss").await;
    ann.hears(&room, "before-the-loss").await;
    let identity = master_key(&ann, &talk.bot).await;
    let mut devices = vec![status(&talk)["device"].clone()];
    for lost in ["sdk", ""] {
        let path = state(&talk).join(lost);
        if lost.is_empty() {
            for entry in std::fs::read_dir(&path).unwrap() {
                let entry = entry.unwrap().path();
                if entry.is_dir() {
                    std::fs::remove_dir_all(entry).unwrap();
                } else {
                    std::fs::remove_file(entry).unwrap();
                }
            }
        } else {
            std::fs::remove_dir_all(&path).unwrap();
        }
        die(&talk);
        talk.until("healed", |talk| {
            let status = status(talk);
            status["signed"] == true
                && status["backup"] == true
                && status["owners"][0]["identity"] == "verified"
        });
        let device = status(&talk)["device"].clone();
        assert!(!devices.contains(&device), "another device");
        devices.push(device);
        assert_eq!(master_key(&ann, &talk.bot).await, identity, "the same identity");
        let mark = format!("after-the-loss-of-{}-", if lost.is_empty() { "everything" } else { lost });
        ann.say(&room, &format!("say {mark}")).await;
        ann.hears(&room, &mark).await;
    }
}

async fn master_key(human: &Human, user: &UserId) -> Option<String> {
    let identity = human.client.encryption().request_user_identity(user).await.unwrap().expect("he has one");
    identity.master_key().get_first_key().map(|key| key.to_base64())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_recovery_key_a_lost_store_waits_for_the_operator() {
    let talk = Talk::start();
    settled(&talk);
    let key = word(&talk.operator("RecoveryKey", &[]));
    std::fs::remove_dir_all(state(&talk).join("sdk")).unwrap();
    die(&talk);
    talk.until("waiting", |talk| status(talk)["conditions"].to_string().contains("recovery-key-needed"));
    assert_eq!(status(&talk)["signed"], false);
    let wrong = "s:EsTj 3yST y93F SLpB jJsz eAXc 2XzA ygD3 w69H fGaN TKBj jXEd";
    refused(&talk, "Recover", &[wrong], "does not open");
    let right = talk.operator("Recover", &[&format!("s:{key}")]);
    assert_eq!(right.status, 0, "{right:?}\n{}", talk.told());
    assert_eq!(right.json(), serde_json::json!({ "identity": true, "signed": true, "backup": true }));
    assert!(!status(&talk)["conditions"].to_string().contains("recovery-key-needed"));
}

/// What the daemon logs when it gives a key away.
const HANDED: &str = "the recovery key is handed to an operator";

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_anywhere_ends_with_a_key_that_opens() {
    let talk = Talk::start();
    settled(&talk);
    let mut key = word(&talk.operator("RecoveryKey", &[]));
    for pause in [0, 30, 60, 120, 240] {
        let handed = logged(&talk, HANDED);
        let answer = block_in_place(|| {
            std::thread::scope(|scope| {
                let rotating =
                    scope.spawn(|| talk.scene.as_user("root", "Matrix1", "RotateRecoveryKey", &[]));
                // Not to wait for anything: to be killed at another point of its work each time.
                std::thread::sleep(std::time::Duration::from_millis(pause));
                talk.scene.appliance.kill9("matrixd").unwrap();
                let answer = rotating.join().expect("the caller ends");
                talk.scene.appliance.wait_ready("matrixd").unwrap();
                answer
            })
        });
        settled(&talk);
        if answer.status == 0 {
            key = word(&answer);
        } else {
            let shown = talk.operator("RecoveryKey", &[]);
            if shown.status == 0 {
                key = word(&shown);
            } else {
                // It was killed before it began, and the key is the one before; or while the answer was under way.
                assert!(shown.stdout.contains("shown already"), "{shown:?}");
                if logged(&talk, HANDED) > handed {
                    key = word(&talk.operator("RotateRecoveryKey", &[]));
                }
            }
        }
        assert!(opens(&talk.synapse, &key).await, "killed after {pause} ms: {answer:?}\n{}", talk.told());
    }
}
