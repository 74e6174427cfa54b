//! Conversations through the real store, outbox and courier; only the homeserver and the agent are played.

use std::sync::Arc;
use std::time::Duration;

use testudo::observation::Author;

use super::testing::{
    ANN, BOB, LOST, ROOM, Rooms, Sent, Stage, Thinker, becomes, event, origin, over, said, until,
};
use crate::agent::{AgentError, Heard};
use crate::homeserver::SendError;
use crate::incoming::{Content, Incoming, Message, Trust};
use crate::outgoing::Outgoing;
use crate::store::session_name;

mod crowded;
mod given;
mod restarts;
mod taken_back;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn is_edit(sent: &Sent) -> bool {
    matches!(sent.outgoing, Outgoing::Edit { .. })
}

fn notifies(sent: &Sent) -> bool {
    !sent.text().mentions.is_empty()
}

fn by(id: &str, sender: &str, trust: Trust, text: &str) -> Incoming {
    let mut message = said(id, text);
    message.origin = super::testing::origin(id, sender);
    message.origin.trust = trust;
    Incoming::Message(message)
}

#[tokio::test]
async fn a_quick_answer_is_one_message_that_notifies_who_asked() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "Hello?").await;
    let told = stage.agent.until_told(1).await;
    assert_eq!((told[0].text.as_str(), told[0].speaker.author), ("Hello?", Author::Owner));
    assert_eq!(told[0].speaker.id, ANN);
    assert_eq!(told[0].session, session_name(&said("$q", "").origin.room, None));
    stage.agent.end(over("t1", "Hello **Ann**"));
    let sent = stage.rooms.until(|sent| sent.len() == 1).await;
    let Outgoing::Text(text) = &sent[0].outgoing else { panic!("{sent:?}") };
    assert_eq!(text.html.as_deref(), Some("<p>Hello <strong>Ann</strong></p>"));
    assert_eq!(text.mentions, [said("$q", "").origin.sender]);
    assert!(!text.notice && text.thread.is_none() && text.reply_to.is_none());
    until(&stage.rooms.read, |read| *read == [event("$q")]).await;
    until(&stage.rooms.typing, |typing| typing.first() == Some(&true) && typing.last() == Some(&false)).await;
}

#[tokio::test]
async fn an_answer_grows_by_edits_and_only_the_last_notifies() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "Tell me").await;
    stage.agent.until_told(1).await;
    stage.agent.says("t1", "Once ");
    stage.agent.says("another", "somebody else's words");
    let first = stage.rooms.until(|sent| sent.len() == 1).await;
    assert_eq!(first[0].text().body, "Once\n\n*…*");
    assert!(first[0].text().notice && !notifies(&first[0]));
    stage.agent.says("t1", "upon");
    stage.rooms.until(|sent| sent.len() == 2).await;
    stage.agent.end(over("t1", "Once upon a time."));
    let sent = stage.rooms.until(|sent| sent.iter().any(notifies)).await;
    assert!(sent[1..].iter().all(is_edit));
    let Outgoing::Edit { target, text } = &sent.last().unwrap().outgoing else { panic!("{sent:?}") };
    assert_eq!((target, text.body.as_str(), text.notice), (&event("$1"), "Once upon a time.", false));
    assert_eq!(sent.iter().filter(|sent| notifies(sent)).count(), 1);
    assert!(sent.iter().filter(|sent| is_edit(sent)).count() <= 15);
}

#[tokio::test]
async fn who_waits_for_a_second_is_told_that_it_is_thought() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "Hm?").await;
    stage.agent.until_told(1).await;
    let sent = stage.rooms.until(|sent| sent.len() == 1).await;
    assert_eq!(sent[0].text().body, "*waiting for what was asked before…*");
    stage.agent.end(over("t1", "Yes."));
    let sent = stage.rooms.until(|sent| sent.len() == 2).await;
    assert!(is_edit(&sent[1]) && notifies(&sent[1]));
}

#[tokio::test]
async fn a_thread_is_a_session_of_its_own() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "in the room").await;
    let in_thread = Message { thread: Some(event("$root")), ..said("$r", "in the thread") };
    stage.hear(Incoming::Message(in_thread)).await;
    // Neither waits for the other.
    let told = stage.agent.until_told(2).await;
    let thread = told.iter().position(|told| told.text == "in the thread").unwrap();
    let room = said("$q", "").origin.room;
    assert_eq!(told[thread].session, session_name(&room, Some(&event("$root"))));
    assert_ne!(told[0].session, told[1].session);
    stage.agent.end(over(&format!("t{}", thread + 1), "there"));
    let sent = stage.rooms.until(|sent| !sent.is_empty()).await;
    assert_eq!(sent[0].text().thread, Some(event("$root")));
}

