//! The store: sealed, one key, and the rules of what is in it.

use std::collections::BTreeSet;

use super::testing::{KEY, opened, room};
use super::*;

mod crash;
mod dead_letters;
mod inbox;
mod posts;
mod seals;

#[test]
fn nothing_that_was_said_lies_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let inbox = Inbox::new(store.clone(), testing::config());
    let secret = "the spare key is under the third stone";
    inbox.take(&[testing::said(1, 1, testing::ANN, secret)], "t1", 0).unwrap();
    store.keep("session", secret.as_bytes()).unwrap();
    let text = crate::outgoing::Text { body: secret.into(), ..Default::default() };
    let outbox = crate::outbox::Outbox::new(store.clone(), crate::outbox::Clock::by(|| 0));
    outbox.queue(crate::outbox::Post::new(room(1), crate::outgoing::Outgoing::Text(text))).unwrap();
    let file = crate::outgoing::Outgoing::Attachment {
        name: secret.into(),
        mime: secret.into(),
        content: secret.into(),
        thread: None,
        behalf: None,
    };
    outbox.queue(crate::outbox::Post::new(room(1), file)).unwrap();
    let mut looked_at = BTreeSet::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let words = secret.as_bytes();
        assert!(!bytes.windows(words.len()).any(|window| window == words), "{}", path.display());
        looked_at.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    assert!(looked_at.contains("matrixd.db-wal"), "{looked_at:?}");
}

#[test]
fn its_files_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    store.keep("a", b"b").unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn only_its_last_key_opens_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    store.keep("session", b"secret").unwrap();
    store.rekey(&[9; 32]).unwrap();
    assert_eq!(store.kept("session").unwrap().as_deref(), Some(b"secret".as_slice()));
    drop(store);
    let path = directory.path().join("matrixd.db");
    assert!(matches!(Store::open(&path, &KEY), Err(StoreError::WrongKey)));
    let store = Store::open(&path, &[9; 32]).unwrap();
    assert_eq!(store.kept("session").unwrap().as_deref(), Some(b"secret".as_slice()));
}

#[test]
fn a_value_opens_only_where_it_was_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let sealed = store.seal("inbox $a", b"yes").unwrap();
    assert_eq!(store.unseal("inbox $a", &sealed).unwrap(), b"yes");
    assert!(store.unseal("inbox $b", &sealed).is_err());
    for changed in 0..sealed.len() {
        let mut changed_one = sealed.clone();
        changed_one[changed] ^= 1;
        assert!(store.unseal("inbox $a", &changed_one).is_err(), "byte {changed}");
    }
    assert!(store.unseal("inbox $a", &sealed[..10]).is_err());
}

#[test]
fn a_newer_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    opened(directory.path())
        .with(|database| Ok(database.pragma_update(None, "user_version", 1000)?))
        .unwrap();
    let error = Store::open(&directory.path().join("matrixd.db"), &KEY).err().unwrap();
    assert!(matches!(error, StoreError::Newer { version: 1000, .. }), "{error}");
}

#[test]
fn what_is_not_committed_did_not_happen() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let failed: Result<(), _> = store.transact(|database| {
        store.keep_in(database, "half", b"done")?;
        Err(StoreError::WrongKey)
    });
    assert!(failed.is_err());
    assert_eq!(store.kept("half").unwrap(), None);
    let clone = store.clone();
    let panicked = std::thread::spawn(move || {
        clone.transact(|database| -> Result<(), StoreError> {
            clone.keep_in(database, "half", b"done")?;
            panic!("in the middle")
        })
    });
    assert!(panicked.join().is_err());
    assert_eq!(store.kept("half").unwrap(), None);
}

#[test]
fn a_session_is_known_by_its_place_and_a_place_by_its_session() {
    let directory = tempfile::tempdir().unwrap();
    let places = Places::new(opened(directory.path()));
    let main = Place { room: room(1), thread: None };
    let thread = Place { room: room(1), thread: Some(testing::event(1)) };
    let names = [places.used(&main, 1).unwrap(), places.used(&thread, 2).unwrap()];
    assert_eq!(names[0].len(), 14);
    assert!(names[1].starts_with(&format!("{}-", names[0])));
    assert_eq!(places.used(&main, 3).unwrap(), names[0]);
    let places = Places::new(opened(directory.path()));
    assert_eq!(places.of(&names[0]).unwrap().as_ref(), Some(&main));
    assert_eq!(places.of(&names[1]).unwrap().as_ref(), Some(&thread));
    assert_eq!(places.of("m-000000000000").unwrap(), None);
    assert_eq!(places.of_room(&room(1)).unwrap(), [main, thread]);
}

#[test]
fn two_places_never_share_a_session() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let places = Places::new(store.clone());
    let place = Place { room: room(1), thread: None };
    let name = places.used(&place, 1).unwrap();
    // As if somebody had found another room whose digest begins alike.
    store.with(|database| Ok(database.execute("UPDATE place SET room = '!other:home.org'", [])?)).unwrap();
    let error = places.used(&place, 2).unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
}

#[test]
fn what_must_not_happen_twice_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let waits = || -> i64 {
        store
            .with(|database| Ok(database.pragma_query_value(None, "synchronous", |row| row.get(0))?))
            .unwrap()
    };
    assert_eq!(waits(), 2);
    store.transact_lightly(|_| Ok(())).unwrap();
    assert_eq!(waits(), 2);
    let failed: Result<(), _> = store.transact_lightly(|_| Err(StoreError::WrongKey));
    assert!(failed.is_err());
    assert_eq!(waits(), 2);
}
