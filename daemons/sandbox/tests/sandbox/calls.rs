//! Ordinary calls through the shipped zygote: output, status, environment, built-in tools, limits.

use std::time::{Duration, Instant};

use crate::launch::{INVOCATION, Place, shell, text};
use serde_json::json;
use testudo_sandbox::client::ClientError;
use testudo_sandbox::protocol::{
    BUILTIN_FAILED, Builtin, Limits, Program, Proposed, Run, TIMED_OUT, WriteMode,
};

#[test]
fn a_call_gives_its_output_and_status() {
    let mut runner = Place::new().zygote();
    let outcome = runner.shell("echo out; echo err >&2; exit 3");
    assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("out".into(), "err".into()));
    assert_eq!((outcome.done.exit, outcome.done.signal), (Some(3), None));
    assert_eq!(outcome.done.changes, Proposed::Nothing);
    let killed = runner.shell("kill -SEGV $$");
    assert_eq!((killed.done.exit, killed.done.signal), (None, Some(11)));
}

#[test]
fn a_call_sees_a_small_world() {
    let mut runner = Place::new().zygote();
    let seen = runner.shell(
        "id -u; hostname; pwd; ls -A /; ls /proc | grep -c '^[0-9]'; test -e /proc/sys || echo no-sys",
    );
    let lines = text(&seen.stdout);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..3], ["1000", "sandbox", "/workspace"], "{}", text(&seen.stderr));
    assert_eq!(lines.last(), Some(&"no-sys"));
    let fds = runner.shell("ls /proc/self/fd");
    assert_eq!(text(&fds.stdout), "0\n1\n2\n3", "the fourth is the listing's own");
    let status = text(&runner.shell("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status").stdout);
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
}

#[test]
fn environment_input_and_directory_are_the_calls() {
    let place = Place::new();
    place.file("sub/a", "");
    let mut runner = place.zygote();
    let run = Run {
        program: Program::Exec {
            argv: vec!["sh".into(), "-c".into(), "pwd; cat; echo $X; env | wc -l".into()],
            cwd: Some("sub".into()),
        },
        env: [("X".to_owned(), "y".to_owned())].into(),
        stdin: Some("in\n".into()),
        ..shell("")
    };
    let outcome = runner.instance.run(&run).unwrap();
    let lines = text(&outcome.stdout);
    assert_eq!(lines.lines().take(3).collect::<Vec<_>>(), ["/workspace/sub", "in", "y"]);
    for (argv, status) in [("no-such-program", 127), ("/workspace/sub/a", 126), ("/nowhere/x", 127)] {
        let run = Run { program: Program::Exec { argv: vec![argv.into()], cwd: None }, ..shell("") };
        let outcome = runner.instance.run(&run).unwrap();
        assert_eq!(outcome.done.exit, Some(status), "{argv}: {}", text(&outcome.stderr));
        assert!(text(&outcome.stderr).starts_with("cannot start"), "{}", text(&outcome.stderr));
    }
}

