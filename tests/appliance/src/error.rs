//! Why an appliance does not start or does not answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// What went wrong, with the object and the cause.
#[derive(Debug, Error)]
pub enum ApplianceError {
    /// Namespaces, mounts and users need root.
    #[error(
        "cannot start the appliance as an ordinary user: it makes namespaces and users of its own; use root"
    )]
    NotRoot,
    /// A file or directory.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A system call that concerns no file.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A unit file asks for what the supervisor cannot do, or does not say what it must.
    #[error("cannot use the unit {unit}: {key}= is missing or not supported here")]
    Unit {
        /// The file's name.
        unit: String,
        /// The key.
        key: &'static str,
    },
    /// A program of the plan is not there.
    #[error("cannot find {program}: {remedy}")]
    Missing {
        /// Its name or path.
        program: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A unit names a user or group that no sysusers.d file makes.
    #[error("cannot find the account {0}: it is neither in /etc/passwd, /etc/group nor in sysusers.d")]
    Account(String),
    /// The folder's file system has no ID-mapped mounts.
    #[error(
        "cannot work on {}: its file system does not support ID-mapped mounts ({source}); \
         give a folder on ext4, xfs or btrfs, or copy it there", path.display()
    )]
    Workspace {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A daemon did not come up.
    #[error("cannot start {unit}: {outcome}{log}")]
    Start {
        /// The unit.
        unit: String,
        /// How it ended.
        outcome: String,
        /// The end of what it said, on lines of its own; empty if it said nothing.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s{log}", within.as_secs())]
    Late {
        /// What was awaited.
        what: String,
        /// The limit.
        within: Duration,
        /// The end of what the daemon said, on lines of its own.
        log: String,
    },
    /// The caller changed its mind while the appliance was starting.
    #[error("the start was interrupted")]
    Interrupted,
    /// The folder for the state holds something else.
    #[error("cannot keep the state in {}: {why}", path.display())]
    Keep {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such unit in the plan.
    #[error("cannot find the unit {0} in this appliance")]
    NoSuchUnit(String),
    /// The supervisor failed before or while it ran.
    #[error("the supervisor failed: {0}")]
    Supervisor(String),
    /// The supervisor is gone or sends nonsense.
    #[error("the supervisor does not answer: {0}")]
    Silent(#[source] io::Error),
}

impl ApplianceError {
    /// For `map_err` on a file.
    pub(crate) fn file(verb: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::File { verb, path: path.as_ref().to_path_buf(), source: source.into() }
    }

    /// For `map_err` on a system call.
    pub(crate) fn system(action: &'static str) -> impl Fn(nix::Error) -> Self {
        move |errno| Self::System { action, source: errno.into() }
    }
}
