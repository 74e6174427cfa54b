//! What a change set means in operations that can be repeated.
//!
//! The order makes each one possible: directories that change are opened up, old entries move out of the
//! way, directories go and come, new entries move in, and permissions get their final value last.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ApplyError, OWN_DIRECTORY};
use crate::changeset::{BaseKind, Change, ChangeKind, ChangeSet};
use crate::directory::target_stays_inside;
use crate::history::Pending;

/// One step that gives the same result when it is done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Operation {
    /// Moves an entry into the staging directory, under a name that tells that it was done.
    Remove { path: String, kept: String },
    /// Removes an empty directory.
    RemoveDirectory { path: String },
    /// Makes a directory.
    MakeDirectory { path: String },
    /// Moves a staged entry to its path, over whatever file is there.
    Put { path: String, staged: String },
    /// Sets permissions.
    SetMode { path: String, mode: u32 },
}

/// An application that is to be carried out, as its journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) operations: Vec<Operation>,
    /// Its commit, made already; none where no history is kept.
    #[serde(default)]
    pub(super) history: Option<Pending>,
}

/// The name under which the entry of a change is staged.
pub(super) fn staged(number: usize) -> String {
    format!("new-{number}")
}

impl Plan {
    /// Plans a change set, refusing one that reaches where it must not.
    pub(super) fn new(id: &str, digest: &str, set: &ChangeSet) -> Result<Self, ApplyError> {
        let (mut first, mut gone, mut made, mut put, mut last) = (vec![], vec![], vec![], vec![], vec![]);
        let mut emptied = vec![];
        let mut moved = BTreeSet::new();
        let mut previous: Option<&Change> = None;
        for (number, change) in set.changes.iter().enumerate() {
            validate(change)?;
            let invalid = |why| ApplyError::Invalid { path: change.path.clone(), why };
            if previous
                .is_some_and(|before| before.path == change.path && !replaces(before.kind, change.kind))
            {
                return Err(invalid("it is listed twice"));
            }
            previous = Some(change);
            let path = change.path.clone();
            match change.kind {
                ChangeKind::Delete => gone.push(Operation::Remove { path, kept: format!("old-{number}") }),
                ChangeKind::Rmdir => emptied.push(Operation::RemoveDirectory { path }),
                ChangeKind::Add | ChangeKind::Modify | ChangeKind::Symlink => {
                    put.push(Operation::Put { path, staged: staged(number) });
                }
                ChangeKind::Rename => {
                    let from =
                        change.from.clone().ok_or_else(|| invalid("it lacks the place it comes from"))?;
                    if !moved.insert(from.clone()) {
                        return Err(invalid("it is renamed twice"));
                    }
                    gone.push(Operation::Remove { path: from, kept: format!("old-{number}") });
                    put.push(Operation::Put { path: path.clone(), staged: staged(number) });
                    // Staged is a second name of the file itself, whose mode no earlier step may touch.
                    let mode = change.mode.ok_or_else(|| invalid("it lacks a mode"))?;
                    last.push(Operation::SetMode { path, mode });
                }
                ChangeKind::Mkdir => {
                    let mode = change.mode.ok_or_else(|| invalid("it lacks a mode"))?;
                    made.push(Operation::MakeDirectory { path: path.clone() });
                    last.push(Operation::SetMode { path, mode });
                }
                ChangeKind::Mode => {
                    let mode = change.mode.ok_or_else(|| invalid("it lacks a mode"))?;
                    if change.base.as_ref().is_some_and(|base| base.kind == BaseKind::Directory) {
                        first.push(Operation::SetMode { path: path.clone(), mode: mode | 0o700 });
                    }
                    last.push(Operation::SetMode { path, mode });
                }
            }
        }
        if let Some(twice) = set.changes.iter().find(|change| moved.contains(&change.path)) {
            let why = "what is renamed is also changed";
            return Err(ApplyError::Invalid { path: twice.path.clone(), why });
        }
        // The deepest first, as its parents must still be reachable.
        emptied.reverse();
        last.reverse();
        let operations = [first, gone, emptied, made, put, last].concat();
        Ok(Self { id: id.to_owned(), digest: digest.to_owned(), operations, history: None })
    }
}

/// Whether one path may have both changes: a directory takes a file's place, or the other way round.
fn replaces(before: ChangeKind, after: ChangeKind) -> bool {
    use ChangeKind::{Add, Delete, Mkdir, Rmdir, Symlink};
    matches!((before, after), (Delete, Mkdir) | (Rmdir, Add | Symlink))
}

