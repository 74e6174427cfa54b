//! What calls write becomes a change set, and a change set becomes the workspace: both shipped runners.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use crate::launch::{Place, Runner, shell, text};
use testudo_sandbox::changeset::{ChangeKind, Proposal};
use testudo_sandbox::client::{Application, ClientError, Instance, Recovery};
use testudo_sandbox::protocol::{Limits, Proposed, Run};

fn kinds(proposal: &Proposal) -> Vec<(ChangeKind, &str)> {
    proposal.set.changes.iter().map(|change| (change.kind, change.path.as_str())).collect()
}

/// A runner that applies to the same workspace.
pub(crate) fn applier(place: &Place) -> (Instance, std::process::Child) {
    let workspace = place.workspace();
    place.start(
        env!("CARGO_BIN_EXE_testudo-sandbox"),
        false,
        &["apply", "--workspace", workspace.to_str().unwrap()],
    )
}

fn project() -> Place {
    let place = Place::new();
    place.file("edited", "before\n");
    place.file("log", "one\n");
    place.file("gone", "old");
    place.file("touched", "same");
    place.file("dir/sub/file", "deep");
    place.file("from", "moved");
    place
}

/// On an overlay, and on a copy.
fn either_way(place: impl Fn() -> Place) -> [Runner; 2] {
    [place().zygote(), place().copying().zygote()]
}

const SCRIPT: &str = r#"set -e
    echo after > edited; echo two >> log; rm gone; touch touched; rm -r dir; mv from to
    mkdir -p new/deep; echo fresh > new/deep/file; ln -s deep/file new/link; chmod 755 touched
    ln -s /etc/passwd outside; ln -s ../.. above; mkfifo pipe; mkdir .testudo; echo x > .testudo/x"#;

#[test]
fn a_calls_writes_are_proposed_and_the_workspace_is_as_before() {
    use ChangeKind::{Add, Delete, Mkdir, Mode, Modify, Rename, Rmdir, Symlink};
    for mut runner in either_way(project) {
        let outcome = runner.shell(SCRIPT);
        assert_eq!(outcome.done.exit, Some(0), "{}", text(&outcome.stderr));
        let proposal = outcome.proposal.unwrap();
        let expected = [
            (Rmdir, "dir"),
            (Rmdir, "dir/sub"),
            (Delete, "dir/sub/file"),
            (Modify, "edited"),
            (Delete, "gone"),
            (Modify, "log"),
            (Mkdir, "new"),
            (Mkdir, "new/deep"),
            (Add, "new/deep/file"),
            (Symlink, "new/link"),
            (Rename, "to"),
            (Mode, "touched"),
        ];
        assert_eq!(kinds(&proposal), expected);
        let skipped: Vec<&str> = proposal.set.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
        assert_eq!(skipped, [".testudo", "above", "outside", "pipe"]);
        let log = proposal.set.changes.iter().find(|change| change.path == "log").unwrap();
        assert_eq!(proposal.new_content(log), Some(b"one\ntwo\n".as_slice()));
        assert_eq!(proposal.old_content(log), Some(b"one\n".as_slice()));
        assert_eq!(runner.place.read("edited"), "before\n");
        assert!(!runner.place.workspace().join("to").exists());
        let next = runner.shell("cat edited; ls new");
        assert_eq!(text(&next.stdout), "before", "nothing of a call outlives it");
        assert_eq!(next.done.changes, Proposed::Nothing);
    }
}

