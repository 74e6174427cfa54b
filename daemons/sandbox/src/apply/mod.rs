//! Puts an approved change set into the workspace: all of it or nothing, once only, whatever happens meanwhile.
//!
//! ```text
//! check ─▶ stage ─▶ prepare its commit ─▶ check again ─▶ journal ─▶ carry out ─▶ move the history ─▶ note ─▶ forget
//!   └─ conflict: nothing touched                            │  └────────── crash: recovery goes on ──────────┘
//!                                                           └─ crash before: recovery discards
//! ```
//! Everything of it lies in `WORKSPACE/.testudo`, on the workspace's own file system, so that each step
//! is a rename. The journal's rename into place is the moment of decision. A plan that a changed workspace makes
//! impossible is set aside in `failed-ID`, so that it does not stop later ones. What cannot be kept in the history is
//! not applied. Start with [`serve`], then `engine`.

mod carry;
mod check;
mod engine;
mod journal;
mod plan;
mod repository;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::bulk::Bounds;
use crate::changeset::{Proposal, ProposalError};
use crate::client::Recovery;
use crate::history::HistoryError;
use crate::memfd;
use crate::protocol::{self, Reply, Request, valid_id};
use crate::wire::{Connection, Message};
use crate::zygote::{ZygoteError, block_sigterm, next};

pub(crate) use check::parent;
use engine::Engine;
pub(crate) use repository::repositories;

/// The directory in the workspace that belongs to this runner; tools neither see nor change it.
pub(crate) const OWN_DIRECTORY: &str = ".testudo";

const BAD_ID: &str = "the id is no plain name of 1 to 128 characters, or begins with `failed-`";

/// Most applications of the history in one answer, so that it fits a frame.
const MOST_MERGES: usize = 500;

/// Largest manifest and contents that are accepted, in bytes.
const MOST_MANIFEST: u64 = 64 * 1024 * 1024;
const MOST_CONTENTS: u64 = 1024 * 1024 * 1024;

/// Where the runner works.
#[derive(Debug, Clone)]
pub struct Place {
    /// The workspace, writable.
    pub workspace: PathBuf,
    /// Its history, a git repository that is made where there is none; without it nothing can be undone.
    pub history: Option<PathBuf>,
    /// Told of every step of an application before it is taken, so that a harness can end the runner there.
    #[cfg(feature = "ablation")]
    pub on_step: fn(),
}

impl Place {
    /// A runner's place.
    pub fn new(workspace: PathBuf, history: Option<PathBuf>) -> Self {
        Self {
            workspace,
            history,
            #[cfg(feature = "ablation")]
            on_step: || (),
        }
    }
}

/// Why a change set was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("cannot apply the changes: {0}")]
    Request(&'static str),
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    #[error("cannot apply the change of {path:?}: {why}")]
    Invalid { path: String, why: &'static str },
    #[error("cannot apply the change of {path:?}: {message}")]
    Conflict { path: String, message: String },
    #[error("cannot apply the changes again: the id {id} was used for others")]
    Reused { id: String },
    #[error("cannot {step} {object}: {source}")]
    Io { step: &'static str, object: String, source: io::Error },
    #[error("cannot read the journal of {id}: {source}")]
    Journal { id: String, source: serde_json::Error },
    #[error("cannot carry out the change of {path:?}: {source}")]
    Stuck { path: String, source: io::Error },
    #[error("cannot complete the application: {0}")]
    Unfinished(Box<ApplyError>),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("cannot read the history: none is kept here")]
    NoHistory,
    #[error("cannot apply the changes again: {id} was begun, could not be completed and was set aside")]
    SetAside { id: String },
    #[cfg(test)]
    #[error("stopped where a test wanted it")]
    Stopped,
}

impl ApplyError {
    /// Wraps a failed step on something.
    fn io(step: &'static str, object: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let object = object.into();
        move |source| Self::Io { step, object, source }
    }

    /// Whether a replay fails for ever: the journal is torn, or the workspace is no longer what it needs. A disk
    /// or a machine at its limits may recover.
    fn is_lasting(&self) -> bool {
        use nix::errno::Errno::{EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS};
        let passing = [EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS].map(|errno| errno as i32);
        match self {
            Self::Journal { .. } => true,
            Self::Stuck { source, .. } => !source.raw_os_error().is_some_and(|code| passing.contains(&code)),
            _ => false,
        }
    }
}

/// Serves one connection until it closes or SIGTERM comes; recovers first.
///
/// # Errors
/// The connection breaks. Whatever is wrong with the workspace is told to the client instead.
pub fn serve(stream: UnixStream, place: &Place) -> Result<(), ZygoteError> {
    let signals = block_sigterm().map_err(ZygoteError::Wait)?;
    let mut connection = Connection::new(stream);
    match Engine::open(place).and_then(|mut engine| engine.recover(&[])) {
        Ok(recovery) => {
            for id in &recovery.completed {
                eprintln!("<5>completed the interrupted application {id}");
            }
        }
        Err(error) => eprintln!("<3>{error}"),
    }
    loop {
        let message = match next(&mut connection, &signals) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => {
                // The stream is broken; the client may not even be there to hear why.
                let _ = connection.send(&Reply::Refused { call: None, reason: error.to_string() }, &[]);
                return Err(error);
            }
        };
        let (reply, bulk) = answer(place, message);
        let bulk: Vec<_> = bulk.iter().map(AsFd::as_fd).collect();
        connection.send(&reply, &bulk)?;
    }
}

