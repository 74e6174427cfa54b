//! A session that nobody watches asks in the owner's room, under its name; her words there, and nobody else's, let it go on.

use serde_json::Value;
use tokio::task::block_in_place;

use testudo_talk::talk::Talk;
use testudo_talk::timeline::Seen;

const SENTENCE: &str = "write 'hi there' to notes/a.txt";

/// Has the job do its task, as whatever runs it would.
fn send(talk: &Talk) -> Value {
    talk.ctl(&["send", "--wait", "--json", "--session", "cron-mail", "--unattended", SENTENCE]).json()
}

fn written(talk: &Talk) -> Option<Vec<u8>> {
    block_in_place(|| talk.scene.file("notes/a.txt"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_task_goes_on_after_the_owners_words_in_her_room_and_nobody_elses() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    talk.greeted(&ann, &room).await;
    let mark = ann.timeline.mark();
    let blocked = send(&talk);
    assert_eq!(blocked["end"], "blocked", "{blocked}");
    let question = talk.question(&ann, &room, mark).await;
    assert!(question.body.contains("\nfor the unattended job cron-mail\n"), "{}", question.body);
    assert_eq!(blocked["calls"][0]["error"]["approval"], question.id.as_str(), "{blocked}");
    ann.say(&room, "/jobs").await;
    let is_listed = |seen: &Seen| {
        seen.body().contains("waits for an answer; it stopped at") && seen.body().contains(&question.id)
    };
    ann.timeline.wait("the list of jobs with what waits", is_listed).await;
    let yes = format!("yes {}", question.code);

    // The same words in another room of hers, and from somebody else in this one.
    let elsewhere = ann.create_room(&[&talk.bot]).await;
    ann.member(&elsewhere, &talk.bot, "join").await;
    let said = ann.say(&elsewhere, &yes).await;
    ann.timeline.wait("that it was asked in another room", |seen| answers(seen, said.as_str())).await;
    let bob = talk.member(&ann, &room).await;
    let said = bob.say(&room, &yes).await;
    ann.timeline.wait("that he is no owner", |seen| answers(seen, said.as_str())).await;
    bob.react(&room, &question.event, "✅").await;
    assert_eq!(talk.approvals().len(), 1, "the question is open");
    assert_eq!(send(&talk)["end"], "blocked", "and the task waits on");
    assert_eq!(written(&talk), None);
    assert_eq!(ann.timeline.edits(&question.event), 0);

    ann.say(&room, &yes).await;
    ann.timeline.wait("the outcome", |seen| seen.edits(&question.event)).await;
    assert_eq!(written(&talk), None, "a yes is for the next time that the action comes");
    let done = send(&talk);
    assert_eq!(done["end"], "replied", "{done}");
    assert_eq!(written(&talk).as_deref(), Some(&b"hi there"[..]));
    let by = format!("matrix {}", ann.user());
    let is_hers = |record: &Value| record["detail"]["by"] == by.as_str();
    block_in_place(|| assert!(talk.scene.recorded("approval.answered", is_hers)));
}

/// Whether something is a reply to an event.
fn answers(seen: &Seen, to: &str) -> bool {
    seen.is_message() && seen.content["m.relates_to"]["m.in_reply_to"]["event_id"] == to
}
