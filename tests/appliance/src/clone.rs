#![expect(
    unsafe_code,
    reason = "forking into namespaces and placing descriptors by number have no safe interface"
)]
//! New processes, in namespaces of their own where asked, and what descriptors they start with.

use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

/// The first descriptor that socket activation passes.
pub(crate) const FIRST_PASSED: i32 = 3;

/// Which of the two one is.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the new one's number.
    Parent(Pid),
}

/// Forks into new namespaces. The caller must have one thread only, as the guardian and init have.
pub(crate) fn fork_into(namespaces: CloneFlags) -> nix::Result<Forked> {
    let flags = libc::c_long::from(namespaces.bits() | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack this is fork(2): the child has a copy of everything. No other thread
    // exists that could hold a lock in the copy.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(nix::errno::Errno::result(result)?) {
        Ok(0) => Ok(Forked::Child),
        Ok(pid) => Ok(Forked::Parent(Pid::from_raw(pid))),
        Err(_) => Err(nix::errno::Errno::EOVERFLOW),
    }
}

/// Makes these the descriptors 3, 4, … of the program that is executed next, and closes all others above 2.
pub(crate) fn pass(descriptors: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let mut high = Vec::new();
    for descriptor in descriptors {
        // Out of the way first: one of them may sit where another must go.
        high.push(fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(FIRST_PASSED + 64))?);
    }
    let mut target = FIRST_PASSED;
    for descriptor in high {
        // SAFETY: plain numbers; whatever was open as `target` belongs to this process, which is about to execute.
        nix::errno::Errno::result(unsafe { libc::dup2(descriptor, target) })?;
        target += 1;
    }
    // SAFETY: as above; marks the rest to be closed at the execution, so that objects owning them stay valid until then.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            target,
            libc::c_uint::MAX,
            libc::c_long::from(libc::CLOSE_RANGE_CLOEXEC),
        )
    };
    nix::errno::Errno::result(result).map(drop)
}
