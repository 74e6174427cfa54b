//! `kill -9` in the middle of a call: it fails closed, nothing happens twice, everything heals, the record shows it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo_tests::{Said, Scene, Started, ablated, plan, text, wait};

fn propose(scene: &Scene) -> (Started, Value) {
    let call = scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "new\n" }));
    let approval = scene.next_approval(&[]);
    // A question can be seen before policyd has recorded it and told toold of it; only then does the call wait for it.
    wait("its record", || scene.recorded("approval.requested", |_| true).then_some(()));
    (call, approval)
}

/// A command that runs, seen from outside, and would do so for long.
fn sleeping(scene: &Scene) -> (Started, String) {
    let length = format!("83{}", std::process::id());
    let call =
        scene.call_start("shell.run", &json!({ "command": format!("echo x > left; exec sleep {length}") }));
    wait("the command", || runs(&length).then_some(()));
    (call, length)
}

fn runs(length: &str) -> bool {
    let wanted = format!("sleep\0{length}\0");
    let processes = fs::read_dir("/proc").expect("there is a /proc").flatten();
    processes
        .into_iter()
        .any(|process| fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
}

fn count(scene: &Scene, event: &str) -> usize {
    scene.log().iter().filter(|record| record["event"] == event).count()
}

/// The appliance works, its record is whole, and a write can be asked for, approved and done.
fn healed(scene: &Scene) {
    let before = count(scene, "change.applied");
    let call = scene.call_start("fs.write", &json!({ "path": "after.txt", "content": "works\n" }));
    scene.approve(&scene.next_approval(&[]));
    let said = call.finish();
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(scene.file("after.txt").as_deref(), Some(&b"works\n"[..]));
    assert_eq!(count(scene, "change.applied"), before + 1);
    let verified = scene.ctl(&["audit", "verify", "--json"]);
    assert_eq!(verified.json()["ok"], true, "{verified:?}");
}

fn yes_is_refused(scene: &Scene, approval: &Value) {
    let id = format!("s:{}", text(approval, "id"));
    let digest = format!("s:{}", text(approval, "digest"));
    let said = scene.as_user("root", "Policy1", "Approve", &[&id, &digest, "o:"]);
    assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{said:?}");
}

fn failed(said: &Said, code: &str, stage: u64) {
    let answer = said.json();
    assert_eq!(said.status, 1, "{said:?}");
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["stage"]),
        (&json!(code), &json!(stage)),
        "{answer}"
    );
}

#[test]
fn an_approval_outlives_policyd_and_is_still_good_once() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    let kept = scene.approvals();
    assert_eq!(kept.len(), 1);
    for key in ["id", "digest", "diff", "arguments", "session", "requester", "requested_at", "expires_at"] {
        assert_eq!(kept[0][key], approval[key], "{key}");
    }
    assert_eq!(scene.file("a.txt"), None);
    scene.approve(&approval);
    let said = call.finish();
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"new\n"[..]));
    yes_is_refused(&scene, &approval);
    assert_eq!(count(&scene, "change.applied"), 1);
    healed(&scene);
}

#[test]
fn a_no_after_the_restart_of_policyd_counts_too() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    failed(&call.finish(), "CONFIRMATION_DENIED", 5);
    assert_eq!(scene.file("a.txt"), None);
    healed(&scene);
}

#[test]
fn without_policyd_nothing_is_decided_and_nothing_runs() {
    let scene = Scene::start();
    let (call, length) = sleeping(&scene);
    scene.appliance.stop_unit("policyd").unwrap();
    for (tool, arguments) in [("echo", json!({ "text": "x" })), ("shell.run", json!({ "command": "true" }))] {
        let said = scene.call_start(tool, &arguments).finish();
        failed(&said, "PLUGIN_UNAVAILABLE", 5);
        assert_eq!(said.json()["error"]["retriable"], true);
    }
    assert!(runs(&length), "what was decided already goes on");
    scene.appliance.start_unit("policyd").unwrap();
    assert_eq!(count(&scene, "call.refused"), 2);
    // The session does one call after the other, so that one has to end first.
    scene.appliance.signal_instances("sandbox", Signal::SIGKILL).unwrap();
    failed(&call.finish(), "PLUGIN_UNAVAILABLE", 6);
    healed(&scene);
}

