//! The history of the workspace: a git repository of Testudo's own, with one commit for each application.
//!
//! ```text
//! before: what the touched paths were, where the history does not know them so ─▶ after: what they became
//! ```
//! The repository is bare, lies outside of the workspace and knows only paths that were touched. Its objects are
//! named by SHA-256, so that no two contents pass for each other; each commit carries the manifest of its change
//! set as `.testudo/changes.json`, which holds what git's trees cannot: exact modes and directories.
//! All objects of a commit are made before the application is committed to, and the branch moves afterwards, so
//! a replay only repeats that last step. Start with [`History`]; [`invert`] is the way back.

mod commit;
mod invert;
mod ledger;
mod object;
mod recording;
mod store;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::changeset::{Proposal, ProposalError};
use crate::directory::Directory;
use crate::protocol::{Apply, Merge};

use object::Id;
use store::Store;

/// Where the manifest lies in the tree of a commit. No path of a change set begins so.
const MANIFEST: [&str; 2] = [".testudo", "changes.json"];
/// Contents that are larger are not kept, and what replaced them cannot be undone.
const MOST_KEPT: u64 = 256 * 1024 * 1024;
/// Most commits that are looked at to find an application.
const MOST_COMMITS: usize = 100_000;

/// Why the history cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("cannot {step} the history at {place}: {source}")]
    Io { step: &'static str, place: PathBuf, source: io::Error },
    #[error("cannot read the object {id} of the history: {why}")]
    Object { id: String, why: &'static str },
    #[error("cannot keep {path:?} in the history: {source}")]
    Keep { path: String, source: io::Error },
    #[error("cannot write the manifest: {0}")]
    Manifest(#[from] serde_json::Error),
    #[error("cannot move the history on: it is at {found}, not at {expected}")]
    Moved { expected: String, found: String },
    #[error("cannot undo {id}: no application and no call in the history is named so")]
    Unknown { id: String },
    #[error("cannot undo anything: nothing in the history is left to be undone")]
    Nothing,
    #[error("cannot undo {id}: that was done already, by {by}")]
    Undone { id: String, by: String },
    #[error("cannot undo {id}: what {path:?} was is not in the history ({why})")]
    Lost { id: String, path: String, why: &'static str },
    #[error(transparent)]
    Proposal(#[from] ProposalError),
}

/// A commit that is made and not yet on the branch: what the journal of its application remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// Where the branch was when it was made; none when it was empty.
    from: Option<Id>,
    /// The commit.
    to: Id,
}

/// The history of one workspace. Whoever has it open must hold the workspace alone.
#[derive(Debug)]
pub(crate) struct History {
    store: Store,
}

impl History {
    /// Opens it, and makes it where there is none.
    pub(crate) fn open(place: &Path) -> Result<Self, HistoryError> {
        Ok(Self { store: Store::open(place)? })
    }

    /// Makes the commit of an application, durably, while the workspace is still as it was.
    pub(crate) fn prepare(
        &self,
        apply: &Apply,
        proposal: &Proposal,
        workspace: &Directory,
        now: i64,
    ) -> Result<Pending, HistoryError> {
        let from = self.store.head()?;
        let to = recording::commit(&self.store, from, apply, proposal, workspace, now)?;
        self.store.sync()?;
        Ok(Pending { from, to })
    }

    /// Puts a prepared commit on the branch; doing it again changes nothing.
    pub(crate) fn advance(&self, pending: &Pending) -> Result<(), HistoryError> {
        let found = self.store.head()?;
        if found == Some(pending.to) {
            return Ok(());
        }
        if found != pending.from {
            let shown = |id: Option<Id>| id.map_or_else(|| "no commit".to_owned(), |id| id.to_string());
            return Err(HistoryError::Moved { expected: shown(pending.from), found: shown(found) });
        }
        self.store.set_head(pending.to)
    }

    /// The latest applications, the newest first.
    pub(crate) fn merges(&self, limit: usize) -> Result<Vec<Merge>, HistoryError> {
        ledger::merges(&self.store, limit)
    }

    /// What undoes an application; the latest that is not undone, unless one is named by its id or its call's.
    pub(crate) fn invert(&self, id: Option<&str>) -> Result<(Merge, Proposal), HistoryError> {
        let (merge, commit) = ledger::find(&self.store, id)?;
        let proposal = invert::invert(&self.store, &merge, &commit)?;
        Ok((merge, proposal))
    }
}
