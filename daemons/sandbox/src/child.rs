//! The first process of a call: PID 1 of its namespaces, which builds what every call has and stays as reaper.
//!
//! It works ahead of its call. The order of the steps is the kernel's: identity, mounts, privileges; its own child, the
//! [occupant](crate::occupant), goes on with what the call itself decides. Neither ever returns.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{self, Gid, Pid, Uid};

use crate::cgroup::Group;
use crate::landlock::{Domain, LandlockError};
use crate::layers::{Layer, Layers};
use crate::occupant::Occupant;
use crate::privileges::{self, PrivilegeError};
use crate::report::Reporter;
use crate::root::{Root, RootError};
use crate::seccomp::{Filters, SeccompError};
use crate::syscall::{self, Fork};
use crate::wire::{Connection, WireError};

/// The uid and gid that a call sees itself as.
const INSIDE: u32 = 1000;

/// Everything that the child needs, made by the zygote before `clone`.
pub(crate) struct Child<'a> {
    pub(crate) root: Root<'a>,
    pub(crate) group: Option<&'a Group>,
    pub(crate) filters: &'a Filters,
    pub(crate) layers: Layers,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Where the call's order will come.
    pub(crate) order: Connection,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) report: OwnedFd,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    #[error("cannot {step}: {source}")]
    Step { step: &'static str, source: io::Error },
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    #[error(transparent)]
    Landlock(#[from] LandlockError),
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    #[error(transparent)]
    Order(#[from] WireError),
}

/// The namespaces of a call under these layers.
pub(crate) fn namespaces(layers: Layers) -> libc::c_int {
    let chosen = [
        (Layer::PidNamespace, libc::CLONE_NEWPID),
        (Layer::IpcNamespace, libc::CLONE_NEWIPC),
        (Layer::UtsNamespace, libc::CLONE_NEWUTS),
    ];
    let always = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
    chosen.iter().filter(|(layer, _)| layers.has(*layer)).fold(always, |all, (_, flag)| all | flag)
}

impl Child<'_> {
    /// Never returns: whatever goes wrong is reported, and the process ends.
    pub(crate) fn live(mut self) -> ! {
        let mut reporter = match self.report.try_clone() {
            Ok(pipe) => Reporter::new(File::from(pipe)),
            Err(_) => syscall::exit_now(1),
        };
        let status = panic::catch_unwind(AssertUnwindSafe(|| self.init(&mut reporter)));
        match status {
            Ok(Ok(status)) => {
                reporter.ended(status);
                syscall::exit_now(0)
            }
            Ok(Err(error)) => reporter.unconfined(&error.to_string()),
            Err(_) => reporter.unconfined("the sandbox's child panicked"),
        }
        syscall::exit_now(1)
    }

    fn init(&mut self, reporter: &mut Reporter) -> Result<i32, ChildError> {
        self.tie_to_zygote()?;
        if self.layers.has(Layer::Descriptors) {
            self.close_others(reporter)?;
        }
        if let Some(group) = self.group {
            step("enter the call's control group", group.enter())?;
        }
        // A unit's own, stricter mask would otherwise show in the modes of proposed files.
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        self.identity()?;
        self.root.build()?;
        if self.layers.has(Layer::UtsNamespace) {
            hide_host_name()?;
        }
        syscall::join_new_session_keyring();
        if self.layers.has(Layer::Privileges) {
            privileges::forbid_gaining()?;
        }
        let domain =
            self.layers.has(Layer::Landlock).then(|| Domain::common(self.root.programs)).transpose()?;
        if self.layers.has(Layer::HiddenReaper) {
            // So that the program cannot look into its reaper; executing it makes it dumpable again.
            step("hide the reaper", prctl::set_dumpable(false).map_err(Into::into))?;
        }
        match step("fork", syscall::clone_into(0))? {
            Fork::Child => Occupant { child: self, domain }.live(reporter),
            Fork::Parent(occupant) => {
                drop(domain);
                if self.layers.has(Layer::Privileges) {
                    privileges::drop_all()?;
                }
                Ok(reap(Pid::from_raw(occupant)))
            }
        }
    }

    /// Dies with the zygote, also if that is gone already.
    fn tie_to_zygote(&self) -> Result<(), ChildError> {
        step("ask for a death signal", prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into))?;
        let mut pipe = [PollFd::new(self.report.as_fd(), PollFlags::empty())];
        step("look for the zygote", poll(&mut pipe, PollTimeout::ZERO).map_err(Into::into))?;
        if pipe.first().and_then(PollFd::any).unwrap_or(true) {
            syscall::exit_now(1);
        }
        Ok(())
    }

    fn identity(&self) -> Result<(), ChildError> {
        step("deny setgroups", fs::write("/proc/self/setgroups", "deny"))?;
        step("map the user", fs::write("/proc/self/uid_map", format!("{INSIDE} {} 1", self.uid)))?;
        step("map the group", fs::write("/proc/self/gid_map", format!("{INSIDE} {} 1", self.gid)))
    }

    /// Closes what the zygote holds and this call has no part in: the client's connection, other calls' pipes. A
    /// built-in tool is never executed, so closing at `execve` would come too late for it.
    fn close_others(&self, reporter: &Reporter) -> Result<(), ChildError> {
        let pipes = [&self.stdout, &self.stderr, &self.report].map(AsRawFd::as_raw_fd);
        let mut kept = pipes.to_vec();
        kept.push(self.order.stream().as_raw_fd());
        kept.extend(reporter.descriptor());
        step("close descriptors", syscall::close_all_but(kept))
    }
}

/// A unit with `ProtectHostname=yes` forbids to set any name, and then the host's is seen: no secret, and
/// nothing that a call could change.
fn hide_host_name() -> Result<(), ChildError> {
    match unistd::sethostname("sandbox") {
        Ok(()) | Err(nix::errno::Errno::EPERM) => Ok(()),
        Err(error) => step("set the host name", Err(error.into())),
    }
}

/// Waits for everything until the program itself ends; the rest dies with this process.
fn reap(program: Pid) -> i32 {
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(status) if status.pid() == Some(program) => {
                use nix::sys::wait::WaitStatus::{Exited, Signaled};
                match status {
                    Exited(_, code) => return code << 8,
                    Signaled(_, signal, _) => return signal as i32,
                    _ => {}
                }
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return 1 << 8,
        }
    }
}

pub(crate) fn step<T>(step: &'static str, result: io::Result<T>) -> Result<T, ChildError> {
    result.map_err(|source| ChildError::Step { step, source })
}
