//! What was there before the call: the workspace below an overlay, or what a copy of it was made of.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;

use crate::changeset::{Base, BaseKind, MOST_BASE, sha256};
use crate::copied::{Entries, What};
use crate::directory::{Directory, Status, name};

use super::content::Blob;

/// One directory of it.
pub(super) enum Lower<'a> {
    /// As it is; hidden where the upper side has another directory in its place.
    Live { directory: Directory, hidden: bool },
    /// As it was; and as it is, if it still is one, for contents that are shown.
    Copied { was: &'a Entries, live: Option<Directory> },
}

impl<'a> Lower<'a> {
    /// The workspace, below an overlay.
    pub(super) fn live(directory: Directory) -> Self {
        Self::Live { directory, hidden: false }
    }

    /// Whether none of its names shows through: as in every copy, and where overlayfs says so.
    pub(super) fn is_hidden(&self) -> bool {
        matches!(self, Self::Copied { .. } | Self::Live { hidden: true, .. })
    }

    /// From here on nothing shows through, nor in what is below: overlayfs marks only the uppermost directory.
    pub(super) fn hide(&mut self) {
        if let Self::Live { hidden, .. } = self {
            *hidden = true;
        }
    }

    /// Whether a name is known to be in the copy as it was.
    pub(super) fn unchanged(&self, entry: &OsStr) -> bool {
        match self {
            Self::Live { .. } => false,
            Self::Copied { was, .. } => was.get(entry).is_some_and(|entry| entry.unchanged),
        }
    }

    /// Whether a name was not copied, so that nothing the call did can be about it.
    pub(super) fn left_out(&self, entry: &OsStr) -> bool {
        match self {
            Self::Live { .. } => false,
            Self::Copied { was, .. } => {
                was.get(entry).is_some_and(|entry| matches!(entry.what, What::LeftOut))
            }
        }
    }

    pub(super) fn status(&self, entry: &OsStr) -> io::Result<Option<Status>> {
        match self {
            Self::Live { directory, .. } => directory.status(entry),
            Self::Copied { was, .. } => Ok(was.get(entry).map(|entry| entry.status)),
        }
    }

    /// A directory in this one.
    pub(super) fn enter(&self, entry: &OsStr) -> io::Result<Lower<'a>> {
        match self {
            Self::Live { directory, hidden } => {
                Ok(Lower::Live { directory: directory.enter(entry)?, hidden: *hidden })
            }
            Self::Copied { was, live } => match was.get(entry).map(|entry| &entry.what) {
                Some(What::Directory(was)) => {
                    let live = live.as_ref().and_then(|live| live.enter(entry).ok());
                    Ok(Lower::Copied { was, live })
                }
                _ => Err(io::ErrorKind::NotADirectory.into()),
            },
        }
    }

    /// All names of it.
    pub(super) fn names(&self) -> io::Result<BTreeSet<OsString>> {
        match self {
            Self::Live { directory, .. } => {
                Ok(directory.names()?.iter().map(|bytes| name(bytes).to_owned()).collect())
            }
            Self::Copied { was, .. } => Ok(was.names().map(OsStr::to_owned).collect()),
        }
    }

    /// What a file or symlink is; none for anything else.
    pub(super) fn base(&self, entry: &OsStr, status: &Status, blob: &mut Blob) -> io::Result<Option<Base>> {
        let mode = status.mode();
        if status.is_symlink() {
            let target = self.target(entry)?;
            let bytes = target.as_encoded_bytes();
            let (size, hash) = (bytes.len() as u64, Some(sha256(bytes)));
            return Ok(Some(Base { kind: BaseKind::Symlink, mode, size, sha256: hash, offset: None }));
        }
        if !status.is_file() {
            return Ok(None);
        }
        let mark = blob.mark();
        let (directory, recorded) = match self {
            Self::Live { directory, .. } => (Some(directory), None),
            Self::Copied { was, live } => match was.get(entry).map(|entry| &entry.what) {
                Some(What::File { size, sha256 }) => (live.as_ref(), Some((*size, sha256))),
                _ => return Ok(None),
            },
        };
        let read = directory.map(|directory| blob.add_old(&mut directory.read(entry)?, MOST_BASE));
        let read = read.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        let base = |size, hash, offset| Base { kind: BaseKind::File, mode, size, sha256: Some(hash), offset };
        match (read, recorded) {
            (Ok((piece, carried)), recorded)
                if recorded.is_none_or(|(size, hash)| (size, hash) == (piece.size, &piece.sha256)) =>
            {
                Ok(Some(base(piece.size, piece.sha256, carried.then_some(piece.offset))))
            }
            // It has changed under the call, which saw what it was: applying this will be a conflict.
            (_, Some((size, hash))) => {
                blob.rewind(mark)?;
                Ok(Some(base(size, hash.clone(), None)))
            }
            (Ok(_), None) => Ok(None),
            (Err(error), None) => Err(error),
        }
    }

    fn target(&self, entry: &OsStr) -> io::Result<OsString> {
        match self {
            Self::Live { directory, .. } => directory.target(entry),
            Self::Copied { was, .. } => match was.get(entry).map(|entry| &entry.what) {
                Some(What::Symlink(target)) => Ok(target.clone()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }
}
