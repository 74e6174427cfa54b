//! Other processes: those of the call itself, its runner, and those of other sessions.

use nix::errno::Errno;
use nix::libc;

use crate::system::{Outcome, Sleeper, address, address_mut, call};
use crate::{Probe, Stage, errno};

pub(crate) const PROBES: &[Probe] = &[
    ("trace-child", |_| of_child(|pid| call(libc::SYS_ptrace, &[SEIZE, pid, 0, 0]))),
    ("ask-to-be-traced", |_| call(libc::SYS_ptrace, &[0, 0, 0, 0]).map(|_| "traced".to_owned())),
    ("trace-reaper", |_| call(libc::SYS_ptrace, &[SEIZE, REAPER, 0, 0]).map(|_| "traced".to_owned())),
    ("read-memory", |_| of_child(|pid| copy(libc::SYS_process_vm_readv, pid))),
    ("write-memory", |_| of_child(|pid| copy(libc::SYS_process_vm_writev, pid))),
    ("steal-descriptor", |_| of_child(steal)),
    ("compare-processes", |_| of_child(|pid| call(libc::SYS_kcmp, &[pid, own(), 2, 0, 0]))),
    ("signal-runner", |_| call(libc::SYS_kill, &[runner()?, 0]).map(|_| "it may be signalled".to_owned())),
    ("signal-runner-by-descriptor", signal_by_descriptor),
    ("limit-runner", |_| limit_runner()),
    ("slow-runner", |_| slow_runner()),
    ("signal-others", |_| signal_others()),
    ("see-others", see_others),
    ("read-reaper-memory", |_| open("/proc/1/mem")),
    ("read-reaper-environment", |_| open("/proc/1/environ").and_then(|_| read_some("/proc/1/environ"))),
    ("enter-reaper-root", |_| read_some("/proc/1/root/etc/passwd")),
    ("leaked-descriptor", leaked_descriptor),
    ("keep-set-user-id", |_| keep_set_user_id()),
    ("dump-core", |_| dump_core()),
];

const SEIZE: usize = 0x4206;
/// PID 1 of a call.
const REAPER: usize = 1;

fn own() -> usize {
    usize::try_from(nix::unistd::getpid().as_raw()).unwrap_or(0)
}

fn of_child(act: impl FnOnce(usize) -> Result<usize, Errno>) -> Outcome {
    let child = Sleeper::start()?;
    act(child.pid()).map(|value| format!("gave {value}"))
}

fn copy(number: libc::c_long, pid: usize) -> Result<usize, Errno> {
    let mut here = [0_u8; 8];
    let there = [0_u8; 8];
    let local = [address_mut(&mut here), here.len()];
    let remote = [address(&there), there.len()];
    call(number, &[pid, address(&local), 1, address(&remote), 1, 0])
}

fn steal(pid: usize) -> Result<usize, Errno> {
    let process = call(libc::SYS_pidfd_open, &[pid, 0])?;
    call(libc::SYS_pidfd_getfd, &[process, 1, 0])
}

/// The process from which all calls of the session are made, as far as it is in sight: with a namespace of processes of
/// the call's own, the reaper is the first one, and there is nothing above it.
fn runner() -> Result<usize, Errno> {
    match family().last() {
        Some(&REAPER) | None => Err(Errno::ESRCH),
        // The instance has a namespace of its own, in which the runner is the first.
        Some(_) => Ok(1),
    }
}

/// The numbers of this process and those above it, as far as they can be seen.
fn family() -> Vec<usize> {
    let mut chain = vec![own()];
    let parent = |pid: usize| -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
    };
    while let Some(pid) = chain.last().and_then(|pid| parent(*pid)).filter(|pid| *pid > 0) {
        chain.push(pid);
    }
    chain
}

fn signal_by_descriptor(_: &Stage) -> Outcome {
    let process = call(libc::SYS_pidfd_open, &[runner()?, 0])?;
    call(libc::SYS_pidfd_send_signal, &[process, 0, 0, 0]).map(|_| "it may be signalled".to_owned())
}

