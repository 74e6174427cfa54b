//! What a container sees as `/workspace`: the workspace itself, read-only, or an overlay whose upper side becomes the
//! proposed change set.
//!
//! The overlay is mounted by this runner in its own mount namespace, and in the form that the reader of upper sides
//! knows. It is gone, and so is everything written to it, when this is dropped.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::layers::Layers;
use crate::overlay::Directories;

pub(super) struct Workspace {
    /// What the container gets.
    pub(super) seen: PathBuf,
    /// Whose it is.
    pub(super) uid: u32,
    pub(super) gid: u32,
    directories: Directories,
    mounted: bool,
}

impl Workspace {
    /// Makes the call's directories below `scratch` and, if it may write, the overlay.
    pub(super) fn make(lower: &Path, scratch: &Path, number: u64, overlay: bool) -> io::Result<Self> {
        let owner = fs::metadata(lower)?;
        let directories = Directories::create(scratch, number, Layers::all())?;
        let (uid, gid) = (owner.uid(), owner.gid());
        let mut made = Self { seen: lower.to_owned(), uid, gid, directories, mounted: false };
        if overlay {
            chown(&made.directories.upper, Some(uid), Some(gid))?;
            fs::set_permissions(&made.directories.upper, owner.permissions())?;
            let options = Directories::options(lower, &made.directories.top);
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            let place = &made.directories.root;
            mount(Some("overlay"), place, Some("overlay"), flags, Some(options.as_os_str()))?;
            made.mounted = true;
            made.seen.clone_from(place);
        }
        Ok(made)
    }

    /// A place for small files of the runner's own.
    pub(super) fn top(&self) -> &Path {
        &self.directories.top
    }

    /// What was written. The container must be gone.
    pub(super) fn upper(&self) -> &Path {
        &self.directories.upper
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if self.mounted
            && let Err(error) = umount2(&self.seen, MntFlags::MNT_DETACH)
        {
            eprintln!("<4>cannot unmount {}: {error}", self.seen.display());
            return;
        }
        if let Err(error) = self.directories.remove() {
            eprintln!("<4>cannot remove the scratch of a call: {error}");
        }
    }
}
