//! Guards that lost what they keep, and the table of all guards' failures, which names a test in every row.

use std::path::Path;

use serde_json::json;
use testudo_tests::{Scene, repository, wait};

/// Where `policyd` keeps things, with what each of them is for.
const STORES: [&str; 3] = ["approvals.db", "sessions.db", "sentinel.db"];

#[test]
fn without_its_stores_policyd_decides_nothing() {
    for store in STORES {
        let scene = Scene::start();
        assert_eq!(scene.call("echo", &json!({ "text": "before" }))["verdict"], "allow");
        let folder = scene.appliance.state_dir().join("lib/policyd");
        for name in [store.to_owned(), format!("{store}-wal"), format!("{store}-shm")] {
            let path = folder.join(name);
            if path.exists() {
                std::fs::write(&path, vec![0x5a; 8192]).unwrap();
            }
        }
        scene.appliance.kill9("policyd").unwrap();
        // It is started again, and again, and says why it does not run.
        let says = || scene.appliance.log("policyd").contains("not a database").then_some(());
        wait("the refusal to start", says);
        let refused = scene.call("echo", &json!({ "text": "after" }));
        assert_eq!(refused["error"]["code"], "PLUGIN_UNAVAILABLE", "{store}: {refused}");
        assert_eq!(refused["error"]["stage"], 5, "{store}: {refused}");
    }
}

#[test]
fn a_store_that_breaks_under_way_refuses() {
    for (store, table) in [("sessions.db", "entry"), ("sentinel.db", "event")] {
        let scene = Scene::start();
        let path = scene.appliance.state_dir().join("lib/policyd").join(store);
        wait("the store", || path.exists().then_some(()));
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch(&format!("DROP TABLE {table}")).unwrap();
        let refused = scene.call("echo", &json!({ "text": "after" }));
        assert_eq!(refused["error"]["code"], "PLUGIN_UNAVAILABLE", "{store}: {refused}");
    }
}

#[test]
fn every_row_of_the_table_names_a_test_that_exists() {
    let table = std::fs::read_to_string(repository().join("docs/policy/failures.md")).unwrap();
    let rows: Vec<&str> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| guard")).collect();
    assert!(rows.len() > 30, "the table has lost its rows");
    for row in rows {
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect();
        assert!(!named.is_empty(), "no test in: {row}");
        for name in named {
            let (file, function) = name.rsplit_once("::").unwrap();
            assert!(exists(repository(), file, function), "there is no test {name}: {row}");
        }
    }
}

/// Whether a file whose path ends like this has such a test.
fn exists(folder: &Path, file: &str, function: &str) -> bool {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (sync, later) = (format!("#[test]\nfn {function}("), format!("async fn {function}("));
    let indented = format!("#[test]\n    fn {function}(");
    text.contains(&sync) || text.contains(&later) || text.contains(&indented)
}
