//! A child that waits for its call, with all of its confinement built that does not depend on the call.
//!
//! The zygote makes the next one while the client reads the answer to the last, so that of a call's time only what is
//! its own remains: its overlay, its limits, Landlock, seccomp, and the program. A child serves one call and no more.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getgid, getuid, pipe2};

use crate::cgroup::Group;
use crate::child::{self, Child};
use crate::inbox;
use crate::layers::Layers;
use crate::overlay::Directories;
use crate::root::Root;
use crate::seccomp::Filters;
use crate::syscall::{self, Fork};
use crate::wire::Connection;
use crate::zygote::Deployment;

/// A child that waits, and what is needed to talk to it.
pub(crate) struct Prepared {
    pid: Option<Pid>,
    /// Readable when it has ended.
    pub(crate) exit: OwnedFd,
    /// Where it waits for its order.
    pub(crate) order: Connection,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) report: Option<OwnedFd>,
    /// Keeps its mounts until it is closed, which takes as long as a tenth of a whole call. None where
    /// the kernel does not give it, and then they are gone with its last process.
    pub(crate) mounts: Option<OwnedFd>,
    pub(crate) directories: Directories,
    /// None where no controllers are delegated.
    pub(crate) group: Option<Group>,
}

impl Prepared {
    /// Starts a child. It prepares itself while the zygote goes on.
    pub(crate) fn start(
        deployment: &Deployment,
        directories: Directories,
        group: Option<Group>,
        filters: &Filters,
        layers: Layers,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (stdout, stdout_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr, stderr_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (report, report_end) = pipe2(OFlag::O_CLOEXEC)?;
        let inbox = inbox::directory(&deployment.scratch);
        let child = Child {
            root: Root {
                workspace: &deployment.workspace,
                inbox: &inbox,
                directories: &directories,
                programs: &deployment.programs,
                base: deployment.base(),
                layers,
            },
            group: group.as_ref(),
            filters,
            layers,
            uid: getuid(),
            gid: getgid(),
            order: Connection::new(theirs),
            stdout: stdout_end,
            stderr: stderr_end,
            report: report_end,
        };
        let pid = match syscall::clone_into(child::namespaces(layers))? {
            Fork::Child => child.live(),
            Fork::Parent(pid) => Pid::from_raw(pid),
        };
        // Our copies of its ends, which would keep the pipes from ending.
        drop(child);
        let mounts = File::open(format!("/proc/{pid}/ns/mnt")).ok().map(OwnedFd::from);
        let exit = match syscall::pidfd_open(pid.as_raw()) {
            Ok(exit) => exit,
            Err(error) => {
                end(pid)?;
                return Err(error);
            }
        };
        Ok(Self {
            pid: Some(pid),
            exit,
            order: Connection::new(ours),
            stdout: Some(stdout),
            stderr: Some(stderr),
            report: Some(report),
            mounts,
            directories,
            group,
        })
    }

    /// Whether it has not ended before its time.
    pub(crate) fn is_waiting(&self) -> bool {
        let mut exit = [PollFd::new(self.exit.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut exit, PollTimeout::ZERO), Ok(0))
    }

    /// Kills every process of it that is still there, and waits until all are dead.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        if let Some(group) = &self.group {
            group.kill();
        }
        self.pid.take().map_or(Ok(()), end)
    }

    /// Waits for one that has ended by itself, and kills what it left. The PID namespace does the same, and first.
    pub(crate) fn reap(&mut self) -> io::Result<()> {
        if let Some(pid) = self.pid.take() {
            waitpid(pid, None)?;
            if let Some(group) = &self.group {
                group.kill();
            }
        }
        Ok(())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // It dies with the zygote at the latest.
        let _ = self.end();
        // First, because an overlay must not lose its directories under it.
        drop(self.mounts.take());
        if let Err(error) = self.directories.remove() {
            eprintln!("<4>cannot remove the scratch of a call: {error}");
        }
        if let Some(group) = &self.group {
            group.remove();
        }
    }
}

/// It cannot be another process: this one has not been waited for yet.
fn end(pid: Pid) -> io::Result<()> {
    kill(pid, Signal::SIGKILL)?;
    waitpid(pid, None)?;
    Ok(())
}
