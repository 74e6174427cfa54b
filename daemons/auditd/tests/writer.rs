//! The writing thread: acknowledged means durable, refused means not there, and nothing in between.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use testudo::fault::Fault;
use testudo::identity::Daemon;
use testudo::record::Entry;
use testudo_auditd::archive::{Archive, Filter};
use testudo_auditd::service::Audit;
use testudo_auditd::store::{self, Store};
use testudo_auditd::walk::Expected;
use testudo_auditd::writer::Writer;
use tokio::task::JoinSet;

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

fn start(directory: &Path) -> (Writer, std::thread::JoinHandle<()>) {
    let (store, verification) = Store::open(directory, NOW).unwrap();
    assert!(verification.ok, "{verification:?}");
    Writer::start(store, Box::new(|| NOW)).unwrap()
}

fn archive(directory: &Path) -> Archive {
    Archive::at(&directory.join(store::FILE))
}

#[tokio::test]
async fn what_many_append_at_once_gets_sequences_without_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    let mut callers = JoinSet::new();
    for n in 0..600 {
        let writer = writer.clone();
        callers.spawn(async move { writer.append("toold", Entry::new("x").with("n", n)).await.unwrap() });
    }
    let mut sequences = callers.join_all().await;
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=600).collect::<Vec<_>>());
    let found = archive(directory.path()).verify(Expected::AtLeast(writer.tip())).unwrap().verification;
    assert_eq!((found.ok, found.records), (true, 600));
}

/// The database as it lies on the disk at this moment is what a `kill -9` leaves behind.
#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_sudden_end() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    for n in 1..=50 {
        assert_eq!(writer.append("toold", Entry::new("x")).await.unwrap(), n);
    }
    let after = tempfile::tempdir().unwrap();
    for file in ["audit.db", "audit.db-wal", "head"] {
        std::fs::copy(directory.path().join(file), after.path().join(file)).unwrap();
    }
    let (_, verification) = Store::open(after.path(), NOW).unwrap();
    assert_eq!((verification.ok, verification.records), (true, 50));
}

#[tokio::test]
async fn stopping_keeps_what_waits_and_notes_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, thread) = start(directory.path());
    let mut answers = JoinSet::new();
    for _ in 0..100 {
        let writer = writer.clone();
        answers.spawn(async move { writer.append("toold", Entry::new("x")).await });
    }
    // This runtime has one thread and runs its tasks in turn: after this each of them has queued its record.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    writer.stop().await;
    thread.join().unwrap();
    let mut kept: Vec<u64> = answers.join_all().await.into_iter().map(Result::unwrap).collect();
    kept.sort_unstable();
    assert_eq!(kept, (1..=100).collect::<Vec<_>>());
    assert!(matches!(writer.append("toold", Entry::new("late")).await, Err(Fault::Unavailable(_))));
    assert!(!writer.is_alive().await);
    let records = archive(directory.path()).log(0, 1000, &Filter::default()).unwrap();
    assert_eq!(records.len(), 101);
    let last = records.last().unwrap();
    assert_eq!((last.event.as_str(), last.writer.as_str()), ("audit.stopped", "auditd"));
    let (_, verification) = Store::open(directory.path(), NOW).unwrap();
    assert!(verification.ok);
}

#[tokio::test]
async fn a_database_that_another_process_locks_refuses_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    writer.append("toold", Entry::new("x")).await.unwrap();
    let other = Connection::open(directory.path().join(store::FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(writer.append("toold", Entry::new("x")).await, Err(Fault::Unavailable(_))));
    assert!(writer.is_alive().await);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.append("toold", Entry::new("x")).await.unwrap(), 2);
}

#[tokio::test]
async fn it_is_not_alive_without_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    assert!(writer.is_alive().await);
    std::fs::remove_file(directory.path().join(store::FILE)).unwrap();
    assert!(!writer.is_alive().await);
}

#[tokio::test]
async fn too_much_at_once_is_busy_and_room_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    let most: Vec<_> = (0..2).map(|_| writer.room(1024 * 1024).unwrap()).collect();
    assert!(matches!(writer.room(1), Err(Fault::Busy(_))));
    drop(most);
    assert!(writer.room(1).is_ok());
}

