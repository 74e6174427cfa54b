//! Puts an approved change set into the workspace: all of it or nothing, once only, whatever happens meanwhile.
//!
//! ```text
//! check ─▶ stage ─▶ check again ─▶ journal ─▶ carry out ─▶ note as applied ─▶ forget
//!   └─ conflict: nothing touched       │  └────────── crash: recovery goes on ──────┘
//!                                      └─ crash before: recovery discards
//! ```
//! Everything of it lies in `WORKSPACE/.testudo`, on the workspace's own file system, so that each step
//! is a rename. The journal's rename into place is the moment of decision. A plan that a changed workspace makes
//! impossible is set aside in `failed-ID`, so that it does not stop later ones. Start with [`serve`], then `engine`.

mod carry;
mod check;
mod engine;
mod journal;
mod plan;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::changeset::{Proposal, ProposalError};
use crate::client::Recovery;
use crate::memfd;
use crate::protocol::{self, Reply, Request, valid_id};
use crate::wire::{Connection, Message};
use crate::zygote::{ZygoteError, block_sigterm, next};

use engine::Engine;

/// The directory in the workspace that belongs to this runner; tools neither see nor change it.
pub(crate) const OWN_DIRECTORY: &str = ".testudo";

const BAD_ID: &str = "the id is no plain name of 1 to 128 characters, or begins with `failed-`";

/// Largest manifest and contents that are accepted, in bytes.
const MOST_MANIFEST: u64 = 64 * 1024 * 1024;
const MOST_CONTENTS: u64 = 1024 * 1024 * 1024;

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
pub fn serve(stream: UnixStream, workspace: &Path) -> Result<(), ZygoteError> {
    let signals = block_sigterm().map_err(ZygoteError::Wait)?;
    let mut connection = Connection::new(stream);
    match Engine::open(workspace).and_then(|mut engine| engine.recover(&[])) {
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
        connection.send(&answer(workspace, message), &[])?;
    }
}

fn answer(workspace: &Path, message: Message) -> Reply {
    match serde_json::from_slice(&message.frame) {
        Err(error) => Reply::Refused { call: None, reason: format!("cannot read the request: {error}") },
        Ok(Request::Hello {} | Request::Run(_) | Request::Probe {}) => Reply::Refused {
            call: None,
            reason: "cannot run calls here: this runner only applies changes".to_owned(),
        },
        Ok(Request::Recover { about }) if !about.iter().all(|id| fits(id)) => {
            Reply::Refused { call: None, reason: format!("cannot recover: {BAD_ID}") }
        }
        Ok(Request::Recover { about }) => {
            match Engine::open(workspace).and_then(|mut engine| engine.recover(&about)) {
                Ok(Recovery { completed, discarded, failed }) => {
                    Reply::Recovered { completed, discarded, failed }
                }
                Err(error) => Reply::Refused { call: None, reason: error.to_string() },
            }
        }
        Ok(Request::Apply(request)) => {
            let id = request.id.clone();
            match apply(workspace, &request, message) {
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

fn apply(workspace: &Path, request: &protocol::Apply, message: Message) -> Result<(usize, bool), ApplyError> {
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
    let already = Engine::open(workspace)?.apply(&request.id, &request.digest, &proposal)?;
    Ok((proposal.set.changes.len(), already))
}
