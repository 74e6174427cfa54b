//! The child of one call, from `clone` to the program.
//!
//! Two processes: the first becomes PID 1 of the new namespaces, builds the root, gives up its privileges
//! and stays as reaper; the second enters Landlock and seccomp and becomes the program. The order of the steps
//! is the kernel's: identity, mounts, privileges, then Landlock (which forbids mounts), then seccomp.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{self, Gid, Pid, Uid};

use crate::landlock::{Domain, LandlockError};
use crate::layers::{Layer, Layers};
use crate::privileges::{self, PrivilegeError};
use crate::program;
use crate::protocol::{Run, WORKSPACE};
use crate::report::Reporter;
use crate::root::{DEVICES, FILES, Root, RootError};
use crate::seccomp::{Filter, SeccompError};
use crate::syscall::{self, Fork};

/// The uid and gid that a call sees itself as.
const INSIDE: u32 = 1000;

/// Everything that the child needs, made by the zygote before `clone`.
pub(crate) struct Child<'a> {
    pub(crate) run: &'a Run,
    pub(crate) root: Root<'a>,
    pub(crate) filter: &'a Filter,
    pub(crate) layers: Layers,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) report: OwnedFd,
}

#[derive(Debug, thiserror::Error)]
enum ChildError {
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
        // A unit's own, stricter mask would otherwise show in the modes of proposed files.
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        self.identity()?;
        self.root.enter()?;
        if self.layers.has(Layer::UtsNamespace) {
            hide_host_name()?;
        }
        syscall::join_new_session_keyring();
        if self.layers.has(Layer::Privileges) {
            privileges::drop_all()?;
        }
        // So that the program cannot look into its reaper; executing it makes it dumpable again.
        step("hide the reaper", prctl::set_dumpable(false).map_err(Into::into))?;
        match step("fork", syscall::clone_into(0))? {
            Fork::Child => self.become_program(reporter),
            Fork::Parent(program) => Ok(reap(Pid::from_raw(program))),
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

    fn become_program(&mut self, reporter: &mut Reporter) -> ! {
        match self.confine() {
            Ok(()) => {
                let ready = program::Ready { run: self.run };
                syscall::exit_now(ready.start())
            }
            Err(error) => reporter.unconfined(&error.to_string()),
        }
        syscall::exit_now(1)
    }

    fn confine(&mut self) -> Result<(), ChildError> {
        step("start a session", unistd::setsid().map(drop).map_err(Into::into))?;
        self.descriptors()?;
        default_signals()?;
        step("enter the workspace", std::env::set_current_dir(WORKSPACE))?;
        if self.layers.has(Layer::ResourceLimits) {
            privileges::limit(&self.run.limits)?;
        }
        if self.layers.has(Layer::Landlock) {
            self.domain()?;
        }
        if self.layers.has(Layer::Seccomp) {
            self.filter.load()?;
        }
        Ok(())
    }

    fn descriptors(&mut self) -> Result<(), ChildError> {
        // Opened only now: before the change of roots it would point into the host's.
        let stdin = match self.stdin.take() {
            Some(descriptor) => descriptor,
            None => step("open /dev/null", File::open("/dev/null"))?.into(),
        };
        step("place standard input", syscall::place(stdin.as_fd(), 0))?;
        step("place standard output", syscall::place(self.stdout.as_fd(), 1))?;
        step("place standard error", syscall::place(self.stderr.as_fd(), 2))?;
        if self.layers.has(Layer::Descriptors) {
            step("close descriptors", syscall::close_on_exec_from(3))?;
        }
        Ok(())
    }

    fn domain(&self) -> Result<(), ChildError> {
        let mut programs: Vec<PathBuf> = self.root.programs.to_vec();
        programs.extend(
            ["/bin", "/sbin", "/lib", "/lib32", "/lib64"]
                .map(PathBuf::from)
                .into_iter()
                .filter(|p| p.exists()),
        );
        let programs: Vec<&Path> = programs.iter().map(PathBuf::as_path).collect();
        let mut readable = vec![Path::new("/proc"), Path::new("/dev")];
        let mut writable = vec![Path::new("/tmp")];
        if self.run.overlay { &mut writable } else { &mut readable }.push(Path::new(WORKSPACE));
        let mut executable = programs;
        if !self.run.overlay {
            executable.push(Path::new(WORKSPACE));
        }
        let devices = DEVICES.map(Path::new);
        Domain {
            programs: &executable,
            readable: &readable,
            files: &FILES.map(Path::new),
            writable: &writable,
            devices: &devices,
        }
        .enter()?;
        Ok(())
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

/// The zygote blocks SIGTERM and its runtime ignores SIGPIPE; programs expect neither.
fn default_signals() -> Result<(), ChildError> {
    step("unblock signals", SigSet::empty().thread_set_mask().map_err(Into::into))?;
    step("reset SIGPIPE", syscall::default_action(Signal::SIGPIPE))
}

fn step<T>(step: &'static str, result: io::Result<T>) -> Result<T, ChildError> {
    result.map_err(|source| ChildError::Step { step, source })
}
