//! The diff of a change set as it is written, path after path.
//!
//! It says what goes, what comes, permissions that matter and what was left out. Names stand in it as [`quote`] gives
//! them, so every line is what it seems to be.

use std::time::Instant;

use testudo::latent::runs_later;
use testudo_sandbox::changeset::{Base, BaseKind, Change, ChangeKind, Proposal};

use super::quote::quote;
use super::unified::{self, Budget, TooMuch};

/// Longest diff that a person is asked about, in bytes.
pub(super) const DIFF_LIMIT: usize = 256 * 1024;

/// A longer line counts as several, in bytes: nobody reads it as one.
const LINE: usize = 200;

/// A side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side<'p> {
    Nothing,
    Text(&'p str),
    /// Bytes that are no text.
    Bytes,
    /// It was too large to be carried along.
    Unseen,
}

impl<'p> Side<'p> {
    fn of(content: Option<&'p [u8]>) -> Self {
        let Some(content) = content else { return Self::Unseen };
        let text = std::str::from_utf8(content).ok().filter(|text| !text.contains('\0'));
        text.map_or(Self::Bytes, Self::Text)
    }
}

/// The diff as it is written. Errors are reasons why it cannot be shown.
pub(super) struct Page<'p> {
    proposal: &'p Proposal,
    text: String,
    /// Lines that come and go with the change at hand; none when they cannot be counted.
    lines: Option<u64>,
    budget: Budget,
}

impl<'p> Page<'p> {
    /// The whole diff with the lines that come and go with each change, or why there is none.
    pub(super) fn of(proposal: &'p Proposal, now: Instant) -> Result<(String, Vec<Option<u64>>), String> {
        let mut page = Self { proposal, text: String::new(), lines: None, budget: Budget::new(now) };
        let mut lines = Vec::new();
        for place in &proposal.set.repositories {
            page.say(&format!("a git repository, though not called .git: {}", quote(place)))?;
        }
        for change in &proposal.set.changes {
            page.lines = Some(0);
            page.warn(change)?;
            page.change(change)?;
            lines.push(page.lines);
        }
        for skipped in &proposal.set.skipped {
            page.say(&format!("left out: {}: {}", quote(&skipped.path), skipped.reason.escape_debug()))?;
        }
        Ok((page.text, lines))
    }

    /// One line.
    fn say(&mut self, line: &str) -> Result<(), String> {
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() > DIFF_LIMIT { Err(too_long()) } else { Ok(()) }
    }

    /// What a change leads to when it has been applied.
    fn warn(&mut self, change: &Change) -> Result<(), String> {
        if matches!(change.kind, ChangeKind::Delete | ChangeKind::Rmdir) {
            return Ok(());
        }
        runs_later(&change.path)
            .map_or(Ok(()), |reason| self.say(&format!("runs later: {}: {reason}", quote(&change.path))))
    }

    fn change(&mut self, change: &'p Change) -> Result<(), String> {
        let path = quote(&change.path);
        let folder = quote(&format!("{}/", change.path));
        match change.kind {
            ChangeKind::Mkdir => {
                self.say(&format!("new directory {folder}"))?;
                self.mode(change)
            }
            ChangeKind::Rmdir => self.say(&format!("removed directory {folder}")),
            ChangeKind::Mode => self.mode(change),
            ChangeKind::Symlink => {
                let old = self.old(change)?;
                if let Some(base) = change.base.as_ref().filter(|base| base.kind == BaseKind::File) {
                    self.say(&format!("file {path} goes: {}", facts(base)))?;
                }
                if matches!(old, Side::Text(_)) {
                    self.content(change, old, Side::Nothing)?;
                }
                let target = change.target.as_deref().map_or_else(|| "?".into(), quote);
                self.say(&format!("new link {path} -> {target}"))
            }
            ChangeKind::Rename => {
                self.say(&format!("rename from {}", quote(change.from.as_deref().unwrap_or("?"))))?;
                self.say(&format!("rename to {path}"))?;
                self.mode(change)?;
                if change.offset.is_none() {
                    return Ok(());
                }
                let old = self.old(change)?;
                self.content(change, old, Side::of(self.proposal.new_content(change)))
            }
            ChangeKind::Add | ChangeKind::Modify => {
                let old = self.old(change)?;
                self.mode(change)?;
                self.content(change, old, Side::of(self.proposal.new_content(change)))
            }
            ChangeKind::Delete => {
                let old = self.old(change)?;
                if change.base.as_ref().is_some_and(|base| base.kind != BaseKind::File) {
                    return Ok(());
                }
                self.content(change, old, Side::Nothing)
            }
        }
    }

