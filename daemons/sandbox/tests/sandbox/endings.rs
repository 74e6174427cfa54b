//! However a call is ended, everything that it started ends with it.
//!
//! Each kind of process that tries to stay is left behind once for each way of ending; all of them hold a name that only
//! this test looks for.

use std::fs;
use std::time::{Duration, Instant};

use crate::launch::{Place, Runner, shell};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testudo_sandbox::client::ClientError;
use testudo_sandbox::protocol::{Limits, Run, TIMED_OUT};

/// Starts one of each kind, says so, and waits. `@N` is how long they sleep, by which they are known.
const STAYING: &str = r#"
    setsid sleep @N &
    (setsid sh -c 'sleep @N & exec sleep @N' &)
    perl -e 'fork and exit; setpgrp; fork and exit; exec "sleep", "@N"'
    sh -c 'trap "" TERM INT HUP QUIT USR1; exec sleep @N' &
    sleep @N & kill -STOP $!
    sh -c 'kill -STOP $$; exec sleep @N' &
    nohup sleep @N >/dev/null 2>&1 &
    trap '' TERM INT HUP
    while test $(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -cx @N) -lt 6; do :; done
    echo staying
    sleep @N
"#;

/// Processes that sleep this long.
fn sleeping(seconds: &str) -> usize {
    let argument = seconds.as_bytes();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| {
            line.starts_with(b"sleep\0") && line.split(|byte| *byte == 0).any(|word| word == argument)
        })
        .count()
}

/// Runs the call in it; `end` is done when all of them are there.
fn run(
    runner: &mut Runner,
    seconds: &str,
    limits: Limits,
    mut end: impl FnMut(),
) -> Result<Option<i32>, ClientError> {
    let run = Run { stream: true, limits, ..shell(&STAYING.replace("@N", seconds)) };
    let mut stayed = false;
    let outcome = runner.instance.run_with(&run, &mut |piece| {
        if piece.text.contains("staying") {
            assert!(sleeping(seconds) >= 6, "{}", sleeping(seconds));
            stayed = true;
            end();
        }
    });
    assert!(stayed, "{outcome:?}");
    outcome.map(|outcome| outcome.done.exit)
}

fn none_left(seconds: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while sleeping(seconds) > 0 {
        assert!(Instant::now() < deadline, "{} are left", sleeping(seconds));
        std::thread::yield_now();
    }
}

fn limits(wall_ms: u64) -> Limits {
    Limits { wall_ms, ..Limits::default() }
}

#[test]
fn at_its_deadline() {
    let mut runner = Place::new().zygote();
    let exit = run(&mut runner, "5101", limits(3000), || {}).unwrap();
    assert_eq!(exit, Some(TIMED_OUT));
    assert_eq!(sleeping("5101"), 0, "by the time of the answer");
    assert_eq!(runner.shell("exit 5").done.exit, Some(5), "the next call runs");
}

#[test]
fn when_the_client_hangs_up() {
    let mut runner = Place::new().zygote();
    let canceller = runner.instance.canceller().unwrap();
    let outcome = run(&mut runner, "5102", limits(20_000), || canceller.cancel());
    assert!(matches!(outcome, Err(ClientError::HungUp)), "{outcome:?}");
    assert!(runner.process.wait().unwrap().success());
    assert_eq!(sleeping("5102"), 0);
}

#[test]
fn when_the_runner_is_told_to_stop_or_dies() {
    for (signal, seconds) in [(Signal::SIGTERM, "5103"), (Signal::SIGKILL, "5104")] {
        let mut runner = Place::new().zygote();
        let pid = Pid::from_raw(runner.process.id().cast_signed());
        let outcome = run(&mut runner, seconds, limits(20_000), || kill(pid, signal).unwrap());
        assert!(matches!(outcome, Err(ClientError::HungUp)), "{outcome:?}");
        runner.process.wait().unwrap();
        none_left(seconds);
    }
}

#[cfg(feature = "ablation")]
#[test]
fn a_child_that_is_traced_and_stopped_is_no_exception() {
    use testudo_sandbox::layers::Layer::Seccomp;
    // Without seccomp, which would not let it be traced at all.
    let mut runner = crate::attacks::start(Place::new(), &[Seccomp], false);
    let traceme = if cfg!(target_arch = "x86_64") { 101 } else { 117 };
    let script = format!(
        "perl -e 'if (!fork) {{ syscall({traceme}, 0, 0, 0, 0); exec \"sleep\", \"5105\" }} $x = <STDIN>; sleep 5105' & sleep 5105"
    );
    let run = Run { limits: limits(700), ..shell(&script) };
    assert!(runner.instance.run(&run).unwrap().done.timed_out);
    assert_eq!(sleeping("5105"), 0);
}

#[test]
fn a_child_that_waits_for_a_call_goes_with_its_runner() {
    let mut runner = Place::new().zygote();
    assert_eq!(runner.shell("true").done.exit, Some(0));
    let pid = runner.process.id();
    let children = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let of = |status: &str| status.lines().any(|line| line == format!("PPid:\t{pid}"));
        let alive = |status: &str| !status.contains("State:\tZ");
        all.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
            .filter(|status| of(status) && alive(status))
            .count()
    };
    // The next call's is made as soon as the answer is out.
    let deadline = Instant::now() + Duration::from_secs(5);
    while children() != 1 {
        assert!(Instant::now() < deadline, "{} children", children());
        std::thread::yield_now();
    }
    runner.process.kill().unwrap();
    runner.process.wait().unwrap();
    while children() != 0 {
        assert!(Instant::now() < deadline, "it outlived its runner");
        std::thread::yield_now();
    }
}
