//! The system calls that no safe crate offers, each with a safe face.
#![expect(unsafe_code, reason = "raw system calls; nothing else in this crate needs unsafe")]

use std::ffi::{CStr, c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Takes ownership of a descriptor that the kernel has just given to this process.
pub(crate) fn adopt(raw: RawFd) -> OwnedFd {
    // SAFETY: callers pass numbers fresh from recvmsg, or the connection that the manager left for us.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Which side of [`clone_into`] this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the child's id.
    Parent(libc::pid_t),
}

/// `clone(2)` with namespace flags and SIGCHLD, without a stack of its own: as `fork`, but into new namespaces.
/// `clone3` would give a pidfd at once, but a unit with `RestrictNamespaces=` answers it with ENOSYS.
pub(crate) fn clone_into(namespaces: c_int) -> io::Result<Fork> {
    let flags = c_ulong::from((namespaces | libc::SIGCHLD).cast_unsigned());
    // SAFETY: no CLONE_VM and no stack, so the child goes on with a copy of all memory. This program is
    // single-threaded, hence no lock can be held by a thread that the child lacks.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(libc::pid_t::try_from(pid).map_err(io::Error::other)?)),
    }
}

/// Ends this process at once, running nothing that the parent's memory may have registered.
pub(crate) fn exit_now(status: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// A descriptor that becomes readable when the process has ended.
pub(crate) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers, gives a descriptor or -1.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    Errno::result(raw)?;
    Ok(adopt(RawFd::try_from(raw).map_err(io::Error::other)?))
}

/// Takes set-id, and writing unless `writable`, from the mount tree at `path`, all submounts included.
pub(crate) fn protect_mount(path: &CStr, writable: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOSUID | if writable { 0 } else { libc::MOUNT_ATTR_RDONLY },
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: both pointers are valid for the call, and the size is that of the struct behind the second.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            ptr::from_ref(&attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result)?;
    Ok(())
}

/// Closes every descriptor but the standard ones and these.
pub(crate) fn close_all_but(mut kept: Vec<RawFd>) -> io::Result<()> {
    kept.sort_unstable();
    let mut first = 3;
    for descriptor in kept.into_iter().filter(|descriptor| *descriptor >= 3) {
        if first < descriptor {
            close_range(first, descriptor - 1)?;
        }
        first = descriptor + 1;
    }
    close_range(first, RawFd::MAX)
}

fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: takes plain numbers. What owns one of the descriptors is never used nor dropped: callers are processes
    // that end by `execve` or `_exit`.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

/// Locks down what user id 0 could mean for capabilities; false where a filter forbids to say so.
pub(crate) fn lock_securebits() -> bool {
    // SECBIT_NOROOT, _NO_SETUID_FIXUP and _NO_CAP_AMBIENT_RAISE with their locks, and the lock of _KEEP_CAPS.
    const BITS: c_ulong = 0b1110_1111;
    // SAFETY: takes plain numbers.
    unsafe { libc::prctl(libc::PR_SET_SECUREBITS, BITS, 0, 0, 0) == 0 }
}

/// Gives a signal its default action again.
pub(crate) fn default_action(signal: Signal) -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no handler.
    unsafe { sigaction(signal, &default) }?;
    Ok(())
}

/// Makes `from` also be `to`, without close-on-exec.
pub(crate) fn place(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    // SAFETY: dup2 with a valid source; the target number is one of 0 to 3, which the child gives up.
    Errno::result(unsafe { libc::dup2(from.as_raw_fd(), to) })?;
    Ok(())
}

/// Landlock's ABI, 0 where the kernel has none or a filter forbids it.
pub(crate) fn landlock_abi() -> i32 {
    const VERSION: u32 = 1;
    // SAFETY: with the version flag, null and 0 are the documented arguments.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// A fresh, empty session keyring, where the kernel has keyrings.
pub(crate) fn join_new_session_keyring() {
    const JOIN_SESSION: c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring. A kernel without keyrings has none to share.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION, ptr::null::<libc::c_char>()) };
}

/// Whether overlayfs marked a directory of its upper side as hiding the lower one.
pub(crate) fn overlay_opaque(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0_u8; 8];
    // SAFETY: the name ends in NUL, and the kernel writes no more than the given length.
    let length = unsafe {
        libc::fgetxattr(
            directory.as_raw_fd(),
            c"user.overlay.opaque".as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    length == 1 && value.first() == Some(&b'y')
}

/// The error that a call ends in, or 0: what a filter is tried with. Callers pass numbers and addresses that no call
/// writes to.
#[cfg(test)]
pub(crate) fn tried(number: nix::libc::c_long, arguments: [u64; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: no argument is an address that the calls in question write to.
    let result = unsafe { libc::syscall(number, a, b, c, d, 0_usize, 0_usize) };
    if result < 0 { Errno::last_raw() } else { 0 }
}