    /// The content that goes. What goes and is no file is said here.
    fn old(&mut self, change: &Change) -> Result<Side<'p>, String> {
        let path = quote(&change.path);
        let content = self.proposal.old_content(change);
        match change.base.as_ref().map(|base| base.kind) {
            None => Ok(Side::Nothing),
            Some(BaseKind::File) => Ok(Side::of(content)),
            Some(BaseKind::Symlink) => {
                let target =
                    content.map_or_else(|| "?".into(), |target| quote(&String::from_utf8_lossy(target)));
                self.say(&format!("link {path} -> {target} goes"))?;
                Ok(Side::Nothing)
            }
            Some(BaseKind::Directory) => {
                self.say(&format!("directory {path} goes"))?;
                Ok(Side::Nothing)
            }
        }
    }

    /// What happens to the permissions, where that matters.
    fn mode(&mut self, change: &Change) -> Result<(), String> {
        let path = quote(&change.path);
        // A link's own permissions mean nothing.
        let base = change.base.as_ref().filter(|base| base.kind != BaseKind::Symlink);
        match (base.map(|base| base.mode), change.mode) {
            (Some(old), Some(new)) if old != new => {
                self.say(&format!("mode of {path}: {old:04o} -> {new:04o}"))
            }
            (None, Some(new)) => match remarkable(new, change.kind) {
                None => Ok(()),
                Some(remark) => self.say(&format!("mode of {path}: {new:04o} ({remark})")),
            },
            _ => Ok(()),
        }
    }

    fn content(&mut self, change: &Change, old: Side<'_>, new: Side<'_>) -> Result<(), String> {
        let path = quote(&change.path);
        let name = |side: Side<'_>, prefix: &str| match side {
            Side::Nothing => "/dev/null".to_owned(),
            _ if prefix == "a" => quote(&format!("a/{}", change.from.as_ref().unwrap_or(&change.path))),
            _ => quote(&format!("{prefix}/{}", change.path)),
        };
        let header = format!("--- {}\n+++ {}", name(old, "a"), name(new, "b"));
        let base = change.base.as_ref();
        match (old, new) {
            (Side::Nothing | Side::Text(_), Side::Nothing | Side::Text(_)) => {
                self.say(&header)?;
                self.hunks(change, old, new)
            }
            (Side::Unseen, Side::Nothing | Side::Text(_)) => {
                self.lines = None;
                // Who sees all that comes and the name of what goes is not misled.
                let goes = if new == Side::Nothing { "file" } else { "the text of" };
                let facts = base.map_or_else(String::new, facts);
                self.say(&format!("{goes} {path} goes, too large to be shown: {facts}"))?;
                self.say(&header)?;
                self.hunks(change, Side::Nothing, new)
            }
            _ => {
                self.lines = None;
                self.say(&header)?;
                let size = base.filter(|base| base.kind == BaseKind::File).map_or(0, |base| base.size);
                let hash = change.sha256.as_deref().unwrap_or("none");
                self.say(&format!("not text: {size} bytes -> {} bytes, sha256 {hash}", change.size))
            }
        }
    }

    fn hunks(&mut self, change: &Change, old: Side<'_>, new: Side<'_>) -> Result<(), String> {
        let text = |side| if let Side::Text(text) = side { text } else { "" };
        let room = DIFF_LIMIT.saturating_sub(self.text.len());
        let hunks =
            unified::hunks(text(old), text(new), room, &mut self.budget).map_err(|much| match much {
                TooMuch::Text => too_long(),
                TooMuch::Work => format!(
                    "there is too much text to compare, up to and with {}: make smaller changes",
                    quote(&change.path)
                ),
            })?;
        let changed = hunks.split('\n').filter_map(|line| line.strip_prefix(['+', '-']));
        let changed: u64 = changed.map(|line| line.len().div_ceil(LINE).max(1) as u64).sum();
        self.lines = self.lines.filter(|_| is_plain(text(new))).map(|lines| lines + changed);
        self.text.push_str(&hunks);
        Ok(())
    }
}

/// Whether a text has no control characters but those that end lines or indent them: others can hide or redraw it.
fn is_plain(text: &str) -> bool {
    let ended = text.split_inclusive('\n').map(|line| line.strip_suffix("\r\n").unwrap_or(line));
    ended.flat_map(str::chars).all(|char| matches!(char, '\n' | '\t') || !char.is_control())
}

fn too_long() -> String {
    format!("the diff is longer than {} KiB: make smaller changes", DIFF_LIMIT / 1024)
}

/// What is known of a file that goes.
fn facts(base: &Base) -> String {
    format!("{} bytes, sha256 {}", base.size, base.sha256.as_deref().unwrap_or("none"))
}

/// What new permissions allow that a plain file or directory does not.
fn remarkable(mode: u32, kind: ChangeKind) -> Option<&'static str> {
    let runs = kind != ChangeKind::Mkdir && mode & 0o111 != 0;
    match (runs, mode & 0o022 != 0) {
        (false, false) => None,
        (true, false) => Some("can be run"),
        (false, true) => Some("others can write to it"),
        (true, true) => Some("can be run, others can write to it"),
    }
}
