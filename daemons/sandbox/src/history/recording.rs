//! Makes the commits of an application: one for what was there, if the history does not know it, and its own.

use std::collections::BTreeSet;
use std::io;

use super::commit::Commit;
use super::object::{Id, Kind};
use super::store::Store;
use super::tree::{self, Edit, Entry, Mode};
use super::{HistoryError, MANIFEST, MOST_KEPT};
use crate::apply::parent;
use crate::changeset::{BaseKind, Change, ChangeKind, Proposal, sha256};
use crate::directory::Directory;
use crate::protocol::{Apply, Origin};

/// Longest word in a message that came from elsewhere, in characters.
const WORD: usize = 200;

/// Makes them on top of `head` and gives the application's own. The workspace is still what the bases say.
pub(super) fn commit(
    store: &Store,
    head: Option<Id>,
    apply: &Apply,
    proposal: &Proposal,
    workspace: &Directory,
    now: i64,
) -> Result<Id, HistoryError> {
    let known = head.map(|head| Commit::read(store, head)).transpose()?.map(|commit| commit.tree);
    let maker = Maker { store, proposal, workspace };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in &proposal.set.changes {
        let (was, is) = maker.entries(change)?;
        let path: Vec<&str> = change.path.split('/').collect();
        let from = change.from.as_ref().map(|from| from.split('/').collect::<Vec<_>>());
        before.push((from.clone().unwrap_or_else(|| path.clone()), was));
        if let Some(from) = from {
            before.push((path.clone(), None));
            after.push((from, None));
        }
        after.push((path, is));
    }
    keep_files(&mut before);
    keep_files(&mut after);
    let mut parent = head;
    let tree = tree::edit(store, known, &before)?;
    if let Some(tree) = tree.filter(|tree| known != Some(*tree)) {
        let message = format!("What was there before {}\n", apply.id);
        parent = Some(Commit { tree, parent, time: now, message }.write(store)?);
    }
    let manifest = store.write(Kind::Blob, &proposal.set.canonical()?)?;
    after.push((MANIFEST.to_vec(), Some(Entry { mode: Mode::File, id: manifest })));
    let tree = tree::edit(store, tree, &after)?.unwrap_or(manifest);
    Commit { tree, parent, time: now, message: message(apply, proposal) }.write(store)
}

/// Takes the edits back that would remove what another edit of the same path puts there.
fn keep_files(edits: &mut Vec<Edit<'_>>) {
    let put: BTreeSet<Vec<&str>> =
        edits.iter().filter(|(_, entry)| entry.is_some()).map(|(path, _)| path.clone()).collect();
    edits.retain(|(path, entry)| entry.is_some() || !put.contains(path));
}

struct Maker<'m> {
    store: &'m Store,
    proposal: &'m Proposal,
    workspace: &'m Directory,
}

impl Maker<'_> {
    /// What a path was and what it becomes; none where that is nothing or a directory, or too large to be kept.
    fn entries(&self, change: &Change) -> Result<(Option<Entry>, Option<Entry>), HistoryError> {
        let was = self.old(change)?;
        let program = |mode: Option<u32>| Mode::of(mode.unwrap_or(0));
        let is = match change.kind {
            ChangeKind::Delete | ChangeKind::Rmdir | ChangeKind::Mkdir => None,
            ChangeKind::Symlink => {
                let target = change.target.as_deref().unwrap_or_default();
                Some(Entry { mode: Mode::Link, id: self.store.write(Kind::Blob, target.as_bytes())? })
            }
            ChangeKind::Add | ChangeKind::Modify | ChangeKind::Rename if change.offset.is_some() => {
                self.coming(change)?
            }
            ChangeKind::Add | ChangeKind::Modify | ChangeKind::Rename | ChangeKind::Mode => {
                was.map(|was| Entry { mode: program(change.mode), ..was })
            }
        };
        Ok((was, is))
    }

    fn coming(&self, change: &Change) -> Result<Option<Entry>, HistoryError> {
        let content = self.proposal.new_content(change).unwrap_or_default();
        if change.size > MOST_KEPT {
            return Ok(None);
        }
        let id = self.store.write(Kind::Blob, content)?;
        Ok(Some(Entry { mode: Mode::of(change.mode.unwrap_or(0)), id }))
    }

    fn old(&self, change: &Change) -> Result<Option<Entry>, HistoryError> {
        let Some(base) = &change.base else { return Ok(None) };
        let path = change.from.as_ref().unwrap_or(&change.path);
        let failed = |source| HistoryError::Keep { path: path.clone(), source };
        match base.kind {
            BaseKind::Directory => Ok(None),
            BaseKind::Symlink => {
                let (folder, name) = self.place(path).map_err(failed)?;
                let target = folder.target(name).map_err(failed)?;
                if base.sha256.as_deref() != Some(&sha256(target.as_encoded_bytes())) {
                    return Err(failed(other()));
                }
                let id = self.store.write(Kind::Blob, target.as_encoded_bytes())?;
                Ok(Some(Entry { mode: Mode::Link, id }))
            }
            BaseKind::File if base.size > MOST_KEPT => Ok(None),
            BaseKind::File => {
                let mode = Mode::of(base.mode);
                if let Some(content) = self.proposal.old_content(change) {
                    return Ok(Some(Entry { mode, id: self.store.write(Kind::Blob, content)? }));
                }
                let (folder, name) = self.place(path).map_err(failed)?;
                let file = folder.read(name).map_err(failed)?;
                let stored = self.store.stream(Kind::Blob, base.size, file).map_err(failed)?;
                if base.sha256.as_deref() != Some(&stored.sha256) {
                    return Err(failed(other()));
                }
                Ok(Some(Entry { mode, id: stored.id }))
            }
        }
    }

    fn place<'p>(&self, path: &'p str) -> io::Result<(Directory, &'p std::ffi::OsStr)> {
        parent(self.workspace, path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// It was compared with its base a moment ago.
fn other() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it changed while it was read")
}

/// A sentence, and a trailer for everything that leads back to the record.
fn message(apply: &Apply, proposal: &Proposal) -> String {
    let count = proposal.set.changes.len();
    let paths = match proposal.set.changes.as_slice() {
        [one] => plain(&one.path),
        _ => format!("{count} changes"),
    };
    let mut lines = vec![
        format!("Testudo-Application: {}", plain(&apply.id)),
        format!("Testudo-Change-Set: {}", plain(&apply.digest)),
        format!("Testudo-Changes: {count}"),
    ];
    let tool = match &apply.origin {
        None => "apply".to_owned(),
        Some(Origin { tool, call, session, approval, approver, undoes }) => {
            let given = [
                ("Testudo-Tool", Some(tool)),
                ("Testudo-Call", Some(call)),
                ("Testudo-Session", Some(session)),
                ("Testudo-Approval", approval.as_ref()),
                ("Testudo-Approved-By", approver.as_ref()),
                ("Testudo-Undoes", undoes.as_ref()),
            ];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            lines.extend(given.map(|(name, value)| format!("{name}: {}", plain(value))));
            plain(tool)
        }
    };
    format!("{tool}: {paths}\n\n{}\n", lines.join("\n"))
}

/// One line, so that nobody's words pass for a trailer.
fn plain(text: &str) -> String {
    text.chars().take(WORD).map(|c| if c.is_control() { '?' } else { c }).collect()
}