#[tokio::test]
async fn people_are_told_apart_and_strangers_are_not_heard() {
    let directory = directory();
    let stage = Stage::new(&directory);
    let device = matrix_sdk::ruma::device_id!("D").to_owned();
    stage.hear(by("$1", "@eve:evil.net", Trust::Verified(device.clone()), "do it")).await;
    stage.hear(by("$2", BOB, Trust::Verified(device.clone()), "please")).await;
    stage.hear(by("$3", ANN, Trust::Unverified(device.clone()), "it is I")).await;
    stage.hear(by("$4", ANN, Trust::Unverified(device), "again")).await;
    for turn in 1..=3 {
        let told = stage.agent.until_told(turn).await;
        assert_eq!(told[turn - 1].speaker.author, Author::Member);
        stage.agent.end(over(&format!("t{turn}"), "done"));
    }
    let sent = stage.rooms.until(|sent| sent.iter().filter(|sent| notifies(sent)).count() == 3).await;
    let remarks = sent.iter().filter(|sent| sent.text().body.contains("as a member's")).count();
    assert_eq!(remarks, 1, "it is said once: {sent:?}");
    let told = stage.agent.told.borrow();
    assert!(told.iter().all(|told| told.speaker.id != "@eve:evil.net"));
}

#[tokio::test]
async fn a_burst_is_answered_in_order_and_none_is_lost_or_doubled() {
    let directory = directory();
    let stage = Stage::new(&directory);
    for n in 0..200 {
        stage.say(&format!("$q{n}"), &format!("number {n}")).await;
        // The homeserver brings it twice.
        stage.say(&format!("$q{n}"), &format!("number {n}")).await;
    }
    for n in 0..200 {
        let told = stage.agent.until_told(n + 1).await;
        assert_eq!(told[n].text, format!("number {n}"));
        stage.agent.end(over(&format!("t{}", n + 1), &format!("answer {n}")));
    }
    let sent = stage.rooms.until(|sent| sent.iter().filter(|sent| notifies(sent)).count() == 200).await;
    let answers: Vec<String> =
        sent.iter().filter(|sent| notifies(sent)).map(|sent| sent.text().body.clone()).collect();
    assert_eq!(answers, (0..200).map(|n| format!("answer {n}")).collect::<Vec<_>>());
    assert_eq!(stage.agent.told.borrow().len(), 200);
    assert!(sent[0].text().reply_to.is_some(), "others have spoken since");
}

#[tokio::test]
async fn an_agent_that_is_away_is_asked_when_it_is_back_and_once() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.agent.failures.lock().unwrap().push_back(AgentError::Later("away".into()));
    stage.say("$q", "Hello?").await;
    stage.agent.until_told(1).await;
    stage.agent.end(over("t1", "Back."));
    stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body == "Back.")).await;
    // It heard, but its answer was lost with it.
    stage.agent.failures.lock().unwrap().push_back(AgentError::Later("gone in the middle".into()));
    *stage.agent.heard.lock().unwrap() = Some(Heard::Over(over("t7", "I had heard it.")));
    stage.say("$r", "And now?").await;
    stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body == "I had heard it.")).await;
    assert_eq!(stage.agent.told.borrow().len(), 1, "it is not told twice");
}

#[tokio::test]
async fn what_the_agent_never_takes_is_answered_with_why() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.agent.failures.lock().unwrap().push_back(AgentError::Refused("no <b>more</b>".into()));
    stage.say("$q", "Hello?").await;
    let sent = stage.rooms.until(|sent| sent.iter().any(notifies)).await;
    assert!(sent[0].text().html.as_deref().unwrap().contains("no &lt;b&gt;more&lt;/b&gt;"), "{sent:?}");
}

#[tokio::test]
async fn a_message_of_which_nobody_knows_whether_it_arrived_is_not_doubled() {
    for cause in [LOST, "it never arrived"] {
        let directory = directory();
        let stage = Stage::new(&directory);
        let retry_after = Some(Duration::from_secs(2));
        let later = SendError::Later { room: ROOM.into(), cause: cause.into(), retry_after };
        stage.rooms.failures.lock().unwrap().push_back(later);
        stage.say("$q", "Hello?").await;
        stage.agent.until_told(1).await;
        stage.agent.says("t1", "Wor");
        becomes(|| stage.rooms.failures.lock().unwrap().is_empty()).await;
        stage.agent.end(over("t1", "World."));
        let sent = stage.rooms.until(|sent| sent.iter().any(notifies)).await;
        assert_eq!(sent.len(), 2, "one message, and its last words: {sent:?}");
        let Outgoing::Edit { target, .. } = &sent[1].outgoing else { panic!("{sent:?}") };
        assert_eq!(target, &sent[0].event);
    }
}

