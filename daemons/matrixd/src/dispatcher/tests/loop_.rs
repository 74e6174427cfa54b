//! The loop: order, bursts, slow listeners, crashes.

use super::*;
use crate::store::testing::{ANN, BOB, EVE, reacted, replied, said, unreadable};

#[tokio::test(start_paused = true)]
async fn a_burst_of_a_thousand_keeps_its_order_in_each_room() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Quick);
    let running = desk.run(&ears);
    for batch in 0..10_u32 {
        let events: Vec<_> = (0..100)
            .map(|number| batch * 100 + number)
            .map(|number| said(number, number % 4, BOB, &format!("{number:04}")))
            .collect();
        desk.inbox.take(&events, &format!("t{batch}"), 0).unwrap();
    }
    let heard = ears.until(1_000).await;
    for number in 0..4 {
        let of_room: Vec<&String> =
            heard.iter().filter(|line| line.starts_with(&format!("talk {number} "))).collect();
        assert_eq!(of_room.len(), 250);
        assert!(of_room.is_sorted());
    }
    desk.until_empty().await;
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_conversation_holds_up_no_other_room_no_answer_and_no_stop() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|words| match words {
        "long" | "/compact" => Behaviour::Slow,
        _ => Behaviour::Quick,
    });
    let running = desk.run(&ears);
    let mut events = vec![said(1, 1, ANN, "long")];
    events.extend((2..500).map(|number| said(number, 1, ANN, "more")));
    events.extend([
        said(500, 2, ANN, "other room"),
        said(501, 1, ANN, "/compact"),
        said(502, 1, ANN, "yes 7K3M"),
        said(503, 1, ANN, "/stop"),
    ]);
    desk.inbox.take(&events, "t", 0).unwrap();
    let heard: BTreeSet<String> = ears.until(5).await.into_iter().collect();
    let expected = [
        "talk 1 begins long",
        "talk 2 other room",
        "command 1 begins /compact",
        "answer 1 yes 7K3M",
        "command 1 /stop",
    ];
    assert_eq!(heard, expected.map(str::to_owned).into());
    ears.go_on.add_permits(2);
    let heard = ears.until(505).await;
    assert_eq!(heard.iter().filter(|line| *line == "talk 1 more").count(), 498);
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn strangers_are_not_heard_and_their_answers_are_judged() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Quick);
    let events = [
        said(1, 1, EVE, "hello"),
        said(2, 1, EVE, "/stop"),
        said(3, 1, EVE, "yes 7K3M"),
        reacted(4, 1, EVE, 5),
        replied(5, 1, EVE, "to somebody", 1),
        reacted(6, 1, EVE, 999),
        replied(7, 1, EVE, "no", 999),
        said(8, 1, ANN, "end"),
    ];
    desk.inbox.take(&events, "t", 0).unwrap();
    let running = desk.run(&ears);
    desk.until_empty().await;
    let heard: BTreeSet<String> = ears.heard().into_iter().collect();
    assert_eq!(heard, ["answer 1 $event6", "answer 1 no", "talk 1 end"].map(str::to_owned).into());
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn killed_in_the_middle_answers_are_not_judged_twice_and_words_are_said_again() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Slow);
    let events = [
        said(1, 1, ANN, "yes 7K3M"),
        said(2, 1, ANN, "/new"),
        said(3, 1, ANN, "words"),
        said(4, 1, ANN, "more words"),
    ];
    desk.inbox.take(&events, "t", 0).unwrap();
    let running = desk.run(&ears);
    assert_eq!(ears.until(3).await.len(), 3);
    kill(running).await;
    drop(desk);

    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Quick);
    let running = desk.run(&ears);
    desk.until_empty().await;
    let heard: BTreeSet<String> = ears.heard().into_iter().collect();
    let expected = [
        "interrupted answer 1 yes 7K3M again",
        "interrupted command 1 /new again",
        "talk 1 words again",
        "talk 1 more words",
    ];
    assert_eq!(heard, expected.map(str::to_owned).into());
    // What comes again with the next sync was dealt with.
    assert_eq!(desk.inbox.take(&events, "t2", 0).unwrap().known, 4);
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_told_once_of_a_lost_key_and_hears_itself_when_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Quick);
    let running = desk.run(&ears);
    let lost = [unreadable(1, 1, ANN, "s"), unreadable(2, 1, ANN, "s"), unreadable(3, 2, ANN, "s")];
    desk.inbox.take(&lost, "t", 0).unwrap();
    desk.until_empty().await;
    assert_eq!(desk.outbox.counts().unwrap().queued, 1, "one for what one person sent");
    kill(running).await;

    desk.now_ms.store(60 * 60 * 1000, Ordering::SeqCst);
    let running = desk.run(&ears);
    desk.inbox.take(&[unreadable(4, 1, ANN, "s"), unreadable(5, 1, ANN, "r")], "t2", 0).unwrap();
    desk.until_empty().await;
    assert_eq!(desk.outbox.counts().unwrap().queued, 2, "and one for another key in another hour");
    assert_eq!(desk.letters.count().unwrap(), 5);
    desk.inbox.take_late(&[said(2, 1, ANN, "at last")], 0).unwrap();
    assert_eq!(ears.until(1).await, ["talk 1 at last"]);
    assert_eq!(desk.letters.count().unwrap(), 4);
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_heard_now_is_heard_later_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|words| if words == "first" { Behaviour::Postpone(3) } else { Behaviour::Quick });
    desk.inbox.take(&[said(1, 1, ANN, "first"), said(2, 1, ANN, "second")], "t", 0).unwrap();
    let began = tokio::time::Instant::now();
    let running = desk.run(&ears);
    assert_eq!(ears.until(2).await, ["talk 1 first", "talk 1 second"]);
    assert_eq!(began.elapsed().as_secs(), 1 + 2 + 4);
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn who_makes_up_keys_has_one_message_an_hour_written() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|_| Behaviour::Quick);
    let running = desk.run(&ears);
    for hour in 0..3_u32 {
        desk.now_ms.store(i64::from(hour) * 60 * 60 * 1000, Ordering::SeqCst);
        let made_up = |number: u32| {
            let whose = if number.is_multiple_of(2) { ANN } else { BOB };
            unreadable(hour * 1_000 + number, number % 3, whose, &format!("s{hour}-{number}"))
        };
        let made_up: Vec<_> = (0..500).map(made_up).collect();
        desk.inbox.take(&made_up, &format!("t{hour}"), 0).unwrap();
        desk.until_empty().await;
        assert_eq!(desk.outbox.counts().unwrap().queued, u64::from(hour + 1) * 2, "one for each sender");
    }
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_a_listener_loses_one_event() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let ears = Ears::new(|words| if words == "bad" { Behaviour::Panic } else { Behaviour::Quick });
    desk.inbox.take(&[said(1, 1, ANN, "bad"), said(2, 1, ANN, "good")], "t", 0).unwrap();
    let running = desk.run(&ears);
    assert_eq!(ears.until(1).await, ["talk 1 good"]);
    desk.until_empty().await;
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_judged_behind_its_answer_and_then_said_to_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(&directory);
    let mut ears =
        Ears::new(|words| if words.ends_with("event1") { Behaviour::Slow } else { Behaviour::Quick });
    Arc::get_mut(&mut ears).unwrap().waits_in = Some(crate::store::testing::room(1));
    let redacted = |number, target| Incoming::Redaction {
        origin: crate::store::testing::origin(number, 1, ANN),
        target: event(target),
    };
    // A reaction, its redaction and that of some words, all in one sync.
    let events = [reacted(1, 1, ANN, 5), redacted(2, 1), said(3, 1, ANN, "later"), redacted(4, 999)];
    desk.inbox.take(&events, "t", 0).unwrap();
    let running = desk.run(&ears);
    let heard = ears.until(2).await;
    assert_eq!(heard, ["answer 1 begins $event1", "talk 1 later"], "nothing overtakes the reaction");
    ears.go_on.add_permits(1);
    desk.until_empty().await;
    let rest = ["answer 1 $event1", "answer 1 $event2", "talk 1 $event2", "answer 1 $event4"];
    let heard: BTreeSet<String> = ears.heard().into_iter().skip(2).collect();
    assert_eq!(heard, rest.map(str::to_owned).into());
    kill(running).await;
}