#[test]
fn built_in_tools_answer_in_json() {
    let place = Place::new();
    place.file("src/a.rs", "fn a() {}\nfn b() {}\n");
    place.file("notes.txt", "hello\n");
    let mut runner = place.zygote();
    let (status, read, _) =
        runner.builtin(Builtin::Read { path: "notes.txt".into(), offset: 1, limit: Some(3) });
    assert_eq!((status, &read["content"], &read["truncated"]), (0, &json!("ell"), &json!(true)));
    let (_, list, _) = runner.builtin(Builtin::List { path: "/workspace".into() });
    assert_eq!(
        list["entries"][1],
        json!({ "name": "src", "kind": "directory", "size": list["entries"][1]["size"] })
    );
    let (_, exists, _) = runner.builtin(Builtin::Exists { path: "src/a.rs".into() });
    assert_eq!(exists["kind"], "file");
    let (_, absent, _) = runner.builtin(Builtin::Exists { path: "src/z.rs".into() });
    assert_eq!(absent["exists"], false);
    let grep = Builtin::Grep { pattern: "fn b".into(), path: None, glob: Some("*.rs".into()), max: None };
    assert_eq!(
        runner.builtin(grep).1["matches"],
        json!([{ "path": "src/a.rs", "line": 2, "text": "fn b() {}" }])
    );
    let (_, glob, _) = runner.builtin(Builtin::Glob { pattern: "**/*.rs".into(), path: None });
    assert_eq!(glob["paths"], json!(["src/a.rs"]));
    for path in ["gone", "../etc/passwd", "/etc/passwd"] {
        let (status, answer, _) = runner.builtin(Builtin::Read { path: path.into(), offset: 0, limit: None });
        assert_eq!(status, BUILTIN_FAILED);
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    let write = Builtin::Write { path: "new/b".into(), content: "x".into(), mode: WriteMode::Create };
    let (status, _, outcome) = runner.builtin(write.clone());
    assert_eq!(status, 0);
    let paths: Vec<_> = outcome.proposal.unwrap().set.changes.into_iter().map(|change| change.path).collect();
    assert_eq!(paths, ["new", "new/b"]);
    let read_only = Run { program: Program::Builtin(write), overlay: false, ..shell("") };
    let outcome = runner.instance.run(&read_only).unwrap();
    assert_eq!(outcome.done.exit, Some(BUILTIN_FAILED), "{}", text(&outcome.stdout));
    assert!(!runner.place.workspace().join("new").exists());
}

#[test]
fn limits_cut_a_call_and_the_zygote_goes_on() {
    let mut runner = Place::new().zygote();
    let started = Instant::now();
    let deaf = Run {
        limits: Limits { wall_ms: 300, ..Limits::default() },
        ..shell("trap '' TERM INT HUP; (setsid sleep 1000 &) ; while :; do sleep 1000; done")
    };
    let outcome = runner.instance.run(&deaf).unwrap();
    assert!(outcome.done.timed_out && outcome.done.exit == Some(TIMED_OUT), "{:?}", outcome.done);
    let endless = runner.shell("yes");
    assert!(endless.done.output_truncated);
    assert_eq!(endless.stdout.len() as u64, Limits::default().output_bytes);
    let bomb =
        runner.shell("bomb() { bomb | bomb & }; bomb; for i in $(seq 200); do sleep 100 & done; echo over");
    assert!(text(&bomb.stderr).contains("Cannot fork"), "{:?} {}", bomb.done, text(&bomb.stderr));
    let memory = runner.shell("head -c 1000000000 /dev/zero | tail -c 900000000 | wc -c");
    assert!(text(&memory.stderr).contains("exhausted"), "{}", text(&memory.stderr));
    let file = runner.shell("head -c 100000000 /dev/zero > big; echo $?");
    assert_eq!(text(&file.stdout), "153", "SIGXFSZ");
    let disk = runner.shell("for i in 1 2 3 4 5 6; do head -c 60000000 /dev/zero > f$i || break; done");
    assert!(text(&disk.stderr).contains("No space left"), "{}", text(&disk.stderr));
    assert!(matches!(disk.done.changes, Proposed::Refused { .. }), "{:?}", disk.done.changes);
    assert_eq!(text(&runner.shell("echo fine").stdout), "fine");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn what_a_call_leaves_running_is_killed_with_it() {
    let mut runner = Place::new().zygote();
    let outcome = runner.shell("(setsid sleep 4242 &); echo started");
    assert_eq!(text(&outcome.stdout), "started");
    assert!(outcome.done.duration_us < 5_000_000);
    assert!(!running("4242"));
}

#[test]
fn hanging_up_kills_the_call() {
    let mut runner = Place::new().zygote();
    let canceller = runner.instance.canceller().unwrap();
    let waiting = std::thread::spawn(move || {
        while !running("4343") {
            std::thread::yield_now();
        }
        canceller.cancel();
    });
    let error = runner.instance.run(&shell("sleep 4343")).unwrap_err();
    assert!(matches!(error, ClientError::HungUp), "{error}");
    waiting.join().unwrap();
    assert!(runner.process.wait().unwrap().success());
    assert!(!running("4343"));
}

#[test]
fn sigterm_ends_the_zygote_with_its_call() {
    let mut runner = Place::new().zygote();
    let pid = nix::unistd::Pid::from_raw(runner.process.id().cast_signed());
    let waiting = std::thread::spawn(move || {
        while !running("4444") {
            std::thread::yield_now();
        }
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    });
    assert!(matches!(runner.instance.run(&shell("sleep 4444")), Err(ClientError::HungUp)));
    waiting.join().unwrap();
    assert!(runner.process.wait().unwrap().success());
    assert!(!running("4444"));
}

#[test]
fn a_killed_zygote_takes_its_call_along() {
    let mut runner = Place::new().zygote();
    let pid = nix::unistd::Pid::from_raw(runner.process.id().cast_signed());
    let waiting = std::thread::spawn(move || {
        while !running("4545") {
            std::thread::yield_now();
        }
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    });
    assert!(matches!(runner.instance.run(&shell("sleep 4545")), Err(ClientError::HungUp)));
    waiting.join().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while running("4545") {
        assert!(Instant::now() < deadline, "the call outlived its zygote");
        std::thread::yield_now();
    }
}

#[test]
fn a_sandbox_says_who_it_is_and_no_call_can_change_or_see_that() {
    let mut runner = Place::new().zygote();
    let before = runner.instance.hello().unwrap().unwrap();
    assert_eq!(before.invocation, INVOCATION);
    assert!(!before.unit.is_empty());
    let outcome = runner
        .instance
        .run(&shell("env; export INVOCATION_ID=ff; cat /proc/*/environ 2>/dev/null; true"))
        .unwrap();
    assert!(!String::from_utf8_lossy(&outcome.stdout).contains(INVOCATION));
    assert_eq!(runner.instance.hello().unwrap(), Some(before));
}

#[test]
fn the_kernel_is_probed_by_a_trial() {
    let mut runner = Place::new().zygote();
    let probe = runner.instance.probe().unwrap();
    assert!(probe.ready && probe.network_empty && probe.landlock_abi >= 6, "{probe:?}");
}

#[test]
fn beside_a_network_no_tool_runs() {
    let place = Place::new();
    let (workspace, scratch) = (place.workspace(), place.scratch());
    let arguments =
        ["zygote", "--workspace", workspace.to_str().unwrap(), "--scratch", scratch.to_str().unwrap()];
    let (mut instance, mut process) = place.start(env!("CARGO_BIN_EXE_testudo-sandbox"), true, &arguments);
    let error = instance.run(&shell("true")).unwrap_err();
    assert!(error.to_string().contains("beside a network"), "{error}");
    let probe = instance.probe().unwrap();
    assert!(!probe.ready && !probe.network_empty);
    drop(instance);
    assert!(process.wait().unwrap().success());
}

/// Whether some process has this word as its last argument.
fn running(word: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        command.split(|&byte| byte == 0).any(|argument| argument == word.as_bytes())
            && command.starts_with(b"sleep")
    })
}
