//! The Landlock domain of a call: a hard requirement, applied after all mounts.
//!
//! ABI 6 is the least that is accepted: all file rights, TCP refused, signals and abstract sockets kept
//! within the call. A kernel with less gets an error, never a weaker domain.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// The least ABI that has everything we ask for.
pub const REQUIRED_ABI: i32 = 6;

const REQUIRED: ABI = ABI::V6;

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

/// What a call may do where, as it sees the paths.
pub(crate) struct Domain<'a> {
    /// Trees to read and execute from.
    pub(crate) programs: &'a [&'a Path],
    /// Trees to read from.
    pub(crate) readable: &'a [&'a Path],
    /// Single files to read; what is not there is left out.
    pub(crate) files: &'a [&'a Path],
    /// Trees to do anything in that files allow.
    pub(crate) writable: &'a [&'a Path],
    /// Single devices to read and write.
    pub(crate) devices: &'a [&'a Path],
}

impl Domain<'_> {
    /// Confines this process and all its children to come.
    pub(crate) fn enter(&self) -> Result<(), LandlockError> {
        let all = AccessFs::from_all(REQUIRED);
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(all)?
            .handle_access(AccessNet::from_all(REQUIRED))?
            .scope(Scope::from_all(REQUIRED))?
            .create()?;
        rules = allow(rules, self.programs, read | AccessFs::Execute)?;
        rules = allow(rules, self.readable, read)?;
        let files: Vec<&Path> = self.files.iter().copied().filter(|file| file.is_file()).collect();
        rules = allow(rules, &files, AccessFs::ReadFile.into())?;
        rules = allow(
            rules,
            self.writable,
            all & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev),
        )?;
        rules = allow(rules, self.devices, AccessFs::ReadFile | AccessFs::WriteFile)?;
        let status = rules.restrict_self()?;
        if status.ruleset == RulesetStatus::FullyEnforced { Ok(()) } else { Err(LandlockError::Partial) }
    }
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
