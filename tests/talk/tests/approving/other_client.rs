//! An owner with a client that shares no line with the SDK is verified by an operator, and answers.

use matrix_sdk::ruma::OwnedRoomId;
use serde_json::json;

use testudo_talk::nio::Nio;
use testudo_talk::talk::{MARK, OWNER, Talk};
use testudo_talk::timeline::Seen;

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_another_client_is_verified_by_emojis_and_answers() {
    let talk = Talk::start();
    let ann = Nio::login(&talk.synapse, OWNER).await;
    let token = talk.synapse.impersonate(&ann.user).await;
    let encryption = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    let made = json!({
        "preset": "private_chat", "invite": [talk.bot],
        "initial_state": [{ "type": "m.room.encryption", "state_key": "", "content": encryption }],
    });
    let made = talk.synapse.call("POST", "/_matrix/client/v3/createRoom", &token, &made).await;
    let room = OwnedRoomId::try_from(made["room_id"].as_str().unwrap()).unwrap();
    let has_joined = |seen: &Seen| {
        seen.kind == "m.room.member"
            && seen.sender == talk.bot.as_str()
            && seen.content["membership"] == "join"
    };
    ann.timeline.wait("that the agent joins", has_joined).await;

    let (user, device) = (format!("s:{}", ann.user), format!("s:{}", ann.device));
    let started = talk.operator("Verify", &[&user, &device]);
    assert_eq!(started.status, 0, "{started:?}\n{}", talk.told());
    let id = format!("s:{}", started.stdout.trim());
    let theirs = ann.order(json!({ "do": "accept_verification", "by": talk.bot })).await;
    let ours = talk.operator("Emojis", &[&id]);
    assert_eq!(ours.status, 0, "{ours:?}\n{}", talk.told());
    let ours = ours.json();
    let ours: Vec<&str> =
        ours["emojis"].as_array().unwrap().iter().filter_map(|emoji| emoji["symbol"].as_str()).collect();
    // Some symbols can be written with a selector behind them or without.
    let bare = |symbol: &str| symbol.trim_end_matches('\u{fe0f}').to_owned();
    let theirs_bare = theirs["emojis"].as_array().unwrap().iter().filter_map(|symbol| symbol.as_str());
    assert_eq!(
        ours.iter().map(|symbol| bare(symbol)).collect::<Vec<_>>(),
        theirs_bare.map(bare).collect::<Vec<_>>()
    );
    let confirmed = talk.operator("Confirm", &[&id, "b:true"]);
    assert_eq!(confirmed.status, 0, "{confirmed:?}\n{}", talk.told());
    let done = ann.order(json!({ "do": "confirm_verification", "transaction": theirs["transaction"] })).await;
    assert_eq!(done["verified"], true);
    talk.until("verified", |talk| talk.operator("Status", &[]).json()["owners"][0]["identity"] == "verified");

    ann.say(room.as_str(), "write 'x' to a.txt").await;
    let is_question = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().starts_with(MARK);
    let question = ann.timeline.wait("a question", is_question).await;
    assert!(question.sealed);
    let code = question.body().split("`yes ").nth(1).and_then(|rest| rest.split(['`', ' ']).next()).unwrap();
    ann.say(room.as_str(), &format!("yes {code}")).await;
    talk.until("written", |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
}
