//! What is in a root: every entry with all that can be told without reading contents, in canonical order.
//!
//! A root that anybody but root could change after it was looked at is refused here, and so is what has no place in
//! one: devices, bits that give privileges, second names of a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::manifest::{Entry, Kind, MANIFEST};

/// What is wrong with an entry by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its group or everybody may write to it.
    #[error("others than its owner may write to it")]
    Writable,
    /// It belongs to another user.
    #[error("it does not belong to root")]
    Owner,
    /// It would run as its owner or group.
    #[error("it is setuid or setgid")]
    Privileged,
    /// It can be changed by another name.
    #[error("it is a hard link")]
    HardLink,
    /// It is neither file nor directory nor symbolic link.
    #[error("it is a special file")]
    Special,
    /// Its name, or what it leads to, is no UTF-8.
    #[error("its name or target is no UTF-8")]
    Name,
}

/// Why a root could not be looked at as a whole.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// An entry has no place in a root.
    #[error("cannot trust {path}: {fault}")]
    Fault {
        /// The entry.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// An entry cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The entry.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Whether owners are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// Everything must be root's.
    Root,
    /// It does not matter yet: a build is done by whoever builds.
    Any,
}

/// Lists a root by the bytes of the paths, files without their hash. The manifest is left out.
pub(super) fn list(root: &Path, owners: Owners) -> Result<Vec<Entry>, TreeError> {
    let top = status(root)?;
    judge(root, &top, owners)?;
    let mut entries = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let read = |source| TreeError::Read { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let status = status(&path)?;
            let fault = |fault| TreeError::Fault { path: path.clone(), fault };
            judge(&path, &status, owners)?;
            let relative = path.strip_prefix(root).ok().and_then(Path::to_str).ok_or(fault(Fault::Name))?;
            if relative == MANIFEST && status.is_file() {
                continue;
            }
            let mode = status.mode() & 0o7777;
            let kind = if status.is_dir() {
                pending.push(path.clone());
                Kind::Directory { mode }
            } else if status.is_symlink() {
                let target = fs::read_link(&path);
                let target = target.map_err(|source| TreeError::Read { path: path.clone(), source })?;
                Kind::Link { target: target.to_str().ok_or(fault(Fault::Name))?.to_owned() }
            } else {
                Kind::File { mode, size: status.len(), sha256: String::new() }
            };
            entries.push(Entry { path: relative.to_owned(), kind });
        }
    }
    entries.sort_unstable_by(|one, two| one.path.as_bytes().cmp(two.path.as_bytes()));
    Ok(entries)
}

/// Refuses a path of which any part could be exchanged by somebody else than root.
pub(super) fn require_safe_way(root: &Path) -> Result<(), TreeError> {
    for place in root.ancestors().skip(1) {
        let status = status(place)?;
        let fault = |fault| TreeError::Fault { path: place.to_owned(), fault };
        if status.uid() != 0 {
            return Err(fault(Fault::Owner));
        }
        // In a sticky directory, such as /tmp and the Nix store, nobody can exchange what is root's.
        if status.mode() & 0o022 != 0 && status.mode() & 0o1000 == 0 {
            return Err(fault(Fault::Writable));
        }
    }
    Ok(())
}

fn status(path: &Path) -> Result<Metadata, TreeError> {
    fs::symlink_metadata(path).map_err(|source| TreeError::Read { path: path.to_owned(), source })
}

fn judge(path: &Path, status: &Metadata, owners: Owners) -> Result<(), TreeError> {
    let fault = if owners == Owners::Root && status.uid() != 0 {
        Fault::Owner
    } else if status.is_symlink() {
        return Ok(());
    } else if !status.is_file() && !status.is_dir() {
        Fault::Special
    } else if status.mode() & 0o6000 != 0 {
        Fault::Privileged
    } else if status.mode() & 0o022 != 0 {
        Fault::Writable
    } else if status.is_file() && status.nlink() != 1 && path.file_name().is_none_or(|name| name != MANIFEST)
    {
        Fault::HardLink
    } else {
        return Ok(());
    };
    Err(TreeError::Fault { path: path.to_owned(), fault })
}
