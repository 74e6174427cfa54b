//! The record: whoever changes it behind `auditd`'s back is found out.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use testudo_tests::{Scene, text};

/// Opens the log as an intruder with the user of `auditd` would, and disarms its triggers.
fn intrude(database: &Path) -> Connection {
    let log = Connection::open(database).unwrap();
    let triggers: Vec<String> = log
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!triggers.is_empty(), "the log arms itself against changes");
    for trigger in triggers {
        log.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    log
}

/// A scene with a few calls in its record, and the path of the log.
fn recorded() -> (Scene, PathBuf) {
    let scene = Scene::start();
    for _ in 0..3 {
        assert_eq!(scene.ctl(&["call", "echo", r#"{"text":"x"}"#]).status, 0);
    }
    let verified = scene.ctl(&["audit", "verify", "--json"]);
    assert_eq!((verified.status, verified.json()["ok"].as_bool()), (0, Some(true)), "{verified:?}");
    let database = find(scene.appliance.state_dir(), "audit.db").expect("there is a log");
    (scene, database)
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

/// What the operator sees after `tamper`, while `auditd` runs and after it was started again.
fn found_out(what: &str, first_bad: u64, tamper: impl Fn(&Connection)) {
    let (scene, database) = recorded();
    tamper(&intrude(&database));
    for restarted in [false, true] {
        if restarted {
            scene.appliance.restart_unit("auditd").unwrap();
            let status = scene.appliance.status_of("auditd").unwrap().status_text;
            assert!(status.contains("BROKEN"), "{what}: {status}");
        }
        let verified = scene.ctl(&["audit", "verify", "--json"]);
        assert_eq!(verified.status, 1, "{what}, restarted: {restarted}: {verified:?}");
        let answer = verified.json();
        assert_eq!(answer["ok"], false, "{what}: {answer}");
        assert_eq!(answer["first_bad"], first_bad, "{what}, restarted: {restarted}: {answer}");
    }
    assert_eq!(scene.ctl(&["call", "echo", r#"{"text":"x"}"#]).status, 0, "recording goes on after {what}");
}

#[test]
fn a_changed_record_is_found() {
    found_out("a change", 3, |log| {
        log.execute("UPDATE record SET tool = 'fs.read' WHERE seq = 3", []).unwrap();
    });
}

#[test]
fn a_removed_record_is_found() {
    found_out("a removal", 3, |log| {
        log.execute("DELETE FROM record WHERE seq = 3", []).unwrap();
    });
}

#[test]
fn reordered_records_are_found() {
    found_out("a swap", 3, |log| {
        log.execute_batch(
            "UPDATE record SET seq = 1000003 WHERE seq = 3;
             UPDATE record SET seq = 3 WHERE seq = 4;
             UPDATE record SET seq = 4 WHERE seq = 1000003;",
        )
        .unwrap();
    });
}

#[test]
fn a_cut_tail_is_found() {
    found_out("a cut", 5, |log| {
        log.execute("DELETE FROM record WHERE seq >= 5", []).unwrap();
    });
}

#[test]
fn who_wrote_is_taken_from_the_bus() {
    let scene = Scene::start();
    let forged = r#"s:{"event":"call.finished","writer":"policyd"}"#;
    let said = scene.as_user("testudo-toold", "Audit1", "Append", &[forged, "o:"]);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    let said = scene.as_user("testudo-toold", "Audit1", "Append", &[r#"s:{"event":"probe.forged"}"#, "o:"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(scene.recorded("probe.forged", |record| text(record, "writer") == "toold"));
}
