//! Somebody takes back what he said.

use super::*;

fn redaction(id: &str, sender: &str, target: &str) -> Incoming {
    Incoming::Redaction { origin: origin(id, sender), target: event(target) }
}

fn redacted(sent: &[Sent]) -> Vec<String> {
    let target = |sent: &Sent| match &sent.outgoing {
        Outgoing::Redaction { target, .. } => Some(target.to_string()),
        _ => None,
    };
    sent.iter().filter_map(target).collect()
}

#[tokio::test]
async fn what_waits_is_never_told() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$a", "first").await;
    stage.say("$b", "a secret").await;
    stage.say("$c", "last").await;
    stage.agent.until_told(1).await;
    stage.hear(redaction("$x", ANN, "$b")).await;
    stage.agent.end(over("t1", "one"));
    let told = stage.agent.until_told(2).await;
    assert_eq!(told[1].text, "last");
    let exchanges = crate::conversation::exchanges::Exchanges::new(stage.store.clone()).unwrap();
    let number = exchanges.asked_by(&event("$b")).unwrap().unwrap();
    assert_eq!(exchanges.get(number).unwrap().unwrap().words(), "", "it is forgotten here");
}

#[tokio::test]
async fn what_runs_is_ended_and_what_is_shown_is_taken_back() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.say("$q", "a secret").await;
    stage.agent.until_told(1).await;
    stage.agent.says("t1", "I see");
    stage.rooms.until(|sent| sent.len() == 1).await;
    stage.hear(redaction("$x", ANN, "$q")).await;
    until(&stage.agent.cancelled, |cancelled| cancelled.contains("t1")).await;
    let sent = stage.rooms.until(|sent| !redacted(sent).is_empty()).await;
    assert_eq!(redacted(&sent), ["$1"]);
    stage.say("$r", "next").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "Next."));
    let sent = stage
        .rooms
        .until(|sent| matches!(sent.last(), Some(last) if matches!(last.outgoing, Outgoing::Text(_))))
        .await;
    assert_eq!(redacted(&sent).len(), 1, "once");
    let words = sent.iter().filter(|sent| !matches!(sent.outgoing, Outgoing::Redaction { .. }));
    assert_eq!(
        words.filter(|sent| notifies(sent)).count(),
        1,
        "of the first nothing more was said: {sent:?}"
    );
}

#[tokio::test]
async fn an_answer_that_arrived_is_taken_back_by_who_asked_or_an_owner() {
    let directory = directory();
    let stage = Stage::new(&directory);
    let device = matrix_sdk::ruma::device_id!("D").to_owned();
    stage.hear(by("$b", BOB, Trust::Verified(device), "of Bob")).await;
    stage.agent.until_told(1).await;
    stage.agent.end(over("t1", "to Bob"));
    stage.rooms.until(|sent| sent.len() == 1).await;
    stage.say("$a", "of Ann").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "to Ann"));
    stage.rooms.until(|sent| sent.len() == 2).await;
    stage.hear(redaction("$x", BOB, "$a")).await;
    stage.hear(redaction("$y", ANN, "$b")).await;
    stage.hear(redaction("$z", ANN, "$b")).await;
    let sent = stage.rooms.until(|sent| !redacted(sent).is_empty()).await;
    assert_eq!(redacted(&sent), ["$1"], "Bob does not take back what Ann said");
}

#[tokio::test]
async fn an_answer_that_is_queued_is_dropped() {
    let directory = directory();
    let stage = Stage::without_courier(Rooms::new(), thinker(), &directory);
    stage.say("$q", "a secret").await;
    stage.agent.until_told(1).await;
    stage.agent.end(over("t1", "what was secret"));
    let exchanges = crate::conversation::exchanges::Exchanges::new(stage.store.clone()).unwrap();
    let number = exchanges.asked_by(&event("$q")).unwrap().unwrap();
    becomes(|| !exchanges.is_open(number).unwrap()).await;
    stage.hear(redaction("$x", ANN, "$q")).await;
    stage.say("$r", "next").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "Next."));
    stage.send();
    let sent = stage.rooms.until(|sent| !sent.is_empty()).await;
    assert_eq!(sent[0].text().body, "Next.");
}
