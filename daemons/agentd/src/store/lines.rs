//! The lines of a session's file as this version understands them, all or none.

use serde_json::Value;
use testudo::visible;
use thiserror::Error;

use crate::conversation::{Conversation, Line};
use crate::cut;
use crate::name::SessionName;

/// The format that is written. It is raised when a line that is known comes to mean something else; a kind of line or a
/// member that is added does not need it, because whoever does not know it refuses the file.
pub(super) const VERSION: u32 = 1;
/// The most bytes of a line's kind that are repeated.
const LONGEST_KIND: usize = 40;

/// Why lines are no conversation.
#[derive(Debug, Error)]
pub(super) enum Unread {
    /// They are broken: no version has written them so.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// They are whole, and not of this version.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

/// What is broken.
#[derive(Debug, Error)]
pub(super) enum Damage {
    #[error("line {number}: {source}")]
    Line { number: usize, source: serde_json::Error },
    #[error("it does not begin as a file of this session")]
    Beginning,
}

/// What is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Foreign {
    /// The head names a later format.
    #[error("its format is version {0}, and this testudo-agentd knows version {VERSION}")]
    Version(u64),
    /// A whole line has a kind or a member that there is not here.
    #[error("its line {number}, of the kind {kind}, says more than this testudo-agentd understands")]
    Line {
        /// Which, from 1.
        number: usize,
        /// What it calls itself.
        kind: String,
    },
}

/// Takes all lines in.
pub(super) fn fold(name: &SessionName, bytes: &[u8]) -> Result<Conversation, Unread> {
    let mut conversation = Conversation::default();
    for (index, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if index == 0 {
            check_head(text)?;
        }
        let line = understood(index + 1, text)?;
        let is_beginning =
            matches!(&line, Line::Session { version: VERSION, session, .. } if session == name.as_str());
        if is_beginning != (index == 0) {
            return Err(Damage::Beginning.into());
        }
        conversation.take(line);
    }
    Ok(conversation)
}

/// A head is looked at before anything of its line is required: a later one may have other members.
fn check_head(text: &[u8]) -> Result<(), Unread> {
    let head: Value = serde_json::from_slice(text).map_err(|source| Damage::Line { number: 1, source })?;
    if kind(&head) != Some("session") {
        return Err(Damage::Beginning.into());
    }
    match head.get("version").and_then(Value::as_u64) {
        Some(version) if version > u64::from(VERSION) => Err(Foreign::Version(version).into()),
        Some(_) => Ok(()),
        None => Err(Damage::Beginning.into()),
    }
}

fn understood(number: usize, text: &[u8]) -> Result<Line, Unread> {
    serde_json::from_slice(text).map_err(|source| {
        let whole: Option<Value> = serde_json::from_slice(text).ok();
        match whole.as_ref().and_then(kind) {
            Some(kind) => {
                let kind = visible::line(cut::head(kind, LONGEST_KIND));
                Foreign::Line { number, kind: format!("{kind:?}") }.into()
            }
            None => Damage::Line { number, source }.into(),
        }
    })
}

fn kind(line: &Value) -> Option<&str> {
    line.get("line").and_then(Value::as_str)
}
