//! One call, seen from the zygote: clone the child, collect its output, cut it where a limit says so.
//!
//! A call ends by itself, at its deadline, at its output limit, when the client hangs up, or when the zygote is
//! told to stop. In all but the first case its PID 1 is killed, which takes every process of the call along;
//! `wait` returns only when all of them are dead, and only then is the overlay looked at.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getgid, getuid, pipe2};

use crate::child::{self, Child};
use crate::layers::{Layer, Layers};
use crate::memfd;
use crate::overlay::Directories;
use crate::protocol::Run;
use crate::report::{self, Report};
use crate::root::Root;
use crate::seccomp::Filter;
use crate::syscall::{self, Fork};
use crate::zygote::Deployment;

/// What cut a call short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Deadline,
    Output,
    HungUp,
    Stopped,
}

/// A call that is over, every process of it dead.
pub(crate) struct Ended {
    pub(crate) report: Report,
    pub(crate) cut: Option<Cut>,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) duration: Duration,
    /// Keeps the call's mounts until it is closed, which takes as long as a tenth of a whole call. None where
    /// the kernel does not give it, and then they are gone already.
    pub(crate) mounts: Option<OwnedFd>,
}

/// What there is to watch beside the call itself.
pub(crate) struct Watched<'a> {
    pub(crate) connection: BorrowedFd<'a>,
    pub(crate) signals: BorrowedFd<'a>,
}

/// Runs a call to its end.
pub(crate) fn run(
    run: &Run,
    deployment: &Deployment,
    directories: &Directories,
    filter: &Filter,
    layers: Layers,
    watched: &Watched<'_>,
) -> io::Result<Ended> {
    let started = Instant::now();
    let stdin = run.stdin.as_ref().map(|text| rewound(text.as_bytes())).transpose()?;
    let (stdout, stdout_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (stderr, stderr_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC)?;
    let child = Child {
        run,
        root: Root {
            place: &directories.root,
            workspace: &deployment.workspace,
            overlay: run.overlay.then_some(directories),
            programs: &deployment.programs,
            tmp_bytes: run.limits.tmp_bytes,
            layers,
        },
        filter,
        layers,
        uid: getuid(),
        gid: getgid(),
        stdin,
        stdout: stdout_end,
        stderr: stderr_end,
        report: report_end,
    };
    let pid = match syscall::clone_into(child::namespaces(layers))? {
        Fork::Child => child.live(),
        Fork::Parent(pid) => Pid::from_raw(pid),
    };
    let mounts = File::open(format!("/proc/{pid}/ns/mnt")).ok().map(OwnedFd::from);
    // Our copies of the writing ends, which would keep the pipes from ending.
    drop(child);
    let mut collector = Collector {
        stdout: Captured::new(stdout)?,
        stderr: Captured::new(stderr)?,
        room: if layers.has(Layer::OutputLimit) { run.limits.output_bytes } else { u64::MAX },
    };
    let deadline = layers.has(Layer::WallLimit).then(|| started + Duration::from_millis(run.limits.wall_ms));
    let watch = syscall::pidfd_open(pid.as_raw())
        .and_then(|exit| collector.until_over(exit.as_fd(), watched, deadline));
    if !matches!(watch, Ok(None)) {
        // It cannot be another process: this one has not been waited for yet.
        kill(pid, Signal::SIGKILL)?;
    }
    waitpid(pid, None)?;
    let mut cut = watch?;
    if !collector.drain()? {
        cut = cut.or(Some(Cut::Output));
    }
    let report = report::read(nonblocking(report)?)?;
    let Collector { stdout, stderr, .. } = collector;
    Ok(Ended { report, cut, stdout, stderr, duration: started.elapsed(), mounts })
}

/// One captured stream.
pub(crate) struct Captured {
    pipe: Option<File>,
    bytes: File,
    pub(crate) length: u64,
}

impl Captured {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Some(nonblocking(pipe)?), bytes: memfd::create(c"output")?, length: 0 })
    }

    /// Takes what is there, up to `room` bytes; false when there is more than that.
    fn take(&mut self, room: &mut u64) -> io::Result<bool> {
        let mut buffer = [0_u8; 16 * 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let kept = usize::try_from(*room).unwrap_or(usize::MAX).min(length);
                    self.bytes.write_all(buffer.get(..kept).unwrap_or_default())?;
                    self.length += kept as u64;
                    *room -= kept as u64;
                    if kept < length {
                        return Ok(false);
                    }
                    // One read at a time, so that one stream cannot starve the deadline.
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The bytes, sealed.
    pub(crate) fn seal(self) -> io::Result<OwnedFd> {
        memfd::seal(self.bytes)
    }
}

struct Collector {
    stdout: Captured,
    stderr: Captured,
    room: u64,
}

impl Collector {
    fn until_over(
        &mut self,
        exit: BorrowedFd<'_>,
        watched: &Watched<'_>,
        deadline: Option<Instant>,
    ) -> io::Result<Option<Cut>> {
        // POLLRDHUP, which nix does not name: the client closed, or shut down, its side.
        let hang_up = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        loop {
            let mut polled = vec![
                PollFd::new(exit, PollFlags::POLLIN),
                PollFd::new(watched.connection, hang_up),
                PollFd::new(watched.signals, PollFlags::POLLIN),
            ];
            let pipes = [&self.stdout, &self.stderr];
            polled.extend(
                pipes
                    .iter()
                    .filter_map(|captured| captured.pipe.as_ref())
                    .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
            );
            let ready = match poll(&mut polled, remaining(deadline)) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            // A revents with bits that nix does not name reads as none; both mean that something is there.
            let mut happened = polled.iter().map(|fd| fd.any().unwrap_or(true));
            let (over, hung_up, stopped) = (happened.next(), happened.next(), happened.next());
            drop(polled);
            if hung_up == Some(true) {
                return Ok(Some(Cut::HungUp));
            }
            if stopped == Some(true) {
                return Ok(Some(Cut::Stopped));
            }
            if !self.stdout.take(&mut self.room)? || !self.stderr.take(&mut self.room)? {
                return Ok(Some(Cut::Output));
            }
            if over == Some(true) {
                return Ok(None);
            }
            if ready == 0 || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Some(Cut::Deadline));
            }
        }
    }

    /// Takes what the dead left in the pipes; false when it is too much.
    fn drain(&mut self) -> io::Result<bool> {
        for captured in [&mut self.stdout, &mut self.stderr] {
            loop {
                let before = captured.length;
                if !captured.take(&mut self.room)? {
                    return Ok(false);
                }
                if captured.pipe.is_none() || captured.length == before {
                    break;
                }
            }
        }
        Ok(true)
    }
}

fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    // Rounded up, so that a poll that returns by timeout has reached the deadline.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
}

fn nonblocking(pipe: OwnedFd) -> io::Result<File> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(File::from(pipe))
}

fn rewound(bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::Seek;
    let mut file = memfd::create(c"stdin")?;
    file.write_all(bytes)?;
    file.rewind()?;
    memfd::seal(file)
}
