//! Files that the agent gives to people.

use sha2::{Digest as _, Sha256};
use testudo::tool::GivenFile;
use testudo::turn::{Call, Finished};

use super::*;
use crate::conversation::exchanges::Exchanges;

/// A turn that gave these files, each with its name for content.
fn gave(names: &[&str]) -> Finished {
    let file = |name: &&str| GivenFile {
        id: format!("f-{name}"),
        name: (*name).to_owned(),
        mime: "application/pdf".into(),
        size: name.len() as u64,
        sha256: hex::encode(Sha256::digest(name)),
    };
    let call = Call {
        id: "c".into(),
        tool: "chat.file".into(),
        verdict: None,
        error: None,
        duration_ms: 1,
        files: names.iter().map(file).collect(),
    };
    Finished { calls: vec![call], ..over("t1", "Here it is.") }
}

fn keep(agent: &Thinker, name: &str, content: &str) {
    agent.given.lock().unwrap().insert(format!("f-{name}"), content.into());
}

fn files(sent: &[Sent]) -> Vec<(String, Vec<u8>)> {
    let file = |sent: &Sent| match &sent.outgoing {
        Outgoing::Attachment { name, content, .. } => Some((name.clone(), content.clone())),
        _ => None,
    };
    sent.iter().filter_map(file).collect()
}

fn both() -> Vec<(String, Vec<u8>)> {
    vec![("a.pdf".into(), b"a.pdf".to_vec()), ("b.pdf".into(), b"b.pdf".to_vec())]
}

#[tokio::test]
async fn files_follow_the_answer_into_its_place() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage
        .hear(Incoming::Message(Message { thread: Some(event("$root")), ..said("$q", "the reports") }))
        .await;
    stage.agent.until_told(1).await;
    keep(&stage.agent, "a.pdf", "a.pdf");
    keep(&stage.agent, "b.pdf", "b.pdf");
    stage.agent.end(gave(&["a.pdf", "b.pdf"]));
    let sent = stage.rooms.until(|sent| sent.len() == 3).await;
    assert!(sent[0].text().body.starts_with("Here it is."), "{sent:?}");
    assert_eq!(files(&sent), both());
    for sent in &sent[1..] {
        let Outgoing::Attachment { thread, mime, .. } = &sent.outgoing else { panic!("{sent:?}") };
        assert_eq!((thread.as_ref(), mime.as_str()), (Some(&event("$root")), "application/pdf"));
    }
    becomes(|| stage.record.0.lock().unwrap().len() == 4).await;
    let session = session_name(&said("$q", "").origin.room, Some(&event("$root")));
    for (entry, event) in stage.record.0.lock().unwrap().iter().zip(["file.sending", "file.sent"].repeat(2)) {
        assert_eq!((entry.event.as_str(), entry.session.as_deref()), (event, Some(session.as_str())));
        assert_eq!(entry.detail["requester"], format!("matrix {ANN}"));
    }
}

#[tokio::test]
async fn what_cannot_be_had_any_more_is_said_in_the_answer() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "the reports").await;
    stage.agent.until_told(1).await;
    keep(&stage.agent, "b.pdf", "b.pdf");
    stage.agent.end(gave(&["a.pdf", "b.pdf"]));
    let sent = stage.rooms.until(|sent| sent.len() == 2).await;
    assert!(sent[0].text().body.contains("`a.pdf` is gone: ask for it again."), "{sent:?}");
    assert!(!sent[0].text().body.contains("`b.pdf`"), "{sent:?}");
    assert_eq!(files(&sent), both()[1..]);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_given_is_not_sent() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "the report").await;
    stage.agent.until_told(1).await;
    keep(&stage.agent, "a.pdf", "another");
    stage.agent.end(gave(&["a.pdf"]));
    let sent = stage.rooms.until(|sent| sent.len() == 2).await;
    assert_eq!(sent[1].text().body, "`a.pdf` was damaged.");
}

/// Both reports are asked for and arrive, and the exchange is over.
async fn both_are_given(stage: &Stage) {
    stage.say("$q", "the reports").await;
    stage.agent.until_told(1).await;
    keep(&stage.agent, "a.pdf", "a.pdf");
    keep(&stage.agent, "b.pdf", "b.pdf");
    stage.agent.end(gave(&["a.pdf", "b.pdf"]));
    stage.rooms.until(|sent| sent.len() == 3).await;
    is_over(stage).await;
}

async fn is_over(stage: &Stage) {
    let exchanges = Exchanges::new(stage.store.clone()).unwrap();
    becomes(|| exchanges.open().unwrap().is_empty()).await;
}

/// What a life of the daemon did that ended right before it was noted that the exchange is over.
async fn again(stage: &Stage) {
    stage.store.with(|database| Ok(database.execute("UPDATE exchange SET open = 1", [])?)).unwrap();
    let exchanges = Exchanges::new(stage.store.clone()).unwrap();
    let number = exchanges.asked_by(&event("$q")).unwrap().unwrap();
    let exchange = exchanges.get(number).unwrap().unwrap();
    let session = exchange.session.clone();
    stage.talk.conclude(number, exchange, &session, &gave(&["a.pdf", "b.pdf"])).await.unwrap();
}

#[tokio::test]
async fn a_restart_in_the_middle_doubles_nothing_and_calls_nothing_gone_that_was_sent() {
    let directory = directory();
    let stage = Stage::new(&directory);
    both_are_given(&stage).await;
    stage.agent.given.lock().unwrap().clear();
    again(&stage).await;
    stage.say("$r", "next").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "Next."));
    let sent = stage.rooms.until(|sent| sent.len() == 4).await;
    assert_eq!((files(&sent), sent[3].text().body.as_str()), (both(), "Next."));
}

#[tokio::test]
async fn what_is_gone_when_the_answer_is_on_its_way_already_is_said_behind_it() {
    let directory = directory();
    let stage = Stage::without_courier(Rooms::new(), Thinker::new(), &directory);
    stage.say("$q", "the reports").await;
    stage.agent.until_told(1).await;
    // The life before this one came as far as the answer.
    stage.agent.end(over("t1", "Here it is."));
    is_over(&stage).await;
    keep(&stage.agent, "b.pdf", "b.pdf");
    again(&stage).await;
    stage.send();
    let sent = stage.rooms.until(|sent| sent.len() == 3).await;
    assert_eq!(sent[0].text().body, "Here it is.");
    assert_eq!(sent[1].text().body, "`a.pdf` is gone: ask for it again.");
    assert_eq!(files(&sent), both()[1..]);
}

#[tokio::test]
async fn files_are_taken_back_with_their_question() {
    let directory = directory();
    let stage = Stage::new(&directory);
    both_are_given(&stage).await;
    stage.hear(Incoming::Redaction { origin: origin("$x", ANN), target: event("$q") }).await;
    let sent = stage.rooms.until(|sent| sent.len() == 6).await;
    let mut targets: Vec<String> = sent[3..]
        .iter()
        .map(|sent| match &sent.outgoing {
            Outgoing::Redaction { target, .. } => target.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    targets.sort();
    assert_eq!(targets, ["$1", "$2", "$3"]);
}
