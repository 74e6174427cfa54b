//! The zygote: waits for calls on its one connection and runs them, one after the other.
//!
//! It ends with status 0 when the client hangs up or the manager says SIGTERM; a call that is running then is
//! killed as a whole. It holds no state between calls but what it was started with.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::call::{self, Cut, Ended, Watched};
use crate::identity::Identity;
use crate::landlock;
use crate::layers::{Layer, Layers};
use crate::memfd;
use crate::network;
use crate::overlay::Directories;
use crate::protocol::{Builtin, Done, Limits, Probe, Program, Proposed, Reply, Request, Run, valid_id};
use crate::report::Report;
use crate::seccomp::{Filter, SeccompError};
use crate::syscall;
use crate::upper;
use crate::wire::{Connection, Message, WireError};

/// Where the zygote works; all of it is the host's.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The workspace, which the zygote only reads.
    pub workspace: PathBuf,
    /// A private directory for overlays; a tmpfs of bounded size.
    pub scratch: PathBuf,
    /// Trees of programs that calls see, read-only, at the same paths.
    pub programs: Vec<PathBuf>,
}

/// Why the zygote ends other than by its client's or manager's wish.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The system call table.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// The connection.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Signals cannot be received.
    #[error("cannot wait for requests: {0}")]
    Wait(#[source] io::Error),
}

/// Serves one connection until it closes.
///
/// # Errors
/// The zygote cannot work at all. What is wrong with the kernel or the network is told to the client instead.
pub fn serve(stream: UnixStream, deployment: Deployment, layers: Layers) -> Result<(), ZygoteError> {
    let signals = block_sigterm().map_err(ZygoteError::Wait)?;
    let identity = Identity::of_this_process();
    let zygote = Zygote { filter: Filter::standard()?, deployment, layers, signals, identity };
    let mut connection = Connection::new(stream);
    let mut number = 0;
    loop {
        let message = match next(&mut connection, &zygote.signals) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => {
                let reason = error.to_string();
                // The stream is broken; the client may not even be there to hear why.
                let _ = connection.send(&Reply::Refused { call: None, reason }, &[]);
                return Err(error);
            }
        };
        number += 1;
        let Some(answer) = zygote.answer(&message, &connection, number) else { return Ok(()) };
        let bulk: Vec<_> = answer.bulk.iter().map(AsFd::as_fd).collect();
        connection.send(&answer.reply, &bulk)?;
        // Only now, while the client goes on, but before the next call.
        drop(answer.remains);
    }
}

/// Waits for a message or for the wish to stop.
pub(crate) fn next(connection: &mut Connection, signals: &SignalFd) -> Result<Option<Message>, ZygoteError> {
    loop {
        if let Some(message) = connection.buffered()? {
            return Ok(Some(message));
        }
        let mut polled = [
            PollFd::new(connection.stream().as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(ZygoteError::Wait(error.into())),
        }
        let [readable, stop] = polled.map(|fd| fd.any().unwrap_or(true));
        if stop || (readable && !connection.fill()?) {
            return Ok(None);
        }
    }
}

/// From now on SIGTERM is read, not suffered.
pub(crate) fn block_sigterm() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

struct Zygote {
    filter: Filter,
    deployment: Deployment,
    layers: Layers,
    signals: SignalFd,
    identity: Option<Identity>,
}

struct Answer {
    reply: Reply,
    bulk: Vec<OwnedFd>,
    remains: Option<Remains>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, bulk: Vec::new(), remains: None }
    }
}

/// What a call leaves in the kernel and in the scratch. It goes when this is dropped.
struct Remains {
    call: String,
    directories: Directories,
    /// Its mounts. Without this they would go with its last process, while the client waits.
    mounts: Option<OwnedFd>,
}

impl Drop for Remains {
    fn drop(&mut self) {
        // First, because an overlay must not lose its directories under it.
        drop(self.mounts.take());
        if let Err(error) = self.directories.remove() {
            eprintln!("<4>cannot remove the scratch of the call {}: {error}", self.call);
        }
    }
}

impl Zygote {
    /// None when the client or the manager wants an end.
    fn answer(&self, message: &Message, connection: &Connection, number: u64) -> Option<Answer> {
        let refused = |call: Option<&str>, reason: String| {
            Some(Reply::Refused { call: call.map(str::to_owned), reason }.into())
        };
        match serde_json::from_slice(&message.frame) {
            Err(error) => refused(None, format!("cannot read the request: {error}")),
            Ok(Request::Apply(_) | Request::Recover { .. }) => {
                refused(None, "cannot apply changes here: this runner only runs calls".to_owned())
            }
            Ok(Request::Hello {}) => Some(Reply::Hello(self.identity.clone()).into()),
            Ok(Request::Probe {}) => Some(Reply::Probe(self.probe(connection, number)?).into()),
            Ok(Request::Run(run)) => match self.run(&run, connection, number) {
                Ok(answer) => Some(answer),
                Err(Trouble::End) => None,
                Err(Trouble::Refused(reason)) => {
                    refused(valid_id(&run.call).then_some(run.call.as_str()), reason)
                }
            },
        }
    }

