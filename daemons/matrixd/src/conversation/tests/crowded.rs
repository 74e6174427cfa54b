//! Rooms in which more than one thing is to be said at a time, and a library that panics where they meet.

use std::sync::atomic::Ordering;

use super::*;

#[tokio::test]
async fn what_is_seen_of_an_answer_gives_way_to_everything_else_and_the_answer_is_one_message() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.rooms.crowded.send_replace(Some(0));
    stage.say("$q", "Hello?").await;
    stage.agent.until_told(1).await;
    stage.agent.says("t1", "Hello");
    until(&stage.rooms.crowded, |times| *times >= Some(2)).await;
    stage.agent.end(over("t1", "Hello Ann"));
    let sent = stage.rooms.until(|sent| !sent.is_empty()).await;
    assert_eq!((sent[0].text().body.as_str(), is_edit(&sent[0])), ("Hello Ann", false));
    // What comes after it shows that nothing was behind it.
    stage.rooms.crowded.send_replace(None);
    stage.say("$r", "And?").await;
    stage.agent.until_told(2).await;
    stage.agent.end(over("t2", "Nothing."));
    let sent = stage.rooms.until(|sent| sent.len() > 1).await;
    assert_eq!((sent.len(), sent[1].text().body.as_str()), (2, "Nothing."));
}

#[tokio::test]
async fn after_a_bug_where_an_answer_is_shown_it_is_answered_and_so_is_what_comes_next() {
    let directory = directory();
    let stage = Stage::new(&directory);
    stage.rooms.panics.store(1, Ordering::SeqCst);
    stage.say("$q", "Hello?").await;
    stage.agent.until_told(1).await;
    stage.agent.says("t1", "Hello");
    becomes(|| stage.rooms.panics.load(Ordering::SeqCst) == 0).await;
    stage.agent.end(over("t1", "Hello Ann"));
    stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body.contains("Hello Ann"))).await;
    stage.say("$r", "And?").await;
    let told = stage.agent.until_told(2).await;
    assert_eq!((told.len(), told[1].text.as_str()), (2, "And?"));
    stage.agent.end(over("t2", "Nothing."));
    stage.rooms.until(|sent| sent.iter().any(|sent| sent.text().body == "Nothing.")).await;
}