#[test]
fn toold_killed_while_a_person_is_asked() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    scene.appliance.kill9("toold").unwrap();
    let said = call.finish();
    assert_ne!(said.status, 0, "{said:?}");
    scene.appliance.wait_ready("toold").unwrap();
    wait("the withdrawal", || scene.approvals().is_empty().then_some(()));
    yes_is_refused(&scene, &approval);
    assert_eq!(scene.file("a.txt"), None);
    assert!(scene.recorded("approval.withdrawn", |record| record["detail"]["approval"] == approval["id"]));
    assert!(
        scene.recorded("call.interrupted", |record| record["detail"]["outcome"] == "nothing was applied")
    );
    assert_eq!(count(&scene, "change.applied"), 0);
    healed(&scene);
}

#[test]
fn toold_killed_while_a_command_runs() {
    let scene = Scene::start();
    let (call, length) = sleeping(&scene);
    scene.appliance.kill9("toold").unwrap();
    let said = call.finish();
    assert_ne!(said.status, 0, "{said:?}");
    wait("the end of the command", || (!runs(&length)).then_some(()));
    scene.appliance.wait_ready("toold").unwrap();
    assert!(scene.recorded("call.interrupted", |record| {
        record["tool"] == "shell.run"
            && record["detail"]["phase"] == "call"
            && record["detail"]["outcome"] == "nothing was applied"
    }));
    assert_eq!(scene.file("left"), None);
    assert_eq!(scene.approvals(), Vec::<Value>::new());
    healed(&scene);
}

#[test]
fn auditd_killed_while_a_person_is_asked() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    let before = scene.log();
    scene.appliance.kill9("auditd").unwrap();
    scene.appliance.wait_ready("auditd").unwrap();
    let after = scene.log();
    assert_eq!(after[..before.len()], before[..], "no record is lost");
    scene.approve(&approval);
    let said = call.finish();
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(count(&scene, "change.applied"), 1);
    healed(&scene);
}

#[test]
fn without_a_record_nothing_runs_and_nothing_is_approved() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    scene.appliance.stop_unit("auditd").unwrap();
    let said = scene.call_start("shell.run", &json!({ "command": "true" })).finish();
    failed(&said, "PLUGIN_UNAVAILABLE", 6);
    // The yes would have to be in the record before it counts.
    let yes = scene.ctl(&["approve", &text(&approval, "id")]);
    assert_ne!(yes.status, 0, "{yes:?}");
    assert_eq!(scene.file("a.txt"), None);
    scene.appliance.start_unit("auditd").unwrap();
    scene.approve(&approval);
    let said = call.finish();
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(count(&scene, "change.applied"), 1);
    healed(&scene);
}

#[test]
fn without_the_control_a_call_would_run_unrecorded() {
    let scene = Scene::with(|plan| ablated(plan, "toold", "record"));
    scene.appliance.stop_unit("auditd").unwrap();
    assert_eq!(scene.shell("echo unseen")["stdout"], "unseen\n");
}

#[test]
fn agentd_killed_while_its_call_waits() {
    let scene = Scene::start();
    let turn = scene.ctl_start(&["send", "--wait", "--json", "write 'x' to a.txt"]);
    let approval = scene.next_approval(&[]);
    scene.appliance.kill9("agentd").unwrap();
    let said = turn.finish();
    assert_ne!(said.status, 0, "{said:?}");
    wait("the withdrawal", || scene.approvals().is_empty().then_some(()));
    yes_is_refused(&scene, &approval);
    scene.appliance.wait_ready("agentd").unwrap();
    wait("the record of the turn", || {
        scene.recorded("turn.finished", |record| record["decision"] == "interrupted").then_some(())
    });
    assert!(scene.recorded("approval.withdrawn", |record| record["detail"]["approval"] == approval["id"]));
    assert_eq!(scene.file("a.txt"), None);
    let again = scene.ctl(&["send", "--wait", "--json", "say hello"]);
    assert_eq!(again.status, 0, "{again:?}");
    healed(&scene);
}

