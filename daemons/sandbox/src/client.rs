//! The blocking client of both runners.
//!
//! [`Instance`] is one connection, and so one sandbox: requests follow each other on it. A
//! [`Canceller`], taken beforehand, hangs up from another thread; the runner then kills the running call
//! with everything that it started, and [`Instance::run`] fails with [`ClientError::HungUp`].

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::bulk::{Bounds, Bulk, Gave, NOTE};
use crate::changeset::{Proposal, ProposalError};
use crate::memfd::{self, Sealed};
use crate::protocol::{
    Apply, Builtin, Done, Identity, MAX_DESCRIPTORS, Merge, Origin, Probe, Program, Proposed, Reply, Request,
    Run,
};
use crate::wire::{Connection, WireError};

/// Why a request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket cannot be reached.
    #[error("cannot connect to the sandbox at {path}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runner went away, or the call was cancelled.
    #[error("cannot finish the call: the sandbox hung up")]
    HungUp,
    /// The runner did not carry the request out.
    #[error("cannot run the call: {reason}")]
    Refused {
        /// The runner's sentence.
        reason: String,
    },
    /// The runner began an application and could not complete it.
    #[error("{reason}")]
    Unfinished {
        /// The runner's sentence.
        reason: String,
    },
    /// The workspace is not what an application left.
    #[error("the workspace changed meanwhile: {path}: {message}")]
    Conflict {
        /// The first path in conflict.
        path: String,
        /// What was expected and found.
        message: String,
    },
    /// The connection failed.
    #[error("cannot talk to the sandbox: {0}")]
    Wire(#[from] WireError),
    /// The runner's answer is no JSON of a reply.
    #[error("cannot read the sandbox's answer: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The runner's answer is one to another request, or lacks descriptors.
    #[error("cannot accept the sandbox's answer: {0}")]
    Unexpected(&'static str),
    /// A descriptor is not sealed, holds less than it claims, or more than was announced or asked for.
    #[error("cannot read what the sandbox handed over: {0}")]
    Bulk(#[source] io::Error),
    /// The change set is not what it claims to be.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
}

/// What a call left behind.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub done: Done,
    /// The file that [`Builtin::Give`] gave, whole; in the runner's memory, and in no standard output.
    pub file: Option<Sealed>,
    /// Standard output, cut at the limit.
    pub stdout: Vec<u8>,
    /// Standard error, cut at the limit.
    pub stderr: Vec<u8>,
    /// The change set, verified, when there is one; `done.changes` says why if not.
    pub proposal: Option<Proposal>,
}

/// Something that a running call printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Standard error rather than standard output.
    pub error: bool,
    /// What it printed; what is no UTF-8 is U+FFFD.
    pub text: String,
}

/// What became of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    /// It is in the workspace, durably.
    Applied {
        /// Entries.
        changes: usize,
        /// It had been applied before.
        already: bool,
    },
    /// The workspace changed meanwhile; nothing was touched.
    Conflict {
        /// The first path in conflict.
        path: String,
        /// What was expected and found.
        message: String,
    },
}

/// What recovery did, by application id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Completed.
    pub completed: Vec<String>,
    /// Discarded: they had not been committed.
    pub discarded: Vec<String>,
    /// Set aside, now or earlier: they cannot be completed, and part of them may be in the workspace.
    pub failed: Vec<String>,
}

/// One connection to a runner.
#[derive(Debug)]
pub struct Instance {
    connection: Connection,
}

/// Hangs up on a runner, from any thread.
#[derive(Debug)]
pub struct Canceller(UnixStream);

impl Canceller {
    /// Hangs up. Doing it twice, or after the end, changes nothing.
    pub fn cancel(&self) {
        // The only failure is a socket that is closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Instance {
    /// Connects to a runner's socket.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path)
            .map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        Ok(Self::from_stream(stream))
    }

    /// Takes a connection that exists.
    pub fn from_stream(stream: UnixStream) -> Self {
        Self { connection: Connection::new(stream) }
    }

