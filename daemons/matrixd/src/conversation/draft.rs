//! What a running turn shows: the words that came so far and the tools that were called, in one compact line.

use std::fmt::Write as _;

use testudo::refusal::Code;
use testudo::turn::{Call, End, Event, Finished};

use crate::conversation::fence;

/// Tools that the line names; of more it says how many.
const NAMED: usize = 6;
/// The most characters of running words that are shown; the end of them is what is new.
const SHOWN: usize = 6_000;

/// A turn as far as it came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The words of the latest completion.
    text: String,
    /// A call came behind the text: the next words begin anew.
    is_behind: bool,
    /// Calls that ended.
    done: Vec<Call>,
    /// Calls that run: id and tool.
    running: Vec<(String, String)>,
    /// Whether the turn began; before that it waits behind another.
    has_begun: bool,
}

impl Draft {
    /// Takes in what happened. Whether people could see the difference.
    pub fn take(&mut self, event: Event) -> bool {
        match event {
            Event::TurnStarted { .. } => self.has_begun = true,
            Event::Text { delta, .. } => {
                if std::mem::take(&mut self.is_behind) {
                    self.text.clear();
                }
                self.text.push_str(&delta);
                return !delta.is_empty();
            }
            Event::CallStarted { request, tool, .. } => {
                self.is_behind = true;
                self.running.push((request, tool));
            }
            Event::CallFinished { request, call, .. } => {
                self.running.retain(|(id, _)| *id != request);
                self.done.push(call);
            }
            Event::CallOutput { .. } | Event::TurnFinished { .. } => return false,
        }
        true
    }

    /// Whether there are words to show.
    pub fn has_text(&self) -> bool {
        !self.text.trim().is_empty()
    }

    /// As Markdown, while it goes on.
    pub fn unfinished(&self) -> String {
        let state = match self.running.last() {
            Some((_, tool)) => format!("*… {}*", tool_name(tool)),
            None if self.has_text() => "*…*".to_owned(),
            None if self.has_begun => "*thinking…*".to_owned(),
            None => "*waiting for what was asked before…*".to_owned(),
        };
        let mut out = String::new();
        if self.has_text() {
            out.push_str(&latest(&self.text));
            out.push_str(&fence::closing(&out));
            out.push_str("\n\n");
        }
        if let Some(line) = tools(&self.done) {
            out.push_str(&line);
            out.push_str(" · ");
        }
        out.push_str(&state);
        out
    }
}

/// As Markdown, when it is over.
pub fn finished(turn: &Finished) -> String {
    let mut out = turn.reply.trim().to_owned();
    if out.is_empty() {
        out.push_str(match turn.end {
            End::Cancelled => "*Stopped.*",
            _ => "*There is no answer.*",
        });
    }
    out.push_str(&fence::closing(&out));
    if let Some(line) = tools(&turn.calls) {
        out.push_str("\n\n");
        out.push_str(&line);
    }
    out
}

/// The calls in one line: `🛠 fs.read ×2 · shell.run ✗ denied · 3.2 s`.
fn tools(calls: &[Call]) -> Option<String> {
    let mut groups: Vec<(&str, Option<&'static str>, usize)> = Vec::new();
    for call in calls {
        let fate = fate(call);
        match groups.iter_mut().find(|(tool, other, _)| *tool == call.tool && *other == fate) {
            Some((_, _, times)) => *times += 1,
            None => groups.push((&call.tool, fate, 1)),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let mut line = "🛠 ".to_owned();
    for (index, (tool, fate, times)) in groups.iter().take(NAMED).enumerate() {
        line.push_str(if index == 0 { "" } else { " · " });
        line.push_str(&tool_name(tool));
        if *times > 1 {
            let _ = write!(line, " ×{times}");
        }
        if let Some(fate) = fate {
            let _ = write!(line, " ✗ {fate}");
        }
    }
    if groups.len() > NAMED {
        let _ = write!(line, " · {} more", groups.len() - NAMED);
    }
    let tenths = calls.iter().map(|call| call.duration_ms).sum::<u64>() / 100;
    let _ = write!(line, " · {}.{} s", tenths / 10, tenths % 10);
    Some(line)
}

fn fate(call: &Call) -> Option<&'static str> {
    call.error.as_ref().map(|error| match error.code {
        Code::ConfirmationDenied | Code::Unauthorized => "denied",
        Code::ConfirmationTimeout => "not answered",
        Code::PluginTimeout => "too slow",
        _ => "failed",
    })
}

/// A model may ask for a tool of any name.
fn tool_name(tool: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    format!("`{}`", tool.chars().filter(plain).take(40).collect::<String>())
}

/// The end of a long text, from the beginning of a line where there is one.
fn latest(text: &str) -> String {
    let text = text.trim();
    let Some((start, _)) = text.char_indices().rev().nth(SHOWN) else { return text.to_owned() };
    let tail = text.get(start..).unwrap_or(text);
    let tail = tail.split_once('\n').map_or(tail, |(_, rest)| rest);
    format!("*…*\n\n{tail}")
}

#[cfg(test)]
mod tests;
