//! Copies a workspace. No symlink is followed and no inode shared; what is hashed is what was written to the copy.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;
use sha2::{Digest, Sha256};

use super::bound::{Bound, Used};
use super::{Entries, Entry, What};
use crate::apply::OWN_DIRECTORY;
use crate::directory::{Directory, Status, name};

/// Deepest nesting of directories that is copied.
const MOST_DEPTH: usize = 100;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error(
        "cannot copy the workspace, of which the kernel allows no overlay: it takes up more than {most} bytes, the most that the scratch has for it"
    )]
    Bytes { most: u64 },
    #[error(
        "cannot copy the workspace, of which the kernel allows no overlay: it has more than {most} entries, the most that the scratch has for it"
    )]
    Entries { most: u64 },
    #[error(
        "cannot copy the workspace, of which the kernel allows no overlay: {path} is more than {MOST_DEPTH} directories deep"
    )]
    Depth { path: String },
    #[error("cannot copy {path} of the workspace, of which the kernel allows no overlay: {source}")]
    Copy { path: String, source: io::Error },
}

/// Copies all of `workspace` into the empty directory `to`; gives what it was made of.
pub(crate) fn copy(workspace: &Path, to: &Path, bound: Bound) -> Result<Entries, CopyError> {
    let open = |path: &Path| Directory::open(path).map_err(failed(path.as_os_str()));
    let mut copier = Copier { used: Used::nothing(bound) };
    copier.directory(&open(workspace)?, &open(to)?, 0)
}

struct Copier {
    used: Used,
}

impl Copier {
    fn directory(&mut self, from: &Directory, to: &Directory, depth: usize) -> Result<Entries, CopyError> {
        let mut entries = Entries::default();
        for bytes in from.names().map_err(failed(OsStr::new("a directory")))? {
            let entry = name(&bytes);
            // What has gone since is not there.
            let Some(status) = from.status(entry).map_err(failed(entry))? else { continue };
            self.used.entry()?;
            let what = if depth == 0 && entry == OWN_DIRECTORY {
                own(to, entry, &status)?
            } else if status.is_directory() {
                self.subdirectory(from, to, entry, &status, depth)?
            } else if status.is_symlink() {
                symlink(from, to, entry)?
            } else if status.is_file() {
                self.file(from, to, entry, &status)?
            } else {
                Some(What::LeftOut)
            };
            if let Some(what) = what {
                entries.0.insert(entry.to_owned(), Entry { status, what, unchanged: false });
            }
        }
        Ok(entries)
    }

    fn subdirectory(
        &mut self,
        from: &Directory,
        to: &Directory,
        entry: &OsStr,
        status: &Status,
        depth: usize,
    ) -> Result<Option<What>, CopyError> {
        if depth >= MOST_DEPTH {
            return Err(CopyError::Depth { path: entry.to_string_lossy().into_owned() });
        }
        // One that can be listed, but not entered, shows its names and nothing else.
        let inner = from.enter(entry).and_then(|inner| inner.status(OsStr::new(".")).and(Ok(inner)));
        let inner = match met(inner, entry)? {
            Met::There(found) => found,
            Met::Gone => return Ok(None),
            Met::Unreadable => return Ok(Some(What::LeftOut)),
        };
        let at = failed(entry);
        mkdirat(to.as_fd(), entry, Mode::S_IRWXU).map_err(io::Error::from).map_err(&at)?;
        let copy = to.enter(entry).map_err(&at)?;
        let below = self.directory(&inner, &copy, depth + 1)?;
        let modified = inner.try_clone_file().and_then(|file| file.metadata()?.modified());
        let dated = modified.and_then(|time| copy.try_clone_file()?.set_modified(time));
        dated.map_err(&at)?;
        to.set_mode(entry, status.mode()).map_err(at)?;
        Ok(Some(What::Directory(below)))
    }

    fn file(
        &mut self,
        from: &Directory,
        to: &Directory,
        entry: &OsStr,
        status: &Status,
    ) -> Result<Option<What>, CopyError> {
        self.used.fits(status.size())?;
        let mut source = match met(from.read(entry), entry)? {
            Met::There(found) => found,
            Met::Gone => return Ok(None),
            Met::Unreadable => return Ok(Some(What::LeftOut)),
        };
        let at = failed(entry);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let made = openat(to.as_fd(), entry, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let mut copy = File::from(made.map_err(io::Error::from).map_err(&at)?);
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, [0_u8; 16 * 1024]);
        loop {
            let length = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(error)),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            size += length as u64;
            // It may grow while it is read.
            self.used.fits(size)?;
            hash.update(bytes);
            copy.write_all(bytes).map_err(&at)?;
        }
        self.used.file(size)?;
        let dated = source.metadata().and_then(|data| copy.set_modified(data.modified()?));
        dated.and_then(|()| to.set_mode(entry, status.mode())).map_err(at)?;
        Ok(Some(What::File { size, sha256: hex::encode(hash.finalize()) }))
    }
}

/// The runner's own directory is out of a call's sight: what is there is an empty one to cover.
fn own(to: &Directory, entry: &OsStr, status: &Status) -> Result<Option<What>, CopyError> {
    if !status.is_directory() {
        return Ok(Some(What::LeftOut));
    }
    let made = mkdirat(to.as_fd(), entry, Mode::S_IRWXU).map_err(io::Error::from);
    made.and_then(|()| to.set_mode(entry, status.mode())).map_err(failed(entry))?;
    Ok(Some(What::Directory(Entries::default())))
}

fn symlink(from: &Directory, to: &Directory, entry: &OsStr) -> Result<Option<What>, CopyError> {
    let target = match met(from.target(entry), entry)? {
        Met::There(found) => found,
        Met::Gone => return Ok(None),
        Met::Unreadable => return Ok(Some(What::LeftOut)),
    };
    let made = symlinkat(target.as_os_str(), to.as_fd(), entry).map_err(io::Error::from);
    made.map_err(failed(entry))?;
    Ok(Some(What::Symlink(target)))
}

/// What came of looking at a name that was there a moment ago.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met<T> {
    There(T),
    Gone,
    /// It may not be read, or has become something else.
    Unreadable,
}

pub(super) fn met<T>(result: io::Result<T>, entry: &OsStr) -> Result<Met<T>, CopyError> {
    use Errno::{EACCES, EINVAL, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM};
    let error = match result {
        Ok(thing) => return Ok(Met::There(thing)),
        Err(error) => error,
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(ENOENT) => Ok(Met::Gone),
        // The last is for a file that is none any more.
        Some(EACCES | EINVAL | ELOOP | ENOTDIR | ENXIO | EPERM) | None => Ok(Met::Unreadable),
        Some(_) => Err(failed(entry)(error)),
    }
}

fn failed(entry: &OsStr) -> impl Fn(io::Error) -> CopyError {
    let path: OsString = entry.to_owned();
    move |source| CopyError::Copy { path: path.to_string_lossy().into_owned(), source }
}
