//! The process between the caller and PID 1: sees the caller's end, however it comes, and sweeps up.
//!
//! The caller may have many threads, and "the parent has died" would mean the thread that started us; so the caller's
//! life is a socket that the kernel closes. When the guardian itself is killed, PID 1 dies of it and takes everything along.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize};

use crate::clone::{Forked, fork_into};
use crate::control::{self, Report};
use crate::error::ApplianceError;
use crate::init;
use crate::layout::Layout;
use crate::plan::Plan;

/// What the guardian is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) plan: Plan,
    pub(crate) layout: Layout,
}

/// The program `testudo-init`: standard input is the lifeline, on which the order comes first.
pub fn run() -> ExitCode {
    match guard() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testudo-init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn guard() -> Result<ExitCode, ApplianceError> {
    let lifeline = io::stdin().as_fd().try_clone_to_owned().map_err(ApplianceError::Silent)?;
    let (order, _) = control::receive::<Order>(&lifeline).map_err(|source| match source.kind() {
        io::ErrorKind::Other | io::ErrorKind::UnexpectedEof => ApplianceError::Silent(source),
        _ => ApplianceError::Supervisor(format!("started by hand? it is started by testudo-try ({source})")),
    })?;
    // A session of its own: the terminal's Ctrl-C is for the caller to act on.
    setsid().map_err(ApplianceError::system("make a session"))?;
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block().map_err(ApplianceError::system("block signals"))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(ApplianceError::system("watch for signals"))?;
    let Order { plan, layout } = order;
    let init =
        match fork_into(CloneFlags::CLONE_NEWPID).map_err(ApplianceError::system("make a PID namespace"))? {
            Forked::Child => {
                let result = init::run(plan, &layout, lifeline);
                if let Err(error) = &result {
                    eprintln!("testudo-init: {error}");
                }
                std::process::exit(i32::from(result.is_err()))
            }
            Forked::Parent(init) => init,
        };
    let _ = control::send(&lifeline, &Report::Init(init.as_raw()), None);
    let status = watch(init, &lifeline, &signals)?;
    // The caller may want to read why: the logs stay until it lets go. What it asks meanwhile is dropped, which tells it.
    let _ = control::send(&lifeline, &Report::Ended, None);
    while control::receive::<serde_json::Value>(&lifeline).is_ok() {}
    layout.sweep();
    Ok(if status == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits for init's end, and brings it about when the caller is gone or a signal asks for it.
fn watch(init: Pid, lifeline: &OwnedFd, signals: &SignalFd) -> Result<i32, ApplianceError> {
    loop {
        let mut all = [
            PollFd::new(lifeline.as_fd(), PollFlags::empty()),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut all, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(ApplianceError::system("wait for events")(errno)),
        }
        let gone = all.first().is_some_and(|lifeline| lifeline.any().unwrap_or(false));
        let mut asked = false;
        while let Ok(Some(signal)) = signals.read_signal() {
            asked |= u32::try_from(Signal::SIGCHLD as i32) != Ok(signal.ssi_signo);
        }
        if gone || asked {
            let _ = kill(init, Signal::SIGKILL);
        }
        // Once the lifeline is cut it is always readable: then wait for the end itself.
        let flags = if gone { None } else { Some(WaitPidFlag::WNOHANG) };
        match waitpid(init, flags) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(..)) | Err(_) => return Ok(1),
            Ok(_) => {}
        }
    }
}
