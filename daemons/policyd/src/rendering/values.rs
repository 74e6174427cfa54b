//! Values and diffs as lines: exact, every invisible character written out, long ones cut where that is allowed.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testudo::flow::Origin;
use testudo::identity::Principal;
use testudo::visible;

use super::Depth;
use crate::ledger::Entry;

/// A string longer than this, or with a newline, is a block of its own; in characters.
const INLINE: usize = 60;
/// What is shown of a long value; more is cut in a brief rendering.
const VALUE: Most = Most { lines: 120, bytes: 8 * 1024 };
/// What is shown of a long diff.
const DIFF: Most = Most { lines: 400, bytes: 32 * 1024 };

/// How much of a text is shown.
#[derive(Clone, Copy)]
struct Most {
    lines: usize,
    bytes: usize,
}

/// A string in quotes, as JSON has it.
pub(super) fn quoted(text: &str) -> String {
    visible::line(&Value::from(text).to_string())
}

/// Every argument, with where it came from.
pub(super) fn arguments(entry: &Entry, depth: Depth, cut: &mut bool) -> Vec<String> {
    let Some(members) = entry.approval.arguments.as_object() else {
        return block(&entry.approval.arguments.to_string(), "", VALUE, depth, cut);
    };
    // A name with anything else in it could pass for a value.
    let plain =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let name_of = |key: &str| if plain(key) { key.to_owned() } else { quoted(key) };
    let widest = members.keys().map(|key| name_of(key).chars().count()).max().unwrap_or(0).min(16);
    let mut lines = Vec::new();
    for (key, value) in members {
        let name = format!("{:<widest$}", name_of(key));
        let source = source(entry, key);
        match value.as_str() {
            Some(text) if text.contains('\n') || text.chars().count() > INLINE => {
                lines.push(format!("{name} {}{source}", measure(text)));
                lines.extend(block(text, "  ▏ ", VALUE, depth, cut));
            }
            _ => {
                let text = value.to_string();
                if text.len() > VALUE.bytes {
                    lines.push(format!("{name} {} bytes of JSON{source}", text.len()));
                    lines.extend(block(&text, "  ▏ ", VALUE, depth, cut));
                } else {
                    lines.push(format!("{name} {}{source}", visible::line(&text)));
                }
            }
        }
    }
    lines
}

/// Where an argument came from, in brackets.
fn source(entry: &Entry, key: &str) -> String {
    // What a person calls himself came from him.
    if matches!(entry.approval.requester, Principal::Operator(_)) {
        return String::new();
    }
    let flow = &entry.facts.flow;
    let text = match (flow.sources.get(key), flow.origins.get(key)) {
        (Some(text), _) => visible::line(text),
        (None, Some(origin)) => in_words(*origin).to_owned(),
        (None, None) => return String::new(),
    };
    format!(" ← {text}")
}

const fn in_words(origin: Origin) -> &'static str {
    match origin {
        Origin::Said => "you said it",
        Origin::Designated => "you named it",
        Origin::Known => "the model chose it from what is kept here",
        Origin::Found => "it stands in text that others could have written",
        Origin::Made => "the model made it up",
    }
}

fn measure(text: &str) -> String {
    let lines = text.lines().count();
    let end = if text.ends_with('\n') { "" } else { ", no newline at the end" };
    let plural = if lines == 1 { "" } else { "s" };
    format!("{lines} line{plural}, {} bytes{end}", text.len())
}

/// A unified diff.
pub(super) fn diff(text: &str, depth: Depth, cut: &mut bool) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { block(text, "", DIFF, depth, cut) }
}

/// The lines of a text behind a mark. At newlines only: a carriage return in front of one is to be seen.
fn block(text: &str, mark: &str, most: Most, depth: Depth, cut: &mut bool) -> Vec<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let all = || body.split('\n').map(|line| format!("{mark}{}", visible::line(line)));
    let lines = body.split('\n').count();
    if depth == Depth::Whole || (lines <= most.lines && text.len() <= most.bytes) {
        return all().collect();
    }
    *cut = true;
    let (mut shown, mut bytes) = (Vec::new(), 0);
    for line in all().take(most.lines / 2) {
        bytes += line.len();
        if bytes > most.bytes / 2 {
            break;
        }
        shown.push(line);
    }
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let left = lines - shown.len();
    shown.push(format!(
        "{mark}… {left} of {lines} lines are not shown here; all of it is {} bytes, sha256 {hash}",
        text.len()
    ));
    shown
}