fn limit_runner() -> Outcome {
    let mut limit = [0_u64; 2];
    let open_files = 7;
    call(libc::SYS_prlimit64, &[runner()?, open_files, 0, address_mut(&mut limit)])
        .map(|_| format!("its limits, {limit:?}, are open"))
}

fn slow_runner() -> Outcome {
    // To what it is already: nobody is slowed by the proof.
    call(libc::SYS_setpriority, &[0, runner()?, 0]).map(|_| "its priority was set".to_owned())
}

/// Whoever can be signalled and is neither of this call nor its runner.
fn signal_others() -> Outcome {
    let mut family = family();
    // What a namespace of processes is left with: its own first one.
    family.push(1);
    let others: Vec<usize> =
        (2..65_536).filter(|pid| !family.contains(pid) && call(libc::SYS_kill, &[*pid, 0]).is_ok()).collect();
    if others.is_empty() { Err(Errno::ESRCH) } else { Ok(format!("{} processes", others.len())) }
}

fn see_others(stage: &Stage) -> Outcome {
    // Given with a gap, so that the own command line does not hold it.
    let secret = stage.get("secret-head")?.to_owned() + stage.get("secret-tail")?;
    let processes = std::fs::read_dir("/proc").map_err(|error| errno(&error))?;
    let found = processes.flatten().find(|process| {
        std::fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| line.windows(secret.len()).any(|window| window == secret.as_bytes()))
    });
    found.map(|process| format!("{}", process.path().display())).ok_or(Errno::ENOENT)
}

fn open(path: &str) -> Outcome {
    std::fs::File::open(path).map(|_| "opened".to_owned()).map_err(|error| errno(&error))
}

fn read_some(path: &str) -> Outcome {
    let found = std::fs::read(path).map_err(|error| errno(&error))?;
    Ok(format!("{} bytes", found.len()))
}

/// Any descriptor beyond the standard three that reads the runner's secret.
fn leaked_descriptor(stage: &Stage) -> Outcome {
    let secret = stage.get("leaked-head")?.to_owned() + stage.get("leaked-tail")?;
    for number in 3..64 {
        let found = std::fs::read(format!("/proc/self/fd/{number}")).unwrap_or_default();
        let mut bytes = [0_u8; 64];
        let place = address_mut(&mut bytes);
        let read = call(libc::SYS_pread64, &[number, place, bytes.len(), 0]).unwrap_or(0);
        let seen = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        if seen(&found) || seen(bytes.get(..read).unwrap_or_default()) {
            return Ok(format!("descriptor {number}"));
        }
    }
    Err(Errno::EBADF)
}

/// A program of root's with the bit, run from here: is root's what runs?
fn keep_set_user_id() -> Outcome {
    for program in ["/usr/bin/passwd", "/usr/bin/su", "/usr/bin/mount", "/usr/bin/newgrp"] {
        let Ok(mut child) = std::process::Command::new(program)
            .arg("--help")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
        else {
            continue;
        };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let _ = child.wait();
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        if users.split_whitespace().nth(1).is_some_and(|effective| effective == "0") {
            return Ok(format!("{program} runs as root"));
        }
    }
    Err(Errno::EPERM)
}

fn dump_core() -> Outcome {
    std::env::set_current_dir("/tmp").map_err(|error| errno(&error))?;
    // As much as is allowed at most, which a program may do by itself.
    let mut limit = [0_u64; 2];
    call(libc::SYS_prlimit64, &[0, 4, 0, address_mut(&mut limit)])?;
    limit[0] = limit[1];
    call(libc::SYS_prlimit64, &[0, 4, address(&limit), 0])?;
    let ended = crate::system::in_copy(|| {
        let _ = call(libc::SYS_kill, &[own(), usize::try_from(libc::SIGABRT).unwrap_or(6)]);
        0
    })?;
    let files = std::fs::read_dir("/tmp").map_err(|error| errno(&error))?.flatten();
    let core = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .find(|name| name.starts_with("core"));
    core.map(|name| format!("{name}, status {ended}")).ok_or(Errno::EFBIG)
}
