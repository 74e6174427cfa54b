//! Somebody with the files in hand changes the record behind the daemon's back, and the next start finds it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may stop at the first surprise")]

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use testudo::record::{Entry, Verification};
use testudo_auditd::archive::{Archive, Filter};
use testudo_auditd::error::StoreError;
use testudo_auditd::store::{self, Draft, Store};
use testudo_auditd::walk::{CHAIN_BROKEN, Expected};
use testudo_auditd::{chain, head};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 250_000_000);

fn drafts(count: usize) -> Vec<Draft> {
    let entry = |n| Entry::new("call.decided").session("main").call("c-1", "fs.read").with("n", n);
    (0..count).map(|n| Draft { writer: "toold", entry: entry(n) }).collect()
}

fn open(directory: &Path) -> (Store, Verification) {
    Store::open(directory, NOW).unwrap()
}

/// A closed record with ten entries.
fn ten() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, verification) = open(directory.path());
    assert!(verification.ok, "{verification:?}");
    assert_eq!(store.append(drafts(10), NOW).unwrap(), (1..=10).collect::<Vec<_>>());
    directory
}

fn archive(directory: &Path) -> Archive {
    Archive::at(&directory.join(store::FILE))
}

fn verify(store: &Store, directory: &Path) -> Verification {
    archive(directory).verify(Expected::AtLeast(store.tip().clone())).unwrap().verification
}

/// What somebody with the database in hand does first.
fn meddle(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join(store::FILE)).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER record_is_never_changed; DROP TRIGGER record_is_never_removed;
             DROP TRIGGER record_is_only_appended",
        )
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

fn breaks(directory: &Path) -> Vec<serde_json::Value> {
    let filter = Filter { event: Some(CHAIN_BROKEN.into()), ..Filter::default() };
    let records = archive(directory).log(0, 100, &filter).unwrap();
    records.into_iter().map(|record| record.detail["first_bad"].clone()).collect()
}

#[test]
fn an_untouched_record_verifies_and_goes_on() {
    let directory = ten();
    let (mut store, verification) = open(directory.path());
    assert_eq!((verification.ok, verification.records), (true, 10));
    assert_eq!(&verification.head, &store.tip().hash);
    assert_eq!(store.append(drafts(2), NOW).unwrap(), [11, 12]);
    assert!(verify(&store, directory.path()).ok);
    let record = archive(directory.path()).show(11).unwrap().unwrap();
    assert_eq!(record.time, "2026-01-01T00:00:00.250Z");
    assert_eq!(chain::hash(&record).unwrap(), record.hash);
    assert_eq!(record.previous, verification.head);
}

#[test]
fn what_somebody_did_to_the_table_is_found_written_down_once_and_reported_for_ever() {
    let cases = [
        ("changed", "UPDATE record SET decision = 'allowed' WHERE seq = 5", 5),
        ("another detail", "UPDATE record SET detail = '{\"n\":7}' WHERE seq = 5", 5),
        ("another spelling", "UPDATE record SET detail = '{\"n\": 4}' WHERE seq = 5", 5),
        ("bytes that are no text", "UPDATE record SET session = CAST(x'ff' AS TEXT) WHERE seq = 5", 5),
        ("removed", "DELETE FROM record WHERE seq = 5", 5),
        ("the first removed", "DELETE FROM record WHERE seq = 1", 1),
        (
            "swapped",
            "UPDATE record SET seq = 100 WHERE seq = 4; UPDATE record SET seq = 4 WHERE seq = 6;
             UPDATE record SET seq = 6 WHERE seq = 100",
            4,
        ),
        (
            "inserted",
            "UPDATE record SET seq = -seq WHERE seq > 4; UPDATE record SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO record SELECT 5, time, writer, event, session, call, tool, decision, detail, previous, hash
             FROM record WHERE seq = 4",
            5,
        ),
        ("cut", "DELETE FROM record WHERE seq > 7", 8),
        ("emptied", "DELETE FROM record", 1),
        ("dropped", "DROP TABLE record; PRAGMA user_version = 0", 1),
    ];
    for (name, sql, first_bad) in cases {
        let directory = ten();
        let sql = sql
            .replace("seq = -seq", "seq = seq + 1000")
            .replace("1 - seq WHERE seq < 0", "seq - 999 WHERE seq > 1000");
        meddle(directory.path(), &sql);
        let (mut store, found) = open(directory.path());
        assert_eq!((found.ok, found.first_bad), (false, Some(first_bad)), "{name}: {found:?}");
        assert!(found.problem.is_some(), "{name}");
        assert_eq!(breaks(directory.path()), [first_bad], "{name}");

        // Recording goes on, and neither that nor another start makes it good again.
        store.append(drafts(20), NOW).unwrap();
        assert_eq!(verify(&store, directory.path()).first_bad, Some(first_bad), "{name}");
        drop(store);
        let (store, again) = open(directory.path());
        assert_eq!(again.first_bad, Some(first_bad), "{name}");
        assert_eq!(verify(&store, directory.path()).first_bad, Some(first_bad), "{name}");
        assert_eq!(breaks(directory.path()), [first_bad], "{name}");
    }
}