fn validate(change: &Change) -> Result<(), ApplyError> {
    let invalid = |why| Err(ApplyError::Invalid { path: change.path.clone(), why });
    for path in [Some(&change.path), change.from.as_ref()].into_iter().flatten() {
        let mut parts = path.split('/');
        if parts.any(|part| matches!(part, "" | "." | "..") || part.contains('\0') || part.len() > 255) {
            return invalid("its path is not plainly within the workspace");
        }
        if path.split('/').next() == Some(OWN_DIRECTORY) {
            return invalid("the directory belongs to Testudo");
        }
    }
    if change.from.is_some() != (change.kind == ChangeKind::Rename) {
        return invalid("the manifest's entry contradicts itself");
    }
    if change.mode.is_some_and(|mode| mode & !0o777 != 0) {
        return invalid("its mode is more than permissions");
    }
    let content = change.sha256.is_some() && change.offset.is_some() && change.mode.is_some();
    let kind = change.base.as_ref().map(|base| base.kind);
    let based = kind.is_some();
    // A directory makes room by its own removal, or stays.
    let no_directory = kind != Some(BaseKind::Directory);
    let sound = match change.kind {
        ChangeKind::Add => content && !based,
        ChangeKind::Modify => content && based && no_directory,
        ChangeKind::Symlink => {
            let depth = change.path.matches('/').count();
            let target = change.target.as_ref();
            no_directory && target.is_some_and(|target| target_stays_inside(Path::new(target), depth))
        }
        ChangeKind::Mkdir => change.mode.is_some() && !based,
        ChangeKind::Mode => change.mode.is_some() && based && kind != Some(BaseKind::Symlink),
        ChangeKind::Delete => based && no_directory,
        ChangeKind::Rmdir => kind == Some(BaseKind::Directory),
        ChangeKind::Rename => {
            let base = change.base.as_ref().filter(|base| base.kind == BaseKind::File);
            let same = base.is_some_and(|base| base.sha256 == change.sha256 && base.size == change.size);
            change.mode.is_some() && base.is_some() && change.sha256.is_some() && (content || same)
        }
    };
    if sound { Ok(()) } else { invalid("the manifest's entry contradicts itself") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changeset::Base;

    fn mkdir(path: &str) -> Change {
        Change::plain(path, ChangeKind::Mkdir, Some(0o755))
    }

    fn plan(changes: Vec<Change>) -> Result<Plan, ApplyError> {
        Plan::new("id", "digest", &ChangeSet::new(changes, vec![]))
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in ["", "/etc", "../a", "a/../b", "a//b", "a/", ".testudo", ".testudo/x", "./a", "a\0b"] {
            assert!(matches!(plan(vec![mkdir(path)]), Err(ApplyError::Invalid { .. })), "{path:?}");
        }
        for path in ["a", "a/b", ".hidden", "..a", "b/.testudo"] {
            assert!(plan(vec![mkdir(path)]).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let setuid = Change { mode: Some(0o4755), ..mkdir("a") };
        let lacking = Change { kind: ChangeKind::Add, ..mkdir("a") };
        let outside = Change { kind: ChangeKind::Symlink, target: Some("/etc".into()), ..mkdir("a") };
        for change in [setuid, lacking, outside] {
            assert!(plan(vec![change]).is_err());
        }
        assert!(plan(vec![mkdir("a"), mkdir("a")]).is_err());
        assert!(plan(vec![Change { from: Some("b".into()), ..mkdir("a") }]).is_err());
    }

    #[test]
    fn what_was_there_fits_what_happens_to_it() {
        use BaseKind::{Directory, File, Symlink};
        use ChangeKind::{Delete, Mode, Modify, Rename, Rmdir};
        for (kind, fitting) in [
            (ChangeKind::Symlink, &[File, Symlink][..]),
            (Modify, &[File, Symlink]),
            (Delete, &[File, Symlink]),
            (Rmdir, &[Directory]),
            (Mode, &[File, Directory]),
            (Rename, &[File]),
        ] {
            for was in [File, Symlink, Directory] {
                let hash = Some("x".to_owned());
                let change = Change {
                    sha256: hash.clone(),
                    offset: Some(0),
                    target: (kind == ChangeKind::Symlink).then(|| "x".to_owned()),
                    base: Some(Base { kind: was, mode: 0o755, size: 0, sha256: hash, offset: None }),
                    from: (kind == Rename).then(|| "b".to_owned()),
                    ..Change::plain("a", kind, Some(0o755))
                };
                assert_eq!(plan(vec![change]).is_ok(), fitting.contains(&was), "{kind:?} of {was:?}");
            }
        }
    }

    #[test]
    fn a_rename_is_complete_plain_and_the_only_change_of_what_it_moves() {
        let base =
            Base { kind: BaseKind::File, mode: 0o644, size: 1, sha256: Some("x".into()), offset: None };
        let rename = |from: &str, to: &str| Change {
            from: Some(from.into()),
            base: Some(base.clone()),
            size: 1,
            sha256: Some("x".into()),
            ..Change::plain(to, ChangeKind::Rename, Some(0o644))
        };
        assert!(plan(vec![rename("a", "b")]).is_ok());
        for from in ["../a", "/a", ".testudo/applied", ""] {
            assert!(plan(vec![rename(from, "b")]).is_err(), "{from:?}");
        }
        assert!(plan(vec![rename("a", "b"), rename("a", "c")]).is_err());
        assert!(plan(vec![rename("a", "b"), mkdir("a")]).is_err());
        let other = Change { sha256: Some("y".into()), ..rename("a", "b") };
        assert!(plan(vec![other]).is_err(), "other content must come along");
        assert!(plan(vec![Change { base: None, ..rename("a", "b") }]).is_err());
    }

    #[test]
    fn directories_come_before_their_contents_and_close_after_them() {
        let operations = plan(vec![mkdir("a"), mkdir("a/b")]).unwrap().operations;
        let order: Vec<String> = operations.iter().map(|operation| format!("{operation:?}")).collect();
        assert!(order[0].contains("MakeDirectory") && order[0].contains("\"a\""), "{order:?}");
        assert!(order[2].contains("SetMode") && order[2].contains("\"a/b\""), "{order:?}");
    }
}
