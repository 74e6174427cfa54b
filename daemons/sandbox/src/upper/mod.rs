//! Reads a change set out of an overlay's upper side, when every process of the call is dead.
//!
//! The upper side is a hostile file system at rest: nothing but regular files is opened, no symlink is
//! followed, and depth, number and size are bounded. What was only copied up, and is as before, is no change.
//! A copy of the whole workspace is read as an upper side in which nothing shows through.

mod content;
mod lower;
mod rename;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::apply::{OWN_DIRECTORY, repositories};
use crate::changeset::{Base, BaseKind, Change, ChangeKind, ChangeSet, Skipped, sha256};
use crate::copied::Entries;
use crate::directory::{Directory, Status, name, target_stays_inside};
use crate::limits::Limits;
use crate::syscall;

use content::{Blob, Piece};
use lower::Lower;

/// Deepest nesting of directories that is proposed.
const MOST_DEPTH: usize = 64;

/// Why what was not copied is no part of a change set.
const LEFT_OUT: &str = "what is there could not be copied for the call, and stays as it is";

/// Why there is no change set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpperError {
    #[error("cannot propose the changes: {entries} entries are more than the {most} allowed")]
    Entries { entries: u64, most: u64 },
    #[error("cannot propose the changes: they are larger than the {most} bytes allowed")]
    Bytes { most: u64 },
    #[error("cannot propose the changes: {path} is more than {MOST_DEPTH} directories deep")]
    Depth { path: String },
    #[error("cannot read the changes at {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("cannot keep the changes: {0}")]
    Keep(#[from] io::Error),
}

/// A change set and its contents, ready to be handed over.
pub(crate) struct Found {
    pub(crate) set: ChangeSet,
    pub(crate) contents: OwnedFd,
    pub(crate) bytes: u64,
}

/// Reads what a call left in `upper` over `lower`.
pub(crate) fn read(upper: &Path, lower: &Path, limits: &Limits) -> Result<Found, UpperError> {
    found(&open(upper)?, &Lower::live(open(lower)?), &open(lower)?, limits)
}

/// Reads what a call left in a copy of what `was` there. The workspace as it is now only gives old contents to show.
pub(crate) fn read_copy(
    copy: &Path,
    was: &mut Entries,
    workspace: &Path,
    limits: &Limits,
) -> Result<Found, UpperError> {
    let copy = open(copy)?;
    was.compare(&copy).map_err(failed("."))?;
    let live = Some(open(workspace)?);
    found(&copy, &Lower::Copied { was, live }, &open(workspace)?, limits)
}

fn open(path: &Path) -> Result<Directory, UpperError> {
    Directory::open(path).map_err(|source| UpperError::Read { path: path.display().to_string(), source })
}

fn found(
    upper: &Directory,
    lower: &Lower<'_>,
    workspace: &Directory,
    limits: &Limits,
) -> Result<Found, UpperError> {
    let mut walk = Walk { limits, blob: Blob::new()?, visited: 0, changes: Vec::new(), skipped: Vec::new() };
    walk.directory(upper, Some(lower), "", 0)?;
    let changes = rename::pair(walk.changes, |offset, size| walk.blob.read(offset, size).ok());
    let set = ChangeSet::new(changes, walk.skipped);
    let repositories = repositories(&set.changes, workspace).map_err(failed("."))?;
    let set = set.with_repositories(repositories);
    let bytes = walk.blob.length();
    Ok(Found { set, contents: walk.blob.seal()?, bytes })
}

struct Walk<'a> {
    limits: &'a Limits,
    blob: Blob,
    visited: u64,
    changes: Vec<Change>,
    skipped: Vec<Skipped>,
}

