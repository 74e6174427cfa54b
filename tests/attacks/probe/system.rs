//! System calls as numbers and words, so that a probe can make the ones that no library offers.
#![expect(unsafe_code, reason = "raw system calls are what the probes are about")]

use std::ffi::{CStr, c_long};

use nix::errno::Errno;
use nix::libc;

/// What a probe found out: how it got through, or what stopped it.
pub(crate) type Outcome = Result<String, Errno>;

/// Makes a system call; pointers go as numbers.
pub(crate) fn call(number: c_long, arguments: &[usize]) -> Result<usize, Errno> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: a probe passes null or the address of something that lives until the call is over; a wrong one ends in
    // EFAULT, or harms nothing but this process, which exists to try.
    let result = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    Errno::result(result).map(libc::c_long::cast_unsigned).map(|value| usize::try_from(value).unwrap_or(0))
}

/// As [`call`], where an error of the kernel's own shows that the call was served.
pub(crate) fn served(number: c_long, arguments: &[usize], by: &[Errno]) -> Outcome {
    match call(number, arguments) {
        Ok(value) => Ok(format!("gave {value}")),
        Err(errno) if by.contains(&errno) => Ok(format!("the kernel served it: {errno}")),
        Err(errno) => Err(errno),
    }
}

/// The address of a text, for [`call`].
pub(crate) fn text(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// The address of anything else, for [`call`].
pub(crate) fn address<T>(thing: &T) -> usize {
    std::ptr::from_ref(thing) as usize
}

/// The address of what the kernel will write to, for [`call`].
pub(crate) fn address_mut<T>(thing: &mut T) -> usize {
    std::ptr::from_mut(thing) as usize
}

/// The number of a descriptor, for [`call`].
pub(crate) fn number(descriptor: &impl std::os::fd::AsRawFd) -> usize {
    usize::try_from(descriptor.as_raw_fd()).unwrap_or(usize::MAX)
}

/// A process of one's own that does nothing until it is killed.
pub(crate) struct Sleeper(pub(crate) libc::pid_t);

impl Sleeper {
    pub(crate) fn start() -> Result<Self, Errno> {
        // SAFETY: this program has one thread, so its copy can go on with all that it holds.
        match Errno::result(unsafe { libc::fork() })? {
            0 => loop {
                // SAFETY: waits for a signal and touches nothing.
                unsafe { libc::pause() };
            },
            pid => Ok(Self(pid)),
        }
    }

    pub(crate) fn pid(&self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // SAFETY: plain numbers; it is our own child.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// What a copy of this process does, and how it ended: the status of `wait`.
pub(crate) fn in_copy(act: impl FnOnce() -> i32) -> Result<i32, Errno> {
    // SAFETY: as above.
    match Errno::result(unsafe { libc::fork() })? {
        0 => {
            let status = act();
            // SAFETY: no preconditions.
            unsafe { libc::_exit(status) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the status is ours and lives.
            Errno::result(unsafe { libc::waitpid(pid, &raw mut status, 0) })?;
            Ok(status)
        }
    }
}

/// Moves into new namespaces, the user's own among them, in which this process has every capability.
pub(crate) fn own_namespaces(more: libc::c_int) -> Result<(), Errno> {
    let flags = libc::CLONE_NEWUSER | more;
    call(libc::SYS_unshare, &[usize::try_from(flags).unwrap_or(0)]).map(drop)
}
