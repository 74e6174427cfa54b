//! Dead letters: kept, told once, read once when their key comes.

use super::super::testing::{ANN, BOB, config, opened, room, said, unreadable};
use super::super::*;

#[test]
fn it_is_read_once_when_its_key_comes_even_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    inbox.take(&[unreadable(1, 1, ANN, "s"), unreadable(2, 1, BOB, "s")], "t", 10).unwrap();
    assert_eq!(inbox.take(&[unreadable(1, 1, ANN, "s")], "t", 11).unwrap().known, 1);
    let seqs: Vec<i64> = inbox.page(0, 9).unwrap().iter().map(|waiting| waiting.seq).collect();
    inbox.finish(&seqs).unwrap();
    drop((store, inbox));

    let store = opened(directory.path());
    let (inbox, letters) = (Inbox::new(store.clone(), config()), DeadLetters::new(store));
    let waiting = letters.waiting_for(room(1).as_str(), Some("s")).unwrap();
    let names: Vec<_> = waiting.iter().map(|letter| (letter.event.as_str(), letter.since_ms)).collect();
    assert_eq!(names, [("$event1", 10), ("$event2", 10)]);
    assert_eq!(inbox.take_late(&[said(1, 1, ANN, "at last")], 12).unwrap().new, 1);
    assert_eq!(inbox.take_late(&[said(1, 1, ANN, "at last")], 12).unwrap().known, 1);
    assert_eq!(letters.count().unwrap(), 1);
    assert_eq!(inbox.page(0, 9).unwrap()[0].incoming, said(1, 1, ANN, "at last"));
}

#[test]
fn read_before_it_was_routed_it_takes_the_place_of_itself() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(opened(directory.path()), config());
    inbox.take(&[unreadable(1, 1, ANN, "s")], "t", 0).unwrap();
    let old = inbox.page(0, 9).unwrap()[0].seq;
    inbox.take_late(&[said(1, 1, ANN, "at last")], 0).unwrap();
    // Who was about to deal with the old one finishes it, and not the new one.
    inbox.finish(&[old]).unwrap();
    let waiting = inbox.page(0, 9).unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].incoming, said(1, 1, ANN, "at last"));
}

#[test]
fn dropped_it_is_not_read_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let (inbox, letters) = (Inbox::new(store.clone(), config()), DeadLetters::new(store));
    let lost = [unreadable(1, 1, ANN, "s"), unreadable(2, 2, ANN, "r"), unreadable(3, 1, ANN, "q")];
    inbox.take(&lost, "t", 0).unwrap();
    assert!(letters.drop_one("$event1").unwrap());
    assert!(!letters.drop_one("$event1").unwrap());
    assert_eq!(inbox.take_late(&[said(1, 1, ANN, "at last")], 0).unwrap().known, 1);
    assert_eq!(letters.list(1).unwrap()[0].event, "$event3");
    assert_eq!(letters.drop_all().unwrap(), 2);
    assert_eq!(letters.count().unwrap(), 0);
}

#[test]
fn a_room_is_told_once_of_each_lost_key() {
    let directory = tempfile::tempdir().unwrap();
    let key = LostKey { room: "!a:x", session: Some("s") };
    let letters = DeadLetters::new(opened(directory.path()));
    assert!(!letters.is_told(key).unwrap());
    letters.note_told(key).unwrap();
    letters.note_told(key).unwrap();
    let letters = DeadLetters::new(opened(directory.path()));
    assert!(letters.is_told(key).unwrap());
    assert!(!letters.is_told(LostKey { room: "!b:x", ..key }).unwrap());
    assert!(!letters.is_told(LostKey { session: None, ..key }).unwrap());
}

#[test]
fn ten_thousand_are_kept_and_the_oldest_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let letters = DeadLetters::new(store.clone());
    store
        .transact(|database| {
            for number in 0..10_003 {
                let origin = super::super::testing::origin(number, 1, ANN);
                super::super::dead_letters::add(database, &origin, None, 0)?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(letters.count().unwrap(), 10_000);
    let all = letters.waiting_for(room(1).as_str(), Some("any")).unwrap();
    assert_eq!(all[0].event, "$event3");
}

#[test]
fn a_notice_of_lost_keys_has_one_name_for_each_sender_and_hour() {
    let hour = 60 * 60 * 1000;
    let first = super::super::notice_name(ANN, 0);
    assert_eq!(first, super::super::notice_name(ANN, hour - 1));
    assert_ne!(first, super::super::notice_name(ANN, hour));
    assert_ne!(first, super::super::notice_name("@bob:home.org", 0));
    // A clock before 1970 has hours, too.
    assert_ne!(first, super::super::notice_name(ANN, -1));
}
