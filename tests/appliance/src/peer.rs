//! Programs beside the daemons, as other users; and which process outside is which inside.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::account::Identity;
use crate::bus;
use crate::error::ApplianceError;

/// A command that enters the mount namespace of `init` and becomes `identity` before it executes.
pub(crate) fn command(init: i32, identity: &Identity, program: &OsStr) -> Result<Command, ApplianceError> {
    let path = Path::new("/proc").join(init.to_string()).join("ns/mnt");
    let namespace = fs::File::open(&path).map_err(|e| ApplianceError::file("open", &path, e))?;
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/"),
        ("USER", &identity.name),
        ("DBUS_SYSTEM_BUS_ADDRESS", bus::ADDRESS),
    ]);
    before(&mut command, identity, move || setns(&namespace, CloneFlags::CLONE_NEWNS));
    Ok(command)
}

/// A command outside, as `identity`, that dies when the caller's thread does.
pub(crate) fn human(identity: &Identity, program: &OsStr) -> Command {
    let mut command = Command::new(program);
    // Who was root all along keeps the environment as it was.
    if identity.uid != 0 {
        command.envs([("HOME", &identity.home), ("USER", &identity.name), ("LOGNAME", &identity.name)]);
    }
    before(&mut command, identity, || Ok(()));
    command
}

#[expect(unsafe_code, reason = "what happens between fork and exec has no safe interface")]
fn before(
    command: &mut Command,
    identity: &Identity,
    enter: impl Fn() -> nix::Result<()> + Send + Sync + 'static,
) {
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let become_it = move || {
        enter()?;
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        // A caller that takes its signals from a descriptor has them blocked; that is not for others.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        prctl::set_pdeathsig(Signal::SIGKILL)
    };
    // SAFETY: only system calls, on values that were made before the fork: nothing allocates or takes a lock.
    unsafe { command.pre_exec(move || Ok(become_it()?)) };
}

/// The number outside of the process that has this number in the PID namespace of `init`.
pub(crate) fn outside(init: i32, inside: i32) -> Option<i32> {
    let namespace = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/pid")).ok();
    let home = namespace(&init.to_string())?;
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let pid: i32 = name.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let mut numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace();
        // An instance in a namespace of its own has one number more behind it.
        let of_ours = namespace(&name)? == home || parent_is(&status, init);
        let number: Option<i32> = numbers.nth(depth(init)?).and_then(|number| number.parse().ok());
        (of_ours && number == Some(inside)).then_some(pid)
    })
}

fn parent_is(status: &str, init: i32) -> bool {
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|parent| parent.trim().parse().ok()) == Some(init)
}

/// How deep the namespace of a process is below the one of `/proc`.
fn depth(pid: i32) -> Option<usize> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().count().checked_sub(1)
}
