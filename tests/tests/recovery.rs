//! An apply runner that dies in the middle of an approved application, and more sessions than there are sandboxes:
//! the record and the workspace agree, and nobody is left out.

use nix::sys::signal::Signal;
use serde_json::json;
use testudo_tests::{Scene, text, wait};

/// Enough entries for a kill to fall into the middle.
const ENTRIES: usize = 900;

#[test]
fn a_killed_application_is_recorded_as_what_became_of_it() {
    let scene = Scene::start();
    let command =
        format!("mkdir many; i=0; while [ $i -lt {ENTRIES} ]; do echo $i > many/$i; i=$((i+1)); done");
    let call = scene.call_start("shell.run", &json!({ "command": command }));
    scene.approve(&scene.next_approval(&[]));
    let many = scene.appliance.workspace().join("many");
    wait("the first of the changes", || many.exists().then_some(()));
    scene.appliance.signal_instances("apply", Signal::SIGKILL).unwrap();
    let said = call.finish();

    let there = std::fs::read_dir(&many).map_or(0, Iterator::count);
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(there, ENTRIES, "what was committed is completed");
    let story = scene.story(&text(&said.json(), "call"));
    assert_eq!(story.iter().filter(|event| *event == "change.applied").count(), 1, "{story:?}");
    assert!(!story.iter().any(|event| event == "call.refused"), "{story:?}");
    assert!(scene.appliance.log("toold").contains("was interrupted"), "the kill came in time");
}

#[test]
fn more_sessions_than_sandboxes_are_all_served() {
    let scene = Scene::start();
    scene.put("a.txt", "here\n");
    for number in 0..70 {
        let session = format!("s{number}");
        let said = scene.ctl(&["call", "fs.exists", r#"{"path":"a.txt"}"#, "--session", &session, "--json"]);
        assert_eq!(said.json()["error"], json!(null), "session {number}: {said:?}");
    }
}