#[tokio::test]
async fn a_file_reaches_the_agents_tools_with_its_caption() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.rooms.files.lock().unwrap().insert("mxc".into(), b"content".to_vec());
    let file = |id: &str, size: u64, source: &str| {
        Incoming::Message(Message {
            content: Content::File {
                name: "../../etc/pass\u{202e}wd".into(),
                mime: Some("text/plain".into()),
                size: Some(size),
                caption: Some("read this".into()),
                source: source.into(),
            },
            ..said(id, "")
        })
    };
    stage.hear(file("$1", 7, "mxc")).await;
    let told = stage.agent.until_told(1).await;
    assert_eq!(told[0].text, "read this");
    assert_eq!(told[0].files.len(), 1);
    assert_eq!((told[0].files[0].path.as_str(), told[0].files[0].size), ("/inbox/pass_wd", 7));
    assert_eq!(*stage.agent.attached.lock().unwrap(), [("pass_wd".to_owned(), b"content".to_vec())]);
    stage.agent.end(over("t1", "Read."));
    stage.hear(file("$2", super::files::MOST_BYTES + 1, "mxc")).await;
    let told = stage.agent.until_told(2).await;
    assert!(told[1].files.is_empty());
    stage.agent.end(over("t2", "Without it."));
    stage.hear(file("$3", 7, "nowhere")).await;
    stage.agent.until_told(3).await;
    stage.agent.end(over("t3", "Without it, too."));
    let sent = stage.rooms.until(|sent| sent.iter().filter(|sent| notifies(sent)).count() == 3).await;
    let bodies: Vec<&str> = sent.iter().map(|sent| sent.text().body.as_str()).collect();
    assert!(bodies.contains(&"I could not take `pass_wd`: it has more than 16 MiB."), "{bodies:?}");
    assert!(bodies.contains(&"I could not take `pass_wd`: there is no such file"), "{bodies:?}");
}

#[tokio::test]
async fn a_long_answer_comes_with_a_file_in_its_thread() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage
        .hear(Incoming::Message(Message { thread: Some(event("$root")), ..said("$q", "Much, please") }))
        .await;
    stage.agent.until_told(1).await;
    let long = "A paragraph of it.\n\n".repeat(2_000);
    stage.agent.end(over("t1", &long));
    let sent = stage.rooms.until(|sent| sent.len() == 2).await;
    assert!(notifies(&sent[0]) && sent[0].text().body.len() < 10_000);
    let Outgoing::Attachment { name, content, thread, .. } = &sent[1].outgoing else { panic!("{sent:?}") };
    assert_eq!((name.as_str(), thread), ("answer.md", &Some(event("$root"))));
    assert_eq!(content, long.trim().as_bytes());
}

#[tokio::test]
async fn a_reply_says_what_it_refers_to() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "Which one?").await;
    stage.agent.until_told(1).await;
    stage.agent.end(over("t1", "The one of evil@evil.net."));
    stage.rooms.until(|sent| sent.len() == 1).await;
    // That the answer is this event is noted when it arrived.
    let exchanges = super::exchanges::Exchanges::new(stage.store.clone()).unwrap();
    becomes(|| exchanges.answered_by(&event("$1")).unwrap().is_some()).await;
    for (n, (target, expected)) in [
        ("$q", "[In reply to what I said: “Which one?”]\n\nyes"),
        ("$1", "[In reply to your answer to what I said: “Which one?”]\n\nyes"),
        ("$elsewhere", "[In reply to a message that you were not told.]\n\nyes"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = Message { reply_to: Some(event(target)), ..said(&format!("$r{n}"), "yes") };
        stage.hear(Incoming::Message(reply)).await;
        let told = stage.agent.until_told(n + 2).await;
        assert_eq!(told[n + 1].text, expected);
        stage.agent.end(over(&format!("t{}", n + 2), "ok"));
    }
}

#[tokio::test]
async fn an_edit_is_not_executed_and_that_is_said_once() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "delete a").await;
    stage.agent.until_told(1).await;
    stage.agent.end(over("t1", "Done."));
    stage.rooms.until(|sent| sent.len() == 1).await;
    let edit = |id: &str, sender: &str| Incoming::Edit {
        origin: origin(id, sender),
        target: event("$q"),
        text: "delete b".into(),
    };
    stage.hear(edit("$e0", BOB)).await;
    stage.hear(edit("$e1", ANN)).await;
    stage.hear(edit("$e2", ANN)).await;
    stage.say("$r", "next").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "Next."));
    let sent = stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body == "Next.")).await;
    let notices = sent.iter().filter(|sent| sent.text().body.contains("An edit does not change")).count();
    assert_eq!(notices, 1, "{sent:?}");
    assert_eq!(stage.agent.told.borrow().len(), 2);
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_both_are_told() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", &"x".repeat(100_000)).await;
    let told = stage.agent.until_told(1).await;
    assert!(told[0].text.contains("[Cut here: the message has 100000 bytes"));
    stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body.contains("the first 64 KiB"))).await;
}

#[tokio::test]
async fn what_waits_is_given_up_by_a_stop() {
    let directory = directory();
    let stage = Stage::new(&directory);
    for n in 0..5 {
        stage.say(&format!("$q{n}"), &format!("number {n}")).await;
    }
    let told = stage.agent.until_told(1).await;
    assert_eq!(stage.talk.stop(&told[0].session).unwrap(), 4);
    stage.agent.end(over("t1", "Stopped."));
    stage.rooms.until(|sent| sent.iter().any(notifies)).await;
    stage.say("$r", "go on").await;
    assert_eq!(stage.agent.until_told(2).await[1].text, "go on");
}

/// For the tests in the other files.
fn thinker() -> Arc<Thinker> {
    Thinker::new()
}
