//! Crashes: after every operation the files are taken as a kill leaves them, and cut as a power failure may leave
//! them; what is opened then is a state that once was, whole.

use std::path::Path;

use proptest::prelude::*;

use super::super::posts::{Delivery, NewPost, Posts};
use super::super::testing::{ANN, KEY, config, event, opened, room, said, unreadable};
use super::super::*;
use crate::outgoing::{Outgoing, Text};

#[derive(Debug, Clone)]
enum Step {
    /// A sync with these events, some of which cannot be read.
    Take(Vec<(u32, bool)>),
    /// A key came for one.
    Late(u32),
    Hand,
    Finish,
    Queue(u32, u32),
    Begin,
    Arrived,
    PutOff,
    GiveUp,
    Told(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0_u32..40, prop::bool::weighted(0.2)), 0..6).prop_map(Step::Take),
        2 => (0_u32..40).prop_map(Step::Late),
        2 => Just(Step::Hand),
        2 => Just(Step::Finish),
        3 => (0_u32..20, 0_u32..3).prop_map(|(post, room)| Step::Queue(post, room)),
        2 => Just(Step::Begin),
        1 => Just(Step::Arrived),
        1 => Just(Step::PutOff),
        1 => Just(Step::GiveUp),
        1 => (0_u32..3).prop_map(Step::Told),
    ]
}

fn take(store: &Store, step: &Step, number: usize) {
    let (inbox, posts) = (Inbox::new(store.clone(), config()), Posts::new(store.clone()));
    let first = || inbox.page(0, 1).unwrap().first().map(|waiting| waiting.seq);
    let head = || posts.heads().unwrap().into_iter().next();
    match step {
        Step::Take(events) => {
            let incoming: Vec<_> = events
                .iter()
                .map(|(event, readable)| match readable {
                    false => said(*event, event % 3, ANN, "words"),
                    true => unreadable(*event, event % 3, ANN, "session"),
                })
                .collect();
            inbox.take(&incoming, &format!("t{number}"), 0).unwrap();
        }
        Step::Late(event) => drop(inbox.take_late(&[said(*event, event % 3, ANN, "words")], 0).unwrap()),
        Step::Hand => first().into_iter().for_each(|seq| inbox.hand(seq).unwrap()),
        Step::Finish => first().into_iter().for_each(|seq| inbox.finish(&[seq]).unwrap()),
        Step::Queue(post, of_room) => {
            let outgoing = Outgoing::Text(Text { body: "words".into(), ..Text::default() });
            let transaction = format!("p{post}");
            let new = NewPost {
                transaction: &transaction,
                room: &room(*of_room),
                outgoing: &outgoing,
                expires_ms: 9,
            };
            posts.add(&new, 0).unwrap();
        }
        Step::Begin => head().into_iter().for_each(|head| drop(posts.begin(&head).unwrap())),
        Step::Arrived => {
            if let Some(head) = head() {
                posts.settle(head.seq, &Delivery::Sent(event(1)), 0).unwrap();
            }
        }
        Step::PutOff => head().into_iter().for_each(|head| posts.put_off(head.seq, 1, "away").unwrap()),
        Step::GiveUp => {
            if let Some(head) = head() {
                posts.settle(head.seq, &Delivery::Failed("no".into()), 0).unwrap();
            }
        }
        Step::Told(session) => {
            let session = session.to_string();
            DeadLetters::new(store.clone())
                .note_told(LostKey { room: room(1).as_str(), session: Some(&session) })
                .unwrap();
        }
    }
}

/// Everything that is in the database.
fn contents(store: &Store) -> Vec<String> {
    let tables = ["value", "inbox", "seen", "dead_letter", "told", "post", "place"];
    store
        .with(|database| {
            let mut all = Vec::new();
            for table in tables {
                let mut query = database.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
                let columns = query.column_count();
                let mut rows = query.query([])?;
                while let Some(row) = rows.next()? {
                    let values: Vec<rusqlite::types::Value> =
                        (0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
                    all.push(format!("{table} {values:?}"));
                }
            }
            Ok(all)
        })
        .unwrap()
}

/// The files as they are now, the log of the database cut to a part of its length.
fn left_behind(directory: &Path, part: f64) -> (tempfile::TempDir, Store) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["matrixd.db", "matrixd.db-wal"] {
        let mut bytes = std::fs::read(directory.join(name)).unwrap();
        if name.ends_with("-wal") {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                clippy::cast_possible_truncation,
                reason = "a part"
            )]
            bytes.truncate((bytes.len() as f64 * part) as usize);
        }
        std::fs::write(copy.path().join(name), bytes).unwrap();
    }
    let store = Store::open(&copy.path().join("matrixd.db"), &KEY).unwrap();
    (copy, store)
}

/// What holds in every state: an event that waits is known, and each can be read.
fn is_whole(store: &Store) {
    let inbox = Inbox::new(store.clone(), config());
    let waiting = inbox.page(0, 1_000).unwrap();
    assert_eq!(u64::try_from(waiting.len()).unwrap(), inbox.waiting().unwrap());
    for one in &waiting {
        let late = inbox.take_late(std::slice::from_ref(&one.incoming), 0).unwrap();
        assert_eq!((late.new, late.known), (0, 1), "{one:?}");
    }
    for head in Posts::new(store.clone()).heads().unwrap() {
        Posts::new(store.clone()).begin(&head).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_kill_loses_nothing_and_a_power_failure_leaves_what_once_was(
        steps in prop::collection::vec((step(), 0.0..1.0_f64), 1..16),
    ) {
        let directory = tempfile::tempdir().unwrap();
        // Closed once, so that its tables are in the file and not in its log.
        drop(opened(directory.path()));
        let store = opened(directory.path());
        store.keep("made", b"").unwrap();
        let mut states = vec![Vec::new(), contents(&store)];
        for (number, (step, part)) in steps.iter().enumerate() {
            take(&store, step, number);
            states.push(contents(&store));
            let (_copy, killed) = left_behind(directory.path(), 1.0);
            prop_assert_eq!(&contents(&killed), states.last().unwrap(), "after {:?}", step);
            is_whole(&killed);
            let (_copy, cut) = left_behind(directory.path(), *part);
            prop_assert!(states.contains(&contents(&cut)), "cut at {part} after {:?}", step);
            is_whole(&cut);
        }
    }

    #[test]
    fn what_was_dealt_with_never_comes_out_again(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut finished = std::collections::BTreeSet::new();
        for (number, step) in steps.iter().enumerate() {
            // Every step in a process of its own.
            let store = opened(directory.path());
            let inbox = Inbox::new(store.clone(), config());
            if matches!(step, Step::Finish) {
                let first = inbox.page(0, 1).unwrap();
                finished.extend(first.iter().filter(|one| !matches!(one.incoming, crate::incoming::Incoming::Undecryptable { .. })).map(|one| one.incoming.origin().event.clone()));
            }
            take(&store, step, number);
            for waiting in inbox.page(0, 1_000).unwrap() {
                prop_assert!(!finished.contains(&waiting.incoming.origin().event), "{:?} after {:?}", waiting, step);
            }
        }
    }
}
