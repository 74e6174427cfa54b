//! The rows of the outbox: in order, once by their id, bounded.

use super::super::posts::{Delivery, NewPost, Posts};
use super::super::testing::{event, opened, room};
use super::super::*;
use crate::outgoing::{Outgoing, Text};

fn text(body: &str) -> Outgoing {
    Outgoing::Text(Text { body: body.into(), ..Text::default() })
}

fn add(posts: &Posts, transaction: &str, of_room: u32, outgoing: &Outgoing) -> Result<bool, StoreError> {
    posts.add(&NewPost { transaction, room: &room(of_room), outgoing, expires_ms: 1_000 }, 0)
}

#[test]
fn each_room_has_one_head_and_it_is_its_first() {
    let directory = tempfile::tempdir().unwrap();
    let posts = Posts::new(opened(directory.path()));
    for (transaction, of_room) in [("a", 2), ("b", 1), ("c", 2), ("d", 3), ("e", 1)] {
        assert!(add(&posts, transaction, of_room, &text(transaction)).unwrap());
    }
    let names = |posts: &Posts| -> Vec<String> {
        posts.heads().unwrap().into_iter().map(|head| head.transaction).collect()
    };
    assert_eq!(names(&posts), ["a", "b", "d"]);
    let heads = posts.heads().unwrap();
    assert_eq!(posts.begin(&heads[0]).unwrap(), text("a"));
    posts.settle(heads[0].seq, &Delivery::Sent(event(1)), 5).unwrap();
    posts.put_off(heads[1].seq, 77, "away").unwrap();
    assert_eq!(names(&posts), ["b", "c", "d"]);
    assert_eq!(posts.heads().unwrap()[0].due_ms, 77);
    assert_eq!(posts.delivery("a").unwrap(), Some(Delivery::Sent(event(1))));
    assert_eq!(posts.delivery("b").unwrap(), None);
}

#[test]
fn the_same_id_is_the_same_post_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let posts = Posts::new(opened(directory.path()));
    assert!(add(&posts, "a", 1, &text("first")).unwrap());
    assert!(!add(&posts, "a", 1, &text("second")).unwrap());
    let head = posts.heads().unwrap().remove(0);
    assert_eq!(posts.begin(&head).unwrap(), text("first"));
    posts.settle(head.seq, &Delivery::Failed("no".into()), 5).unwrap();
    assert!(!add(&posts, "a", 1, &text("third")).unwrap());
    assert!(posts.heads().unwrap().is_empty());
    assert_eq!(posts.delivery("a").unwrap(), Some(Delivery::Failed("no".into())));
    assert_eq!(posts.failures(9).unwrap()[0].cause, "no");
    assert_eq!(posts.failures(9).unwrap()[0].attempts, 1);
}