#[test]
fn a_killed_sandbox_fails_its_call_alone() {
    let scene = Scene::start();
    let toold = scene.appliance.pid_of("toold").unwrap();
    let (call, length) = sleeping(&scene);
    scene.appliance.signal_instances("sandbox", Signal::SIGKILL).unwrap();
    failed(&call.finish(), "PLUGIN_UNAVAILABLE", 6);
    wait("the end of the command", || (!runs(&length)).then_some(()));
    assert_eq!(scene.file("left"), None);
    assert_eq!(scene.shell("echo again")["stdout"], "again\n");
    assert_eq!(scene.appliance.pid_of("toold").unwrap(), toold);
    assert!(scene.recorded("call.refused", |record| record["detail"]["code"] == "PLUGIN_UNAVAILABLE"));
    healed(&scene);
}

/// An appliance whose apply runner is started through this shell code; `exec "$@"` is the runner.
fn scene_with_apply_runner(code: &str) -> (Scene, tempfile::TempDir) {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("apply");
    let real = plan().bin_dir.join("testudo-sandbox");
    fs::write(&program, format!("#!/bin/sh\nset -- {} \"$@\"\n{code}\nexec \"$@\"\n", real.display()))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let scene = Scene::with(|plan| {
        plan.binaries.insert("apply".into(), program.clone());
    });
    (scene, folder)
}

fn write_two(scene: &Scene) -> Started {
    scene.call_start(
        "shell.run",
        &json!({ "command": "echo small > small; head -c 200000 /dev/zero | tr '\\0' x > big" }),
    )
}

#[test]
fn an_apply_runner_that_dies_half_way_has_done_nothing() {
    // The kernel kills it (SIGXFSZ) while it writes the larger of the two files.
    let (scene, _folder) = scene_with_apply_runner("ulimit -f 100");
    let toold = scene.appliance.pid_of("toold").unwrap();
    let call = write_two(&scene);
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    failed(&call.finish(), "PLUGIN_UNAVAILABLE", 6);
    assert_eq!((scene.file("small"), scene.file("big")), (None, None));
    assert_eq!(count(&scene, "change.applied"), 0);
    assert_eq!(scene.appliance.pid_of("toold").unwrap(), toold);
    yes_is_refused(&scene, &approval);
    healed(&scene);
    assert_eq!((scene.file("small"), scene.file("big")), (None, None), "recovery discards it");
}

#[test]
fn toold_killed_while_changes_are_applied() {
    // The first runner reads nothing of its request and never ends; the next ones are as shipped.
    let (scene, _folder) =
        scene_with_apply_runner("mkdir /run/workspace/stuck 2>/dev/null && exec sleep 1000");
    let call = write_two(&scene);
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    wait("the runner", || scene.appliance.workspace().join("stuck").exists().then_some(()));
    scene.appliance.kill9("toold").unwrap();
    assert_ne!(call.finish().status, 0);
    scene.appliance.wait_ready("toold").unwrap();
    scene.appliance.signal_instances("apply", Signal::SIGKILL).unwrap();
    assert!(scene.recorded("call.interrupted", |record| record["detail"]["phase"] == "apply"));
    assert_eq!((scene.file("small"), scene.file("big")), (None, None));
    assert_eq!((count(&scene, "change.decided"), count(&scene, "change.applied")), (1, 0));
    yes_is_refused(&scene, &approval);
    healed(&scene);
}
