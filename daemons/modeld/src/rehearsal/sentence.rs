//! Understands one clause as one or more tool calls.
//!
//! Start at [`understand`]: it tries the forms in a fixed order, and the first that fits wins. A form
//! fits whole or not at all: what is left over in a clause makes it not understood, so that half of a
//! wish is never carried out.

use serde_json::{Map, Value, json};

use super::clause::Clause;
use super::token::{Kind, Token};
use super::{searching, writing};

/// A tool call that a clause asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// Whether the human named the tool, so that it is called even if it is not on offer.
    pub(crate) named: bool,
    /// What it is about, for people: `read notes/a.txt`.
    pub(crate) title: String,
}

impl Wish {
    pub(crate) fn new(tool: &str, arguments: Value, title: String) -> Self {
        Self { tool: tool.to_owned(), arguments, named: false, title }
    }
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The whole workspace.
    Everywhere,
    /// This file or folder, or all files like this.
    At(String),
}

const COURTESY: &[&str] = &[
    "please",
    "can",
    "could",
    "would",
    "will",
    "you",
    "now",
    "first",
    "firstly",
    "second",
    "next",
    "finally",
    "lastly",
    "also",
    "afterwards",
    "and",
    "just",
    "ok",
    "okay",
    "hey",
    "i",
    "want",
    "to",
    "let",
    "us",
    "let's",
    "me",
    "kindly",
];
const NAMED: &[&str] = &[
    "the",
    "a",
    "an",
    "my",
    "this",
    "file",
    "files",
    "folder",
    "directory",
    "dir",
    "called",
    "named",
    "contents",
    "content",
    "of",
    "in",
    "text",
    "all",
    "everything",
];
const NOUNS: &[&str] = &["file", "folder", "directory", "dir", "please", "again", "now", "too"];
const HERE: &[&str] = &["here", ".", "workspace", "everywhere", "project"];

/// The tool calls that `clause` asks for; `None` if it is not understood.
pub(crate) fn understand(clause: Clause<'_>) -> Option<Vec<Wish>> {
    let clause = courteous(clause);
    if let Some(wish) = named(clause) {
        return Some(vec![wish]);
    }
    let one = time(clause)
        .or_else(|| exists(clause))
        .or_else(|| writing::write(clause))
        .or_else(|| searching::search(clause))
        .or_else(|| list(clause))
        .or_else(|| run(clause))
        .or_else(|| say(clause));
    one.map(|wish| vec![wish]).or_else(|| read(clause))
}

fn courteous(clause: Clause<'_>) -> Clause<'_> {
    let first = |token: &Token<'_>| token.kind != Kind::Comma && !COURTESY.iter().any(|word| token.is(word));
    let start = clause.tokens.iter().position(first).unwrap_or_default();
    let asked = clause.part(start..).without_trailing(&["please", "now"]);
    let end = asked.tokens.iter().rposition(|token| token.kind != Kind::Comma).map_or(0, |last| last + 1);
    asked.part(..end)
}

/// `call TOOL {json}`: any tool, any arguments.
fn named(clause: Clause<'_>) -> Option<Wish> {
    let rest = clause.after(&[&["call"]])?;
    let (tool, arguments) = match rest.tokens {
        [tool] => (tool, json!({})),
        [tool, json] if json.kind == Kind::Json => {
            (tool, serde_json::from_str(json.text).unwrap_or_else(|_| Value::from(json.text)))
        }
        _ => return None,
    };
    let title = format!("call {}", tool.text);
    tool.names().then(|| Wish { named: true, ..Wish::new(tool.text, arguments, title) })
}

fn time(clause: Clause<'_>) -> Option<Wish> {
    const ASKS: &[&str] = &["time", "date", "day"];
    const AROUND: &[&str] = &[
        "what", "what's", "whats", "is", "it", "the", "current", "now", "tell", "me", "show", "today",
        "right", "do", "have", "give",
    ];
    let fits = |word: &str, token: &Token<'_>| token.is(word);
    let asked = clause.tokens.iter().any(|token| ASKS.iter().any(|word| fits(word, token)));
    let all = clause.tokens.iter().all(|token| ASKS.iter().chain(AROUND).any(|word| fits(word, token)));
    (asked && all).then(|| Wish::new("time.now", json!({}), "the time".to_owned()))
}

fn exists(clause: Clause<'_>) -> Option<Wish> {
    let about = |rest: Clause<'_>| thing(rest);
    let path = if let Some(rest) =
        clause.after(&[&["does"], &["check", "if"], &["check", "whether"], &["check", "that"]])
    {
        about(rest.without_trailing(&["exist", "exists", "there", "is"])).filter(|_| {
            ["exist", "exists", "there"]
                .iter()
                .any(|word| clause.tokens.last().is_some_and(|last| last.is(word)))
        })
    } else if let Some(rest) = clause.after(&[&["is", "there"], &["do", "we", "have"]]) {
        about(rest)
    } else if let Some(rest) = clause.after(&[&["is"]]) {
        rest.tokens
            .last()
            .filter(|last| last.is("there"))
            .and_then(|_| about(rest.without_trailing(&["there"])))
    } else {
        None
    }?;
    let title = format!("look whether {path} exists");
    Some(Wish::new("fs.exists", json!({ "path": path }), title))
}

fn list(clause: Clause<'_>) -> Option<Wish> {
    const FILES: &[&str] = &["files", "everything", "entries"];
    let rest = if let Some(rest) = clause.after(&[&["list"], &["ls"], &["dir"]]) {
        rest
    } else if let Some(rest) = clause.after(&[&["what", "files", "are"], &["which", "files", "are"]]) {
        rest
    } else {
        let rest = clause.after(&[&["show"]])?.without_leading(&["me", "the", "all"]);
        let files = rest.tokens.first().is_some_and(|token| FILES.iter().any(|word| token.is(word)));
        files.then_some(rest)?
    };
    let rest = rest.without_leading(NAMED).without_leading(&["inside", "under", "from", "there", "are"]);
    match place_of(rest.without_leading(NAMED))? {
        Place::Everywhere => Some(Wish::new("fs.list", json!({}), "list the workspace".to_owned())),
        // `ls -la` is a command, not a question for files.
        Place::At(path) if path.starts_with('-') => {
            clause.begins(&["ls"]).then(|| command(clause.raw(), None))
        }
        Place::At(path) => Some(Wish::new("fs.list", json!({ "path": path }), format!("list {path}"))),
    }
}

fn read(clause: Clause<'_>) -> Option<Vec<Wish>> {
    let verbs: &[&[&str]] = &[
        &["read"],
        &["show"],
        &["cat"],
        &["open"],
        &["print"],
        &["display"],
        &["view"],
        &["what", "is", "in"],
        &["what's", "in"],
        &["what", "does"],
    ];
    let rest = clause.after(verbs)?.without_leading(&["me"]).without_trailing(&["contain", "say"]);
    let paths = rest
        .tokens
        .split(|token| token.kind == Kind::Comma || token.is("and"))
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(_, part)| thing(Clause::whole("", part)).filter(|path| !path.starts_with('-')))
        .collect::<Option<Vec<_>>>()?;
    let wish = |path: String| Wish::new("fs.read", json!({ "path": path }), format!("read {path}"));
    (!paths.is_empty()).then(|| paths.into_iter().map(wish).collect())
}