#[test]
fn a_file_comes_out_as_it_went_in_and_is_forgotten_when_it_arrived() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let posts = Posts::new(store.clone());
    let file = Outgoing::Attachment {
        name: "a.bin".into(),
        mime: "application/octet-stream".into(),
        content: (0..200_000_u32).map(|byte| u8::try_from(byte % 251).unwrap()).collect(),
        thread: Some(event(3)),
        behalf: Some(crate::outgoing::Behalf { session: "m-1".into(), requester: None }),
    };
    add(&posts, "a", 1, &file).unwrap();
    let head = posts.heads().unwrap().remove(0);
    assert!(posts.has_content(head.seq).unwrap());
    assert_eq!(posts.begin(&head).unwrap(), file);
    posts.settle(head.seq, &Delivery::Sent(event(1)), 5).unwrap();
    let left: i64 = store
        .with(|database| {
            let query =
                "SELECT count(*) FROM post WHERE body IS NOT NULL OR content IS NOT NULL OR bytes > 0";
            Ok(database.query_row(query, [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn it_is_bounded_by_number_and_by_size() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let posts = Posts::new(store.clone());
    let huge = Outgoing::Attachment {
        name: "a".into(),
        mime: "b".into(),
        content: vec![0; 51 * 1024 * 1024],
        thread: None,
        behalf: None,
    };
    assert!(matches!(add(&posts, "huge", 1, &huge), Err(StoreError::TooLarge { .. })));
    add(&posts, "a", 1, &text("a")).unwrap();
    store.with(|database| Ok(database.execute("UPDATE post SET bytes = 268435400", [])?)).unwrap();
    assert!(matches!(add(&posts, "b", 1, &text("b")), Err(StoreError::Full { what: "bytes of posts", .. })));
    store
        .with(|database| {
            Ok(database.execute_batch(
                "UPDATE post SET bytes = 0;
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
                 INSERT INTO post (txn, room, state, bytes, queued_ms, expires_ms)
                     SELECT 'n' || i, '!r:x', 'queued', 0, 0, 0 FROM n",
            )?)
        })
        .unwrap();
    assert!(matches!(add(&posts, "c", 1, &text("c")), Err(StoreError::Full { what: "posts", .. })));
    assert_eq!(posts.heads().unwrap().len(), 2, "a long queue has one head");
}

#[test]
fn what_was_on_its_way_is_queued_again_and_never_put_off_for_long() {
    let directory = tempfile::tempdir().unwrap();
    let posts = Posts::new(opened(directory.path()));
    add(&posts, "a", 1, &text("a")).unwrap();
    add(&posts, "b", 2, &text("b")).unwrap();
    let heads = posts.heads().unwrap();
    posts.begin(&heads[0]).unwrap();
    // As a clock that was a year ahead left it.
    posts.put_off(heads[1].seq, 32_000_000_000, "away").unwrap();
    drop(posts);
    let posts = Posts::new(opened(directory.path()));
    assert_eq!(posts.counts().unwrap().sending, 1);
    posts.resume(3_600_000).unwrap();
    let heads = posts.heads().unwrap();
    assert_eq!(heads.iter().map(|head| head.due_ms).collect::<Vec<_>>(), [0, 3_600_000]);
    assert_eq!(heads[0].attempts, 1);
}

#[test]
fn what_became_of_it_is_known_for_a_week() {
    let directory = tempfile::tempdir().unwrap();
    let posts = Posts::new(opened(directory.path()));
    let week = 7 * 24 * 60 * 60 * 1000;
    for (transaction, now_ms) in [("a", 0), ("b", week), ("c", week + 1)] {
        add(&posts, transaction, 1, &text("x")).unwrap();
        let head = posts.heads().unwrap().remove(0);
        posts.settle(head.seq, &Delivery::Sent(event(1)), now_ms).unwrap();
    }
    assert_eq!(posts.delivery("a").unwrap(), None);
    assert!(posts.delivery("b").unwrap().is_some());
}

#[test]
fn a_room_in_which_nothing_may_be_said_leaves_place_to_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let posts = Posts::new(store.clone());
    let kib = 1024;
    let file = |size: usize| Outgoing::Attachment {
        name: "a".into(),
        mime: "text/plain".into(),
        content: vec![0; size],
        thread: None,
        behalf: None,
    };
    let bytes = |transaction: &str| -> u64 {
        let query = "SELECT bytes FROM post WHERE txn = ?1";
        store.with(|database| Ok(database.query_row(query, [transaction], |row| row.get(0))?)).unwrap()
    };
    for number in 0..4 {
        let name = format!("held-{number}");
        assert!(add(&posts, &name, 1, &file(1)).unwrap());
        // As large as it says; to seal so much takes a while.
        let query = "UPDATE post SET bytes = ?2 WHERE txn = ?1";
        store.with(|database| Ok(database.execute(query, (name, (16 * kib - 16) * kib))?)).unwrap();
    }
    // They leave it 64 KiB.
    let full = add(&posts, "held", 1, &file(64 * kib));
    assert!(matches!(full, Err(StoreError::Full { what: "bytes of posts", .. })), "{full:?}");
    assert!(add(&posts, "held words", 1, &text("small ones are")).unwrap());
    assert!(add(&posts, "other", 2, &file(64 * kib)).unwrap());
    assert!((64 * 1024..65 * 1024).contains(&bytes("other")), "{} bytes are counted", bytes("other"));
}
