//! The container runner against a real Podman; what Podman is told is held against the promises beside its making.
//!
//! Where Podman cannot run a container at all, the tests that need it fail and say why, unless `TESTUDO_WITHOUT_PODMAN=1`
//! leaves them out. A host with both versions of control groups is no such reason: the runner is started where only the
//! first is to be seen.
#![expect(clippy::expect_used, reason = "what starts runners stops at the first surprise, as the tests do")]

mod engine;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use engine::{Podman, Started};
use testudo_sandbox::client::ClientError;
use testudo_sandbox::protocol::{Builtin, Limits, Program, Proposed, Run};

fn run(call: &str, command: &str) -> Run {
    let argv = ["sh", "-c", command].map(str::to_owned).to_vec();
    Run { container: Some("tool".to_owned()), ..Run::new(call, Program::Exec { argv, cwd: None }) }
}

#[test]
fn a_program_of_an_image_runs_with_nothing_around_it() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut runner = podman.start();
    let owner = fs::metadata(runner.workspace()).unwrap();
    let mut call = run(
        "a",
        "id -u; pwd; ls /sys/class/net; env; cat /proc/self/status; touch /x; touch /workspace/x; cat; exit 7",
    );
    call.stdin = Some("from the call".to_owned());
    call.env.insert("GIVEN".to_owned(), "yes".to_owned());
    let outcome = runner.instance.run(&call).unwrap();
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert_eq!(outcome.done.exit, Some(7), "{said} {}", String::from_utf8_lossy(&outcome.stderr));
    assert!(said.starts_with(&format!("{}\n/workspace\nlo\n", owner.uid())), "{said}");
    for expected in [
        "GIVEN=yes",
        "HOME=/tmp",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("LEAKED"), "the environment of the runner: {said}");
    assert!(said.ends_with("from the call"), "{said}");
    let complaints = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(complaints.matches("Read-only file system").count(), 2, "{complaints}");
    assert_eq!(outcome.done.changes, Proposed::Nothing);
    assert_eq!(podman.containers(), "", "it is gone when the answer comes");
}

#[test]
fn what_it_writes_is_a_proposal_and_not_in_the_workspace() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut runner = podman.start();
    runner.file("old", "old\n");
    runner.file("gone", "gone\n");
    runner.file("dir/kept", "kept\n");
    let mut call = run("a", "echo new >>old; rm gone; mkdir sub; echo fresh >sub/file; cat dir/kept");
    call.overlay = true;
    let outcome = runner.instance.run(&call).unwrap();
    assert_eq!(outcome.done.exit, Some(0), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert_eq!(outcome.stdout, b"kept\n");
    let proposal = outcome.proposal.unwrap();
    let paths: Vec<&str> = proposal.set.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["gone", "old", "sub", "sub/file"]);
    assert_eq!(fs::read_to_string(runner.workspace().join("old")).unwrap(), "old\n");
    assert!(!runner.workspace().join("sub").exists());
    // The next call of the same runner begins anew.
    let again = runner.instance.run(&Run { overlay: true, ..run("b", "cat old gone") }).unwrap();
    assert_eq!(again.stdout, b"old\ngone\n");
    assert!(again.proposal.is_none());
}

#[test]
fn a_call_that_is_cut_short_takes_its_container_along() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut runner = podman.start();
    let began = Instant::now();
    let mut slow = run("a", "trap '' TERM; echo begun; sleep 1000 & sleep 1000");
    slow.limits.wall_ms = 1500;
    let outcome = runner.instance.run(&slow).unwrap();
    assert!(outcome.done.timed_out && outcome.done.exit == Some(124), "{:?}", outcome.done);
    assert_eq!(outcome.stdout, b"begun\n");
    assert!(began.elapsed() < Duration::from_mins(1), "it waited for the container's own end");
    assert_eq!(podman.containers(), "");
    let mut loud = run("b", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
    loud.limits = Limits { output_bytes: 4096, ..Limits::default() };
    let outcome = runner.instance.run(&loud).unwrap();
    assert!(outcome.done.output_truncated && outcome.stdout.len() == 4096, "{:?}", outcome.done);
    assert_eq!(podman.containers(), "");
}

#[test]
fn hanging_up_kills_the_container() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut runner = podman.start();
    let canceller = runner.instance.canceller().unwrap();
    let call = std::thread::spawn(move || {
        let ended = runner.instance.run(&run("a", "sleep 1000"));
        (runner, ended)
    });
    podman.wait_for("Up");
    canceller.cancel();
    let (mut runner, ended) = call.join().unwrap();
    assert!(matches!(ended, Err(ClientError::HungUp)), "{ended:?}");
    assert!(runner.process.wait().unwrap().success());
    assert_eq!(podman.containers(), "");
}

#[test]
fn the_next_runner_removes_what_a_killed_one_left_and_nothing_else() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut first = podman.start();
    let other = podman.start();
    let call = std::thread::spawn(move || {
        let ended = first.instance.run(&run("a", "sleep 1000"));
        (first, ended)
    });
    podman.wait_for("Up");
    podman.kill_runner_of("a");
    let (_first, ended) = call.join().unwrap();
    assert!(ended.is_err());
    let mut sweeping = podman.start();
    assert_eq!(sweeping.instance.run(&run("b", "true")).unwrap().done.exit, Some(0));
    assert_eq!(podman.containers(), "");
    drop(other);
}

#[test]
fn only_what_the_operator_configured_runs() {
    let Some(podman) = Podman::unless_left_out() else { return };
    let mut runner = podman.start();
    let refused = |call: Run, runner: &mut Started, expected: &str| {
        let Err(ClientError::Refused { reason }) = runner.instance.run(&call) else {
            panic!("not refused: {call:?}")
        };
        assert!(reason.contains(expected), "{reason}");
    };
    let named = |container: Option<&str>| Run { container: container.map(str::to_owned), ..run("a", "true") };
    refused(named(None), &mut runner, "there is no container named");
    refused(named(Some("other")), &mut runner, "there is no container named \"other\"");
    refused(named(Some("absent")), &mut runner, "it is not in the engine's storage");
    let builtin = Program::Builtin(Builtin::Exists { path: ".".to_owned() });
    refused(Run { program: builtin, ..run("a", "") }, &mut runner, "only programs of its image");
    for cwd in ["../etc", "/etc", "a/../../b"] {
        let program = Program::Exec { argv: vec!["true".to_owned()], cwd: Some(cwd.to_owned()) };
        refused(Run { program, ..run("a", "") }, &mut runner, "is no directory of the workspace");
    }
}

#[test]
fn an_engine_that_is_not_there_is_said_to_be_missing() {
    let mut runner = Started::with_engine("/nonexistent/podman".as_ref());
    let Err(ClientError::Refused { reason }) = runner.instance.run(&run("a", "true")) else {
        panic!("it ran")
    };
    assert!(reason.contains("/nonexistent/podman is not installed"), "{reason}");
    let probe = runner.instance.probe().unwrap();
    assert!(!probe.ready && probe.reason.unwrap().contains("is not installed"));
}

#[test]
fn an_image_without_a_digest_starts_no_runner() {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (_runner, complaint) =
        engine::refused_configuration(place.path(), "image = \"docker.io/library/python:3\"");
    assert!(complaint.contains("it has no digest"), "{complaint}");
}
