//! The Landlock domain of a call: a hard requirement, applied after all mounts.
//!
//! ABI 6 is the least that is accepted: all file rights, TCP refused but to named ports, signals and abstract sockets
//! kept within the call. A kernel with less gets an error, never a weaker domain; one with more gives all that this
//! program knows of.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::inbox::INBOX;
use crate::root::{DEVICES, FILES};
use crate::syscall;

/// The least ABI that has everything we ask for.
pub const REQUIRED_ABI: i32 = 6;

/// The newest ABI that this program knows.
const NEWEST_ABI: i32 = 9;

/// Where programs of a distribution are, beside the trees that the deployment names.
const PROGRAMS: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Trees that every call may read.
const READABLE: [&str; 3] = ["/proc", "/dev", INBOX];
/// Trees that every call may write to.
const WRITABLE: [&str; 2] = ["/tmp", "/dev/shm"];

/// Why there is no domain.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// The kernel lacks a right, or a rule is wrong.
    #[error("cannot restrict file access with Landlock: {0}")]
    Ruleset(#[from] landlock::RulesetError),
    /// A path that belongs to the sandbox is not there.
    #[error("cannot restrict file access with Landlock: {0}")]
    Path(#[from] landlock::PathFdError),
    /// The kernel is too old, has Landlock off, or a filter forbids it.
    #[error(
        "cannot restrict file access with Landlock: the kernel offers ABI {found}, and {REQUIRED_ABI} is needed"
    )]
    Abi {
        /// What there is; 0 for none.
        found: i32,
    },
    /// The kernel did less than asked.
    #[error("cannot restrict file access with Landlock: the kernel enforces only part of it")]
    Partial,
}

/// Fails early, and in plain words, on a kernel without what [`Domain::enter`] demands.
pub(crate) fn require_abi(found: i32) -> Result<(), LandlockError> {
    if found >= REQUIRED_ABI { Ok(()) } else { Err(LandlockError::Abi { found }) }
}

/// The ABI that domains have under a kernel which offers `found`.
pub(crate) fn used(found: i32) -> i32 {
    if found < REQUIRED_ABI { 0 } else { found.min(NEWEST_ABI) }
}

fn abi() -> ABI {
    match used(syscall::landlock_abi()) {
        9.. => ABI::V9,
        8 => ABI::V8,
        7 => ABI::V7,
        // With less than that, creating the rules fails.
        _ => ABI::V6,
    }
}

/// What a call may do where, as it sees the paths; not yet in force.
pub(crate) struct Domain {
    rules: RulesetCreated,
    abi: ABI,
}

impl Domain {
    /// What holds for every call: `programs` to execute from, and what is in each root.
    pub(crate) fn common(programs: &[PathBuf]) -> Result<Self, LandlockError> {
        let abi = abi();
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?;
        let mut executable: Vec<&Path> = programs.iter().map(PathBuf::as_path).collect();
        executable.extend(there(&PROGRAMS));
        let rules = allow(rules, &executable, read() | AccessFs::Execute)?;
        let rules = allow(rules, &there(&READABLE), read())?;
        let rules = allow(rules, &there(&FILES), AccessFs::ReadFile.into())?;
        let rules = allow(rules, &WRITABLE.map(Path::new), write(abi))?;
        let rules = allow(rules, &DEVICES.map(Path::new), AccessFs::ReadFile | AccessFs::WriteFile)?;
        Ok(Self { rules, abi })
    }

    /// Adds what one call may do, and confines this process and all its children to come: the workspace, the directory
    /// of its session's shell, and the ports of the loopback device that it may connect to.
    pub(crate) fn enter(
        self,
        workspace: &Path,
        writable: bool,
        session: Option<&Path>,
        ports: &[u16],
    ) -> Result<(), LandlockError> {
        let Self { rules, abi } = self;
        let access = if writable { write(abi) } else { read() | AccessFs::Execute };
        let mut rules = allow(rules, &[workspace], access)?;
        if let Some(session) = session {
            rules = allow(rules, &[session], write(abi))?;
        }
        if !ports.is_empty() {
            // It may be another file than the one that the common rules found at this path.
            rules = allow(rules, &there(&["/etc/hosts"]), AccessFs::ReadFile.into())?;
        }
        for port in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        let status = rules.restrict_self()?;
        if status.ruleset == RulesetStatus::FullyEnforced { Ok(()) } else { Err(LandlockError::Partial) }
    }
}

fn there(paths: &[&'static str]) -> Vec<&'static Path> {
    paths.iter().map(|path| Path::new(*path)).filter(|path| path.exists()).collect()
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Everything that files allow, but no devices, and no sockets of other programs.
fn write(abi: ABI) -> BitFlags<AccessFs> {
    AccessFs::from_all(abi)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev | AccessFs::ResolveUnix)
}

fn allow(
    rules: RulesetCreated,
    paths: &[&Path],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, LandlockError> {
    paths
        .iter()
        .try_fold(rules, |rules, path| Ok(rules.add_rule(PathBeneath::new(PathFd::new(path)?, access))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_less_gives_none_and_one_with_more_gives_what_is_known() {
        for (found, expected) in [(0, 0), (5, 0), (6, 6), (7, 7), (9, 9), (12, 9)] {
            assert_eq!(used(found), expected);
        }
        assert!(require_abi(5).is_err() && require_abi(6).is_ok());
    }
}
