//! What an application would change, for people and for rules.

use serde::{Deserialize, Serialize};

/// One changed path of a change set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSummary {
    /// Relative to the workspace.
    pub path: String,
    /// What happens to it: `add`, `modify`, `delete`, `mkdir`, `rmdir`, `symlink` or `mode`.
    pub kind: String,
    /// Size of the new content in bytes.
    pub size: u64,
    /// Permission bits afterwards; none when it goes.
    pub mode: Option<u32>,
    /// SHA-256 of the new content, for regular files.
    pub sha256: Option<String>,
    /// Where a symbolic link points.
    pub target: Option<String>,
}
