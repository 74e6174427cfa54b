#![expect(unsafe_code, reason = "the new mount interface and ID-mapped mounts have no safe interface")]
//! ID-mapped bind mounts: a folder of one user that belongs to another one inside.
//!
//! What the appliance creates in the workspace belongs on disk to the folder's owner, and the sandbox, which runs as
//! another user, may still treat everything there as its own.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::pause;

use crate::clone::{Forked, fork_into};

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_int = libc::O_CLOEXEC;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Owner on disk and owner inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    pub(crate) on_disk: (u32, u32),
    pub(crate) inside: (u32, u32),
}

/// Mounts `source` on `target` with its owner replaced. Fails with EINVAL where the file system cannot.
///
/// `proc` must be of the caller's own PID namespace, else it shows other processes under our numbers.
pub(crate) fn bind(source: &Path, target: &Path, mapping: Mapping, proc: &Path) -> std::io::Result<()> {
    let users = user_namespace(mapping, proc)?;
    let source = CString::new(source.as_os_str().as_bytes())?;
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC.cast_unsigned();
    // SAFETY: the path is a C string that outlives the call.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.as_ptr(), flags) };
    let tree = i32::try_from(Errno::result(tree)?).map_err(std::io::Error::other)?;
    // SAFETY: the call above just made this descriptor, and nothing else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree) };
    let userns = u64::try_from(users.as_raw_fd()).map_err(std::io::Error::other)?;
    set(
        tree.as_raw_fd(),
        c"",
        libc::AT_EMPTY_PATH,
        &MountAttr { set: MOUNT_ATTR_IDMAP, userns, ..MountAttr::default() },
    )?;
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: both paths are C strings that outlive the call.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Ok(Errno::result(moved).map(drop)?)
}

/// Makes a mount, and all below it if `recursive`, read-only or writable.
pub(crate) fn read_only(mount: &Path, yes: bool, recursive: bool) -> std::io::Result<()> {
    let path = CString::new(mount.as_os_str().as_bytes())?;
    let attr = if yes {
        MountAttr { set: MOUNT_ATTR_RDONLY, ..MountAttr::default() }
    } else {
        MountAttr { clear: MOUNT_ATTR_RDONLY, ..MountAttr::default() }
    };
    set(libc::AT_FDCWD, &path, if recursive { libc::AT_RECURSIVE } else { 0 }, &attr)
}

fn set(directory: i32, path: &std::ffi::CStr, flags: i32, attr: &MountAttr) -> std::io::Result<()> {
    let (pointer, size) = (std::ptr::from_ref(attr), size_of::<MountAttr>());
    // SAFETY: the path is a C string and `attr` a whole structure of the size that is passed; the kernel only reads them.
    let result =
        unsafe { libc::syscall(libc::SYS_mount_setattr, directory, path.as_ptr(), flags, pointer, size) };
    Ok(Errno::result(result).map(drop)?)
}

/// A user namespace with this one mapping. It needs a process only until it is opened.
fn user_namespace(mapping: Mapping, proc: &Path) -> std::io::Result<OwnedFd> {
    let child = match fork_into(CloneFlags::CLONE_NEWUSER)? {
        Forked::Child => loop {
            pause();
        },
        Forked::Parent(child) => child,
    };
    let opened = || -> std::io::Result<OwnedFd> {
        let directory = proc.join(child.to_string());
        for (file, on_disk, inside) in [
            ("uid_map", mapping.on_disk.0, mapping.inside.0),
            ("gid_map", mapping.on_disk.1, mapping.inside.1),
        ] {
            fs::write(directory.join(file), format!("{on_disk} {inside} 1"))?;
        }
        Ok(fs::File::open(directory.join("ns/user"))?.into())
    };
    let namespace = opened();
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    namespace
}
