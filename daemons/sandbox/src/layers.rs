//! The layers of a call's confinement, as data.
//!
//! What ships passes [`Layers::all`] and has no way to pass anything else. The `ablation` feature, which a
//! release build refuses, adds a constructor that leaves some out, so that a harness can show of each layer
//! that the attack it stops would succeed without it.

/// One layer, named for what it takes away from an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Layer {
    /// A root of its own with nothing but programs in it; without, the host's whole tree.
    OwnRoot,
    /// The programs' tree cannot be written, whoever owns it.
    ReadOnlyRoot,
    /// Writes to the workspace land in an overlay or a copy; without, in the workspace.
    Proposals,
    /// Other processes can be neither seen nor signalled, and all of the call's die with it.
    PidNamespace,
    /// System V and POSIX IPC objects of other processes are out of reach.
    IpcNamespace,
    /// The host's name is hidden.
    UtsNamespace,
    /// The runner refuses to work beside a network.
    EmptyNetwork,
    /// File access by path, TCP, abstract sockets and signals, by the kernel's Landlock.
    Landlock,
    /// The allow-list of system calls.
    Seccomp,
    /// No capability in any set, and no way to gain any.
    Privileges,
    /// No descriptor but the standard three is inherited.
    Descriptors,
    /// Limits on processes, memory, file size, open files, processor time.
    ResourceLimits,
    /// The call ends when it prints too much.
    OutputLimit,
    /// The call ends when its time is over.
    WallLimit,
    /// What a call leaves in its scratch is gone before the next one.
    ScratchIsolation,
    /// No request lifts what its template may use up, nor widens its profile.
    Template,
    /// The call's first process, which is not confined by Landlock and seccomp, cannot be looked into.
    HiddenReaper,
}

impl Layer {
    /// All of them, outermost first.
    pub const ALL: [Self; 17] = [
        Self::OwnRoot,
        Self::ReadOnlyRoot,
        Self::Proposals,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::EmptyNetwork,
        Self::Landlock,
        Self::Seccomp,
        Self::Privileges,
        Self::Descriptors,
        Self::ResourceLimits,
        Self::OutputLimit,
        Self::WallLimit,
        Self::ScratchIsolation,
        Self::Template,
        Self::HiddenReaper,
    ];
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers(u32);

impl Layers {
    /// Every layer there is.
    pub const fn all() -> Self {
        Self(u32::MAX)
    }

    /// Every layer but these.
    #[cfg(feature = "ablation")]
    pub fn without(missing: &[Layer]) -> Self {
        Self(missing.iter().fold(u32::MAX, |set, &layer| set & !bit(layer)))
    }

    /// Whether a layer is in force.
    pub const fn has(self, layer: Layer) -> bool {
        self.0 & bit(layer) != 0
    }
}

const fn bit(layer: Layer) -> u32 {
    1 << layer as u32
}
