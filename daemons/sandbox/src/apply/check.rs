//! Compares the workspace with the bases of a change set: is it still what the changes were made from?

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use sha2::{Digest, Sha256};

use super::{ApplyError, repositories};
use crate::changeset::{Base, BaseKind, Change, ChangeKind, ChangeSet, sha256};
use crate::directory::{Directory, Status, name};

/// Finds the directory of a path's last part; none if a part is missing, or is no directory.
pub(crate) fn parent<'a>(root: &Directory, path: &'a str) -> io::Result<Option<(Directory, &'a OsStr)>> {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut directory = root.enter(OsStr::new("."))?;
    for part in above.split('/').filter(|part| !part.is_empty()) {
        directory = match directory.enter(OsStr::new(part)) {
            Ok(inner) => inner,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
    }
    Ok(Some((directory, OsStr::new(last))))
}

/// Fails with the first path that is not as the change set expects it.
pub(super) fn unchanged(root: &Directory, set: &ChangeSet) -> Result<(), ApplyError> {
    let mut leaving: BTreeSet<&str> =
        set.changes.iter().filter_map(|change| change.from.as_deref()).collect();
    let paths = |kinds: &[ChangeKind]| -> BTreeSet<&str> {
        set.changes
            .iter()
            .filter(|change| kinds.contains(&change.kind))
            .map(|change| change.path.as_str())
            .collect()
    };
    leaving.extend(paths(&[ChangeKind::Delete, ChangeKind::Rmdir]));
    let opened = paths(&[ChangeKind::Mode]);
    let coming = paths(&[ChangeKind::Mkdir]);
    for (change, path, base) in set.changes.iter().flat_map(sides) {
        let conflict =
            |message: &str| ApplyError::Conflict { path: path.to_owned(), message: message.to_owned() };
        let failed = |source| ApplyError::io("look at", path.to_owned())(source);
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let Some((directory, last)) = parent(root, path).map_err(failed)? else {
            if coming.contains(above) && base.is_none() {
                continue;
            }
            return Err(conflict("its directory is gone, or was replaced"));
        };
        let writable =
            faccessat(&directory, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok();
        if !writable && change.kind != ChangeKind::Mode && !opened.contains(above) {
            return Err(conflict("its directory cannot be written"));
        }
        let status = directory.status(last).map_err(failed)?;
        let fits = match (base, status) {
            (None, None) => true,
            (None, Some(status)) => {
                leaving.contains(path) || (change.kind == ChangeKind::Mkdir && status.is_directory())
            }
            (Some(_), None) => return Err(conflict("it was there, and is gone")),
            (Some(base), Some(status)) => same(&directory, last, base, &status).map_err(failed)?,
        };
        if !fits {
            let message = if base.is_none() {
                "nothing was there, and something is now"
            } else {
                "it has changed meanwhile"
            };
            return Err(conflict(message));
        }
        if change.kind == ChangeKind::Rmdir {
            nothing_else_in(&directory, last, change, &leaving)?;
        }
    }
    Ok(())
}

/// Fails where new permissions would also be those of other names of the file, which nobody was shown. `staged` says
/// that what is renamed has its name in the staging directory already.
pub(super) fn alone(root: &Directory, set: &ChangeSet, staged: bool) -> Result<(), ApplyError> {
    for change in &set.changes {
        let moves = change.kind == ChangeKind::Rename && change.offset.is_none();
        let remains = change.base.as_ref().is_some_and(|base| Some(base.mode) == change.mode);
        if remains || !(moves || change.kind == ChangeKind::Mode) {
            continue;
        }
        let path = change.from.as_ref().unwrap_or(&change.path);
        let status = parent(root, path)
            .and_then(|found| found.map_or(Ok(None), |(directory, last)| directory.status(last)))
            .map_err(ApplyError::io("look at", path))?;
        let most = 1 + u64::from(staged && moves);
        if status.is_some_and(|status| status.is_file() && status.links() > most) {
            let message = "it has other names, whose permissions would change with it".to_owned();
            return Err(ApplyError::Conflict { path: path.clone(), message });
        }
    }
    Ok(())
}

/// Fails if the change set does not say which repositories it touches: who made it is not believed, and what was shown
/// and decided was what it says.
pub(super) fn said(root: &Directory, set: &ChangeSet) -> Result<(), ApplyError> {
    let found = repositories(&set.changes, root)
        .map_err(ApplyError::io("look for repositories in", "the workspace"))?;
    let unsaid = found.iter().find(|place| !set.repositories.contains(place));
    let untrue = set.repositories.iter().find(|place| !found.contains(place));
    let (path, message) = match (unsaid, untrue) {
        (Some(place), _) => (place, "git takes it for a repository, which was not said"),
        (None, Some(place)) => (place, "it was said to be a repository, and is none"),
        (None, None) => return Ok(()),
    };
    Err(ApplyError::Conflict { path: path.clone(), message: message.to_owned() })
}

/// The paths that a change is about, with what must be there: of a rename where it comes from, and where it goes to.
fn sides(change: &Change) -> impl Iterator<Item = (&Change, &str, Option<&Base>)> {
    let base = change.base.as_ref();
    let (from, here) = match &change.from {
        Some(from) => (Some((change, from.as_str(), base)), None),
        None => (None, base),
    };
    from.into_iter().chain([(change, change.path.as_str(), here)])
}

fn same(directory: &Directory, last: &OsStr, base: &Base, status: &Status) -> io::Result<bool> {
    match base.kind {
        BaseKind::Directory => Ok(status.is_directory() && status.mode() == base.mode),
        BaseKind::Symlink => {
            Ok(status.is_symlink() && base.sha256 == Some(sha256(directory.target(last)?.as_encoded_bytes())))
        }
        BaseKind::File => Ok(status.is_file()
            && status.mode() == base.mode
            && status.size() == base.size
            && base.sha256 == Some(hash(directory.read(last)?)?)),
    }
}

fn hash(mut file: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

fn nothing_else_in(
    directory: &Directory,
    last: &OsStr,
    change: &Change,
    leaving: &BTreeSet<&str>,
) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::io("list", change.path.clone())(source);
    for bytes in directory.enter(last).and_then(|inner| inner.names()).map_err(failed)? {
        let path = format!("{}/{}", change.path, name(&bytes).to_string_lossy());
        if !leaving.contains(path.as_str()) {
            return Err(ApplyError::Conflict {
                path,
                message: "it came into a directory that is to go".to_owned(),
            });
        }
    }
    Ok(())
}
