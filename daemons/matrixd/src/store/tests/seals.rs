//! Seals: what was sealed once is let in once, under whatever id and however long ago.

use super::super::door::KNOWN_FOR_MS;
use super::super::testing::{ANN, config, opened, said, unreadable};
use super::super::*;

fn sealed(number: u32, session: &str, index: u32) -> Arrival {
    let seal = Seal { session: session.into(), index };
    Arrival { incoming: said(number, 1, ANN, "words"), seal: Some(seal) }
}

fn new(inbox: &Inbox, arrival: Arrival, now_ms: i64) -> bool {
    inbox.take_late(&[arrival], now_ms).unwrap().new == 1
}

#[test]
fn words_under_one_seal_are_let_in_once_whatever_their_event_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(opened(directory.path()), config());
    let both = [sealed(1, "a", 0), sealed(2, "a", 0)];
    assert_eq!(inbox.take(&both, "t", 0).unwrap(), Taken { new: 1, known: 1, ..Taken::default() });
    drop(inbox);
    let inbox = Inbox::new(opened(directory.path()), config());
    assert!(!new(&inbox, sealed(3, "a", 0), 1), "over a restart");
    assert!(new(&inbox, sealed(4, "a", 1), 1), "the same words said again are new");
    assert!(new(&inbox, sealed(5, "b", 0), 1), "another session");
}

#[test]
fn a_copy_that_could_not_be_read_is_not_heard_when_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let (inbox, letters) = (Inbox::new(store.clone(), config()), DeadLetters::new(store));
    inbox.take(&[unreadable(1, 1, ANN, "a"), unreadable(2, 1, ANN, "a")], "t", 0).unwrap();
    assert!(new(&inbox, sealed(2, "a", 0), 1));
    assert!(!new(&inbox, sealed(1, "a", 0), 1));
    assert_eq!(letters.count().unwrap(), 0, "neither waits for its key any more");
}

#[test]
fn what_is_forgotten_leaves_a_floor() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    for index in [0, 7] {
        assert!(new(&inbox, sealed(index, "old", index), 0));
    }
    let later = KNOWN_FOR_MS + 1;
    assert!(new(&inbox, sealed(10, "young", 3), later));
    let kept: i64 = store
        .with(|database| Ok(database.query_row("SELECT count(*) FROM sealed_index", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(kept, 1, "the indices of the old session were given up");
    for (number, index) in [(11, 0), (12, 7), (13, 5)] {
        assert!(!new(&inbox, sealed(number, "old", index), later), "{index}");
    }
    assert!(new(&inbox, sealed(14, "old", 8), later), "its sender goes on");
}

#[test]
fn too_many_are_given_up_by_the_least_used_session() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), config());
    assert!(new(&inbox, sealed(1, "first", 0), 0));
    let fill = "INSERT INTO sealed_session VALUES ('second', 0, 1);
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99998)
            INSERT INTO sealed_index SELECT 'second', i FROM n";
    store.with(|database| Ok(database.execute_batch(fill)?)).unwrap();
    assert!(new(&inbox, sealed(2, "third", 0), 2));
    for (number, session, index) in [(3, "first", 0), (4, "second", 99_998), (5, "third", 0)] {
        assert!(!new(&inbox, sealed(number, session, index), 3), "{session}");
    }
    assert!(new(&inbox, sealed(6, "second", 99_999), 3));
}