fn run(clause: Clause<'_>) -> Option<Wish> {
    if let Some(only) = clause.single().filter(|only| only.kind == Kind::Exact) {
        return Some(command(only.text, None));
    }
    let rest = clause.after(&[&["run"], &["execute"], &["exec"], &["$"], &["!"]])?;
    let rest = rest.without_leading(&["the"]);
    let rest = rest.after(&[&["command"]]).unwrap_or(rest);
    let rest = if rest.tokens.first().is_some_and(|token| token.kind == Kind::Colon) {
        rest.part(1..)
    } else {
        rest
    };
    if rest.tokens.is_empty() {
        return None;
    }
    if let Some((what, place)) = rest.around_last(&["in", "inside"])
        && let Some(cwd) =
            thing(place).filter(|cwd| !cwd.starts_with('-') && !cwd.contains(['*', '$', '|', '>', '<']))
    {
        return Some(command(exact(what), Some(cwd)));
    }
    Some(command(exact(rest), None))
}

/// The inside of the quotes if all of it is in quotes, else all as it was typed.
fn exact(clause: Clause<'_>) -> &str {
    clause.single().map_or_else(|| clause.raw(), |token| token.text)
}

fn command(command: &str, cwd: Option<String>) -> Wish {
    let title = format!("run {command}");
    let mut arguments = Map::from_iter([("command".to_owned(), Value::from(command.trim_end()))]);
    arguments.extend(cwd.map(|cwd| ("cwd".to_owned(), Value::from(cwd))));
    Wish::new("shell.run", Value::Object(arguments), title)
}

fn say(clause: Clause<'_>) -> Option<Wish> {
    let rest = clause.after(&[&["say"], &["echo"], &["repeat"]])?;
    let text = match rest.single() {
        Some(token) => writing::unescaped(token),
        None => rest.raw().to_owned(),
    };
    let title = format!("say {}", text.lines().next().unwrap_or_default());
    (!rest.tokens.is_empty()).then(|| Wish::new("echo", json!({ "text": text }), title))
}

/// The one thing that `clause` names, such as a path, with or without articles and nouns around it.
pub(crate) fn thing(clause: Clause<'_>) -> Option<String> {
    let bare = clause.without_trailing(NOUNS);
    let named = bare.without_leading(NAMED);
    // A file may be called "file".
    let only =
        if named.tokens.is_empty() { clause.part(clause.tokens.len().saturating_sub(1)..) } else { named };
    only.single().filter(Token::names).map(|token| token.text.to_owned()).filter(|text| !text.is_empty())
}

/// The place that `clause` names.
pub(crate) fn place_of(clause: Clause<'_>) -> Option<Place> {
    let bare = clause.without_leading(&["the", "this", "my", "whole"]).without_trailing(NOUNS);
    match bare.tokens {
        [] => Some(Place::Everywhere),
        [only] if HERE.iter().any(|word| only.is(word)) => Some(Place::Everywhere),
        _ => thing(bare).map(Place::At),
    }
}
