//! Homeservers that want us to wait, refuse, hang or are wrong, and daemons that end in the middle.

use std::sync::atomic::AtomicI64;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_homeserver_that_wants_us_to_wait_means_every_room() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|of_room, _, tried| match (of_room, tried) {
        (1, 0) => Answer::Later(Some(Duration::from_secs(30))),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let one = outbox.queue(words(1, "one")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let two = outbox.queue(words(2, "two")).unwrap();
    one.delivered().await;
    two.delivered().await;
    let at: Vec<(u32, u64)> = server.seen().into_iter().map(|(room, _, at)| (room, at)).collect();
    assert_eq!(at, [(1, 0), (1, 30), (2, 30)]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_us_wait_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, tried| match tried {
        0 => Answer::Later(Some(Duration::MAX)),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    outbox.queue(words(1, "one")).unwrap().delivered().await;
    assert_eq!(server.seen()[1].2, 3_600);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_reported_and_the_next_one_goes() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, _| if words == "bad" { Answer::Never } else { Answer::Accept });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let bad = outbox.queue(words(1, "bad")).unwrap();
    let transaction = bad.transaction().to_owned();
    let good = outbox.queue(words(1, "good")).unwrap();
    let Delivery::Failed(cause) = bad.delivered().await else { unreachable!() };
    assert_eq!(cause, "cannot send to !room1:home.org: rehearsed");
    assert!(matches!(good.delivered().await, Delivery::Sent(_)));
    let failures = outbox.failures(9).unwrap();
    assert_eq!((failures.len(), &failures[0].transaction, &failures[0].cause), (1, &transaction, &cause));
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_room_is_told_once_of_what_the_homeserver_refused_and_of_a_refused_telling_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|of_room, words, _| match (of_room, words) {
        (1, "9 bytes") | (2, _) => Answer::Never,
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let refused = [outbox.queue(file(1, 9)).unwrap(), outbox.queue(words(2, "nothing goes here")).unwrap()];
    for ticket in refused {
        assert!(matches!(ticket.delivered().await, Delivery::Failed(_)));
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(server.timeline(), [(1, "I cannot send the file `a`: rehearsed.".to_owned())]);
    let tried: Vec<_> =
        server.seen().into_iter().filter(|(room, ..)| *room == 2).map(|seen| seen.1).collect();
    assert_eq!(tried, ["nothing goes here", "I cannot send what I had to say here: rehearsed."]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn killed_before_it_is_noted_that_it_was_refused_a_room_is_told_once_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, _| if words == "bad" { Answer::Never } else { Answer::Accept });
    let bad = words(1, "bad").named("bad");
    for _ in 0..2 {
        let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
        outbox.queue(bad.clone()).unwrap().delivered().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        courier.abort();
        // As the daemon leaves it that ended right before that.
        let store = opened(directory.path());
        let again = "UPDATE post SET state = 'sending', body = ?1 WHERE txn = 'bad'";
        let body = serde_json::to_vec(&bad.outgoing).unwrap();
        let body = store.seal("post bad", &body).unwrap();
        store.with(|database| Ok(database.execute(again, [body])?)).unwrap();
    }
    assert_eq!(server.seen().iter().filter(|(_, words, _)| words == "bad").count(), 2);
    assert_eq!(server.timeline().len(), 1, "{:?}", server.timeline());
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_not_sent_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, _| match words {
        "question" => Answer::Later(None),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let question = outbox.queue(words(1, "question").until(1_000_000 + 5_000)).unwrap();
    let next = outbox.queue(words(1, "next")).unwrap();
    let began = Instant::now();
    assert!(matches!(question.delivered().await, Delivery::Failed(_)));
    assert_eq!(
        began.elapsed().as_secs(),
        5,
        "it is reported when it is over, not when it would be tried again"
    );
    assert!(matches!(next.delivered().await, Delivery::Sent(_)));
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn killed_before_the_answer_came_it_is_sent_again_and_is_one_event() {
    let directory = tempfile::tempdir().unwrap();
    let before = outbox(&directory);
    let server = Rehearsed::new(|_, words, tried| match (words, tried) {
        ("answer", 0) => Answer::AcceptAndHang,
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(before.clone(), server.clone(), recorded()));
    let ticket = before.queue(words(1, "answer")).unwrap();
    let transaction = ticket.transaction().to_owned();
    before.queue(words(1, "more")).unwrap();
    while server.timeline().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    courier.abort();
    assert!(courier.await.unwrap_err().is_cancelled());
    drop((before, ticket));

    let after = outbox(&directory);
    let courier = tokio::spawn(courier::run(after.clone(), server.clone(), recorded()));
    let delivery = after.follow(&transaction).unwrap().delivered().await;
    assert_eq!(delivery, Delivery::Sent(OwnedEventId::try_from(format!("$sent-{transaction}")).unwrap()));
    while after.counts().unwrap().sent < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.timeline(), [(1, "answer".to_owned()), (1, "more".to_owned())]);
    assert_eq!(server.seen().iter().filter(|(_, words, _)| words == "answer").count(), 2);
    // Asked later still, it is known.
    assert_eq!(after.follow(&transaction).unwrap().delivered().await, delivery);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn hours_offline_lose_nothing_and_are_not_filled_with_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let start = Instant::now();
    let hours = Duration::from_hours(6);
    let server = Rehearsed::new(
        move |_, _, _| if start.elapsed() < hours { Answer::Later(None) } else { Answer::Accept },
    );
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let tickets: Vec<Ticket> =
        (0..3).map(|number| outbox.queue(words(1, &format!("n{number}"))).unwrap()).collect();
    for ticket in tickets {
        assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    }
    assert!(start.elapsed() < hours + Duration::from_mins(6));
    assert_eq!(
        server.timeline().iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>(),
        ["n0", "n1", "n2"]
    );
    let attempts = server.seen().len();
    assert!((72..100).contains(&attempts), "{attempts} attempts");
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_sending_is_a_failed_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, tried| if tried == 0 { Answer::Panic } else { Answer::Accept });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    assert!(matches!(outbox.queue(words(1, "one")).unwrap().delivered().await, Delivery::Sent(_)));
    assert_eq!(server.seen().len(), 2);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_a_day_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let (start, back) = (Instant::now(), Arc::new(AtomicI64::new(0)));
    let clock = Clock::by({
        let back = back.clone();
        move || {
            200_000_000 + i64::try_from(start.elapsed().as_millis()).unwrap() - back.load(Ordering::SeqCst)
        }
    });
    let outbox = Outbox::new(opened(directory.path()), clock);
    let server = Rehearsed::new(|_, _, tried| match tried {
        0 => Answer::Later(Some(Duration::from_secs(20))),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let ticket = outbox.queue(words(1, "one")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    back.store(24 * 60 * 60 * 1000, Ordering::SeqCst);
    assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_waits_for_the_homeserver_and_for_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|of_room, _, tried| match (of_room, tried) {
        (1, 0..5) => Answer::Later(None),
        (2, 0) => Answer::Later(Some(Duration::from_secs(100))),
        _ => Answer::Accept,
    });
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let ticket = outbox.queue(words(1, "one")).unwrap();
    // At 0, 1, 3, 7 and 15 seconds; it would be tried again at 31.
    tokio::time::sleep(Duration::from_secs(20)).await;
    outbox.hurry(&room(1)).unwrap();
    ticket.delivered().await;
    assert_eq!(server.seen().last().map(|(_, _, at)| *at), Some(20));
    let asked = outbox.queue(words(2, "two")).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    outbox.hurry(&room(2)).unwrap();
    asked.delivered().await;
    assert_eq!(server.seen().last().map(|(_, _, at)| *at), Some(120));
    courier.abort();
}

/// Changes the database behind the outbox.
fn change(outbox: &Outbox, how: &str) {
    outbox.posts.store().with(|database| Ok(database.execute_batch(how)?)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_database_did_not_take_is_written_when_it_does_and_is_not_overtaken() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, words, tried| match words {
        "late" if tried == 0 => Answer::Later(None),
        _ => Answer::Accept,
    });
    change(
        &outbox,
        "CREATE TRIGGER no_end BEFORE UPDATE OF settled_ms ON post BEGIN SELECT RAISE(ABORT, 'full'); END;
         CREATE TRIGGER no_delay BEFORE UPDATE OF due_ms ON post BEGIN SELECT RAISE(ABORT, 'full'); END;",
    );
    for (of_room, body) in [(1, "one"), (1, "two"), (2, "late"), (2, "later")] {
        outbox.queue(words(of_room, body)).unwrap();
    }
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(server.timeline(), [(1, "one".to_owned())]);
    change(&outbox, "DROP TRIGGER no_end; DROP TRIGGER no_delay;");
    tokio::time::sleep(Duration::from_mins(1)).await;
    let said: Vec<String> = server.timeline().into_iter().map(|(_, words)| words).collect();
    assert_eq!(said.iter().filter(|words| words.starts_with("late")).collect::<Vec<_>>(), ["late", "later"]);
    assert_eq!(said.iter().filter(|words| !words.starts_with("late")).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(server.seen().len(), 5, "what is there is not sent again");
    assert_eq!(outbox.counts().unwrap(), Counts { sent: 4, ..Counts::default() });
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_end_cannot_be_written_is_not_asked_about_without_pause() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Rehearsed::new(|_, _, _| Answer::Accept);
    change(
        &outbox,
        "CREATE TRIGGER no_end BEFORE UPDATE OF settled_ms ON post BEGIN SELECT RAISE(ABORT, 'full'); END;",
    );
    let over = outbox.queue(words(1, "over").until(1_000_000)).unwrap();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    assert!(matches!(over.delivered().await, Delivery::Failed(_)));
    tokio::time::sleep(Duration::from_mins(1)).await;
    change(&outbox, "DROP TRIGGER no_end;");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(outbox.counts().unwrap(), Counts { failed: 1, ..Counts::default() });
    assert!(server.seen().is_empty());
    courier.abort();
}
