//! Directories by descriptor: every name is opened relative to one, and no symlink is ever followed.
//!
//! `openat2` with `RESOLVE_BENEATH` would say the same in one call, but units that restrict set-id bits
//! answer it with ENOSYS, so paths are walked part by part.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

/// What a name stands for, without following it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status(FileStat);

impl Status {
    pub(crate) fn is_file(&self) -> bool {
        self.kind() == SFlag::S_IFREG
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == SFlag::S_IFDIR
    }

    pub(crate) fn is_symlink(&self) -> bool {
        self.kind() == SFlag::S_IFLNK
    }

    /// Overlayfs's mark for a name that was deleted.
    pub(crate) fn is_whiteout(&self) -> bool {
        self.kind() == SFlag::S_IFCHR && self.0.st_rdev == 0
    }

    /// Permission bits without set-id and sticky ones.
    pub(crate) fn mode(&self) -> u32 {
        self.0.st_mode & 0o777
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or(0)
    }

    /// How many names it has.
    pub(crate) fn links(&self) -> u64 {
        self.0.st_nlink
    }

    fn kind(&self) -> SFlag {
        SFlag::from_bits_truncate(self.0.st_mode & SFlag::S_IFMT.bits())
    }
}

impl Directory {
    /// Opens a directory by its path, which must not end in a symlink.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(nix::fcntl::AT_FDCWD, path, Self::flags(), Mode::empty())?))
    }

    /// Opens a directory in this one.
    pub(crate) fn enter(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, Self::flags(), Mode::empty())?))
    }

    /// Opens a regular file in this directory to read it.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.0, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// The target of a symlink in this directory.
    pub(crate) fn target(&self, name: &OsStr) -> io::Result<std::ffi::OsString> {
        Ok(readlinkat(&self.0, name)?)
    }

    /// What a name stands for; none if there is nothing.
    pub(crate) fn status(&self, name: &OsStr) -> io::Result<Option<Status>> {
        match fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(Status(status))),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the permissions of a name that is known not to be a symlink, and that nobody else can change.
    pub(crate) fn set_mode(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(fchmodat(&self.0, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)?)
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> io::Result<Vec<CString>> {
        let mut list = Dir::openat(&self.0, ".", Self::flags(), Mode::empty())?;
        let mut names = Vec::new();
        for entry in list.iter() {
            let name = entry?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes what happened to names in this directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(&self.0)?)
    }

    /// A second descriptor of it, to lock.
    pub(crate) fn try_clone_file(&self) -> io::Result<File> {
        Ok(File::from(self.0.try_clone()?))
    }

    fn flags() -> OFlag {
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A name as the file system has it.
pub(crate) fn name(bytes: &CString) -> &OsStr {
    OsStr::from_bytes(bytes.to_bytes())
}

/// Whether a symlink at a depth of `depth` directories may point to `target`: relative, upwards only at its
/// beginning, and never above the workspace. Since every link obeys this, following several stays inside too. None
/// names Testudo's own directory anywhere, as another link may lead to where that lies.
pub(crate) fn target_stays_inside(target: &Path, depth: usize) -> bool {
    use std::path::Component::{CurDir, Normal, ParentDir};
    let (mut upwards, mut named) = (0, false);
    for part in target.components() {
        match part {
            ParentDir if !named => upwards += 1,
            CurDir => {}
            Normal(name) if !name.eq_ignore_ascii_case(crate::apply::OWN_DIRECTORY) => named = true,
            _ => return false,
        }
    }
    upwards <= depth && !target.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_workspace_are_told_from_links_within() {
        for (target, depth) in [("a", 0), ("a/b", 0), ("../a", 1), ("../../a/b", 2), ("./a", 0), ("..", 1)] {
            assert!(target_stays_inside(Path::new(target), depth), "{target} at {depth}");
        }
        for (target, depth) in [
            ("/etc", 5),
            ("..", 0),
            ("../a", 0),
            ("a/..", 0),
            ("a/../../b", 1),
            ("", 0),
            (".testudo", 0),
            ("../.testudo/x", 1),
            ("dot/.testudo/applied", 0),
            ("dot/.TESTUDO", 2),
            (".Testudo", 1),
        ] {
            assert!(!target_stays_inside(Path::new(target), depth), "{target} at {depth}");
        }
    }
}