    fn run(&self, run: &Run, connection: &Connection, number: u64) -> Result<Answer, Trouble> {
        check(run)?;
        if self.layers.has(Layer::EmptyNetwork) {
            network::require_empty().map_err(refuse)?;
        }
        if self.layers.has(Layer::Landlock) {
            landlock::require_abi(syscall::landlock_abi()).map_err(refuse)?;
        }
        let directories = Directories::create(&self.deployment.scratch, number, self.layers)
            .map_err(|error| Trouble::Refused(format!("cannot make the call's scratch: {error}")))?;
        let mut remains = Remains { call: run.call.clone(), directories, mounts: None };
        let (reply, bulk) = self.run_in(run, connection, &mut remains)?;
        Ok(Answer { reply, bulk, remains: Some(remains) })
    }

    fn run_in(
        &self,
        run: &Run,
        connection: &Connection,
        remains: &mut Remains,
    ) -> Result<(Reply, Vec<OwnedFd>), Trouble> {
        let directories = &remains.directories;
        let watched = Watched { connection: connection.stream().as_fd(), signals: self.signals.as_fd() };
        let mut ended = call::run(run, &self.deployment, directories, &self.filter, self.layers, &watched)
            .map_err(|error| Trouble::Refused(format!("cannot run the call: {error}")))?;
        if matches!(ended.cut, Some(Cut::HungUp | Cut::Stopped)) {
            return Err(Trouble::End);
        }
        if let Report::Unconfined(reason) = ended.report {
            eprintln!("<3>the call {} was not run: {reason}", run.call);
            return Err(Trouble::Refused(reason));
        }
        let (changes, proposal) = self.proposed(run, directories)?;
        remains.mounts = ended.mounts.take();
        done(run, ended, changes, proposal)
            .map_err(|error| Trouble::Refused(format!("cannot hand the output over: {error}")))
    }

    fn proposed(&self, run: &Run, directories: &Directories) -> Result<(Proposed, Vec<OwnedFd>), Trouble> {
        if !run.overlay || !self.layers.has(Layer::Proposals) {
            return Ok((Proposed::Nothing, Vec::new()));
        }
        let found = match upper::read(&directories.upper, &self.deployment.workspace, &run.limits) {
            Ok(found) if found.set.is_empty() => return Ok((Proposed::Nothing, Vec::new())),
            Ok(found) => found,
            Err(error) => return Ok((Proposed::Refused { reason: error.to_string() }, Vec::new())),
        };
        let manifest = found.set.canonical().map_err(refuse)?;
        let changes = Proposed::Changes {
            digest: crate::changeset::sha256(&manifest),
            entries: found.set.changes.len(),
            skipped: found.set.skipped.len(),
            bytes: found.bytes,
        };
        let manifest = memfd::sealed(c"manifest", &manifest).map_err(refuse)?;
        Ok((changes, vec![manifest, found.contents]))
    }

    fn probe(&self, connection: &Connection, number: u64) -> Option<Probe> {
        let trial = Run {
            overlay: true,
            limits: Limits { wall_ms: 10_000, ..Limits::default() },
            ..Run::new("probe", Program::Builtin(Builtin::Exists { path: ".".to_owned() }))
        };
        let reason = match self.run(&trial, connection, number) {
            Ok(Answer { reply: Reply::Done(Done { exit: Some(0), .. }), .. }) => None,
            Ok(_) => Some("a trial call did not end as it should".to_owned()),
            Err(Trouble::Refused(reason)) => Some(reason),
            Err(Trouble::End) => return None,
        };
        Some(Probe {
            landlock_abi: syscall::landlock_abi(),
            network_empty: network::require_empty().is_ok(),
            ready: reason.is_none(),
            reason,
        })
    }
}

/// Why a call gave no result.
enum Trouble {
    /// Say so; the next call may do better.
    Refused(String),
    /// Nobody waits for an answer.
    End,
}

fn refuse(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(error.to_string())
}

fn check(run: &Run) -> Result<(), Trouble> {
    let refused = |reason: String| Err(Trouble::Refused(format!("cannot run the call: {reason}")));
    if !valid_id(&run.call) {
        return refused("its id is no plain name of 1 to 128 characters".to_owned());
    }
    if let Some((name, least, most)) = run.limits.exceeded() {
        return refused(format!("its limit {name} is not between {least} and {most}"));
    }
    if matches!(&run.program, Program::Exec { argv, .. } if argv.first().is_none_or(String::is_empty)) {
        return refused("it names no program".to_owned());
    }
    if run
        .env
        .iter()
        .any(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        return refused("its environment holds an impossible name or value".to_owned());
    }
    Ok(())
}

fn done(
    run: &Run,
    ended: Ended,
    changes: Proposed,
    proposal: Vec<OwnedFd>,
) -> io::Result<(Reply, Vec<OwnedFd>)> {
    let (exit, signal) = match ended.report {
        Report::Ended(status) => match status & 0x7f {
            0 => (Some(status >> 8 & 0xff), None),
            signal => (None, Some(signal)),
        },
        Report::Silent | Report::Unconfined(_) => (None, Some(Signal::SIGKILL as i32)),
    };
    let reply = Reply::Done(Done {
        call: run.call.clone(),
        exit,
        signal,
        timed_out: ended.cut == Some(Cut::Deadline),
        output_truncated: ended.cut == Some(Cut::Output),
        duration_us: u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX),
        stdout_len: ended.stdout.length,
        stderr_len: ended.stderr.length,
        changes,
    });
    let mut bulk = vec![ended.stdout.seal()?, ended.stderr.seal()?];
    bulk.extend(proposal);
    Ok((reply, bulk))
}
