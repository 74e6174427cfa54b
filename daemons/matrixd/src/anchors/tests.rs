use std::sync::Mutex;

use matrix_sdk::ruma::{OwnedEventId, owned_room_id};

use super::*;
use crate::store::Store;

const HOUR: u64 = 3_600_000;

fn head(seq: u64, letter: &str) -> Head {
    Head { seq, hash: letter.repeat(HASH) }
}

fn last(seq: u64, at_ms: u64) -> Anchor {
    Anchor { seq, hash: "a".repeat(HASH), at_ms }
}

#[test]
fn an_anchor_is_due_after_records_hours_and_at_the_turns() {
    use Moment::{Passing, Turning};
    let schedule = Schedule { records: 100, every: Duration::from_hours(6) };
    for (last, head, moment, now, expected) in [
        (None, head(0, "a"), Turning, 0, false),
        (None, head(1, "a"), Passing, 0, true),
        (Some(last(10, 0)), head(10, "a"), Turning, 100 * HOUR, false),
        (Some(last(10, 0)), head(11, "b"), Turning, 0, true),
        (Some(last(10, 0)), head(11, "b"), Passing, 6 * HOUR - 1, false),
        (Some(last(10, 0)), head(11, "b"), Passing, 6 * HOUR, true),
        (Some(last(10, 0)), head(109, "b"), Passing, 0, false),
        (Some(last(10, 0)), head(110, "b"), Passing, 0, true),
        // The record was cut or rewritten.
        (Some(last(10, 0)), head(9, "b"), Passing, 0, true),
        (Some(last(10, 0)), head(10, "b"), Passing, 0, true),
        // A clock that went back.
        (Some(last(10, 50 * HOUR)), head(11, "b"), Passing, 0, false),
    ] {
        assert_eq!(
            schedule.is_due(last.as_ref(), &head, moment, now),
            expected,
            "{last:?} {head:?} {moment:?} {now}"
        );
    }
}

#[test]
fn an_anchor_is_one_line() {
    let text = line(&head(1234, "0f"[..1].as_ref()), 1_800_000_000_000);
    assert_eq!(text, format!("anchor 1234 {} 2027-01-15T08:00:00Z", "0".repeat(HASH)));
    assert_eq!(text.lines().count(), 1);
}

struct Fixed(Arc<Mutex<Head>>);

impl Heading for Fixed {
    fn head(&self) -> BoxFuture<'_, Result<Head, String>> {
        let head = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(head) })
    }
}

#[derive(Default)]
struct Posted(Mutex<Vec<(String, Outgoing)>>, Mutex<Vec<String>>);

impl Post for Posted {
    fn queue(
        &self,
        _: &RoomId,
        transaction: &str,
        outgoing: Outgoing,
        _: Option<u64>,
    ) -> Result<(), StoreError> {
        self.0.lock().unwrap().push((transaction.to_owned(), outgoing));
        Ok(())
    }

    fn hurry(&self, room: &RoomId) -> Result<(), StoreError> {
        self.1.lock().unwrap().push(room.to_string());
        Ok(())
    }

    fn delivered(&self, _: &str) -> BoxFuture<'static, Option<OwnedEventId>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn the_same_record_is_anchored_once_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap();
    let record = Arc::new(Mutex::new(head(5, "a")));
    let posted = Arc::new(Posted::default());
    let anchors = || {
        let book = Book::new(store.clone()).unwrap();
        let record = Box::new(Fixed(record.clone()));
        Anchors::new(owned_room_id!("!audit:home.org"), Schedule::default(), record, book, posted.clone())
    };
    assert!(anchors().look(Moment::Turning, 0).await.unwrap().is_some());
    assert_eq!(anchors().look(Moment::Turning, 1).await.unwrap(), None);
    *record.lock().unwrap() = head(6, "b");
    assert_eq!(anchors().look(Moment::Passing, 2).await.unwrap(), None);
    assert!(anchors().look(Moment::Turning, 3).await.unwrap().is_some());
    let posted = posted.0.lock().unwrap();
    assert_eq!(posted.len(), 2);
    assert_ne!(posted[0].0, posted[1].0);
    assert!(posted.iter().all(|(_, outgoing)| matches!(outgoing, Outgoing::Text(text) if text.notice)));
}

#[tokio::test(start_paused = true)]
async fn the_last_anchor_is_posted_and_keeps_nobody_from_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap();
    let posted = Arc::new(Posted::default());
    let record = Box::new(Fixed(Arc::new(Mutex::new(head(5, "a")))));
    let book = Book::new(store).unwrap();
    let room = owned_room_id!("!audit:home.org");
    let anchors = Anchors::new(room, Schedule::default(), record, book, posted.clone());
    let began = tokio::time::Instant::now();
    // It never arrives here.
    anchors.close(0).await;
    assert_eq!(began.elapsed().as_secs(), LAST.as_secs());
    assert_eq!(posted.0.lock().unwrap().len(), 1);
    assert_eq!(*posted.1.lock().unwrap(), ["!audit:home.org"], "nothing that waits is before it");
    anchors.close(1).await;
    assert_eq!(began.elapsed().as_secs(), LAST.as_secs(), "nothing is new");
}
