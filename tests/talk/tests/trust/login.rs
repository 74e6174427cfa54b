//! How the account is logged in: by a token, at a homeserver that asks again for the password, and at one that lets
//! nobody in too often.

use std::time::Duration;

use serde_json::{Value, json};
use testudo_appliance::Plan;
use tokio::runtime::Handle;

use testudo_talk::front::{Front, Passed};
use testudo_talk::synapse::{PASSWORD, Synapse};
use testudo_talk::talk::{BOT, Talk};

use crate::looking::{comes_to_say, die, says, settled, state, status, word};

/// How the homeserver is asked to take the account's keys.
const IDENTITY: &str = "/keys/device_signing/upload";

/// A device of the agent's account with its token, as an administrator would make one for it.
struct Device {
    id: String,
    token: String,
}

impl Device {
    /// Another one, without any keys; not from within a future.
    fn make(url: &str) -> Self {
        let identifier = json!({ "type": "m.id.user", "user": BOT });
        let login = json!({ "type": "m.login.password", "identifier": identifier, "password": PASSWORD });
        let request = reqwest::Client::new().post(format!("{url}/_matrix/client/v3/login")).json(&login);
        let answer: Value = Handle::current().block_on(async {
            request.send().await.expect("the homeserver answers").json().await.expect("it answers in JSON")
        });
        let text =
            |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("no {key}: {answer}")).to_owned();
        Self { id: text("device_id"), token: text("access_token") }
    }

    /// Gives the appliance this, and no password.
    fn enter(&self, plan: &mut Plan) {
        plan.set("matrixd", "device", &self.id).credential("matrixd", "matrix-token", &self.token);
        plan.credentials.get_mut("matrixd").expect("it has some").remove("matrix-password");
    }
}

/// An appliance that has a token, through this front, and its device.
fn with_token(synapse: Synapse, front: &Front, change: impl FnOnce(&mut Plan)) -> (Talk, Device) {
    let url = synapse.url().to_owned();
    let mut made = None;
    let talk = Talk::with(synapse, "reply", |plan| {
        front.enter(plan);
        made.insert(Device::make(&url)).enter(plan);
        change(plan);
    });
    (talk, made.expect("it was made"))
}

/// A homeserver that asks for the agent's password before it takes its first identity.
fn older() -> Synapse {
    let config = json!({ "users": [format!("@{BOT}:home.test")] });
    Synapse::with(&json!({ "modules": [{ "module": "older.AsksForPassword", "config": config }] }))
}

