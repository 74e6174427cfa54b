//! How a call ended, and what a sandbox can do.

use serde::{Deserialize, Serialize};

/// Exit status that a call gets which was killed at its deadline, as `timeout` gives it.
pub const TIMED_OUT: i32 = 124;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The call's id.
    pub call: String,
    /// Exit status; none when a signal ended it. 127 and 126 also say that the program could not be
    /// started, as a shell does; [`TIMED_OUT`] that it was killed at its deadline.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Killed at `wall_ms`.
    pub timed_out: bool,
    /// Killed at `output_bytes`.
    pub output_truncated: bool,
    /// From the request to the end of its last process, in microseconds.
    pub duration_us: u64,
    /// The most memory that all its processes used together, in bytes; none where no control groups are delegated.
    #[serde(default)]
    pub peak_memory: Option<u64>,
    /// Bytes of standard output.
    pub stdout_len: u64,
    /// Bytes of standard error.
    pub stderr_len: u64,
    /// What it proposes to change.
    pub changes: Proposed,
}

/// What a call proposes to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposed {
    /// It ran without an overlay, or left no trace in it.
    Nothing,
    /// A change set, beside this frame.
    Changes {
        /// SHA-256 of the manifest, hex.
        digest: String,
        /// How many entries.
        entries: usize,
        /// Entries that cannot be part of a change set, such as FIFOs.
        skipped: usize,
        /// Bytes of contents.
        bytes: u64,
    },
    /// The changes could not be proposed (too many, too large); they are gone.
    Refused {
        /// A sentence for people.
        reason: String,
    },
}

/// How the workspace is kept as it is while a call writes to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The call writes to an overlay.
    #[default]
    Overlay,
    /// The call writes to a copy, because the kernel refuses the overlay. Each call takes as long as copying does.
    Copy,
}

/// What the kernel and the deployment offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The ABI of Landlock that calls are confined with; 0 where there is none, or too old a one.
    pub landlock_abi: i32,
    /// The network namespace holds nothing but its loopback device.
    pub network_empty: bool,
    /// Each call has a control group, so that its memory counts for all its processes together. Otherwise resource
    /// limits hold, for each process.
    #[serde(default)]
    pub cgroup: bool,
    /// How calls are kept from writing to the workspace.
    #[serde(default)]
    pub workspace: Kept,
    /// A trial call with every layer and a workspace to write to came through.
    pub ready: bool,
    /// Why tools are refused, if they are.
    pub reason: Option<String>,
}