    /// A handle that ends this connection from elsewhere.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn canceller(&self) -> io::Result<Canceller> {
        self.connection.stream().try_clone().map(Canceller)
    }

    /// Whether the runner is still there. An idle one ends by its unit's time limit, or is killed; better to know
    /// before a call than by its failure.
    pub fn is_alive(&self) -> bool {
        let flags = PollFlags::POLLIN;
        let mut poll_fd = [PollFd::new(self.connection.stream().as_fd(), flags)];
        // Between requests a runner has nothing to say, so anything to hear is its end.
        matches!(poll(&mut poll_fd, PollTimeout::ZERO), Ok(0))
    }

    /// Runs a call and waits for its end.
    ///
    /// # Errors
    /// Any but an unhappy end of the program itself, which is an [`Outcome`].
    pub fn run(&mut self, run: &Run) -> Result<Outcome, ClientError> {
        self.run_with(run, &mut |_| {})
    }

    /// The same; `sink` hears what the call prints while it runs, if [`Run::stream`] asks for it. It may miss the end, or
    /// everything after a moment in which it was slow: the outcome has it all.
    ///
    /// # Errors
    /// As [`Self::run`]; also for pieces that are of another call or out of order.
    pub fn run_with(&mut self, run: &Run, sink: &mut dyn FnMut(Piece)) -> Result<Outcome, ClientError> {
        let (mut reply, mut descriptors) = self.ask(&Request::Run(run.clone()), &[])?;
        let mut expected = 0;
        // A byte that is no UTF-8 becomes three.
        let mut room = run.limits.output_bytes.saturating_add(NOTE).saturating_mul(3);
        while let Reply::Output { call, seq, error, text } = reply {
            if !run.stream || call != run.call || seq != expected {
                return Err(ClientError::Unexpected("a piece of output is not the next of this call"));
            }
            room = room
                .checked_sub(text.len() as u64)
                .ok_or(ClientError::Unexpected("its output is longer than the call's limit"))?;
            expected += 1;
            sink(Piece { error, text });
            let (next, more) = self.answer()?;
            // The kernel gives descriptors with whatever bytes it reads them with, so they may come one frame early.
            descriptors.extend(more);
            if descriptors.len() > MAX_DESCRIPTORS {
                return Err(ClientError::Unexpected("it carries more descriptors than an answer has"));
            }
            reply = next;
        }
        let Reply::Done(done) = reply else { return Err(refusal(reply)) };
        if done.call != run.call {
            return Err(ClientError::Unexpected("it is about another call"));
        }
        let mut bulk = Bulk::new(descriptors);
        let Gave { file, stdout, stderr } = if matches!(run.program, Program::Builtin(Builtin::Give { .. })) {
            bulk.file(&done, &run.limits)?
        } else {
            let (stdout, stderr) = bulk.output(&done, &run.limits)?;
            Gave { file: None, stdout, stderr }
        };
        let proposal = match &done.changes {
            Proposed::Changes { digest, .. } => Some(bulk.proposal(digest, &Bounds::of(&run.limits))?),
            Proposed::Nothing | Proposed::Refused { .. } => None,
        };
        Ok(Outcome { done, file, stdout, stderr, proposal })
    }

    /// Asks the zygote which sandbox it is; none where no service manager gave it an identity.
    ///
    /// # Errors
    /// The zygote is gone or does not answer the question.
    pub fn hello(&mut self) -> Result<Option<Identity>, ClientError> {
        match self.ask(&Request::Hello {}, &[])? {
            (Reply::Hello(identity), _) => Ok(identity),
            (other, _) => Err(refusal(other)),
        }
    }

    /// Has the zygote keep a file for the calls to come; one of this name that it has already stays as it is.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no room or its name is no plain one.
    pub fn receive(&mut self, name: &str, content: &[u8]) -> Result<(), ClientError> {
        let content = memfd::sealed(c"file", content).map_err(ClientError::Bulk)?;
        match self.ask(&Request::Receive { name: name.to_owned() }, &[&content])? {
            (Reply::Received {}, _) => Ok(()),
            (other, _) => Err(refusal(other)),
        }
    }

    /// Asks the zygote what the kernel offers.
    ///
    /// # Errors
    /// The zygote is gone or does not answer the question.
    pub fn probe(&mut self) -> Result<Probe, ClientError> {
        match self.ask(&Request::Probe {}, &[])? {
            (Reply::Probe(probe), _) => Ok(probe),
            (other, _) => Err(refusal(other)),
        }
    }

    /// Has the apply runner put a proposal into the workspace under `id`, once only.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the proposal is not acceptable; then nothing was touched by this request.
    /// After [`ClientError::Unfinished`] and when the runner went away, [`Self::recover`] knows more.
    pub fn apply(&mut self, id: &str, proposal: &Proposal) -> Result<Application, ClientError> {
        self.apply_of(id, proposal, None)
    }

    /// As [`Self::apply`], and the history says what it comes from.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_of(
        &mut self,
        id: &str,
        proposal: &Proposal,
        origin: Option<&Origin>,
    ) -> Result<Application, ClientError> {
        let manifest = memfd::sealed(c"manifest", &proposal.set.canonical()?).map_err(ClientError::Bulk)?;
        let contents = memfd::sealed(c"contents", &proposal.contents).map_err(ClientError::Bulk)?;
        let apply = Apply { id: id.to_owned(), digest: proposal.set.digest()?, origin: origin.cloned() };
        match self.ask(&Request::Apply(apply), &[&manifest, &contents])? {
            (Reply::Applied { changes, already, .. }, _) => Ok(Application::Applied { changes, already }),
            (Reply::Conflict { path, message, .. }, _) => Ok(Application::Conflict { path, message }),
            (other, _) => Err(refusal(other)),
        }
    }

    /// Has the apply runner finish, discard or set aside what a crash interrupted, and say what became of the
    /// ids in `about`: each is in one list of the answer, or in none when it is too long ago to be known. One
    /// that is discarded can never be applied any more.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the workspace cannot be recovered now, as when its disk is full.
    pub fn recover(&mut self, about: &[String]) -> Result<Recovery, ClientError> {
        match self.ask(&Request::Recover { about: about.to_vec() }, &[])? {
            (Reply::Recovered { completed, discarded, failed }, _) => {
                Ok(Recovery { completed, discarded, failed })
            }
            (other, _) => Err(refusal(other)),
        }
    }

    /// Asks the apply runner for the change set that undoes an application, named by its id or its call's; the
    /// latest that is not undone, without a name. Nothing is changed by it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is none; [`ClientError::Conflict`] when the workspace has changed since.
    pub fn invert(&mut self, id: Option<&str>) -> Result<(Merge, Proposal), ClientError> {
        let (reply, descriptors) = self.ask(&Request::Invert { id: id.map(str::to_owned) }, &[])?;
        let (of, digest) = match reply {
            Reply::Inverse { of, digest } => (of, digest),
            Reply::Conflict { path, message, .. } => return Err(ClientError::Conflict { path, message }),
            other => return Err(refusal(other)),
        };
        Ok((*of, Bulk::new(descriptors).proposal(&digest, &Bounds::INVERSE)?))
    }

    /// Asks the apply runner what was applied, the newest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where no history is kept.
    pub fn history(&mut self, limit: u16) -> Result<Vec<Merge>, ClientError> {
        match self.ask(&Request::History { limit }, &[])? {
            (Reply::History { merges }, _) => Ok(merges),
            (other, _) => Err(refusal(other)),
        }
    }

    fn ask(
        &mut self,
        request: &impl Serialize,
        bulk: &[&OwnedFd],
    ) -> Result<(Reply, Vec<OwnedFd>), ClientError> {
        let descriptors: Vec<_> = bulk.iter().map(|fd| fd.as_fd()).collect();
        match self.connection.send(request, &descriptors) {
            Err(WireError::Send(error)) if gone(&error) => return Err(ClientError::HungUp),
            other => other?,
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<(Reply, Vec<OwnedFd>), ClientError> {
        match self.connection.receive() {
            Err(WireError::Receive(error)) if gone(&error) => Err(ClientError::HungUp),
            Ok(None) => Err(ClientError::HungUp),
            Ok(Some(message)) => Ok((serde_json::from_slice(&message.frame)?, message.descriptors)),
            Err(error) => Err(error.into()),
        }
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn refusal(reply: Reply) -> ClientError {
    match reply {
        Reply::Refused { reason, .. } => ClientError::Refused { reason },
        Reply::Unfinished { reason, .. } => ClientError::Unfinished { reason },
        _ => ClientError::Unexpected("it does not fit the request"),
    }
}

#[cfg(test)]
mod tests;
