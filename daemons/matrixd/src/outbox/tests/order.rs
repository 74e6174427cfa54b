//! In order, all of it, and not too much at once.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_room_that_is_stuck_keeps_its_order_and_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, tried| match words {
        "a1" if tried < 3 => Answer::Later(None),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let tickets: Vec<Ticket> = [(1, "a1"), (1, "a2"), (2, "b1"), (1, "a3"), (2, "b2")]
        .map(|(of_room, body)| outbox.queue(words(of_room, body)).unwrap())
        .into();
    assert!(outbox.is_busy(&room(1)).unwrap() && !outbox.is_busy(&room(3)).unwrap());
    for ticket in tickets {
        assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    }
    let first: Vec<u64> =
        server.seen().into_iter().filter(|(_, words, _)| words == "a1").map(|(_, _, at)| at).collect();
    assert_eq!(first, [0, 1, 3, 7], "it waits 1, 2 and 4 seconds");
    let of_room = |number| -> Vec<String> {
        server.timeline().into_iter().filter(|(room, _)| *room == number).map(|(_, words)| words).collect()
    };
    assert_eq!(of_room(1), ["a1", "a2", "a3"]);
    assert_eq!(of_room(2), ["b1", "b2"]);
    assert_eq!(server.timeline()[0].0, 2, "the other room did not wait");
    assert!(!outbox.is_busy(&room(1)).unwrap());
    assert_eq!(outbox.counts().unwrap(), Counts { sent: 5, ..Counts::default() });
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_posts_go_in_order_to_a_few_rooms_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, tried| match words.len() {
        // Some of them are refused for a moment.
        5 if tried == 0 && words.ends_with("77") => Answer::Later(None),
        _ => Answer::Accept,
    });
    let mut last = None;
    for number in 0..1_000_u32 {
        last = Some(outbox.queue(words(number % 20, &format!("n{number:04}"))).unwrap());
    }
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    last.unwrap().delivered().await;
    while outbox.counts().unwrap().sent < 1_000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for number in 0..20 {
        let order: Vec<String> = server
            .timeline()
            .into_iter()
            .filter(|(room, _)| *room == number)
            .map(|(_, words)| words)
            .collect();
        assert_eq!(order.len(), 50);
        assert!(order.is_sorted(), "{order:?}");
    }
    assert_eq!(server.state.lock().unwrap().most_at_once, 8);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn one_file_at_a_time_is_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    let tickets: Vec<Ticket> = (1..=5).map(|number| outbox.queue(file(number, 1000)).unwrap()).collect();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    for ticket in tickets {
        assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    }
    assert!(server.timeline().iter().all(|(_, words)| words == "1000 bytes"));
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn files_that_wait_for_their_turn_hold_up_no_other_room() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, _| match words {
        "a question" => Answer::Accept,
        _ => Answer::Slow,
    });
    let files: Vec<Ticket> = (1..=9).map(|of_room| outbox.queue(file(of_room, 9)).unwrap()).collect();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = Instant::now();
    outbox.queue(words(10, "a question")).unwrap().delivered().await;
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert_eq!(outbox.counts().unwrap().queued, 8, "a file that waits is not on its way");
    for file in files {
        assert!(matches!(file.delivered().await, Delivery::Sent(_)));
    }
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_post_of_the_same_name_is_sent_once() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let first = outbox.queue(words(1, "asked").named("prompt-a-1")).unwrap().delivered().await;
    let second = outbox.queue(words(1, "asked again").named("prompt-a-1")).unwrap().delivered().await;
    assert_eq!(first, second);
    assert_eq!(server.timeline(), [(1, "asked".to_owned())]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_while_another_is_on_its_way_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, _| if words == "long" { Answer::Slow } else { Answer::Accept });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    outbox.queue(words(1, "long")).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    outbox.queue(words(1, "short")).unwrap().delivered().await;
    assert_eq!(server.timeline(), [(1, "long".to_owned()), (1, "short".to_owned())]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_in_time_is_never_sent() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    let withdrawn = outbox.queue(words(1, "a secret").named("a")).unwrap();
    let kept = outbox.queue(words(1, "no secret").named("b")).unwrap();
    assert!(outbox.withdraw("a").unwrap().is_none());
    assert!(matches!(withdrawn.delivered().await, Delivery::Failed(_)), "who waits for it is told");
    assert!(outbox.withdraw("a").unwrap().is_none(), "again");
    assert!(outbox.failures(9).unwrap().is_empty(), "nothing went wrong");
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let Delivery::Sent(event) = kept.delivered().await else { panic!("it is sent") };
    assert_eq!(server.timeline(), [(1, "no secret".to_owned())]);
    let late = outbox.withdraw("b").unwrap().expect("it is in the room");
    assert_eq!(late.delivered().await, Delivery::Sent(event));
    courier.abort();
}
