//! Understands sentences that write a file.
//!
//! The forms: `write TEXT to PATH`, `append TEXT to PATH`, `create PATH with TEXT`, `create PATH`, and
//! `write PATH` or `write this to PATH` above a fenced block. TEXT in quotes may hold `\n`, `\t`, `\\`
//! and escaped quotes; in backticks or a fence it is exact.

use serde_json::{Map, Value};

use super::clause::Clause;
use super::sentence::{Wish, thing};
use super::token::{Kind, Token};

const TO: &[&str] = &["to", "into", "in", "at", "as"];
const WITH: &[&str] = &["with", "containing", "saying", "that", "contains", "says"];
const CONTENT: &[&str] =
    &["the", "this", "following", "content", "contents", "code", "text", "it", "a", "line"];

/// The write that `clause` asks for.
pub(crate) fn write(clause: Clause<'_>) -> Option<Wish> {
    let creates: &[&[&str]] = &[&["create"], &["make"], &["touch"]];
    let appends: &[&[&str]] = &[&["append"], &["add"]];
    let writes: &[&[&str]] =
        &[&["write"], &["save"], &["put"], &["store"], &["overwrite"], &["update"], &["replace"]];
    let (rest, mode) = if let Some(rest) = clause.after(creates) {
        (rest, Some("create"))
    } else if let Some(rest) = clause.after(appends) {
        (rest, Some("append"))
    } else {
        let mode = (clause.begins(&["overwrite"]) || clause.begins(&["replace"])).then_some("overwrite");
        (clause.after(writes)?, mode)
    };
    let (path, content) =
        fenced(rest).or_else(|| text_first(rest)).or_else(|| path_first(rest)).or_else(|| {
            let empty = rest.without_leading(&["a", "an", "new", "empty"]);
            let file = is_path(empty) || empty.begins(&["file"]);
            (mode == Some("create") && file).then(|| Some((path(empty)?, String::new())))?
        })?;
    Some(wish(path, content, mode))
}

fn wish(path: String, content: String, mode: Option<&str>) -> Wish {
    let verb = if mode == Some("append") { "append to" } else { "write" };
    let title = format!("{verb} {path}");
    let mut arguments = Map::from_iter([
        ("path".to_owned(), Value::from(path)),
        ("content".to_owned(), Value::from(content)),
    ]);
    arguments.extend(mode.map(|mode| ("mode".to_owned(), Value::from(mode))));
    Wish::new("fs.write", Value::Object(arguments), title)
}

/// Anything that names a path above a fenced block.
fn fenced(rest: Clause<'_>) -> Option<(String, String)> {
    let (fence, above) = rest.tokens.split_last()?;
    if fence.kind != Kind::Fence {
        return None;
    }
    let end = above
        .iter()
        .rposition(|token| !matches!(token.kind, Kind::Colon | Kind::Newline))
        .map_or(0, |last| last + 1);
    let head = rest.part(..end).without_trailing(CONTENT).without_trailing(WITH).without_trailing(CONTENT);
    let place = head.around_last(TO).map_or(head, |(_, place)| place);
    Some((path(place.without_leading(TO))?, fence.text.to_owned()))
}

/// `TEXT to PATH`.
fn text_first(rest: Clause<'_>) -> Option<(String, String)> {
    let (text, place) = match rest.tokens.split_first() {
        // A text in quotes ends with its quotes, whatever words are in the path.
        Some((first, [to, ..])) if quoted(*first) && TO.iter().any(|word| to.is(word)) => {
            (rest.part(..1), rest.part(2..))
        }
        // Without quotes it may be a wish for something else: "write tests for foo in src".
        _ => rest.around_last(TO).filter(|(text, place)| ends_quoted(*text) || is_path(*place))?,
    };
    Some((path(place)?, content(text)?))
}

/// `PATH with TEXT`.
fn path_first(rest: Clause<'_>) -> Option<(String, String)> {
    let (place, text) = match rest.tokens.iter().position(|token| token.kind == Kind::Colon) {
        Some(colon) if colon > 0 => (rest.part(..colon), rest.part(colon + 1..)),
        _ => rest.around_first(WITH)?,
    };
    let place = place.without_trailing(CONTENT).without_trailing(WITH);
    Some((path(place)?, content(text)?))
}

fn path(clause: Clause<'_>) -> Option<String> {
    thing(clause.without_leading(&["a", "an", "the", "new"]))
}

/// Whether its last token can only be a path: it is in quotes, or has a slash or a full stop in it.
fn is_path(clause: Clause<'_>) -> bool {
    ends_quoted(clause) || clause.tokens.last().is_some_and(|last| last.text.contains(['/', '.']))
}

fn ends_quoted(clause: Clause<'_>) -> bool {
    clause.tokens.last().is_some_and(|last| quoted(*last))
}

fn content(clause: Clause<'_>) -> Option<String> {
    let bare = clause.without_leading(CONTENT);
    let bare = if bare.tokens.first().is_some_and(|token| token.kind == Kind::Colon) {
        bare.part(1..)
    } else {
        bare
    };
    match bare.single() {
        Some(token) if quoted(token) => Some(unescaped(token)),
        // Beside text in quotes stands something that this does not understand.
        None if bare.tokens.iter().any(|token| quoted(*token)) => None,
        _ => Some(clause.raw().to_owned()).filter(|text| !text.is_empty()),
    }
}

fn quoted(token: Token<'_>) -> bool {
    matches!(token.kind, Kind::Quoted | Kind::Exact | Kind::Fence)
}

/// The text that a token stands for: escapes count in quotes only.
pub(crate) fn unescaped(token: Token<'_>) -> String {
    if token.kind != Kind::Quoted {
        return token.text.to_owned();
    }
    let mut text = String::with_capacity(token.text.len());
    let mut chars = token.text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => text.push(c),
            (_, true) => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c @ ('\\' | '\'' | '"')) => text.push(c),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
        }
    }
    text
}
