//! Homeservers that allow little: everything comes, once and in order, and they are not asked again and again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::answers::{answers, numbers};
use testudo_appliance::Plan;
use testudo_talk::gap::Gap;
use testudo_talk::human::Human;
use testudo_talk::model::Model;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MARK, OWNER, Talk};
use testudo_talk::timeline::Seen;

/// How long an event may take: three seconds each, and what stands before it.
const LONG: Duration = Duration::from_mins(3);

/// An appliance on a homeserver that takes three messages at once and then one every three seconds, and what is
/// between them. The owner may do what she likes.
async fn limited(change: impl FnOnce(&mut Plan)) -> (Talk, Gap) {
    let little = json!({ "per_second": 0.3, "burst_count": 3 });
    let settings = json!({
        "rc_message": little,
        "rc_joins": { "local": little, "remote": little },
        "rc_invites": { "per_room": little, "per_user": little, "per_issuer": little },
    });
    let synapse = Synapse::with(&settings);
    let gap = Gap::before(synapse.url());
    let talk = Talk::with(synapse, "reply", |plan| {
        plan.set("matrixd", "homeserver", &gap.url);
        change(plan);
    });
    talk.synapse.never_limit(&talk.synapse.id(OWNER)).await;
    (talk, gap)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_its_file_a_question_and_its_outcome_come_at_the_pace_of_the_homeserver() {
    let (talk, gap) = limited(|_| {}).await;
    let (ann, room) = talk.owner().await;
    let is_ours = |seen: &Seen| seen.room == room.as_str() && seen.sender == talk.bot.as_str();
    ann.say(&room, &format!("say {}", "many words ".repeat(2_500))).await;
    ann.say(&room, "write 'x' to a.txt").await;
    for number in 0..5 {
        ann.say(&room, &format!("say number-{number}-")).await;
    }
    let is_question = |seen: &Seen| is_ours(seen) && seen.is_message() && seen.body().starts_with(MARK);
    let question = ann.timeline.within(LONG, "the question", is_question).await;
    let code = question.body().split("`yes ").nth(1).unwrap().split(['`', ' ']).next().unwrap();
    ann.say(&room, &format!("yes {code}")).await;
    talk.until("written", |talk| talk.scene.file("a.txt").is_some());
    let is_last = |seen: &Seen| is_ours(seen) && seen.content.to_string().contains("number-4-");
    ann.timeline.within(LONG, "the last answer", is_last).await;
    let is_outcome = |seen: &Seen| is_ours(seen) && seen.edits(&question.event);
    ann.timeline.within(LONG, "the outcome", is_outcome).await;

    let seen = ann.timeline.so_far();
    let count = |holds: &dyn Fn(&Seen) -> bool| seen.iter().filter(|one| is_ours(one) && holds(one)).count();
    assert_eq!(count(&|one| one.is_message() && one.content["filename"] == "answer.md"), 1);
    assert_eq!(count(&|one| one.is_message() && one.body().starts_with(MARK)), 1);
    let said = answers(&ann.timeline, &talk, &room);
    assert_eq!(said.iter().filter(|text| text.contains("the whole answer is in")).count(), 1, "{said:?}");
    assert_eq!(numbers(&ann.timeline, &talk, &room, "number"), [0, 1, 2, 3, 4]);
    let sent = count(&|one| one.kind == "m.room.message" || one.kind == "m.reaction");
    let refused = gap.refused();
    eprintln!("{sent} events, {refused} times it was too much");
    assert!(refused > 0, "the homeserver limits nobody");
    assert!(refused <= 2 * sent, "{refused} refusals for {sent} events");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_grows_is_edited_as_often_as_the_homeserver_allows() {
    let model = Model::speaking(400, Duration::from_millis(50));
    let (talk, gap) = limited(|plan| model.enter(plan)).await;
    let (ann, room) = talk.owner().await;
    ann.say(&room, "talk").await;
    let is_last = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.content["m.new_content"].to_string().contains("word399")
    };
    ann.timeline.within(LONG, "the last word", is_last).await;
    let said = answers(&ann.timeline, &talk, &room);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("word0 word1 ") && said[0].contains("word399"));
    let edits =
        ann.timeline.so_far().iter().filter(|seen| seen.content["m.new_content"] != Value::Null).count();
    let refused = gap.refused();
    eprintln!("{edits} edits, {refused} times it was too much");
    assert!((2..=15).contains(&edits), "{edits} edits");
    assert!(refused <= edits, "{refused} refusals for {edits} edits");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_joined_one_after_the_other_where_joining_is_limited() {
    let (talk, gap) = limited(|_| {}).await;
    let ann = Human::login(&talk.synapse, OWNER).await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(ann.create_room(&[&talk.bot]).await);
    }
    for (number, room) in rooms.iter().enumerate() {
        let joined = |seen: &Seen| {
            seen.kind == "m.room.member"
                && seen.room == room.as_str()
                && seen.state_key.as_deref() == Some(talk.bot.as_str())
                && seen.content["membership"] == "join"
        };
        ann.timeline.within(LONG, "that it joined", joined).await;
        ann.say(room, &format!("say number-{number}-")).await;
        let word = format!("number-{number}-");
        let heard = |seen: &Seen| {
            seen.room == room.as_str()
                && seen.sender == talk.bot.as_str()
                && seen.content.to_string().contains(&word)
        };
        ann.timeline.within(LONG, "an answer", heard).await;
        assert_eq!(numbers(&ann.timeline, &talk, room, "number"), [number]);
    }
    eprintln!("{} times it was too much", gap.refused());
    assert!(gap.refused() < 20, "{} refusals for 5 rooms", gap.refused());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_for_the_homeserver_is_told_of_once_and_holds_nothing_up() {
    let talk = Talk::with(Synapse::with(&json!({ "max_upload_size": "10K" })), "reply", |_| {});
    let (ann, room) = talk.owner().await;
    talk.scene.put("large.csv", &"id,value\n".repeat(10_000));
    talk.scene.put("small.csv", "id,value\n");
    ann.say(&room, "call chat.file {\"path\": \"large.csv\"}").await;
    let told = ann.hears(&room, "I cannot send the file `large.csv`").await;
    assert!(told.body().contains("ask for less at a time"), "{}", told.body());
    ann.say(&room, "call chat.file {\"path\": \"small.csv\"}").await;
    let is_file = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.content["msgtype"] == "m.file";
    assert_eq!(ann.timeline.wait("the other file", is_file).await.body(), "small.csv");
    let said = answers(&ann.timeline, &talk, &room);
    assert_eq!(said.iter().filter(|text| text.contains("I cannot send")).count(), 1, "{said:?}");
    let sent = |name: &str| {
        talk.scene.recorded("file.sent", |record| {
            record["detail"]["name"] == name
                && record["detail"]["requester"] == format!("matrix {}", ann.user())
                && record["detail"]["room"] == room.as_str()
        })
    };
    talk.until("recorded", |_| sent("small.csv"));
    assert!(!sent("large.csv"), "{:?}", talk.scene.log());
}
