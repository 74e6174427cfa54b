//! What a changed policy would do: the answer of `Policy1.Amend` and `Policy1.Replay`, for people and programs.

use serde::{Deserialize, Serialize};
use testudo::action::Judged;
use testudo::canonical;
use testudo::verdict::{Verdict, Weight};

use super::{Change, Mark, compare, phrase};
use crate::index::RuleSet;

/// Most characters of the arguments of a call that a report shows.
const MOST_ARGUMENTS: usize = 200;

/// A decision that was made and would be another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// What the rules said and would say.
    #[serde(flatten)]
    pub change: Change,
    /// When it was made, RFC 3339 in UTC.
    pub at: String,
    /// What was decided then, by all layers.
    pub was: Verdict,
    /// The session of the call.
    pub session: String,
    /// The call.
    pub call: String,
    /// Its tool.
    pub tool: String,
    /// Running or applying.
    pub phase: String,
    /// Its arguments as JSON, cut after two hundred characters.
    pub arguments: String,
}

/// Everything that a changed policy file would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The name of the file, without `.toml`.
    pub name: String,
    /// Whether the text would be taken.
    pub ok: bool,
    /// Mistakes and warnings, each with its place.
    pub findings: Vec<String>,
    /// How many rules would decide.
    pub rules: usize,
    /// The digest of the new text; none when the file would be taken out.
    pub digest: Option<String>,
    /// The digest of the rules that it was compared with.
    pub base: String,
    /// How many decisions were weighed again.
    pub replayed: usize,
    /// How many were too long to be kept, and were not.
    pub left_out: usize,
    /// Those that change: loosened ones first, then breaking ones; the newest first of each.
    pub changed: Vec<Changed>,
    /// How many get through more easily.
    pub loosening: usize,
    /// How many could happen and would be denied.
    pub breaking: usize,
    /// How many would be asked about, or want a heavier answer.
    pub tightening: usize,
    /// What must be typed to approve it, when much breaks.
    pub phrase: Option<String>,
    /// The unified diff of the file.
    pub diff: String,
    /// The approval that was asked for; none for a replay.
    pub approval: Option<String>,
    /// How heavy an answer that wants.
    pub approve_by: Option<Weight>,
    /// When it becomes a no by itself.
    pub expires_at: Option<String>,
}

/// A decision that was made, as a report needs it.
#[derive(Debug, Clone)]
pub struct Made<'j> {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What was decided then.
    pub was: Verdict,
    /// What was weighed then.
    pub judged: &'j Judged,
}

impl Report {
    /// Weighs decisions again, newest first, and takes in those that change.
    pub fn weigh<'j>(&mut self, before: &RuleSet, after: &RuleSet, made: impl IntoIterator<Item = Made<'j>>) {
        for made in made {
            self.replayed += 1;
            let Some(change) = compare(before, after, made.judged) else { continue };
            match change.mark {
                Mark::Loosening => self.loosening += 1,
                Mark::Breaking => self.breaking += 1,
                Mark::Tightening => self.tightening += 1,
            }
            let action = &made.judged.action;
            self.changed.push(Changed {
                change,
                at: made.at,
                was: made.was,
                session: action.session.clone(),
                call: made.judged.call.clone(),
                tool: action.tool.clone(),
                phase: action.phase.word().to_owned(),
                arguments: short(&canonical::text(&action.arguments)),
            });
        }
        self.changed.sort_by_key(|changed| changed.change.mark);
        self.phrase = phrase(self.breaking);
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_ARGUMENTS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