fn statuses(passed: &[Passed]) -> Vec<u16> {
    passed.iter().map(|passed| passed.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_talks_until_it_is_revoked_and_is_not_shown_again_then() {
    let synapse = Synapse::start();
    let front = Front::plain(synapse.url()).await;
    let (talk, device) = with_token(synapse, &front, |_| {});
    settled(&talk);
    let (ann, room) = talk.owner().await;
    for mark in ["by-the-token", "after-a-restart"] {
        ann.say(&room, &format!("say {mark}")).await;
        ann.hears(&room, mark).await;
        assert_eq!(status(&talk)["device"], device.id.as_str());
        die(&talk);
    }
    assert_eq!(front.passed_with("/login"), [], "a token is no login");
    let key = word(&talk.operator("RecoveryKey", &[]));

    talk.synapse.call("POST", "/_matrix/client/v3/logout", &device.token, &json!({})).await;
    comes_to_say(&talk, "token-revoked");
    die(&talk);
    comes_to_say(&talk, "token-revoked");
    let said = talk.ctl(&["matrix", "status"]);
    assert!(said.status == 1 && said.stdout.contains("! token-revoked: "), "{said:?}");
    // What was under way when it was refused comes to its end; then nobody asks any more, also not later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = front.passed().len();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(front.passed().len(), asked, "{:?}", front.passed().split_off(asked));
    let restarts = talk.scene.appliance.status_of("matrixd").unwrap().restarts;
    assert_eq!(restarts, 3, "only when it was killed");

    // Another token is of another device: the old one's stores are put aside, and the rest is as after a loss.
    let off = talk.off();
    let another = tokio::task::block_in_place(|| Device::make(off.synapse.url()));
    let talk = off.on(|plan| another.enter(plan));
    comes_to_say(&talk, "recovery-key-needed");
    let recovered = talk.operator("Recover", &[&format!("s:{key}")]);
    assert_eq!(recovered.status, 0, "{recovered:?}\n{}", talk.told());
    assert_eq!(status(&talk)["device"], another.id.as_str());
    ann.say(&room, "say with-another-token").await;
    ann.hears(&room, "with-another-token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_for_its_own_device_alone_and_only_with_that_devices_keys() {
    let synapse = Synapse::start();
    let front = Front::plain(synapse.url()).await;
    let (talk, device) = with_token(synapse, &front, |plan| {
        plan.set("matrixd", "device", "ANOTHER");
    });
    let text = comes_to_say(&talk, "login-refused");
    assert!(text.contains(&device.id) && text.contains("ANOTHER"), "{text}");

    let off = talk.off();
    let said = off.refuses(|plan| {
        plan.settings.get_mut("matrixd").expect("it has some").remove("device");
    });
    let place = said.lines().find(|line| line.contains("`device` is missing")).unwrap_or(&said);
    let numbers: Vec<&str> = place.split("testudo.toml:").nth(1).unwrap_or_default().split(':').collect();
    assert!(
        matches!(numbers[..], [line, column, ..] if line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok()),
        "{said}"
    );
    assert!(said.contains("matrix-token") && said.contains("78"), "{said}");

    let talk = off.on(|plan| device.enter(plan));
    settled(&talk);
    std::fs::remove_dir_all(state(&talk).join("sdk")).unwrap();
    die(&talk);
    let text = comes_to_say(&talk, "login-refused");
    assert!(text.contains("has keys already"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_shown_once_and_said_to_the_operator() {
    let synapse = Synapse::start();
    let front = Front::plain(synapse.url()).await;
    let talk = Talk::with(synapse, "reply", |plan| {
        front.enter(plan);
        plan.credential("matrixd", "matrix-password", "not-the-password");
    });
    comes_to_say(&talk, "login-refused");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(statuses(&front.passed_with("/login")), [403], "a password that is wrong once is wrong twice");
    assert_eq!(talk.scene.appliance.status_of("matrixd").unwrap().restarts, 0);
    let talk = talk.off().on(|plan| {
        plan.credential("matrixd", "matrix-password", PASSWORD);
    });
    settled(&talk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_asks_for_the_password_gets_it_and_the_identity_is_made() {
    let synapse = older();
    let front = Front::plain(synapse.url()).await;
    let talk = Talk::with(synapse, "reply", |plan| front.enter(plan));
    settled(&talk);
    assert_eq!(
        statuses(&front.passed_with(IDENTITY)).last(),
        Some(&200),
        "{:?}",
        front.passed_with(IDENTITY)
    );
    assert_eq!(says(&talk, "password-needed"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_alone_the_operator_is_told_that_the_password_is_asked_for() {
    let synapse = older();
    let front = Front::plain(synapse.url()).await;
    let (talk, device) = with_token(synapse, &front, |_| {});
    comes_to_say(&talk, "password-needed");
    let asked = statuses(&front.passed_with(IDENTITY));
    // One may be under way.
    assert!(asked.contains(&401) && asked.iter().all(|status| [0, 401].contains(status)), "{asked:?}");
    assert_eq!(status(&talk)["signed"], false);
    // Given beside the token it ends what was begun, on the same device.
    let talk = talk.off().on(|plan| {
        plan.credential("matrixd", "matrix-password", PASSWORD);
    });
    settled(&talk);
    assert_eq!(
        statuses(&front.passed_with(IDENTITY)).last(),
        Some(&200),
        "{:?}",
        front.passed_with(IDENTITY)
    );
    assert_eq!(says(&talk, "password-needed"), None);
    assert_eq!(status(&talk)["device"], device.id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_lets_nobody_in_too_often_is_asked_again_when_it_said() {
    let limit = json!({ "per_second": 0.05, "burst_count": 1 });
    let unlimited = json!({ "per_second": 1000, "burst_count": 1000 });
    let limits = json!({ "account": limit, "address": unlimited, "failed_attempts": unlimited });
    let synapse = Synapse::with(&json!({ "rc_login": limits }));
    let front = Front::plain(synapse.url()).await;
    let url = synapse.url().to_owned();
    let talk = Talk::with(synapse, "reply", |plan| {
        front.enter(plan);
        // The one login that is free.
        Device::make(&url);
    });
    settled(&talk);
    let logins = front.passed_with("/login");
    assert_eq!(statuses(&logins), [429, 200], "{logins:?}");
    let asked = logins[0].retry_after.expect("it says how long to wait");
    assert!(asked > Duration::from_secs(2), "longer than anybody waits by himself at first: {asked:?}");
    assert!(logins[1].at - logins[0].at >= asked, "{logins:?}");
    for word in ["rate-limited", "not-logged-in"] {
        assert_eq!(says(&talk, word), None);
    }
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say let-in").await;
    ann.hears(&room, "let-in").await;
}
