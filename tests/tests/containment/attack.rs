//! How an attack is made, and how what stops it is taken out. Attacks that are one program are lines of
//! `tests/attacks/table` instead; these look at the machine from outside while they run.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_appliance::Plan;
use testudo_tests::attacks::control::take_out;
use testudo_tests::{Scene, Started, wait};

pub(crate) use testudo_tests::attacks::Control;

/// A control of the runner or its unit, by its name.
pub(crate) fn control(name: &str) -> Control {
    Control::of_name(name).expect("there is such a control")
}

/// What an attack says when it succeeded; put together so that an echoed command does not say it.
const DONE: &str = "attack-done";

/// A shell script that ends with `@DONE` on success, run in a session of its own.
pub(crate) struct Attack {
    script: String,
}

impl Attack {
    pub(crate) fn new(script: impl Into<String>) -> Self {
        Self { script: script.into() }
    }

    /// Shows that each of these controls stops it, and that nothing else does.
    pub(crate) fn stopped_by(&self, controls: &[&str]) {
        let controls: Vec<Control> = controls.iter().map(|name| control(name)).collect();
        let (done, answer) = self.make(&[]);
        assert!(!done, "not stopped: {}\n{answer}", self.script);
        for alone in controls.iter().filter(|_| controls.len() > 1) {
            let others: Vec<Control> = controls.iter().copied().filter(|control| control != alone).collect();
            let (done, answer) = self.make(&others);
            assert!(!done, "not stopped by {alone:?} alone: {}\n{answer}", self.script);
        }
        let (done, answer) = self.make(&controls);
        assert!(done, "stopped without {controls:?}: {}\n{answer}", self.script);
    }

    fn make(&self, missing: &[Control]) -> (bool, Value) {
        let (scene, _units) = scene_without(missing, |_| {});
        let before = scene.pids();
        let answer = scene.shell(&self.script.replace("@DONE", "echo attack-''done"));
        unharmed(&scene, &before);
        (answer["stdout"].as_str().is_some_and(|stdout| stdout.contains(DONE)), answer)
    }
}

/// An appliance without some controls; the folder is its units.
pub(crate) fn scene_without(missing: &[Control], change: impl FnOnce(&mut Plan)) -> (Scene, Option<TempDir>) {
    let mut units = None;
    let scene = Scene::with(|plan| {
        units = take_out(plan, missing);
        change(plan);
    });
    (scene, units)
}

/// A call of another session that has done `command` and then sleeps until the appliance ends.
pub(crate) fn neighbour(scene: &Scene, command: &str) -> Started {
    let arguments = json!({ "command": format!("{command}\ntouch sleeping\nexec sleep 1000") }).to_string();
    let call = scene.ctl_start(&["call", "shell.run", &arguments, "--session", "neighbour", "--json"]);
    wait("the neighbour", || uppers(scene).into_iter().find(|upper| upper.join("sleeping").exists()));
    call
}

/// What running calls wrote so far, as seen from outside.
fn uppers(scene: &Scene) -> Vec<PathBuf> {
    let instances = scene.appliance.instances("sandbox").expect("the supervisor answers");
    let scratches = instances.into_iter().flat_map(|pid| {
        ["run/scratch", "var/tmp"].map(|place| PathBuf::from(format!("/proc/{pid}/root/{place}")))
    });
    let calls = scratches.filter_map(|scratch| fs::read_dir(scratch).ok()).flatten().flatten();
    calls.map(|call| call.path().join("upper")).collect()
}

/// The daemons are the same processes as before and still do their work, in the session of the attack too.
pub(crate) fn unharmed(scene: &Scene, before: &[i32]) {
    assert_eq!(
        scene.call("echo", &json!({ "text": "still here" }))["result"]["content"]["text"],
        "still here"
    );
    assert_eq!(scene.pids(), before, "no daemon was restarted");
    let verified = scene.ctl(&["audit", "verify", "--json"]);
    assert_eq!(verified.json()["ok"], true, "{verified:?}");
}
