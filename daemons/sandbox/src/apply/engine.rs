//! The state machine of an application, and its recovery.

use std::ffi::OsStr;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{linkat, symlinkat};

use super::plan::{Plan, staged};
use super::{ApplyError, OWN_DIRECTORY, Place, carry, check, journal, repositories};
use crate::changeset::{Change, ChangeKind, Proposal};
use crate::client::Recovery;
use crate::directory::Directory;
use crate::history::{History, HistoryError};
use crate::protocol::{Apply, Merge};

/// The workspace, held by this process alone as long as the engine lives.
pub(super) struct Engine {
    root: Directory,
    own: Directory,
    /// None where no history is kept.
    history: Option<History>,
    _lock: Flock<std::fs::File>,
    /// How many more steps are taken before a test's crash.
    #[cfg(test)]
    pub(super) steps_left: Option<u32>,
    /// Told of every step before it is taken.
    #[cfg(feature = "ablation")]
    on_step: fn(),
}

impl Engine {
    /// Opens the workspace and waits until no other process applies anything to it.
    pub(super) fn open(place: &Place) -> Result<Self, ApplyError> {
        let failed = || ApplyError::io("open the workspace", place.workspace.display().to_string());
        let root = Directory::open(&place.workspace).map_err(failed())?;
        match mkdirat(&root, OWN_DIRECTORY, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(failed()(error.into())),
        }
        let own = root.enter(OsStr::new(OWN_DIRECTORY)).map_err(failed())?;
        let lock = own.try_clone_file().map_err(failed())?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| failed()(error.into()))?;
        // Under the same lock, so it is ours alone as well.
        let history = place.history.as_deref().map(History::open).transpose()?;
        Ok(Self {
            root,
            own,
            history,
            _lock: lock,
            #[cfg(test)]
            steps_left: None,
            #[cfg(feature = "ablation")]
            on_step: place.on_step,
        })
    }

    /// Applies a verified proposal; true if that had been done before.
    pub(super) fn apply(&mut self, apply: &Apply, proposal: &Proposal, now: i64) -> Result<bool, ApplyError> {
        let (id, digest) = (apply.id.as_str(), apply.digest.as_str());
        // Whatever an earlier process left is finished first, as it may be what the bases refer to.
        self.recover(&[])?;
        if journal::failed_ids(&self.own)
            .map_err(ApplyError::io("read the list of", "what was set aside"))?
            .iter()
            .any(|failed| failed == id)
        {
            return Err(ApplyError::SetAside { id: id.to_owned() });
        }
        match journal::applied(&self.own, id)
            .map_err(ApplyError::io("read the list of", "what was applied"))?
        {
            Some(known) if known == digest => return Ok(true),
            Some(_) => return Err(ApplyError::Reused { id: id.to_owned() }),
            None => {}
        }
        let mut plan = Plan::new(id, digest, &proposal.set)?;
        check::unchanged(&self.root, &proposal.set)?;
        check::alone(&self.root, &proposal.set, false)?;
        check::said(&self.root, &proposal.set)?;
        let prepared = self.stage(id, proposal).and_then(|staging| {
            self.step()?;
            plan.history = self
                .history
                .as_ref()
                .map(|history| history.prepare(apply, proposal, &self.root, now))
                .transpose()?;
            check::unchanged(&self.root, &proposal.set)?;
            check::alone(&self.root, &proposal.set, true)?;
            check::said(&self.root, &proposal.set)?;
            self.step()?;
            journal::commit(&staging, &plan)?;
            Ok((staging, plan))
        });
        let (staging, plan) = match prepared {
            Ok(prepared) => prepared,
            #[cfg(test)]
            Err(ApplyError::Stopped) => return Err(ApplyError::Stopped),
            Err(error) => {
                // Without its journal it is nothing; if it cannot go now, recovery takes it.
                let _ = journal::discard(&self.own, id);
                return Err(error);
            }
        };
        // It is committed: whatever fails now, recovery carries on.
        self.complete(&staging, &plan)
            .map(|()| false)
            .map_err(|error| ApplyError::Unfinished(Box::new(error)))
    }

    /// Finishes what was committed and discards what was not. What can never be finished is set aside, so that
    /// it does not stop all that comes later. Each id that is asked about is then in exactly one of the lists,
    /// or in none when it is too long ago.
    ///
    /// # Errors
    /// What may pass by itself, such as a full disk: then the next recovery tries again.
    pub(super) fn recover(&mut self, about: &[String]) -> Result<Recovery, ApplyError> {
        let mut recovery = Recovery::default();
        let failed = || ApplyError::io("recover", "the workspace");
        for id in journal::staged_ids(&self.own).map_err(failed())? {
            let staging = self.own.enter(OsStr::new(&id)).map_err(failed())?;
            let replayed = journal::committed(&staging, &id)
                .and_then(|plan| plan.map(|plan| self.complete(&staging, &plan)).transpose());
            match replayed {
                Ok(Some(())) => recovery.completed.push(id),
                Ok(None) => {
                    self.step()?;
                    journal::discard(&self.own, &id).map_err(failed())?;
                    // Complete, too, if only its remains were left.
                    if journal::applied(&self.own, &id).map_err(failed())?.is_none() {
                        recovery.discarded.push(id);
                    }
                }
                Err(error) if error.is_lasting() => {
                    journal::set_aside(&self.own, &id).map_err(failed())?;
                    eprintln!(
                        "<2>the interrupted application {id} cannot be completed and was set aside in \
                         {OWN_DIRECTORY}/{}{id}, with what it had removed; part of it may be in the workspace: \
                         {error}",
                        journal::FAILED
                    );
                }
                Err(error) => return Err(error),
            }
        }
        recovery.failed = journal::failed_ids(&self.own).map_err(failed())?;
        self.look_up(about, &mut recovery).map_err(failed())?;
        Ok(recovery)
    }

    fn look_up(&self, about: &[String], recovery: &mut Recovery) -> io::Result<()> {
        for id in about {
            if recovery.failed.contains(id) || recovery.completed.contains(id) {
                continue;
            }
            match journal::settled(&self.own, id)? {
                Some(true) => recovery.completed.push(id.clone()),
                Some(false) if !recovery.discarded.contains(id) => recovery.discarded.push(id.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    fn stage(&mut self, id: &str, proposal: &Proposal) -> Result<Directory, ApplyError> {
        self.step()?;
        let staging = journal::create_staging(&self.own, id).map_err(ApplyError::io("stage", id))?;
        for (number, change) in proposal.set.changes.iter().enumerate() {
            self.step()?;
            stage_one(&self.root, &staging, number, change, proposal)?;
        }
        staging.sync().and_then(|()| self.own.sync()).map_err(ApplyError::io("stage", id))?;
        Ok(staging)
    }

    fn complete(&mut self, staging: &Directory, plan: &Plan) -> Result<(), ApplyError> {
        for operation in &plan.operations {
            self.step()?;
            carry::out(&self.root, staging, operation)
                .map_err(|source| ApplyError::Stuck { path: carry::path(operation).to_owned(), source })?;
        }
        if let Some(pending) = &plan.history {
            self.step()?;
            let moved = match &self.history {
                Some(history) => history.advance(pending).map_err(ApplyError::from),
                None => Err(ApplyError::NoHistory),
            };
            match moved {
                // Somebody else moved it or took it away; the workspace is complete, and must not stay stuck.
                Err(error @ (ApplyError::History(HistoryError::Moved { .. }) | ApplyError::NoHistory)) => {
                    eprintln!(
                        "<2>the application {} is not in the history, and cannot be undone: {error}",
                        plan.id
                    );
                }
                other => other?,
            }
        }
        self.step()?;
        journal::note_applied(&self.own, &plan.id, &plan.digest).map_err(ApplyError::io("note", &plan.id))?;
        self.step()?;
        journal::close(staging).map_err(ApplyError::io("close the journal of", &plan.id))?;
        self.step()?;
        journal::discard(&self.own, &plan.id).map_err(ApplyError::io("clean up after", &plan.id))
    }

    /// What was applied lately, the newest first.
    pub(super) fn merges(&mut self, limit: usize) -> Result<Vec<Merge>, ApplyError> {
        self.recover(&[])?;
        Ok(self.history.as_ref().ok_or(ApplyError::NoHistory)?.merges(limit)?)
    }

    /// What undoes an application, if the workspace is still as that left it.
    pub(super) fn invert(&mut self, id: Option<&str>) -> Result<(Merge, Proposal), ApplyError> {
        self.recover(&[])?;
        let (merge, Proposal { set, contents }) =
            self.history.as_ref().ok_or(ApplyError::NoHistory)?.invert(id)?;
        check::unchanged(&self.root, &set)?;
        let found = repositories(&set.changes, &self.root)
            .map_err(ApplyError::io("look for repositories in", "the workspace"))?;
        Ok((merge, Proposal { set: set.with_repositories(found), contents }))
    }

    /// Where a test may crash.
    #[cfg(test)]
    fn step(&mut self) -> Result<(), ApplyError> {
        #[cfg(feature = "ablation")]
        (self.on_step)();
        match &mut self.steps_left {
            Some(0) => Err(ApplyError::Stopped),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[cfg(all(not(test), feature = "ablation"))]
    #[expect(
        clippy::unnecessary_wraps,
        clippy::needless_pass_by_ref_mut,
        reason = "the twin of what tests use"
    )]
    fn step(&mut self) -> Result<(), ApplyError> {
        (self.on_step)();
        Ok(())
    }

    #[cfg(not(any(test, feature = "ablation")))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        clippy::needless_pass_by_ref_mut,
        reason = "the twin of what tests use"
    )]
    fn step(&mut self) -> Result<(), ApplyError> {
        Ok(())
    }
}

fn stage_one(
    root: &Directory,
    staging: &Directory,
    number: usize,
    change: &Change,
    proposal: &Proposal,
) -> Result<(), ApplyError> {
    let place = staged(number);
    let failed = ApplyError::io("stage", &change.path);
    match (change.kind, &change.target) {
        (ChangeKind::Symlink, Some(target)) => {
            symlinkat(target.as_str(), staging, place.as_str()).map_err(|error| failed(error.into()))
        }
        (ChangeKind::Rename, _) if change.offset.is_none() => {
            let from = change.from.as_deref().unwrap_or_default();
            let (directory, last) = check::parent(root, from)
                .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()))
                .map_err(ApplyError::io("stage", from))?;
            linkat(&directory, last, staging, place.as_str(), AtFlags::empty())
                .map_err(|error| failed(error.into()))
        }
        (ChangeKind::Add | ChangeKind::Modify | ChangeKind::Rename, _) => {
            let content = proposal.new_content(change).ok_or_else(|| ApplyError::Invalid {
                path: change.path.clone(),
                why: "its content is missing",
            })?;
            journal::write_file(staging, &place, content, change.mode.unwrap_or(0o600)).map_err(failed)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "replay_tests.rs"]
mod replay_tests;

#[cfg(test)]
#[path = "guard_tests.rs"]
mod guard_tests;