#[test]
fn a_lost_database_is_found_by_the_head_beside_it() {
    let directory = ten();
    for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let _ = fs::remove_file(directory.path().join(file));
    }
    let (store, found) = open(directory.path());
    assert_eq!(found.first_bad, Some(1));
    assert!(found.problem.unwrap().contains("10 records had been acknowledged"));
    assert_eq!(verify(&store, directory.path()).first_bad, Some(1));
    let told = archive(directory.path()).show(1).unwrap().unwrap();
    assert_eq!((told.event.as_str(), &told.detail["acknowledged"]), (CHAIN_BROKEN, &10.into()));
}

#[test]
fn a_lost_or_damaged_head_is_found_and_a_head_that_is_behind_is_not_a_break() {
    let directory = ten();
    let path = directory.path().join(head::FILE);
    let old = fs::read(&path).unwrap();
    drop(open(directory.path()).0.append(drafts(3), NOW).unwrap());
    fs::write(&path, old).unwrap();
    assert!(open(directory.path()).1.ok);

    fs::remove_file(&path).unwrap();
    assert_eq!(open(directory.path()).1.first_bad, Some(14));
    assert_eq!(open(directory.path()).1.first_bad, Some(14));

    let directory = ten();
    fs::write(directory.path().join(head::FILE), "nonsense").unwrap();
    assert_eq!(open(directory.path()).1.first_bad, Some(11));
}

#[test]
fn meddling_under_the_running_daemon_is_found_by_verifying_and_written_down_by_the_next_append() {
    let cases = [
        ("cut", "DELETE FROM record WHERE seq > 7", 8),
        ("the last changed", "UPDATE record SET hash = previous WHERE seq = 10", 10),
        (
            "added",
            "INSERT INTO record SELECT 11, time, writer, event, session, call, tool, decision, detail, hash, hash
             FROM record WHERE seq = 10",
            11,
        ),
    ];
    for (name, sql, first_bad) in cases {
        let directory = ten();
        let (mut store, _) = open(directory.path());
        meddle(directory.path(), sql);
        assert_eq!(verify(&store, directory.path()).first_bad, Some(first_bad), "{name}");
        store.append(drafts(1), NOW).unwrap();
        assert_eq!(breaks(directory.path()), [first_bad], "{name}");
        store.append(drafts(1), NOW).unwrap();
        assert_eq!(breaks(directory.path()), [first_bad], "{name}");
        drop(store);
        assert_eq!(open(directory.path()).1.first_bad, Some(first_bad), "{name}");
    }
}

#[test]
fn a_database_that_is_moved_away_takes_no_more_records() {
    let directory = ten();
    let (mut store, _) = open(directory.path());
    let path = directory.path().join(store::FILE);
    fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    let error = store.append(drafts(1), NOW).unwrap_err();
    assert!(matches!(error, StoreError::Moved(_)), "{error}");
    assert_eq!(verify(&store, directory.path()).first_bad, Some(1));
    fs::write(&path, "").unwrap();
    assert!(matches!(store.append(drafts(1), NOW), Err(StoreError::Moved(_))));
    assert_eq!(verify(&store, directory.path()).first_bad, Some(1));
}

#[test]
fn a_file_that_is_no_database_is_refused_with_the_remedy() {
    let directory = ten();
    let path = directory.path().join(store::FILE);
    fs::write(&path, "this is not a database, and long enough for SQLite to see it".repeat(100)).unwrap();
    let error = Store::open(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("Move this file away"), "{text}");
    // So is a database in which somebody dropped the table. And the remedy works.
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    assert!(matches!(Store::open(directory.path(), NOW), Err(StoreError::Damaged { .. })));
    fs::remove_file(&path).unwrap();
    assert_eq!(open(directory.path()).1.first_bad, Some(1));
}

#[test]
fn a_second_daemon_does_not_get_the_record() {
    let directory = ten();
    let _first = open(directory.path());
    assert!(matches!(Store::open(directory.path(), NOW), Err(StoreError::InUse(_))));
}

#[test]
fn a_page_of_garbage_in_the_database_is_a_break_that_names_where_reading_ended() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).0.append(drafts(2000), NOW).unwrap());
    let path = directory.path().join(store::FILE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let findings = archive(directory.path()).verify(Expected::Unknown("not asked".into())).unwrap();
    let first_bad = findings.verification.first_bad.unwrap();
    assert!((2..2000).contains(&first_bad), "{findings:?}");
    assert!(findings.verification.problem.unwrap().contains("cannot be read beyond"));
}
