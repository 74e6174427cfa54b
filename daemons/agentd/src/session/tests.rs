//! Turns that wait, run, are cancelled and drained; and summing up between them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use testudo::observation::Author;

fn session() -> (tempfile::TempDir, Arc<Session>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let session = Session::new(SessionName::parse("main").unwrap(), store, Conversation::default());
    (directory, Arc::new(session))
}

fn pending(turn: &str) -> Pending {
    let begun = oneshot::channel().0;
    let speaker = Speaker { author: Author::Owner, name: "root".into() };
    Pending { turn: turn.into(), text: "hi".into(), speaker, attendance: Attendance::default(), begun }
}

#[test]
fn sixteen_turns_wait_and_no_more() {
    let (_directory, session) = session();
    assert!(session.enqueue(pending("running")).unwrap());
    let (first, _signal) = session.next().unwrap();
    assert_eq!(first.turn, "running");
    for n in 0..MOST_WAITING {
        assert!(!session.enqueue(pending(&n.to_string())).unwrap(), "a second worker");
    }
    assert!(matches!(session.enqueue(pending("more")), Err(Fault::Busy(_))));
}

#[tokio::test]
async fn a_turn_is_cancelled_in_each_of_its_states() {
    let (_directory, session) = session();
    session.enqueue(pending("a")).unwrap();
    session.enqueue(pending("b")).unwrap();
    let (_, signal) = session.next().unwrap();
    assert_eq!(session.cancel("a").unwrap(), Cancelled::Running);
    assert_eq!(signal.get(), Some(Stop::Cancelled));
    assert!(
        matches!(session.cancel("b").unwrap(), Cancelled::Waiting(finished) if finished.end == End::Cancelled)
    );
    assert_eq!(session.wait("b").await.unwrap().end, End::Cancelled);
    session.finish(session.unstarted("a", End::Cancelled, "x"), false);
    assert_eq!(session.cancel("a").unwrap(), Cancelled::Over);
    assert!(matches!(session.cancel("c"), Err(Fault::NotFound(_))));
    assert!(session.next().is_none());
}

#[tokio::test]
async fn waiting_ends_with_the_turn() {
    let (_directory, session) = session();
    session.enqueue(pending("a")).unwrap();
    session.next().unwrap();
    let (waited, ()) = tokio::join!(session.wait("a"), async {
        session.finish(session.unstarted("a", End::Failed, "x"), false);
    });
    assert_eq!(waited.unwrap().turn, "a");
    assert!(matches!(session.wait("b").await, Err(Fault::NotFound(_))));
}

#[tokio::test]
async fn draining_ends_what_waits_and_stops_what_runs() {
    let (_directory, session) = session();
    session.enqueue(pending("a")).unwrap();
    session.enqueue(pending("b")).unwrap();
    let (_, signal) = session.next().unwrap();
    tokio::join!(session.drain(), async {
        assert_eq!(signal.raised().await, Stop::Ending);
        session.finish(session.unstarted("a", End::Failed, "x"), false);
        assert!(session.next().is_none());
    });
    assert_eq!(session.wait("b").await.unwrap().end, End::Failed);
}

#[test]
fn while_it_is_summed_up_no_turn_begins_and_then_it_does() {
    let (_directory, session) = session();
    session.enqueue(pending("a")).unwrap();
    assert!(matches!(session.compact(drop), Err(Fault::Busy(_))), "one waits");
    session.next().unwrap();
    assert!(matches!(session.compact(drop), Err(Fault::Busy(_))), "one runs");
    session.finish(session.unstarted("a", End::Failed, "x"), false);
    // The worker of that turn has not gone yet, and takes nothing any more.
    let resumed = Arc::new(AtomicUsize::new(0));
    let count = resumed.clone();
    let place = session
        .compact(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    assert!(session.compact(drop).is_err(), "it is done once at a time");
    assert!(!session.enqueue(pending("b")).unwrap());
    assert!(session.next().is_none());
    assert!(session.cancel_compaction());
    assert_eq!(place.stop().get(), Some(Stop::Cancelled));
    drop(place);
    assert_eq!(resumed.load(Ordering::SeqCst), 1, "somebody has to take up what waits");
    assert_eq!(session.next().unwrap().0.turn, "b");
    assert!(!session.cancel_compaction());
}

#[tokio::test]
async fn a_place_is_given_back_by_a_panic_and_by_a_task_that_is_ended() {
    let (_directory, session) = session();
    let place = session.compact(drop).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _place = place;
        panic!("in the middle of it");
    }));
    assert!(panicked.is_err());
    let place = session.compact(drop).expect("it is free again");
    session.enqueue(pending("a")).unwrap();
    assert!(session.next().is_none(), "no turn begins meanwhile");
    let task = tokio::spawn(async move {
        let _place = place;
        std::future::pending::<()>().await;
    });
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(session.next().unwrap().0.turn, "a");
}

#[test]
fn sixteen_things_are_pinned_and_no_more() {
    let (_directory, session) = session();
    let speaker = Speaker { author: Author::Owner, name: "root".into() };
    for number in 1..=16 {
        assert_eq!(session.pin(&speaker, "x", "2026-01-01T00:00:00Z").unwrap(), number);
    }
    assert!(matches!(session.pin(&speaker, "x", "2026-01-01T00:00:00Z"), Err(Fault::Busy(_))));
    session.keep(Line::Unpinned { at: "x".into(), number: 3 }, "x").unwrap();
    assert!(session.has_pin(4) && !session.has_pin(3));
    assert_eq!(session.pin(&speaker, "x", "2026-01-01T00:00:00Z").unwrap(), 17);
}