#[tokio::test]
async fn a_record_is_checked_before_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    let audit = Audit::new(writer, archive(directory.path()));
    let keep = async |record: &str| audit.keep(Daemon::Policyd, record).await;
    let long = format!(r#"{{"event":"x","session":"{}"}}"#, "x".repeat(100 * 1024 + 1));
    let deep = format!(r#"{{"event":"x","detail":{{"a":{}1{}}}}}"#, "[".repeat(70), "]".repeat(70));
    for (record, name) in [
        ("", "InvalidArgument"),
        ("[]", "InvalidArgument"),
        ("{}", "InvalidArgument"),
        (r#"{"event":""}"#, "InvalidArgument"),
        (r#"{"event":"Call"}"#, "InvalidArgument"),
        (r#"{"event":"a b"}"#, "InvalidArgument"),
        (r#"{"event":"x","writer":"auditd"}"#, "InvalidArgument"),
        (r#"{"event":"x","seq":1}"#, "InvalidArgument"),
        (r#"{"event":"x","detail":[]}"#, "InvalidArgument"),
        (r#"{"event":"x","detail":{"a":1e999}}"#, "InvalidArgument"),
        (&format!(r#"{{"event":"{}"}}"#, "x".repeat(65)), "InvalidArgument"),
        (&long, "TooLarge"),
        (&deep, "TooLarge"),
        (&" ".repeat(1024 * 1024 + 1), "TooLarge"),
    ] {
        let fault = keep(record).await.unwrap_err();
        assert!(format!("{fault:?}").starts_with(name), "{record:.80}: {fault:?}");
    }
    assert_eq!(keep(&format!(r#"{{"event":"{}"}}"#, "x".repeat(64))).await.unwrap(), 1);
    assert_eq!(keep(r#"{"event":"call.decided-2_x","detail":{"a":[1.5,null,"\u0000"]}}"#).await.unwrap(), 2);
    let record = archive(directory.path()).show(2).unwrap().unwrap();
    assert_eq!(record.writer, "policyd");
}

#[tokio::test]
async fn a_long_log_is_answered_in_pieces_that_miss_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    let long = "x".repeat(90_000);
    for _ in 0..60 {
        writer.append("toold", Entry::new("x").with("long", long.as_str())).await.unwrap();
    }
    let (mut read, mut pieces) = (Vec::new(), 0);
    loop {
        let records = archive(directory.path()).log(read.len() as u64, 1000, &Filter::default()).unwrap();
        if records.is_empty() {
            break;
        }
        assert!(records.len() < 30, "{} records of 90 KB in one answer", records.len());
        pieces += 1;
        read.extend(records.into_iter().map(|record| record.seq));
    }
    assert_eq!(read, (1..=60).collect::<Vec<_>>());
    assert_eq!(pieces, 3);
}

#[tokio::test]
async fn the_log_is_filtered_and_read_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _thread) = start(directory.path());
    for n in 0..30 {
        let entry = Entry::new(if n % 3 == 0 { "a" } else { "b" });
        let entry = if n % 2 == 0 { entry.session("main") } else { entry.session("other") };
        let daemon = if n < 10 { "policyd" } else { "toold" };
        writer.append(daemon, entry.call(&format!("c-{}", n / 2), "echo")).await.unwrap();
    }
    let archive = archive(directory.path());
    let sequences = |after, limit, filter: Filter| -> Vec<u64> {
        archive.log(after, limit, &filter).unwrap().iter().map(|record| record.seq).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(sequences(0, 3, Filter::default()), [1, 2, 3]);
    assert_eq!(sequences(28, 3, Filter::default()), [29, 30]);
    assert_eq!(sequences(u64::MAX, 3, Filter::default()), [0; 0]);
    assert_eq!(sequences(0, 0, Filter::default()), [0; 0]);
    assert_eq!(sequences(0, 9, Filter { call: text("c-3"), ..Filter::default() }), [7, 8]);
    let narrow = Filter { session: text("main"), event: text("a"), writer: text("toold"), call: None };
    assert_eq!(sequences(14, 9, narrow), [19, 25]);
    assert_eq!(sequences(0, 9, Filter { session: text("' OR 1 --"), ..Filter::default() }), [0; 0]);
    assert_eq!(archive.show(31).unwrap(), None);
    assert_eq!(archive.show(u64::MAX).unwrap(), None);
}
