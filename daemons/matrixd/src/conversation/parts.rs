//! An answer as one event that a homeserver takes, and files for what does not fit into it.
//!
//! A room's event is at most 65 536 bytes once it is encrypted, and an edit carries its words twice.

use std::fmt::Write as _;

use crate::conversation::fence::{self, Fenced};
use crate::conversation::markdown::{self, Hygiene};
use crate::outgoing::Text;

/// The most bytes that an event may come to.
const EVENT: usize = 60 * 1024;
/// What an event has beside its words, at most.
const ENVELOPE: usize = 2 * 1024;
/// The most characters of an answer that is not cut.
const LONGEST: usize = 16_000;
/// The most characters of the first part of one that is.
const FIRST_PART: usize = 8_000;
/// A code block of more bytes or lines is a file.
const CODE_BYTES: usize = 4_000;
const CODE_LINES: usize = 120;
/// The most files of one answer, the whole of it among them.
const FILES: usize = 8;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its type.
    pub mime: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What stands in the room.
    pub text: Text,
    /// What lies beside it.
    pub attachments: Vec<Attachment>,
}

/// The answer as it is sent, in a message of its own or, carried twice, as an edit.
pub fn answer(markdown: &str, hygiene: Hygiene, is_edit: bool) -> Answer {
    let (short, mut attachments) = without_large_code(markdown);
    let text = markdown::message(&short, hygiene);
    if short.chars().count() <= LONGEST && cost(&text, is_edit) <= EVENT {
        return Answer { text, attachments };
    }
    attachments.push(Attachment {
        name: "answer.md".to_owned(),
        mime: "text/markdown",
        content: markdown.as_bytes().to_vec(),
    });
    let note = "\n\n📎 *The rest does not fit here: the whole answer is in* `answer.md`*.*";
    Answer { text: fitted(&short, FIRST_PART, note, hygiene, is_edit), attachments }
}

/// As much of it as fits into one event.
pub fn beginning(markdown: &str, hygiene: Hygiene, is_edit: bool) -> Text {
    fitted(markdown, LONGEST, "\n\n*…*", hygiene, is_edit)
}

fn fitted(markdown: &str, most: usize, note: &str, hygiene: Hygiene, is_edit: bool) -> Text {
    let mut most = most;
    loop {
        let part = first(markdown, most);
        let mut part_and_note = part.to_owned();
        if part.len() < markdown.len() {
            part_and_note.push_str(&fence::closing(part));
            part_and_note.push_str(note);
        }
        let text = markdown::message(&part_and_note, hygiene);
        // Nothing but the note is left of what is all marks; that fits.
        if cost(&text, is_edit) <= EVENT || most == 0 {
            return text;
        }
        most /= 2;
    }
}

/// The first characters, up to the end of a paragraph or a line where one is near.
fn first(text: &str, most: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(most) else { return text };
    let head = text.get(..end).unwrap_or_default();
    let at = |end: Option<usize>| end.filter(|end| *end >= head.len() / 2);
    let end = at(head.rfind("\n\n")).or_else(|| at(head.rfind('\n'))).or_else(|| at(head.rfind(' ')));
    head.get(..end.unwrap_or(head.len())).unwrap_or(head)
}

/// What an event with these words comes to when it is encrypted, at most.
fn cost(text: &Text, is_edit: bool) -> usize {
    let json = |text: &str| serde_json::to_string(text).map_or(usize::MAX / 16, |json| json.len());
    let words = json(&text.body) + text.html.as_deref().map_or(0, json);
    let times = if is_edit { 2 } else { 1 };
    (words * times + ENVELOPE) * 4 / 3
}

/// The text with a note in the place of each large code block, and the blocks as files.
fn without_large_code(markdown: &str) -> (String, Vec<Attachment>) {
    let mut out = String::with_capacity(markdown.len());
    let mut attachments = Vec::new();
    let mut at = 0;
    for block in fence::fenced(markdown) {
        let body = markdown.get(block.body.clone()).unwrap_or_default();
        let lines = body.lines().count();
        if (body.len() <= CODE_BYTES && lines <= CODE_LINES) || attachments.len() + 1 >= FILES {
            continue;
        }
        let (stem, extension, mime) = kind(&block);
        let name = format!("{stem}-{}.{extension}", attachments.len() + 1);
        out.push_str(markdown.get(at..block.whole.start).unwrap_or_default());
        let _ = writeln!(out, "📎 `{name}` ({lines} lines)");
        at = block.whole.end;
        attachments.push(Attachment { name, mime, content: body.as_bytes().to_vec() });
    }
    out.push_str(markdown.get(at..).unwrap_or_default());
    (out, attachments)
}

/// How a code block is called as a file. Types are those that clients show as text.
fn kind(block: &Fenced) -> (&'static str, &'static str, &'static str) {
    match block.language.to_ascii_lowercase().as_str() {
        "diff" | "patch" => ("changes", "diff", "text/x-diff"),
        "rust" | "rs" => ("code", "rs", "text/plain"),
        "python" | "py" => ("code", "py", "text/plain"),
        "nix" => ("code", "nix", "text/plain"),
        "sh" | "bash" | "shell" => ("code", "sh.txt", "text/plain"),
        "toml" => ("code", "toml", "text/plain"),
        "yaml" | "yml" => ("code", "yaml", "text/plain"),
        "json" => ("code", "json", "application/json"),
        "csv" => ("table", "csv", "text/csv"),
        "markdown" | "md" => ("text", "md", "text/markdown"),
        _ => ("code", "txt", "text/plain"),
    }
}

#[cfg(test)]
mod tests;
