//! The inbox: once in, once out, in order, bounded.

use super::super::testing::{ANN, BOB, EVE, US, config, event, opened, reacted, replied, said, unreadable};
use super::super::*;

fn inbox(directory: &tempfile::TempDir) -> Inbox {
    Inbox::new(opened(directory.path()), config())
}

fn events(inbox: &Inbox) -> Vec<String> {
    let waiting = inbox.page(0, 100_000).unwrap();
    waiting.iter().map(|waiting| waiting.incoming.origin().event.to_string()).collect()
}

#[test]
fn what_came_waits_in_order_with_the_token_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let first = inbox(&directory);
    assert_eq!(first.sync_token().unwrap(), None);
    let taken = first.take(&[said(2, 1, ANN, "b"), said(1, 1, BOB, "a")], "t1", 5).unwrap();
    assert_eq!(taken, Taken { new: 2, ..Taken::default() });
    drop(first);
    let second = inbox(&directory);
    assert_eq!(second.sync_token().unwrap().as_deref(), Some("t1"));
    assert_eq!(events(&second), ["$event2", "$event1"]);
    second.take::<Arrival>(&[], "t2", 6).unwrap();
    assert_eq!(second.sync_token().unwrap().as_deref(), Some("t2"));
}

#[test]
fn what_comes_twice_is_taken_once_even_when_it_was_dealt_with() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = inbox(&directory);
    let batch = [said(1, 1, ANN, "a"), said(2, 1, ANN, "b"), said(1, 1, ANN, "a")];
    assert_eq!(inbox.take(&batch, "t1", 0).unwrap(), Taken { new: 2, known: 1, ..Taken::default() });
    let first = inbox.page(0, 1).unwrap().remove(0);
    inbox.finish(&[first.seq]).unwrap();
    // The same sync again, out of order, as after a crash before its token was used.
    let again = [said(2, 1, ANN, "b"), said(1, 1, ANN, "something else"), said(3, 1, ANN, "c")];
    assert_eq!(inbox.take(&again, "t1", 0).unwrap(), Taken { new: 1, known: 2, ..Taken::default() });
    assert_eq!(events(&inbox), ["$event2", "$event3"]);
}

#[test]
fn what_was_handed_out_says_so_when_it_comes_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = inbox(&directory);
    first.take(&[said(1, 1, ANN, "a"), said(2, 1, ANN, "b")], "t", 0).unwrap();
    let seq = first.page(0, 1).unwrap()[0].seq;
    first.hand(seq).unwrap();
    drop(first);
    let again: Vec<bool> =
        inbox(&directory).page(0, 9).unwrap().iter().map(|waiting| waiting.again).collect();
    assert_eq!(again, [true, false]);
}

#[test]
fn strangers_are_not_kept_but_for_what_could_answer_a_question() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = inbox(&directory);
    let batch = [
        said(1, 1, EVE, "hello"),
        unreadable(2, 1, EVE, "s"),
        reacted(3, 1, EVE, 9),
        replied(4, 1, EVE, "yes", 9),
        said(5, 1, US, "our own words, back from the homeserver"),
        reacted(6, 1, US, 9),
    ];
    let taken = inbox.take(&batch, "t", 0).unwrap();
    assert_eq!(taken, Taken { new: 2, unheard: 4, ..Taken::default() });
    assert_eq!(events(&inbox), ["$event3", "$event4"]);
    assert_eq!(DeadLetters::new(opened(directory.path())).count().unwrap(), 0);
}

#[test]
fn nobody_crowds_out_an_owner() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    let flood: Vec<_> = (0..2_500).map(|number| said(number, 1, BOB, "x")).collect();
    let taken = inbox.take(&flood, "t1", 0).unwrap();
    assert_eq!(taken, Taken { new: 2_000, crowded: 500, ..Taken::default() });
    let strangers: Vec<_> = (3_000..3_050).map(|number| reacted(number, 1, EVE, 9)).collect();
    assert_eq!(inbox.take(&strangers, "t2", 0).unwrap(), Taken { new: 20, crowded: 30, ..Taken::default() });
    assert_eq!(inbox.take(&[said(4_000, 1, ANN, "/stop")], "t3", 0).unwrap().new, 1);
    // What is known is known, however crowded it is.
    assert_eq!(inbox.take(&flood[..10], "t4", 0).unwrap(), Taken { known: 10, ..Taken::default() });
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17978)
        INSERT INTO inbox (event, room, sender, body)
            SELECT '$f' || i, '!r:x', '@ann:home.org', x'' FROM n";
    store.with(|database| Ok(database.execute(fill, [])?)).unwrap();
    let last_two = [said(5_000, 1, ANN, "x"), said(5_001, 1, ANN, "y")];
    let error = inbox.take(&last_two, "t5", 0).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(inbox.sync_token().unwrap().as_deref(), Some("t4"), "what was not kept is asked for again");
    assert_eq!(inbox.waiting().unwrap(), 19_999, "of the two neither was kept");
}

#[test]
fn what_was_seen_long_ago_is_forgotten_but_not_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    inbox.take(&[said(1, 1, ANN, "a"), said(2, 1, ANN, "b")], "t1", 0).unwrap();
    let first = inbox.page(0, 1).unwrap()[0].seq;
    inbox.finish(&[first]).unwrap();
    let month = super::super::door::KNOWN_FOR_MS;
    inbox.take(&[said(3, 1, ANN, "c")], "t2", month).unwrap();
    assert_eq!(inbox.take(&[said(1, 1, ANN, "a")], "t3", month).unwrap().known, 1, "a month is not over yet");
    inbox.take(&[said(4, 1, ANN, "d")], "t4", month + 1).unwrap();
    let seen: i64 = store
        .with(|database| Ok(database.query_row("SELECT count(*) FROM seen", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(seen, 2);
    assert_eq!(inbox.take(&[said(2, 1, ANN, "b")], "t5", month + 1).unwrap().known, 1, "it waits");
}

#[test]
fn what_cannot_be_opened_is_put_away_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    inbox.take(&[said(1, 1, ANN, "a"), said(2, 1, ANN, "b"), said(3, 1, ANN, "c")], "t", 0).unwrap();
    // The body of one event in the place of another: an attack by who can write to the file.
    let swap =
        "UPDATE inbox SET body = (SELECT body FROM inbox WHERE event = '$event1') WHERE event = '$event2'";
    store.with(|database| Ok(database.execute(swap, [])?)).unwrap();
    assert_eq!(events(&inbox), ["$event1", "$event3"]);
    assert_eq!(inbox.waiting().unwrap(), 2);
}

#[test]
fn a_late_event_is_new_once() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = inbox(&directory);
    inbox.take(&[said(1, 1, ANN, "a")], "t", 0).unwrap();
    assert_eq!(inbox.take_late(&[said(1, 1, ANN, "a"), said(2, 1, ANN, "b")], 0).unwrap().new, 1);
    assert_eq!(inbox.sync_token().unwrap().as_deref(), Some("t"));
    assert_eq!(events(&inbox), [event(1), event(2)]);
}
