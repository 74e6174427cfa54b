//! An apply runner that dies in the middle of an approved application, and more sessions than there are sandboxes:
//! the record and the workspace agree, and nobody is left out.

use nix::sys::signal::Signal;
use serde_json::json;
use testudo_tests::{Scene, ablated, text, wait};

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

/// At every single step, deterministically: the harness ends the runner by SIGKILL before the step that a file names.
#[test]
fn a_kill_at_every_step_leaves_all_of_it_once_in_workspace_history_and_record() {
    let scene = Scene::with(|plan| ablated(plan, "apply", "step"));
    let mut killed = 0;
    for step in 0.. {
        scene.put(&format!("m{step}"), "moves\n");
        scene.put(".testudo/end-after", &step.to_string());
        let command = format!("mkdir d{step}; echo x > d{step}/a; mv m{step} d{step}/m; echo {step} >> log");
        let call = scene.call_start("shell.run", &json!({ "command": command }));
        scene.approve(&scene.next_approval(&[]));
        let said = call.finish().json();
        let survived = scene.file(".testudo/end-after").is_some();
        assert_eq!(said["error"], json!(null), "step {step}: {said}");
        assert_eq!(scene.file(&format!("d{step}/m")).unwrap(), b"moves\n", "step {step}");
        assert_eq!(
            (scene.file(&format!("m{step}")), scene.file(&format!("d{step}/a")).is_some()),
            (None, true)
        );
        let log = String::from_utf8(scene.file("log").unwrap()).unwrap();
        let expected = (0..=step).map(|number| number.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        assert_eq!(log, expected, "step {step}: each once");
        let history = scene.ctl(&["history", "--limit", "500", "--json"]).json();
        assert_eq!(history.as_array().unwrap().len(), step + 1, "step {step}: one commit each");
        let story = scene.story(&text(&said, "call"));
        assert_eq!(story.iter().filter(|event| *event == "change.applied").count(), 1, "{story:?}");
        if survived {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 15, "{killed} steps");
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
