//! Control groups of calls, in a group that stands for the one that a unit is given. Limits need controllers, which a
//! machine may not have to give; where its groups cannot be made at all, these tests say so and end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::launch::{Place, Runner, shell, text};
use testudo_sandbox::protocol::{Limits, Run};

fn group(name: &str) -> Option<(Place, PathBuf)> {
    let made = Place::with_group(name);
    if made.is_none() {
        eprintln!("skipped: no control group of version 2 can be made here");
    }
    made
}

/// Groups of calls below a group.
fn calls(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("call-")).collect()
}

fn members(group: &Path) -> usize {
    fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines().count()
}

#[test]
fn each_call_has_a_group_and_its_runner_has_another() {
    let Some((place, group)) = group("testudo-test-each") else { return };
    let mut runner = place.zygote();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let run = Run { stream: true, ..shell("setsid sleep 99 & echo running; sleep 0.3") };
        let outcome = runner
            .instance
            .run_with(&run, &mut |_| {
                // The call's, with its reaper, shell and sleepers, and nothing else.
                let running: Vec<_> = calls(&group).into_iter().filter(|call| members(call) >= 3).collect();
                assert_eq!(running.len(), 1, "{running:?}");
                seen.extend(running);
            })
            .unwrap();
        assert_eq!(text(&outcome.stdout), "running");
    }
    assert_eq!(seen.len(), 3);
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && !seen[0].exists() && !seen[1].exists());
    // The child that is to wait for the next call begins beside its runner.
    let deadline = Instant::now() + Duration::from_secs(5);
    while (members(&group), members(&group.join("zygote"))) != (0, 1) {
        assert!(Instant::now() < deadline, "it stays there");
        std::thread::yield_now();
    }
    let limits = Limits { wall_ms: 300, ..Limits::default() };
    assert!(runner.instance.run(&Run { limits, ..shell("sleep 99") }).unwrap().done.timed_out);
    let limited = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap().contains("memory");
    assert_eq!(runner.instance.probe().unwrap().cgroup, limited);
    assert_eq!(runner.shell("ls /sys/fs/cgroup").done.exit, Some(2), "no call sees any");
    let Runner { instance, process, .. } = &mut runner;
    instance.canceller().unwrap().cancel();
    assert!(process.wait().unwrap().success());
    assert_eq!(calls(&group), Vec::<PathBuf>::new(), "also that of the child that waited");
}

#[cfg(feature = "ablation")]
#[test]
fn the_group_alone_kills_what_a_call_leaves() {
    use testudo_sandbox::layers::Layer::PidNamespace;
    let Some((place, _)) = group("testudo-test-alone") else { return };
    let mut runner = crate::attacks::start(place, &[PidNamespace], false);
    let left =
        "setsid sh -c 'echo $$ > pid; exec sleep 4848' > /dev/null 2>&1 & while ! test -s pid; do :; done";
    assert_eq!(runner.shell(left).done.exit, Some(0));
    let sleeps = |entry: &fs::DirEntry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\x004848\0")
    };
    assert_eq!(fs::read_dir("/proc").unwrap().flatten().filter(sleeps).count(), 0);
}