fn answer(place: &Place, message: Message) -> (Reply, Vec<OwnedFd>) {
    let request = serde_json::from_slice(&message.frame);
    if let Ok(Request::Invert { id }) = request {
        return invert(place, id.as_deref())
            .unwrap_or_else(|error| (Reply::Refused { call: None, reason: error.to_string() }, Vec::new()));
    }
    (plainly(place, request, message), Vec::new())
}

/// Answers what has nothing to hand over.
fn plainly(place: &Place, request: serde_json::Result<Request>, message: Message) -> Reply {
    match request {
        Err(error) => Reply::Refused { call: None, reason: format!("cannot read the request: {error}") },
        Ok(Request::History { limit }) => {
            let limit = usize::from(limit).min(MOST_MERGES);
            match Engine::open(place).and_then(|mut engine| engine.merges(limit)) {
                Ok(merges) => Reply::History { merges },
                Err(error) => Reply::Refused { call: None, reason: error.to_string() },
            }
        }
        Ok(
            Request::Hello {}
            | Request::Run(_)
            | Request::Receive { .. }
            | Request::Probe {}
            | Request::Invert { .. },
        ) => Reply::Refused {
            call: None,
            reason: "cannot run calls here: this runner only applies changes".to_owned(),
        },
        Ok(Request::Recover { about }) if !about.iter().all(|id| fits(id)) => {
            Reply::Refused { call: None, reason: format!("cannot recover: {BAD_ID}") }
        }
        Ok(Request::Recover { about }) => {
            match Engine::open(place).and_then(|mut engine| engine.recover(&about)) {
                Ok(Recovery { completed, discarded, failed }) => {
                    Reply::Recovered { completed, discarded, failed }
                }
                Err(error) => Reply::Refused { call: None, reason: error.to_string() },
            }
        }
        Ok(Request::Apply(request)) => {
            let id = request.id.clone();
            match apply(place, &request, message) {
                Ok((changes, already)) => Reply::Applied { id, changes, already },
                Err(ApplyError::Conflict { path, message }) => Reply::Conflict { id, path, message },
                Err(error @ (ApplyError::Unfinished(_) | ApplyError::SetAside { .. })) => {
                    Reply::Unfinished { id, reason: error.to_string() }
                }
                Err(error) => Reply::Refused { call: valid_id(&id).then_some(id), reason: error.to_string() },
            }
        }
    }
}

/// Whether an id may name an application: it must not look like one that was set aside.
fn fits(id: &str) -> bool {
    valid_id(id) && !id.starts_with(journal::FAILED)
}

/// Makes the proposal that undoes an application.
fn invert(place: &Place, id: Option<&str>) -> Result<(Reply, Vec<OwnedFd>), ApplyError> {
    let (merge, proposal) = match Engine::open(place).and_then(|mut engine| engine.invert(id)) {
        Err(ApplyError::Conflict { path, message }) => {
            let id = id.unwrap_or_default().to_owned();
            return Ok((Reply::Conflict { id, path, message }, Vec::new()));
        }
        made => made?,
    };
    let digest = proposal.set.digest().map_err(ProposalError::from)?;
    let manifest = proposal.set.canonical().map_err(ProposalError::from)?;
    if let Some(reason) = Bounds::INVERSE.exceeded(manifest.len() as u64, proposal.contents.len() as u64) {
        return Ok((Reply::Refused { call: None, reason }, Vec::new()));
    }
    let sealed =
        |name, bytes: &[u8]| memfd::sealed(name, bytes).map_err(ApplyError::io("hand over", "the changes"));
    let bulk = vec![sealed(c"manifest", &manifest)?, sealed(c"contents", &proposal.contents)?];
    Ok((Reply::Inverse { of: Box::new(merge), digest }, bulk))
}

fn apply(place: &Place, request: &protocol::Apply, message: Message) -> Result<(usize, bool), ApplyError> {
    if !fits(&request.id) {
        return Err(ApplyError::Request(BAD_ID));
    }
    let Ok([manifest, contents]) = <[_; 2]>::try_from(message.descriptors) else {
        return Err(ApplyError::Request("manifest and contents must come with the request"));
    };
    let manifest =
        memfd::read_sealed(manifest, MOST_MANIFEST).map_err(ApplyError::io("read", "the manifest"))?;
    let contents =
        memfd::read_sealed(contents, MOST_CONTENTS).map_err(ApplyError::io("read", "the contents"))?;
    let proposal = Proposal::verified(&manifest, contents, &request.digest)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let already = Engine::open(place)?.apply(request, &proposal, now)?;
    Ok((proposal.set.changes.len(), already))
}
