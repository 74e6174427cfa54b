//! The change set that undoes another one, made from the two states that the history has of its paths.

use super::commit::Commit;
use super::object::{Id, Kind};
use super::store::Store;
use super::tree;
use super::{HistoryError, MANIFEST};
use crate::changeset::{Base, BaseKind, Change, ChangeKind, ChangeSet, MOST_BASE, Proposal, sha256};
use crate::protocol::Merge;

/// Makes it. Its bases are what the application left, so that whatever changed since is a conflict.
pub(super) fn invert(store: &Store, merge: &Merge, commit: &Commit) -> Result<Proposal, HistoryError> {
    let before = commit.parent.map(|parent| Commit::read(store, parent)).transpose()?;
    let mut inverse = Inverse {
        store,
        id: &merge.application,
        before: before.map(|before| before.tree),
        after: commit.tree,
        contents: Vec::new(),
    };
    let manifest = inverse.blob(Some(commit.tree), &MANIFEST.join("/"))?;
    let done: ChangeSet = serde_json::from_slice(&manifest)?;
    let undone: Result<Vec<Change>, HistoryError> =
        done.changes.iter().map(|change| inverse.change(change)).collect();
    Ok(Proposal { set: ChangeSet::new(undone?, Vec::new()), contents: inverse.contents })
}

struct Inverse<'i> {
    store: &'i Store,
    id: &'i str,
    before: Option<Id>,
    after: Id,
    contents: Vec<u8>,
}

impl Inverse<'_> {
    fn change(&mut self, done: &Change) -> Result<Change, HistoryError> {
        let here = done.path.as_str();
        let mut change = Change { path: here.to_owned(), ..Change::plain(here, ChangeKind::Delete, None) };
        match (done.kind, &done.base) {
            (ChangeKind::Mkdir, _) => {
                change.kind = ChangeKind::Rmdir;
                change.base = Some(folder(done.mode.unwrap_or(0)));
            }
            (ChangeKind::Rmdir, base) => {
                change.kind = ChangeKind::Mkdir;
                change.mode = base.as_ref().map(|base| base.mode);
            }
            (ChangeKind::Mode, Some(base)) => {
                change.kind = ChangeKind::Mode;
                change.mode = Some(base.mode);
                change.base = Some(Base { mode: done.mode.unwrap_or(0), offset: None, ..base.clone() });
            }
            (ChangeKind::Rename, Some(base)) => {
                change.kind = ChangeKind::Rename;
                change.path = done.from.clone().unwrap_or_default();
                change.from = Some(here.to_owned());
                change.base = Some(self.left(done)?);
                (change.mode, change.size) = (Some(base.mode), base.size);
                change.sha256.clone_from(&base.sha256);
                if done.offset.is_some() {
                    let content = self.was(done, base)?;
                    change.offset = Some(self.keep(&content));
                }
            }
            (_, base) => {
                change.base = if done.kind == ChangeKind::Delete { None } else { Some(self.left(done)?) };
                if let Some(base) = base {
                    self.restore(&mut change, done, base)?;
                }
            }
        }
        Ok(change)
    }

    /// Lets a change bring back the file or link that was there.
    fn restore(&mut self, change: &mut Change, done: &Change, base: &Base) -> Result<(), HistoryError> {
        let content = self.was(done, base)?;
        if base.kind == BaseKind::Symlink {
            change.kind = ChangeKind::Symlink;
            change.target =
                Some(String::from_utf8(content).map_err(|_| self.lost(&done.path, "it is no text"))?);
            return Ok(());
        }
        change.kind = if change.base.is_some() { ChangeKind::Modify } else { ChangeKind::Add };
        (change.mode, change.size, change.sha256) = (Some(base.mode), base.size, base.sha256.clone());
        change.offset = Some(self.keep(&content));
        Ok(())
    }

    /// What the application left at a path.
    fn left(&mut self, done: &Change) -> Result<Base, HistoryError> {
        if let Some(target) = &done.target {
            let (size, hash) = (target.len() as u64, sha256(target.as_bytes()));
            return Ok(Base { kind: BaseKind::Symlink, mode: 0o777, size, sha256: Some(hash), offset: None });
        }
        let mut offset = None;
        if done.size <= MOST_BASE {
            let content = self.blob(Some(self.after), &done.path)?;
            offset = Some(self.keep(&content));
        }
        let (mode, size, sha256) = (done.mode.unwrap_or(0), done.size, done.sha256.clone());
        Ok(Base { kind: BaseKind::File, mode, size, sha256, offset })
    }

    /// The content that was at a path before.
    fn was(&self, done: &Change, base: &Base) -> Result<Vec<u8>, HistoryError> {
        let path = done.from.as_ref().unwrap_or(&done.path);
        let content = self.blob(self.before, path)?;
        if base.sha256.as_deref() == Some(&sha256(&content)) {
            Ok(content)
        } else {
            Err(self.lost(path, "it is another content"))
        }
    }

    fn blob(&self, tree: Option<Id>, path: &str) -> Result<Vec<u8>, HistoryError> {
        let parts: Vec<&str> = path.split('/').collect();
        let entry = tree::find(self.store, tree, &parts)?;
        let entry = entry.ok_or_else(|| self.lost(path, "it is not there, or was too large to be kept"))?;
        self.store.read_as(Kind::Blob, entry.id)
    }

    fn keep(&mut self, content: &[u8]) -> u64 {
        let offset = self.contents.len() as u64;
        self.contents.extend_from_slice(content);
        offset
    }

    fn lost(&self, path: &str, why: &'static str) -> HistoryError {
        HistoryError::Lost { id: self.id.to_owned(), path: path.to_owned(), why }
    }
}

fn folder(mode: u32) -> Base {
    Base { kind: BaseKind::Directory, mode, size: 0, sha256: None, offset: None }
}
