//! Nothing is left behind, however the end comes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{plan, repo, start};

/// All processes of the PID namespace that this one is in.
fn neighbours(pid: i32) -> Vec<PathBuf> {
    let namespace = |process: &Path| fs::read_link(process.join("ns/pid")).ok();
    let home = namespace(&Path::new("/proc").join(pid.to_string()));
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.filter(|process| home.is_some() && namespace(process) == home).collect()
}

fn assert_nothing_left(run_dir: &Path, processes: &[PathBuf]) {
    let base = run_dir.parent().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // The kernel tells nobody about the end of processes that are not ours: so look again, until it is over.
    while (base.exists() || processes.iter().any(|process| process.exists())) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    for process in processes {
        assert!(!process.exists(), "{} still runs", process.display());
    }
    assert!(!base.exists(), "{} is still there", base.display());
    for table in ["/proc/self/mounts", "/proc/net/unix"] {
        let lines = fs::read_to_string(table).unwrap();
        assert!(!lines.contains(&*base.to_string_lossy()), "{table} still has {}", base.display());
    }
}

#[test]
fn after_an_orderly_stop() {
    let appliance = start(plan());
    let (run_dir, bus) = (appliance.run_dir(), appliance.pid_of("dbus").unwrap());
    let processes = neighbours(bus);
    assert!(processes.len() >= 4, "init, bus and two services: {processes:?}");
    appliance.stop().unwrap();
    assert_nothing_left(&run_dir, &processes);
}

#[test]
fn after_a_failed_start() {
    let before: Vec<PathBuf> = bases();
    let mut plan = plan();
    plan.target = "misconfigured.target".into();
    plan.start_timeout = Duration::from_secs(20);
    assert!(testudo_appliance::Appliance::start(plan).is_err());
    // Other tests run beside this one; what a start of ours left would never go.
    let deadline = Instant::now() + Duration::from_mins(1);
    let ours = |path: &PathBuf| !before.contains(path) && path.join("state/log/misconfigured.log").exists();
    while bases().iter().any(ours) {
        assert!(Instant::now() < deadline, "{:?}", bases());
        std::thread::yield_now();
    }
}

fn bases() -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("testudo-")))
        .collect()
}

struct Caller {
    process: Child,
    run_dir: PathBuf,
    processes: Vec<PathBuf>,
}

/// Also when an assertion fails: what holds the test's output open would hold up the whole run.
impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Another process with an appliance.
fn caller() -> Caller {
    let mut process = Command::new(env!("CARGO_BIN_EXE_testudo-fixture"))
        .arg("caller")
        .arg(repo())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (run_dir, bus) = line.trim().rsplit_once(' ').unwrap();
    let processes = neighbours(bus.parse().unwrap());
    assert!(processes.len() >= 4, "{processes:?}");
    Caller { process, run_dir: run_dir.into(), processes }
}

#[test]
fn after_the_caller_is_killed() {
    let mut caller = caller();
    caller.process.kill().unwrap();
    caller.process.wait().unwrap();
    assert_nothing_left(&caller.run_dir, &caller.processes);
}

#[test]
fn when_the_guardian_is_killed_no_process_survives() {
    let caller = caller();
    let init = caller.processes.iter().find_map(|process| {
        let status = fs::read_to_string(process.join("status")).ok()?;
        let numbers: Vec<&str> =
            status.lines().find(|line| line.starts_with("NSpid:"))?.split_whitespace().collect();
        let parent =
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse::<i32>().ok()?;
        (numbers.last() == Some(&"1")).then_some(parent)
    });
    kill(Pid::from_raw(init.unwrap()), Signal::SIGKILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while caller.processes.iter().any(|process| process.exists()) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(caller.processes.iter().all(|process| !process.exists()), "{:?}", caller.processes);
    fs::remove_dir_all(caller.run_dir.parent().unwrap()).unwrap();
}
