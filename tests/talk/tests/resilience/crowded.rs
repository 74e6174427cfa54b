//! One room in which a lot is to be said at a time, under keys that hold for one message each.

use std::collections::BTreeSet;
use std::time::Duration;

use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::uint;
use serde_json::json;
use tokio::task::block_in_place;

use crate::answers::answers;
use testudo_talk::human::Human;
use testudo_talk::model::Model;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MARK, OWNER, Talk};
use testudo_talk::timeline::Seen;

/// How long all of it may take.
const LONG: Duration = Duration::from_mins(4);
/// How many questions come while answers grow.
const QUESTIONS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_questions_and_files_meet_where_the_key_changes_with_every_message() {
    // Longer than a message may be, so that the whole of each comes as a file.
    let model = Model::speaking(2_500, Duration::from_millis(2));
    let talk = Talk::with(Synapse::start(), "reply", |plan| model.enter(plan));
    let ann = Human::login(&talk.synapse, OWNER).await;
    let mut each = RoomEncryptionEventContent::with_recommended_defaults();
    each.rotation_period_msgs = Some(uint!(1));
    let room = ann.create_room_with(&[&talk.bot], Some(each)).await;
    ann.member(&room, &talk.bot, "join").await;
    talk.verify(&ann).await;
    let pid = talk.scene.appliance.pid_of("matrixd").unwrap();
    let is_ours = |seen: &Seen| seen.room == room.as_str() && seen.sender == talk.bot.as_str();
    let is_file = |seen: &Seen| is_ours(seen) && seen.is_message() && seen.content["filename"] == "answer.md";
    let is_question = |seen: &Seen| is_ours(seen) && seen.is_message() && seen.body().starts_with(MARK);

    let first = ann.say(&room, "talk").await;
    let file = ann.timeline.within(LONG, "the first answer", is_file).await;
    // Three threads and the main timeline: four sessions, which do not wait for each other.
    let answer = ann.timeline.wait("its words", |seen| is_ours(seen) && seen.is_message()).await;
    ann.say(&room, "talk").await;
    for root in [first.as_str(), answer.event.as_str(), file.event.as_str()] {
        ann.say_in_thread(&room, root, "talk").await;
    }
    let calls: Vec<_> = block_in_place(|| {
        let call = |number| json!({ "path": format!("q-{number}.txt"), "content": "x\n" });
        (0..QUESTIONS).map(|number| talk.scene.call_start("fs.write", &call(number))).collect()
    });
    let mut asked = BTreeSet::new();
    while asked.len() < QUESTIONS {
        let is_new = |seen: &Seen| is_question(seen) && !asked.contains(&seen.event);
        let question = ann.timeline.within(LONG, "a question", is_new).await;
        let code = question.body().split("`yes ").nth(1).unwrap().split(['`', ' ']).next().unwrap();
        ann.say(&room, &format!("yes {code}")).await;
        asked.insert(question.event);
    }
    for question in &asked {
        let is_outcome =
            |seen: &Seen| is_ours(seen) && seen.edits(question) && seen.body().contains("approved");
        ann.timeline.within(LONG, "the outcome", is_outcome).await;
    }
    for call in calls {
        assert_eq!(block_in_place(|| call.finish()).json()["error"], json!(null));
    }
    let mut files = BTreeSet::from([file.event]);
    while files.len() < 5 {
        let is_new = |seen: &Seen| is_file(seen) && !files.contains(&seen.event);
        files.insert(ann.timeline.within(LONG, "another file", is_new).await.event);
    }
    // What comes behind all of it shows that nothing else was on its way.
    ann.say(&room, "/status").await;
    ann.hears(&room, "The daemons and the record").await;

    let all = |is_it: &dyn Fn(&Seen) -> bool| -> BTreeSet<String> {
        ann.timeline.so_far().iter().filter(|one| is_it(one)).map(|one| one.event.clone()).collect()
    };
    assert_eq!((all(&is_file), all(&is_question)), (files, asked));
    for event in all(&|seen| is_ours(seen) && !seen.readable) {
        ann.timeline.wait("its key", |seen| seen.event == event && seen.readable).await;
    }
    let said = answers(&ann.timeline, &talk, &room);
    assert_eq!(said.iter().filter(|text| text.contains("the whole answer is in")).count(), 5, "{said:?}");
    assert_eq!(talk.scene.appliance.pid_of("matrixd").unwrap(), pid, "it was not restarted");
    let log = talk.scene.appliance.log("matrixd");
    assert!(!log.contains("panicked") && !log.contains("Session expired"), "{}", talk.told());
}
