//! How long a confined `true` takes in a warm instance, and bare `bwrap` beside it if it is installed.
//!
//! As root: `cargo test -p testudo-sandbox --test sandbox -- --ignored --nocapture latency`

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::launch::{Place, shell};
use testudo_sandbox::protocol::{Builtin, Program, Run};

const RUNS: usize = 300;

#[test]
#[ignore = "a measurement, for a quiet machine"]
fn latency() {
    let place = Place::new();
    place.file("a", "x");
    let mut runner = place.zygote();
    let call = Run { program: Program::Exec { argv: vec!["true".into()], cwd: None }, ..shell("") };
    let plain = Run { overlay: false, ..call.clone() };
    let read = Builtin::Read { path: "a".into(), offset: 0, limit: None };
    let read = Run { program: Program::Builtin(read), ..plain.clone() };
    let write = shell("echo y > a");
    for (name, run) in [
        ("true, overlay", &call),
        ("true, read-only", &plain),
        ("fs.read", &read),
        ("sh writes a file", &write),
    ] {
        report(name, || assert_eq!(runner.instance.run(run).unwrap().done.exit, Some(0)));
    }
    if Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let bwrap =
            || Command::new("bwrap").args(["--unshare-all", "--ro-bind", "/", "/", "true"]).status().unwrap();
        report("bwrap true", || assert!(bwrap().success()));
    }
}

fn report(name: &str, mut once: impl FnMut()) {
    (0..10).for_each(|_| once());
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            once();
            start.elapsed()
        })
        .collect();
    times.sort();
    let at = |share: usize| times.get((RUNS - 1) * share / 100).unwrap();
    println!("{name:18} p50 {:?}  p99 {:?}  max {:?}", at(50), at(99), at(100));
}
