//! How an attack is made, and how what stops it is taken out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_appliance::Plan;
use testudo_tests::{Scene, Started, ablated, repository, wait};

/// Something that stands between a call and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// A layer of the runner.
    Layer(&'static str),
    /// Text of `testudo-sandbox@.service`, with what it is replaced by.
    Unit(&'static [(&'static str, &'static str)]),
}

use Control::{Layer, Unit};

pub(crate) const OWN_ROOT: Control = Layer("own-root");
pub(crate) const READ_ONLY_ROOT: Control = Layer("read-only-root");
pub(crate) const PROPOSALS: Control = Layer("proposals");
pub(crate) const PID_NAMESPACE: Control = Layer("pid-namespace");
pub(crate) const EMPTY_NETWORK: Control = Layer("empty-network");
pub(crate) const LANDLOCK: Control = Layer("landlock");
pub(crate) const SECCOMP: Control = Layer("seccomp");
pub(crate) const RESOURCE_LIMITS: Control = Layer("resource-limits");
pub(crate) const OUTPUT_LIMIT: Control = Layer("output-limit");
pub(crate) const WALL_LIMIT: Control = Layer("wall-limit");
pub(crate) const SCRATCH_ISOLATION: Control = Layer("scratch-isolation");

/// The instance's group; without, the one that may read `/etc/shadow`.
pub(crate) const NOT_SHADOW: Control = Unit(&[("Group=testudo-work\n", "Group=shadow\n")]);
/// The instance's user; without, that of the daemon that keeps the record.
pub(crate) const NOT_AUDITD: Control = Unit(&[("=testudo-work\n", "=testudo-auditd\n")]);
pub(crate) const READ_ONLY_SYSTEM: Control = Unit(&[("ProtectSystem=strict\n", "")]);
/// The instance's `/run` is its own and empty.
pub(crate) const OWN_RUN: Control = Unit(&[("TemporaryFileSystem=/run\n", "")]);
/// The instance's scratch is its own; without, all instances share a directory of the host, in which the number of
/// the process keeps them apart.
pub(crate) const OWN_SCRATCH: Control = Unit(&[
    ("--scratch /run/scratch", "--scratch /var/tmp"),
    ("ProtectSystem=strict\n", ""),
    ("PrivatePIDs=yes\n", ""),
]);
/// The instance only reads the workspace.
pub(crate) const READ_ONLY_WORKSPACE: Control = Unit(&[("BindReadOnlyPaths=/var/lib", "BindPaths=/var/lib")]);
pub(crate) const OWN_PROCESSES: Control = Unit(&[("PrivatePIDs=yes\n", "")]);
/// In the instance's `/proc`, processes of others are not there.
pub(crate) const HIDDEN_PROCESSES: Control =
    Unit(&[("ProtectProc=invisible\n", ""), ("ProcSubset=pid\n", "")]);
pub(crate) const OWN_NETWORK: Control = Unit(&[("PrivateNetwork=yes\n", "")]);

/// What an attack says when it succeeded; put together so that an echoed command does not say it.
const DONE: &str = "attack-done";

/// A shell script that ends with `@DONE` on success, run in a session of its own.
pub(crate) struct Attack {
    script: String,
    plan: fn(&mut Plan),
    neighbour: Option<String>,
}

impl Attack {
    pub(crate) fn new(script: impl Into<String>) -> Self {
        Self { script: script.into(), plan: |_| {}, neighbour: None }
    }

    /// On an appliance with other settings.
    pub(crate) fn on(mut self, plan: fn(&mut Plan)) -> Self {
        self.plan = plan;
        self
    }

    /// While a call of another session has run this and sleeps.
    pub(crate) fn beside(mut self, command: &str) -> Self {
        self.neighbour = Some(command.to_owned());
        self
    }

    /// Shows that each of these controls stops it, and that nothing else does.
    pub(crate) fn stopped_by(&self, controls: &[Control]) {
        let (done, answer) = self.make(&[]);
        assert!(!done, "not stopped: {}\n{answer}", self.script);
        for alone in controls.iter().filter(|_| controls.len() > 1) {
            let others: Vec<Control> = controls.iter().copied().filter(|control| control != alone).collect();
            let (done, answer) = self.make(&others);
            assert!(!done, "not stopped by {alone:?} alone: {}\n{answer}", self.script);
        }
        let (done, answer) = self.make(controls);
        assert!(done, "stopped without {controls:?}: {}\n{answer}", self.script);
    }

    fn make(&self, missing: &[Control]) -> (bool, Value) {
        let (scene, _units) = scene_without(missing, self.plan);
        if missing.contains(&NOT_AUDITD) {
            // Another user cannot even enter the workspace, and no call begins without it.
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(scene.appliance.workspace(), open).expect("root may change modes");
        }
        let neighbour = self.neighbour.as_ref().map(|command| neighbour(&scene, command));
        let before = scene.pids();
        let answer = scene.shell(&self.script.replace("@DONE", "echo attack-''done"));
        unharmed(&scene, &before);
        drop(scene);
        if let Some(neighbour) = neighbour {
            neighbour.finish();
        }
        (answer["stdout"].as_str().is_some_and(|stdout| stdout.contains(DONE)), answer)
    }
}

/// An appliance without some controls; the folder is its units.
pub(crate) fn scene_without(missing: &[Control], change: impl FnOnce(&mut Plan)) -> (Scene, Option<TempDir>) {
    let mut layers = Vec::new();
    let mut edits = Vec::new();
    for control in missing {
        match control {
            Layer(name) => layers.push(*name),
            Unit(text) => edits.extend_from_slice(text),
        }
    }
    let mut units = None;
    let scene = Scene::with(|plan| {
        if !layers.is_empty() {
            ablated(plan, "sandbox", &layers.join(","));
        }
        if !edits.is_empty() {
            units = Some(edited_units(plan, &edits));
        }
        change(plan);
    });
    (scene, units)
}

/// Starts the appliance from a copy of the units in which the sandbox's is changed.
fn edited_units(plan: &mut Plan, edits: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::Builder::new().prefix("testudo-units-").tempdir_in("/var/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    copy(&repository().join("units"), folder.path());
    let unit = folder.path().join("system/testudo-sandbox@.service");
    let mut text = fs::read_to_string(&unit).expect("the unit is there");
    for (old, new) in edits {
        // Two controls may share a directive; then it is gone already.
        assert!(
            text.contains(old) || edits.iter().filter(|(other, _)| other == old).count() > 1,
            "no {old:?}"
        );
        text = text.replace(old, new);
    }
    fs::write(&unit, text).expect("it is ours");
    plan.visible.push(folder.path().to_path_buf());
    plan.units = folder.path().to_path_buf();
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the units are there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("it is ours");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("it is ours");
        }
    }
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
