//! Somebody of another network, end to end: he is heard as what he is, and nothing that he says commands or answers.

use serde_json::Value;

use crate::attacks::Asked;
use testudo_talk::human::Human;
use testudo_talk::talk::{BRIDGED, Talk};
use testudo_talk::timeline::Seen;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_a_bridge_is_heard_as_that_and_obeyed_in_nothing() {
    let asked = Asked::bridged("reaction").await;
    let far = asked.also(BRIDGED).await;
    let talk = &asked.talk;

    // Nothing that would answer does, neither in words nor by a reaction where one is enough.
    far.say(&asked.room, &asked.yes()).await;
    far.reply(&asked.room, &asked.question.event, &asked.yes()).await;
    for key in ["✅", "🔁", "❌"] {
        far.react(&asked.room, &asked.question.event, key).await;
    }
    asked.nothing_came_of_it("a bridged person's answers").await;

    // Commands are met with silence.
    let commands = ["/status", "/rules", "/new", "/stop", "/approvals", "/nonsense"];
    let mut commanded = Vec::new();
    for command in commands {
        commanded.push(far.say(&asked.room, command).await);
    }
    asked.nothing_came_of_it("a bridged person's commands").await;
    let answers = |seen: &Seen, to: &str| {
        seen.sender == talk.bot.as_str() && seen.content["m.relates_to"]["m.in_reply_to"]["event_id"] == to
    };
    let seen = asked.ann.timeline.so_far();
    for (command, event) in commands.iter().zip(&commanded) {
        assert!(!seen.iter().any(|seen| answers(seen, event.as_str())), "{command} was answered");
    }

    // What he says the agent hears, under his label.
    asked.ann.say(&asked.room, &format!("no {}", asked.question.code)).await;
    asked.ann.timeline.wait("the outcome", |seen| seen.edits(&asked.question.event)).await;
    far.say(&asked.room, "say from-far-away").await;
    far.hears(&asked.room, "from-far-away").await;
    let requester = format!("matrix {}", far.user());
    let log = tokio::task::block_in_place(|| talk.scene.log());
    let is_his = |record: &&Value| {
        record["event"] == "turn.started" && record["detail"]["requester"] == requester.as_str()
    };
    let turns: Vec<&Value> = log.iter().filter(is_his).collect();
    assert_eq!(turns.len(), 1, "one thing that he said was for the agent: {turns:?}");
    let session = format!("s:{}", turns[0]["session"].as_str().unwrap());
    let shown = tokio::task::block_in_place(|| talk.scene.as_user("root", "Agent1", "Session", &[&session]));
    let shown = shown.json();
    let said = shown["messages"].as_array().unwrap().iter();
    let said: Vec<&Value> =
        said.filter(|message| message["text"].to_string().contains("say from-far-away")).collect();
    assert_eq!(said[0]["labels"]["sources"], serde_json::json!(["bridged"]), "{shown}");
    assert_eq!(talk.scene.file("a.txt"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_behind_a_bridge_is_expected_nothing_is_said_while_one_is_there() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say before").await;
    ann.hears(&room, "before").await;
    let far = Human::login(&talk.synapse, BRIDGED).await;
    ann.room(&room).invite_user_by_id(far.user()).await.unwrap();
    far.join(&room).await;
    ann.member(&room, far.user(), "join").await;
    ann.say(&room, "say secret-one").await;
    let is_notice = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains("behind a bridge");
    let notice = ann.timeline.wait("the notice", is_notice).await;
    assert!(!notice.sealed && !notice.body().contains("secret"));
    talk.until("shown to operators", |talk| talk.operator("Status", &[]).stdout.contains("bridged-in-room"));
    far.room(&room).leave().await.unwrap();
    ann.member(&room, far.user(), "leave").await;
    ann.hears(&room, "secret-one").await;
    // What was said before he came, ann's client gave him with her invitation.
    let of_the_bot = far.timeline.so_far().into_iter().filter(|seen| seen.sender == talk.bot.as_str());
    let read: Vec<Seen> =
        of_the_bot.filter(|seen| seen.sealed && seen.readable && !seen.body().contains("before")).collect();
    assert!(read.is_empty(), "he has no key of what was said since: {read:?}");
}
