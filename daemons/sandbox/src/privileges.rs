//! What a call gives up: capabilities, the way to gain any, and a share of the machine.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use crate::limits::Limits;

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
    /// A resource limit.
    #[error("cannot limit {resource:?}: {source}")]
    Limit {
        /// Which.
        resource: Resource,
        /// Why.
        source: nix::Error,
    },
}

/// Forbids new privileges and empties every capability set of this process.
pub(crate) fn drop_all() -> Result<(), PrivilegeError> {
    use caps::CapSet::{Ambient, Bounding, Effective, Inheritable, Permitted};
    prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    // The bounding set first, while there still is the capability to do so.
    for set in [Bounding, Ambient, Inheritable, Effective, Permitted] {
        caps::clear(None, set).map_err(|source| PrivilegeError::Capabilities { set, source })?;
    }
    Ok(())
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
