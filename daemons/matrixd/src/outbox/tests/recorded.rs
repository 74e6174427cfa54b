//! Files in rooms, and the record of them.

use matrix_sdk::ruma::owned_user_id;
use serde_json::json;

use super::*;
use crate::outgoing::Behalf;

fn given() -> Post {
    let behalf = Behalf { session: "m-1".into(), requester: Some(owned_user_id!("@ann:home.org")) };
    let file = Outgoing::Attachment {
        name: "report.pdf".into(),
        mime: "application/pdf".into(),
        content: b"report".to_vec(),
        thread: None,
        behalf: Some(behalf),
    };
    Post::new(room(1), file)
}

#[tokio::test(start_paused = true)]
async fn every_file_that_is_in_a_room_is_in_the_record_from_before_it_went_there_and_words_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (outbox, record) = (outbox(&directory), recorded());
    let server = Rehearsed::new(|_, words, tried| match (words, tried) {
        ("6 bytes", 0) => Answer::Later(None),
        ("7 bytes", _) => Answer::Never,
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), record.clone()));
    outbox.queue(words(1, "here it is")).unwrap();
    outbox.queue(file(1, 7)).unwrap();
    let sent = outbox.queue(given()).unwrap().delivered().await;
    let Delivery::Sent(event) = sent else { unreachable!() };
    assert_eq!(
        record.events(),
        ["file.sending", "file.sending", "file.sent"],
        "the refused one was not sent"
    );
    let entries = record.entries.lock().unwrap().clone();
    assert_eq!((entries[0].detail["size"].clone(), entries[0].session.as_deref()), (json!(7), None));
    assert!(entries[1..].iter().all(|entry| entry.session.as_deref() == Some("m-1")), "{entries:?}");
    let mut expected = json!({
        "name": "report.pdf",
        "mime": "application/pdf",
        "size": 6,
        "sha256": "845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917",
        "room": room(1),
        "event_id": event,
        "requester": "matrix @ann:home.org",
    });
    assert_eq!(serde_json::Value::from(entries[2].detail.clone()), expected);
    expected.as_object_mut().unwrap().remove("event_id");
    assert_eq!(serde_json::Value::from(entries[1].detail.clone()), expected);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_could_not_be_recorded_is_when_the_record_is_back_and_is_sent_once() {
    let directory = tempfile::tempdir().unwrap();
    let (outbox, record) = (outbox(&directory), recorded());
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    record.is_away_for_sent.store(true, Ordering::SeqCst);
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), record.clone()));
    let ticket = outbox.queue(given()).unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(outbox.counts().unwrap().sent, 0, "it is not done with");
    assert_eq!(server.seen().len(), 1, "it is there, and is not sent again");
    record.is_away_for_sent.store(false, Ordering::SeqCst);
    assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    assert_eq!(server.timeline().len(), 1);
    assert_eq!(record.events(), ["file.sending", "file.sent"]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_file_leaves_before_it_is_in_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let (outbox, record) = (outbox(&directory), recorded());
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    record.is_away.store(true, Ordering::SeqCst);
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), record.clone()));
    let ticket = outbox.queue(given()).unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(server.seen().is_empty(), "{:?}", server.seen());
    record.is_away.store(false, Ordering::SeqCst);
    assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    assert_eq!(record.events(), ["file.sending", "file.sent"]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_file_of_which_it_is_never_known_that_it_arrived_is_in_the_record_once_for_each_life() {
    let directory = tempfile::tempdir().unwrap();
    let record = recorded();
    let server = Rehearsed::new(|_, _, tried| match tried {
        0..3 => Answer::Later(None),
        _ => Answer::AcceptAndHang,
    });
    let post = given().named("file");
    for life in 1..=2 {
        let outbox = outbox(&directory);
        let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), record.clone()));
        outbox.queue(post.clone()).unwrap();
        while server.seen().len() < 3 + life {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        courier.abort();
        assert!(courier.await.unwrap_err().is_cancelled());
        // What hung hangs no more.
        server.state.lock().unwrap().files_at_once = 0;
        assert_eq!(record.events(), vec!["file.sending"; life]);
    }
    assert_eq!(server.timeline(), [(1, "6 bytes".to_owned())], "it is in the room all the same");
}

#[tokio::test(start_paused = true)]
async fn files_that_wait_for_their_record_hold_up_no_other_room() {
    let directory = tempfile::tempdir().unwrap();
    let (outbox, record) = (outbox(&directory), recorded());
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    record.is_away_for_sent.store(true, Ordering::SeqCst);
    let files: Vec<Ticket> = (1..=9).map(|of_room| outbox.queue(file(of_room, 9)).unwrap()).collect();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), record.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.timeline().len(), 9, "nor each other");
    let asked = Instant::now();
    outbox.queue(words(10, "a question")).unwrap().delivered().await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(outbox.counts().unwrap().sent, 1, "no file is done with");
    record.is_away_for_sent.store(false, Ordering::SeqCst);
    for file in files {
        assert!(matches!(file.delivered().await, Delivery::Sent(_)));
    }
    courier.abort();
}
