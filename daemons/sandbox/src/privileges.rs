//! What a call gives up: capabilities, the way to gain any, and a share of the machine.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use crate::limits::Limits;
use crate::syscall;

/// Something could not be given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// `no_new_privs`.
    #[error("cannot forbid new privileges: {0}")]
    NoNewPrivileges(#[source] nix::Error),
    /// A capability set.
    #[error("cannot drop the {set:?} capabilities: {source}")]
    Capabilities {
        /// Which.
        set: caps::CapSet,
        /// Why.
        source: caps::errors::CapsError,
    },
    /// A set that should be empty is not.
    #[error("cannot drop the {0:?} capabilities: the kernel kept some")]
    Left(caps::CapSet),
    /// A resource limit.
    #[error("cannot limit {resource:?}: {source}")]
    Limit {
        /// Which.
        resource: Resource,
        /// Why.
        source: nix::Error,
    },
}

/// Forbids new privileges, and takes away what could give any at the next program.
pub(crate) fn forbid_gaining() -> Result<(), PrivilegeError> {
    use caps::CapSet::{Ambient, Bounding, Inheritable};
    prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    // What remains is as strict without it: no_new_privs and empty sets.
    let _ = syscall::lock_securebits();
    // The bounding set now, while there still is the capability to do so.
    [Bounding, Ambient, Inheritable].into_iter().try_for_each(clear)
}

/// Empties every capability set of this process, and looks whether they are empty.
pub(crate) fn drop_all() -> Result<(), PrivilegeError> {
    use caps::CapSet::{Ambient, Bounding, Effective, Inheritable, Permitted};
    [Effective, Permitted].into_iter().try_for_each(clear)?;
    for set in [Inheritable, Effective, Permitted] {
        let left = caps::read(None, set).map_err(|source| PrivilegeError::Capabilities { set, source })?;
        if !left.is_empty() {
            return Err(PrivilegeError::Left(set));
        }
    }
    // Any one of these two stands for all: the kernel was asked to clear them as a whole, and either did or failed.
    for set in [Bounding, Ambient] {
        let held = caps::has_cap(None, set, caps::Capability::CAP_SYS_ADMIN);
        if held.map_err(|source| PrivilegeError::Capabilities { set, source })? {
            return Err(PrivilegeError::Left(set));
        }
    }
    Ok(())
}

fn clear(set: caps::CapSet) -> Result<(), PrivilegeError> {
    caps::clear(None, set).map_err(|source| PrivilegeError::Capabilities { set, source })
}

/// Sets the resource limits of this process and its children to come.
pub(crate) fn limit(limits: &Limits) -> Result<(), PrivilegeError> {
    let seconds = limits.wall_ms.div_ceil(1000) + 1;
    let table = [
        (Resource::RLIMIT_CORE, 0),
        // Counted per user namespace, hence per call; the reaper is one of them.
        (Resource::RLIMIT_NPROC, limits.processes + 1),
        // Private memory only: address space as such is reserved in plenty by many runtimes.
        (Resource::RLIMIT_DATA, limits.memory_bytes),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_MEMLOCK, 64 * 1024),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ];
    for (resource, value) in table {
        // A deployment's own, lower limit stays.
        let most = nix::sys::resource::getrlimit(resource).map_or(value, |(_, hard)| value.min(hard));
        setrlimit(resource, most, most).map_err(|source| PrivilegeError::Limit { resource, source })?;
    }
    Ok(())
}
