//! Carries out one operation, so that doing it a second time after a crash changes nothing more.

use std::ffi::OsStr;
use std::io;

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::check::parent;
use super::plan::Operation;
use crate::directory::{Directory, Status};

/// Does it, or finds it done.
pub(super) fn out(root: &Directory, staging: &Directory, operation: &Operation) -> io::Result<()> {
    let Some((directory, last)) = parent(root, path(operation))? else {
        return missing(staging, operation);
    };
    match operation {
        Operation::Remove { kept, .. } => {
            // A directory that came in meanwhile is not what was to go.
            let other = directory.status(last)?.is_some_and(|status| status.is_directory());
            if !other && staging.status(OsStr::new(kept))?.is_none() {
                done_already(renameat(&directory, last, staging, kept.as_str()), &[Errno::ENOENT])?;
                staging.sync()?;
            }
        }
        // A file that came in meanwhile keeps its directory.
        Operation::RemoveDirectory { .. } => done_already(
            unlinkat(&directory, last, UnlinkatFlags::RemoveDir),
            &[Errno::ENOENT, Errno::ENOTDIR, Errno::ENOTEMPTY],
        )?,
        Operation::MakeDirectory { .. } => match directory.status(last)?.filter(Status::is_directory) {
            None => mkdirat(&directory, last, Mode::S_IRWXU)?,
            // It may have its final mode from before a crash; what comes next has to get in once more.
            Some(status) if status.mode() & 0o700 != 0o700 => directory.set_mode(last, 0o700)?,
            Some(_) => {}
        },
        Operation::Put { staged, .. } => {
            if staging.status(OsStr::new(staged))?.is_some() {
                renameat(staging, staged.as_str(), &directory, last)?;
            }
        }
        Operation::SetMode { mode, .. } => {
            if directory.status(last)?.is_some_and(|status| !status.is_symlink()) {
                directory.set_mode(last, *mode)?;
            }
        }
    }
    // The entry itself was made durable when it was staged; this makes its name so.
    directory.sync()
}

/// The path an operation is about.
pub(super) fn path(operation: &Operation) -> &str {
    match operation {
        Operation::Remove { path, .. }
        | Operation::RemoveDirectory { path }
        | Operation::MakeDirectory { path }
        | Operation::Put { path, .. }
        | Operation::SetMode { path, .. } => path,
    }
}

/// The directory of its path is not there: fine for what was done before, or is done by that.
fn missing(staging: &Directory, operation: &Operation) -> io::Result<()> {
    match operation {
        Operation::Put { staged, .. } if staging.status(OsStr::new(staged))?.is_none() => Ok(()),
        Operation::Put { .. } | Operation::MakeDirectory { .. } => Err(io::ErrorKind::NotFound.into()),
        Operation::Remove { .. } | Operation::RemoveDirectory { .. } | Operation::SetMode { .. } => Ok(()),
    }
}

fn done_already(result: nix::Result<()>, fine: &[Errno]) -> io::Result<()> {
    match result {
        Err(error) if !fine.contains(&error) => Err(error.into()),
        _ => Ok(()),
    }
}