#[test]
fn an_approved_change_set_becomes_the_workspace_once() {
    for mut runner in either_way(project) {
        let proposal = runner.shell(SCRIPT).proposal.unwrap();
        let (mut apply, mut process) = applier(&runner.place);
        let applied = apply.apply("call-1", &proposal).unwrap();
        assert_eq!(applied, Application::Applied { changes: 12, already: false });
        assert_eq!(runner.place.read("log"), "one\ntwo\n");
        assert_eq!(runner.place.read("new/link"), "fresh\n");
        let work = runner.place.workspace();
        assert!(!work.join("gone").exists() && !work.join("dir").exists() && !work.join("pipe").exists());
        assert_eq!(fs::metadata(work.join("touched")).unwrap().permissions().mode() & 0o777, 0o755);
        let again = apply.apply("call-1", &proposal).unwrap();
        assert_eq!(again, Application::Applied { changes: 12, already: true });
        assert!(matches!(apply.apply("call-2", &proposal), Ok(Application::Conflict { .. })));
        assert_eq!(apply.recover(&[]).unwrap(), Recovery::default());
        drop(apply);
        assert!(process.wait().unwrap().success());
        let seen = runner
            .shell("ls -A .testudo; echo x > .testudo/applied || echo refused; rmdir .testudo || echo kept");
        assert_eq!(
            text(&seen.stdout),
            "refused\nkept",
            "the runner's own files are out of a tool's sight and reach"
        );
        assert_eq!(seen.done.changes, Proposed::Nothing);
    }
}

#[test]
fn a_proposal_that_was_tampered_with_is_refused() {
    for mut runner in either_way(project) {
        let proposal = runner.shell("echo after > edited").proposal.unwrap();
        let (mut apply, mut process) = applier(&runner.place);
        let mut other = proposal.clone();
        other.contents[0] ^= 1;
        let mut outside = proposal.clone();
        outside.set.changes[0].path = "../edited".to_owned();
        let mut own = proposal;
        own.set.changes[0].path = ".testudo/applied".to_owned();
        for bad in [other, outside, own] {
            assert!(matches!(apply.apply("id", &bad), Err(ClientError::Refused { .. })), "{bad:?}");
        }
        assert_eq!(runner.place.read("edited"), "before\n");
        drop(apply);
        process.wait().unwrap();
    }
}