impl Walk<'_> {
    /// Names that are in both are compared, and those of a hidden lower directory are gone without a mark.
    fn directory(
        &mut self,
        upper: &Directory,
        lower: Option<&Lower<'_>>,
        path: &str,
        depth: usize,
    ) -> Result<(), UpperError> {
        if depth > MOST_DEPTH {
            return Err(UpperError::Depth { path: path.to_owned() });
        }
        // In one order, so that contents lie where they do whichever way the call's writes were kept.
        let mut names = match lower.filter(|lower| lower.is_hidden()) {
            Some(lower) => lower.names().map_err(failed(path))?,
            None => BTreeSet::new(),
        };
        names.extend(upper.names().map_err(failed(path))?.iter().map(|bytes| name(bytes).to_owned()));
        for entry in names.iter().filter(|entry| !lower.is_some_and(|lower| lower.unchanged(entry))) {
            let below = join(path, &entry.to_string_lossy());
            let Some(now) = upper.status(entry).map_err(failed(&below))? else {
                if let Some((lower, status)) = before(lower, entry, &below)? {
                    self.gone(lower, entry, &status, &below, depth)?;
                }
                continue;
            };
            self.count()?;
            if entry.to_str().is_none() {
                self.skip(&below, "its name is no UTF-8");
            } else if below == OWN_DIRECTORY {
                self.skip(&below, "the name belongs to Testudo");
            } else if lower.is_some_and(|lower| lower.left_out(entry)) {
                self.skip(&below, LEFT_OUT);
            } else {
                self.entry(upper, lower, entry, &now, &below, depth)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        upper: &Directory,
        lower: Option<&Lower<'_>>,
        entry: &OsStr,
        now: &Status,
        path: &str,
        depth: usize,
    ) -> Result<(), UpperError> {
        let old = before(lower, entry, path)?;
        if now.is_whiteout() {
            return old.map_or(Ok(()), |(lower, status)| self.gone(lower, entry, &status, path, depth));
        }
        if now.is_directory() {
            return self.subdirectory(upper, old, entry, now, path, depth);
        }
        if !now.is_file() && !now.is_symlink() {
            self.skip(path, "only files, directories and symlinks can be proposed");
            return Ok(());
        }
        let mut base = None;
        if let Some((lower, status)) = old {
            if status.is_directory() {
                self.gone(lower, entry, &status, path, depth)?;
            } else {
                base = Some((lower, status));
            }
        }
        if now.is_file() {
            self.file(upper, base, entry, now, path)
        } else {
            self.symlink(upper, base, entry, path, depth)
        }
    }

    fn subdirectory(
        &mut self,
        upper: &Directory,
        old: Option<(&Lower<'_>, Status)>,
        entry: &OsStr,
        now: &Status,
        path: &str,
        depth: usize,
    ) -> Result<(), UpperError> {
        if now.mode() & 0o500 != 0o500 {
            upper.set_mode(entry, 0o700).map_err(failed(path))?;
        }
        let inner = upper.enter(entry).map_err(failed(path))?;
        let mut below = None;
        match old {
            Some((lower, status)) if status.is_directory() => {
                let mut lower_inner = lower.enter(entry).map_err(failed(path))?;
                if syscall::overlay_opaque(inner.as_fd()) {
                    lower_inner.hide();
                }
                if status.mode() != now.mode() {
                    let base = Some(Base {
                        kind: BaseKind::Directory,
                        mode: status.mode(),
                        size: 0,
                        sha256: None,
                        offset: None,
                    });
                    self.push(Change { base, ..Change::plain(path, ChangeKind::Mode, Some(now.mode())) })?;
                }
                below = Some(lower_inner);
            }
            other => {
                if let Some((lower, status)) = other {
                    self.gone(lower, entry, &status, path, depth)?;
                }
                self.push(Change::plain(path, ChangeKind::Mkdir, Some(now.mode())))?;
            }
        }
        self.directory(&inner, below.as_ref(), path, depth + 1)
    }

    fn gone(
        &mut self,
        lower: &Lower<'_>,
        entry: &OsStr,
        status: &Status,
        path: &str,
        depth: usize,
    ) -> Result<(), UpperError> {
        self.count()?;
        if path == OWN_DIRECTORY {
            return Ok(());
        }
        if entry.to_str().is_none() {
            self.skip(path, "its name is no UTF-8");
            return Ok(());
        }
        if lower.left_out(entry) {
            self.skip(path, LEFT_OUT);
            return Ok(());
        }
        if status.is_directory() {
            if depth > MOST_DEPTH {
                return Err(UpperError::Depth { path: path.to_owned() });
            }
            let inner = lower.enter(entry).map_err(failed(path))?;
            for entry in inner.names().map_err(failed(path))? {
                let below = join(path, &entry.to_string_lossy());
                if let Some(status) = inner.status(&entry).map_err(failed(&below))? {
                    self.gone(&inner, &entry, &status, &below, depth + 1)?;
                }
            }
            let base =
                Base { kind: BaseKind::Directory, mode: status.mode(), size: 0, sha256: None, offset: None };
            return self.push(Change { base: Some(base), ..Change::plain(path, ChangeKind::Rmdir, None) });
        }
        match self.base(lower, entry, status, path)? {
            Some(base) => {
                self.push(Change { base: Some(base), ..Change::plain(path, ChangeKind::Delete, None) })
            }
            None => {
                self.skip(path, "only files, directories and symlinks can be deleted");
                Ok(())
            }
        }
    }

    fn file(
        &mut self,
        upper: &Directory,
        old: Option<(&Lower<'_>, Status)>,
        entry: &OsStr,
        now: &Status,
        path: &str,
    ) -> Result<(), UpperError> {
        if now.mode() & 0o400 == 0 {
            upper.set_mode(entry, 0o600).map_err(failed(path))?;
        }
        let room = self.limits.change_bytes.saturating_sub(self.blob.new_bytes());
        if now.size() > room {
            return Err(UpperError::Bytes { most: self.limits.change_bytes });
        }
        let mut file = upper.read(entry).map_err(failed(path))?;
        let mark = self.blob.mark();
        let Piece { size, sha256, offset } = self.blob.add_new(&mut file, room).map_err(failed(path))?;
        let base = match old {
            None => None,
            Some((lower, status)) => match self.base(lower, entry, &status, path)? {
                Some(base) => Some(base),
                None => {
                    self.blob.rewind(mark)?;
                    self.skip(path, "only files, directories and symlinks can be replaced");
                    return Ok(());
                }
            },
        };
        let mut change = Change {
            size,
            sha256: Some(sha256),
            offset: Some(offset),
            ..Change::plain(path, ChangeKind::Add, Some(now.mode()))
        };
        if let Some(base) = base {
            let same_content = base.kind == BaseKind::File && base.sha256 == change.sha256;
            if same_content {
                self.blob.rewind(mark)?;
                if base.mode == now.mode() {
                    return Ok(());
                }
                let base = Some(Base { offset: None, ..base });
                return self.push(Change { base, ..Change::plain(path, ChangeKind::Mode, Some(now.mode())) });
            }
            change.kind = ChangeKind::Modify;
            change.base = Some(base);
        }
        self.push(change)
    }

    fn symlink(
        &mut self,
        upper: &Directory,
        old: Option<(&Lower<'_>, Status)>,
        entry: &OsStr,
        path: &str,
        depth: usize,
    ) -> Result<(), UpperError> {
        let target = upper.target(entry).map_err(failed(path))?;
        let Some(text) = target.to_str().filter(|_| target_stays_inside(Path::new(&target), depth)) else {
            self.skip(path, "the symlink points, or could point, outside of the workspace");
            return Ok(());
        };
        let base = match old {
            None => None,
            Some((lower, status)) => match self.base(lower, entry, &status, path)? {
                Some(base)
                    if base.kind == BaseKind::Symlink && base.sha256 == Some(sha256(text.as_bytes())) =>
                {
                    return Ok(());
                }
                Some(base) => Some(base),
                None => {
                    self.skip(path, "only files, directories and symlinks can be replaced");
                    return Ok(());
                }
            },
        };
        self.push(Change {
            target: Some(text.to_owned()),
            base,
            ..Change::plain(path, ChangeKind::Symlink, None)
        })
    }

    fn base(
        &mut self,
        lower: &Lower<'_>,
        entry: &OsStr,
        status: &Status,
        path: &str,
    ) -> Result<Option<Base>, UpperError> {
        lower.base(entry, status, &mut self.blob).map_err(failed(path))
    }

    fn push(&mut self, change: Change) -> Result<(), UpperError> {
        self.changes.push(change);
        let (entries, most) = (self.changes.len() as u64, self.limits.change_entries);
        if entries > most { Err(UpperError::Entries { entries, most }) } else { Ok(()) }
    }

    fn skip(&mut self, path: &str, reason: &str) {
        self.skipped.push(Skipped { path: path.to_owned(), reason: reason.to_owned() });
    }

    /// Bounds the work, also where nothing comes of it.
    fn count(&mut self) -> Result<(), UpperError> {
        self.visited += 1;
        let most = self.limits.change_entries.saturating_mul(2).saturating_add(1000);
        if self.visited > most { Err(UpperError::Entries { entries: self.visited, most }) } else { Ok(()) }
    }
}

/// What an entry was, and the directory that has it.
fn before<'l, 'a>(
    lower: Option<&'l Lower<'a>>,
    entry: &OsStr,
    path: &str,
) -> Result<Option<(&'l Lower<'a>, Status)>, UpperError> {
    let Some(lower) = lower else { return Ok(None) };
    Ok(lower.status(entry).map_err(failed(path))?.map(|status| (lower, status)))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn failed(path: &str) -> impl Fn(io::Error) -> UpperError {
    move |source| UpperError::Read { path: path.to_owned(), source }
}
