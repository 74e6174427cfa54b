//! A change set as people and rules see it: a line for each path and a unified diff.
//!
//! The diff says all that will happen: what goes, what comes, permissions that matter, and what was left out. What is not
//! text is shown by its size and digest. A diff that is too long to be read or to be made is not shown in part: then
//! [`Shown::hidden`] says so and nobody can approve it. Start with [`show`].

mod page;
mod quote;
#[cfg(test)]
mod tests;
mod unified;

use std::time::Instant;

use testudo::change::ChangeSummary;
use testudo::refusal::{Code, Refusal};
use testudo_sandbox::changeset::{Change, ChangeKind, Proposal};
use tokio::sync::{Semaphore, watch};

use self::page::Page;
use crate::running;

/// How many change sets are made visible at one time: the rest of the daemon needs a processor too.
static TURNS: Semaphore = Semaphore::const_new(2);

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

/// Makes a change set visible on a thread of its own, where it holds up no other call.
///
/// # Errors
/// When the call is ended meanwhile.
pub async fn show_aside(
    proposal: Proposal,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<(Proposal, Shown), Refusal> {
    let work = async {
        let turn = TURNS.acquire().await.map_err(|_| Refusal::broken())?;
        let work = tokio::task::spawn_blocking(move || {
            let shown = show(&proposal, Instant::now());
            // Not before the work is done, even if nobody waits for it any more.
            drop(turn);
            (proposal, shown)
        });
        work.await.map_err(|_| Refusal::broken())
    };
    tokio::select! {
        shown = work => shown,
        () = running::ended(cancelled) => {
            Err(Refusal::new(Code::HandlerError, "the call was cancelled").in_stage(6))
        }
    }
}

/// Makes a change set visible, beginning now; it takes a second or two at most.
pub fn show(proposal: &Proposal, now: Instant) -> Shown {
    let (diff, lines, hidden) = match Page::of(proposal, now) {
        Ok((diff, lines)) => (diff, lines, None),
        Err(reason) => (String::new(), Vec::new(), Some(reason)),
    };
    let lines = lines.into_iter().chain(std::iter::repeat(None));
    let repositories = &proposal.set.repositories;
    let changes = proposal.set.changes.iter().zip(lines);
    let changes = changes.map(|(change, lines)| summary(change, lines, repositories)).collect();
    let dropped =
        proposal.set.skipped.iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason)).collect();
    Shown { changes, diff, hidden, dropped }
}

fn summary(change: &Change, lines: Option<u64>, repositories: &[String]) -> ChangeSummary {
    ChangeSummary {
        path: change.path.clone(),
        kind: word(change.kind).to_owned(),
        size: change.size,
        mode: change.mode,
        sha256: change.sha256.clone(),
        target: change.target.clone(),
        from: change.from.clone(),
        lines,
        repository: repositories.iter().find(|place| touches(change, place)).cloned(),
    }
}

/// Whether a change is one of a directory or of what lies in it, wherever it moves.
fn touches(change: &Change, place: &str) -> bool {
    [Some(&change.path), change.from.as_ref()].into_iter().flatten().any(|path| lies_in(path, place))
}

/// Whether a path is a directory or lies in it.
fn lies_in(path: &str, place: &str) -> bool {
    place == "." || path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        ChangeKind::Rename => "rename",
    }
}