#[test]
fn an_applier_killed_at_any_moment_leaves_all_or_nothing() {
    // The engine's own tests crash it between any two steps; here the kernel does it, wherever it happens to be.
    let mut seen = (0, 0);
    for round in 0..24 {
        let mut runner = project().zygote();
        let proposal = runner.shell(SCRIPT).proposal.unwrap();
        let (mut apply, mut process) = applier(&runner.place);
        assert_eq!(apply.recover(&[]).unwrap(), Recovery::default());
        let sent = proposal.clone();
        let request = std::thread::spawn(move || drop(apply.apply("id", &sent)));
        // The first rounds die before the decision, the others after it.
        let journal = runner.place.workspace().join(".testudo/id/journal");
        let applied = runner.place.workspace().join(".testudo/applied");
        while round >= 8 && !journal.exists() && !applied.exists() {
            std::hint::spin_loop();
        }
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_micros(300 * (round % 8)) {
            std::hint::spin_loop();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        request.join().unwrap();
        let (mut apply, mut process) = applier(&runner.place);
        apply.recover(&[]).unwrap();
        let (log, moved) = (runner.place.read("log"), runner.place.workspace().join("to").exists());
        let (gone, new) = (
            runner.place.workspace().join("gone").exists(),
            runner.place.workspace().join("new/link").exists(),
        );
        let whole = match (log.as_str(), moved, gone, new) {
            ("one\n", false, true, false) => false,
            ("one\ntwo\n", true, false, true) => true,
            half => panic!("half applied: {half:?}"),
        };
        *(if whole { &mut seen.0 } else { &mut seen.1 }) += 1;
        let again = apply.apply("id", &proposal).unwrap();
        assert_eq!(again, Application::Applied { changes: 12, already: whole });
        drop(apply);
        process.wait().unwrap();
    }
    assert!(seen.0 >= 16 && seen.1 > 0, "{} applied, {} not", seen.0, seen.1);
}

#[test]
fn change_sets_are_bounded() {
    for mut runner in either_way(Place::new) {
        let limits = Limits { change_entries: 5, change_bytes: 100, ..Limits::default() };
        for (script, word) in [
            ("for i in 1 2 3 4 5 6; do : > $i; done", "entries"),
            ("head -c 101 /dev/zero > a", "larger"),
            ("for i in $(seq 70); do mkdir d; cd d; done", "deep"),
        ] {
            let limits = if word == "deep" { Limits::default() } else { limits.clone() };
            let outcome = runner.instance.run(&Run { limits, ..shell(script) }).unwrap();
            match outcome.done.changes {
                Proposed::Refused { reason } => assert!(reason.contains(word), "{reason}"),
                other => panic!("{script}: {other:?}"),
            }
            assert!(outcome.proposal.is_none());
        }
    }
}

#[test]
fn what_was_below_a_directory_that_was_made_anew_goes() {
    for mut runner in either_way(|| {
        let place = Place::new();
        place.file("a/b/c/file", "x");
        place
    }) {
        let proposal = runner.shell("rm -r a; mkdir -p a/b/c").proposal.unwrap();
        assert_eq!(kinds(&proposal), [(ChangeKind::Delete, "a/b/c/file")]);
    }
}

#[test]
fn a_hostile_upper_side_is_read_and_removed() {
    let place = || {
        let place = Place::new();
        place.file("dir/file", "x");
        place.file("file", "x");
        place
    };
    for mut runner in either_way(place) {
        let outcome = runner.shell(
        "echo y > file; chmod 000 file; mkdir -p locked/in; echo z > locked/in/a; chmod 000 locked/in locked;
         rm -r dir; mkdir dir; echo new > dir/other; chmod 4755 dir/other; rm -f x; : > \"$(printf 'bad\\377name')\"",
    );
        let proposal = outcome.proposal.unwrap();
        let modes: Vec<_> =
            proposal.set.changes.iter().map(|change| (change.path.as_str(), change.mode)).collect();
        assert_eq!(
            modes,
            [
                ("dir/file", None),
                ("dir/other", Some(0o755)),
                ("file", Some(0)),
                ("locked", Some(0)),
                ("locked/in", Some(0)),
                ("locked/in/a", Some(0o644))
            ],
        );
        assert_eq!(proposal.set.skipped.len(), 1, "the name that is no UTF-8");
        let (mut apply, mut process) = applier(&runner.place);
        assert!(matches!(apply.apply("a", &proposal), Ok(Application::Applied { .. })));
        drop(apply);
        process.wait().unwrap();
        assert_eq!(runner.place.read("dir/other"), "new\n");
        assert_eq!(text(&runner.shell("echo fine").stdout), "fine");
    }
}

#[test]
fn malformed_requests_are_answered_and_the_runner_goes_on_or_ends() {
    for runner in ["zygote", "apply"] {
        let place = Place::new();
        let (workspace, scratch) = (place.workspace(), place.scratch());
        let mut arguments = vec![runner, "--workspace", workspace.to_str().unwrap()];
        if runner == "zygote" {
            arguments.extend(["--scratch", scratch.to_str().unwrap()]);
        }
        let (mut stream, mut process) = raw(&place, &arguments);
        for bad in [
            "",
            "{",
            "null",
            "{\"run\":{}}",
            "{\"run\":{\"call\":\"..\",\"program\":{\"exec\":{\"argv\":[]}}}}",
            &"[".repeat(5000),
        ] {
            stream.write_all(bad.as_bytes()).unwrap();
            stream.write_all(&[0]).unwrap();
            let reply = frame(&mut stream);
            assert!(reply.contains("\"refused\""), "{runner} {bad:?}: {reply}");
        }
        // Without an end: refused at the limit, not collected for ever.
        let endless = vec![b'x'; 2 * 1024 * 1024];
        let _ = stream.write_all(&endless);
        assert!(frame(&mut stream).contains("longer than"), "{runner}");
        assert!(!process.wait().unwrap().success());
    }
}

fn raw(place: &Place, arguments: &[&str]) -> (UnixStream, std::process::Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let process = place.start_on(theirs, env!("CARGO_BIN_EXE_testudo-sandbox"), false, arguments);
    (ours, process)
}

fn frame(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() && byte[0] != 0 {
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}
