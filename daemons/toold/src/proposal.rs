//! A change set as people and rules see it: a line for each path and a unified diff.
//!
//! What is not text is shown by its size and digest. A diff that is too long to be read is not shown in part: then
//! [`Shown::hidden`] says so and nobody can approve it.

use similar::TextDiff;
use testudo::change::ChangeSummary;
use testudo_sandbox::changeset::{Change, ChangeKind, Proposal};

/// Longest diff that a person is asked about, in bytes.
const DIFF_LIMIT: usize = 256 * 1024;

/// A change set made visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// A line for each path.
    pub changes: Vec<ChangeSummary>,
    /// The unified diff, `a/` and `b/` in front of the paths.
    pub diff: String,
    /// Why not all of it can be seen.
    pub hidden: Option<String>,
    /// What the call left behind that cannot be proposed, with reasons.
    pub dropped: Vec<String>,
}

/// Makes a change set visible.
pub fn show(proposal: &Proposal) -> Shown {
    let changes = proposal.set.changes.iter().map(summary).collect();
    let mut diff = String::new();
    for change in &proposal.set.changes {
        diff.push_str(&diff_of(proposal, change));
        if diff.len() > DIFF_LIMIT {
            break;
        }
    }
    let hidden = (diff.len() > DIFF_LIMIT)
        .then(|| format!("the diff is longer than {} KiB: make smaller changes", DIFF_LIMIT / 1024));
    if hidden.is_some() {
        diff.clear();
    }
    let dropped =
        proposal.set.skipped.iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason)).collect();
    Shown { changes, diff, hidden, dropped }
}

fn summary(change: &Change) -> ChangeSummary {
    ChangeSummary {
        path: change.path.clone(),
        kind: word(change.kind).to_owned(),
        size: change.size,
        mode: change.mode,
        sha256: change.sha256.clone(),
        target: change.target.clone(),
    }
}

const fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Delete => "delete",
        ChangeKind::Rmdir => "rmdir",
        ChangeKind::Mkdir => "mkdir",
        ChangeKind::Add => "add",
        ChangeKind::Modify => "modify",
        ChangeKind::Symlink => "symlink",
        ChangeKind::Mode => "mode",
    }
}

/// One path's part of the diff, ended by a newline.
fn diff_of(proposal: &Proposal, change: &Change) -> String {
    let path = &change.path;
    match change.kind {
        ChangeKind::Mkdir => format!("new directory {path}/\n"),
        ChangeKind::Rmdir => format!("removed directory {path}/\n"),
        ChangeKind::Symlink => format!("new link {path} -> {}\n", change.target.as_deref().unwrap_or("?")),
        ChangeKind::Mode => mode_line(change),
        ChangeKind::Add | ChangeKind::Modify | ChangeKind::Delete => {
            format!("{}{}", mode_line(change), content_lines(proposal, change))
        }
    }
}

/// What happens to the permissions, where that matters.
fn mode_line(change: &Change) -> String {
    let path = &change.path;
    match (change.base.as_ref().map(|base| base.mode), change.mode) {
        (Some(old), Some(new)) if old != new => format!("mode of {path}: {old:04o} -> {new:04o}\n"),
        (None, Some(new)) if new & 0o111 != 0 => format!("mode of {path}: {new:04o} (can be run)\n"),
        _ => String::new(),
    }
}

fn content_lines(proposal: &Proposal, change: &Change) -> String {
    let side =
        |there: bool, side: &str| if there { format!("{side}/{}", change.path) } else { "/dev/null".into() };
    let stays = change.kind != ChangeKind::Delete;
    let (old_name, new_name) = (side(change.base.is_some(), "a"), side(stays, "b"));
    let old = text(change.base.is_some(), proposal.old_content(change));
    let new = text(stays, proposal.new_content(change));
    let Some((old, new)) = old.zip(new) else {
        return format!(
            "--- {old_name}\n+++ {new_name}\nnot text: {} bytes -> {} bytes, sha256 {}\n",
            change.base.as_ref().map_or(0, |base| base.size),
            change.size,
            change.sha256.as_deref().unwrap_or("none")
        );
    };
    let lines = TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(&old_name, &new_name)
        .to_string();
    // An empty file comes or goes: there are no lines to show.
    if lines.is_empty() { format!("--- {old_name}\n+++ {new_name}\n") } else { lines }
}

/// The text of a side: empty when there is no such side, none when it is not text or was not carried along.
fn text(there: bool, content: Option<&[u8]>) -> Option<&str> {
    if !there {
        return Some("");
    }
    std::str::from_utf8(content?).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_sandbox::changeset::{Base, BaseKind, ChangeSet};

    /// A proposal with one entry; `old` and `new` are contents.
    fn proposal(kind: ChangeKind, old: Option<&[u8]>, new: Option<&[u8]>, modes: (u32, u32)) -> Proposal {
        let contents = [old.unwrap_or_default(), new.unwrap_or_default()].concat();
        let base = old.map(|old| Base {
            kind: BaseKind::File,
            mode: modes.0,
            size: old.len() as u64,
            sha256: Some("x".into()),
            offset: Some(0),
        });
        let change = Change {
            path: "a.txt".into(),
            kind,
            mode: new.map(|_| modes.1),
            size: new.map_or(0, <[u8]>::len) as u64,
            sha256: new.map(|_| "y".into()),
            offset: new.map(|_| old.map_or(0, <[u8]>::len) as u64),
            target: None,
            base,
        };
        Proposal { set: ChangeSet::new(vec![change], Vec::new()), contents }
    }

    #[test]
    fn what_changes_is_what_is_shown() {
        let same = (0o644, 0o644);
        let table = [
            (
                proposal(ChangeKind::Add, None, Some(b"hi\n"), same),
                "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+hi\n",
            ),
            (
                proposal(ChangeKind::Modify, Some(b"a\nb\n"), Some(b"a\nc\n"), same),
                "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
            ),
            (
                proposal(ChangeKind::Delete, Some(b"a\n"), None, same),
                "--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
            ),
            (proposal(ChangeKind::Add, None, Some(b""), same), "--- /dev/null\n+++ b/a.txt\n"),
            (
                proposal(ChangeKind::Modify, Some(b"a\n"), Some(b"\xff\0"), same),
                "--- a/a.txt\n+++ b/a.txt\nnot text: 2 bytes -> 2 bytes, sha256 y\n",
            ),
            (
                proposal(ChangeKind::Mode, Some(b"a\n"), Some(b"a\n"), (0o644, 0o755)),
                "mode of a.txt: 0644 -> 0755\n",
            ),
        ];
        for (proposal, expected) in table {
            assert_eq!(show(&proposal).diff, expected);
        }
    }

    #[test]
    fn a_new_program_is_called_one() {
        let shown = show(&proposal(ChangeKind::Add, None, Some(b"#!/bin/sh\n"), (0, 0o755)));
        assert!(shown.diff.starts_with("mode of a.txt: 0755 (can be run)\n"), "{}", shown.diff);
    }

    #[test]
    fn a_diff_too_long_to_read_is_not_shown_in_part() {
        let long = "x\n".repeat(DIFF_LIMIT);
        let shown = show(&proposal(ChangeKind::Add, None, Some(long.as_bytes()), (0, 0o644)));
        assert!(shown.hidden.is_some());
        assert_eq!(shown.diff, "");
        assert_eq!(shown.changes.len(), 1);
    }
}
