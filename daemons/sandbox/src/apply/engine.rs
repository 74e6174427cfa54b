//! The state machine of an application, and its recovery.

use std::ffi::OsStr;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;

use super::plan::{Plan, staged};
use super::{ApplyError, OWN_DIRECTORY, carry, check, journal};
use crate::changeset::{Change, ChangeKind, Proposal};
use crate::client::Recovery;
use crate::directory::Directory;

/// The workspace, held by this process alone as long as the engine lives.
pub(super) struct Engine {
    root: Directory,
    own: Directory,
    _lock: Flock<std::fs::File>,
    /// How many more steps are taken before a test's crash.
    #[cfg(test)]
    pub(super) steps_left: Option<u32>,
}

impl Engine {
    /// Opens the workspace and waits until no other process applies anything to it.
    pub(super) fn open(workspace: &Path) -> Result<Self, ApplyError> {
        let failed = || ApplyError::io("open the workspace", workspace.display().to_string());
        let root = Directory::open(workspace).map_err(failed())?;
        match mkdirat(&root, OWN_DIRECTORY, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(failed()(error.into())),
        }
        let own = root.enter(OsStr::new(OWN_DIRECTORY)).map_err(failed())?;
        let lock = own.try_clone_file().map_err(failed())?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| failed()(error.into()))?;
        Ok(Self {
            root,
            own,
            _lock: lock,
            #[cfg(test)]
            steps_left: None,
        })
    }

    /// Applies a verified proposal; true if that had been done before.
    pub(super) fn apply(&mut self, id: &str, digest: &str, proposal: &Proposal) -> Result<bool, ApplyError> {
        // Whatever an earlier process left is finished first, as it may be what the bases refer to.
        self.recover()?;
        match journal::applied(&self.own, id)
            .map_err(ApplyError::io("read the list of", "what was applied"))?
        {
            Some(known) if known == digest => return Ok(true),
            Some(_) => return Err(ApplyError::Reused { id: id.to_owned() }),
            None => {}
        }
        let plan = Plan::new(id, digest, &proposal.set)?;
        check::unchanged(&self.root, &proposal.set)?;
        let prepared = self.stage(id, proposal).and_then(|staging| {
            check::unchanged(&self.root, &proposal.set)?;
            self.step()?;
            journal::commit(&staging, &plan)?;
            Ok(staging)
        });
        let staging = match prepared {
            Ok(staging) => staging,
            #[cfg(test)]
            Err(ApplyError::Stopped) => return Err(ApplyError::Stopped),
            Err(error) => {
                // Without its journal it is nothing; if it cannot go now, recovery takes it.
                let _ = journal::discard(&self.own, id);
                return Err(error);
            }
        };
        self.complete(&staging, &plan)?;
        Ok(false)
    }

    /// Finishes what was committed and discards what was not.
    pub(super) fn recover(&mut self) -> Result<Recovery, ApplyError> {
        let mut recovery = Recovery::default();
        let failed = || ApplyError::io("recover", "the workspace");
        for id in journal::staged_ids(&self.own).map_err(failed())? {
            let staging = self.own.enter(OsStr::new(&id)).map_err(failed())?;
            if let Some(plan) = journal::committed(&staging, &id)? {
                self.complete(&staging, &plan)?;
                recovery.completed.push(id);
            } else {
                self.step()?;
                journal::discard(&self.own, &id).map_err(failed())?;
                // Complete, too, if only its remains were left.
                if journal::applied(&self.own, &id).map_err(failed())?.is_none() {
                    recovery.discarded.push(id);
                }
            }
        }
        Ok(recovery)
    }

    fn stage(&mut self, id: &str, proposal: &Proposal) -> Result<Directory, ApplyError> {
        self.step()?;
        let staging = journal::create_staging(&self.own, id).map_err(ApplyError::io("stage", id))?;
        for (number, change) in proposal.set.changes.iter().enumerate() {
            self.step()?;
            stage_one(&staging, number, change, proposal)?;
        }
        staging.sync().and_then(|()| self.own.sync()).map_err(ApplyError::io("stage", id))?;
        Ok(staging)
    }

    fn complete(&mut self, staging: &Directory, plan: &Plan) -> Result<(), ApplyError> {
        for operation in &plan.operations {
            self.step()?;
            let failed = ApplyError::io("carry out the change of", carry::path(operation));
            carry::out(&self.root, staging, operation).map_err(failed)?;
        }
        self.step()?;
        journal::note_applied(&self.own, &plan.id, &plan.digest).map_err(ApplyError::io("note", &plan.id))?;
        self.step()?;
        journal::close(staging).map_err(ApplyError::io("close the journal of", &plan.id))?;
        self.step()?;
        journal::discard(&self.own, &plan.id).map_err(ApplyError::io("clean up after", &plan.id))
    }

    /// Where a test may crash.
    #[cfg(test)]
    fn step(&mut self) -> Result<(), ApplyError> {
        match &mut self.steps_left {
            Some(0) => Err(ApplyError::Stopped),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[cfg(not(test))]
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
        (ChangeKind::Add | ChangeKind::Modify, _) => {
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
