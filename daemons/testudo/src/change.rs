//! What an application would change, for people and for rules.

use serde::{Deserialize, Serialize};

/// One changed path of a change set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSummary {
    /// Relative to the workspace.
    pub path: String,
    /// What happens to it: `add`, `modify`, `delete`, `mkdir`, `rmdir`, `symlink`, `mode` or `rename`.
    pub kind: String,
    /// Size of the new content in bytes.
    pub size: u64,
    /// Permission bits afterwards; none when it goes.
    pub mode: Option<u32>,
    /// SHA-256 of the new content, for regular files.
    pub sha256: Option<String>,
    /// Where a symbolic link points.
    pub target: Option<String>,
    /// Where a renamed file comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Lines that come and go; none where that cannot be said, as of what is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// What git will take for a repository, though it is not called `.git`, and what this is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}
