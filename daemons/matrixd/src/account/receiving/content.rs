//! What a message says: words or a file, each cut to a bound.

use serde_json::{Map, Value, json};

use crate::incoming::Content;

/// Most bytes of words that are taken: half of an event. The rest is left out and said to be.
pub(super) const WORDS: usize = 32 * 1024;
/// Most characters of a file's name.
const NAME: usize = 255;
/// Most characters of a type.
const TYPE: usize = 127;

/// Reads the content of an `m.room.message`.
pub(super) fn read(content: &Map<String, Value>, is_reply: bool) -> Content {
    let kind = text(content, "msgtype").unwrap_or("");
    match kind {
        "m.text" | "m.emote" if is_reply => Content::Text(own_words(&words(content)).to_owned()),
        "m.text" | "m.emote" => Content::Text(words(content)),
        "m.image" | "m.file" | "m.audio" | "m.video" => file(content, kind),
        // A notice is a machine's: answering it makes two machines talk for ever.
        _ => Content::Other(cut(kind, TYPE)),
    }
}

/// The words of a message, cut.
pub(super) fn words(content: &Map<String, Value>) -> String {
    let body = text(content, "body").unwrap_or("");
    if body.len() <= WORDS {
        return body.to_owned();
    }
    let kept = &body.get(..body.floor_char_boundary(WORDS)).unwrap_or("");
    format!("{kept}\n[… {} more bytes were left out]", body.len() - kept.len())
}

/// The first characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn file(content: &Map<String, Value>, kind: &str) -> Content {
    let body = text(content, "body").unwrap_or("");
    let (name, caption) = match text(content, "filename") {
        Some(name) if name != body => (name, Some(words(content)).filter(|words| !words.is_empty())),
        Some(name) => (name, None),
        None => (body, None),
    };
    let source = match (content.get("file"), content.get("url")) {
        (Some(file @ Value::Object(_)), _) => json!({ "file": file }),
        (_, Some(url @ Value::String(_))) => json!({ "url": url }),
        _ => return Content::Other(cut(kind, TYPE)),
    };
    let info = content.get("info").and_then(Value::as_object);
    Content::File {
        name: cut(name, NAME),
        mime: info.and_then(|info| text(info, "mimetype")).map(|mime| cut(mime, TYPE)),
        size: info.and_then(|info| info.get("size")).and_then(Value::as_u64),
        caption,
        source,
    }
}

/// A reply's own words: older clients put what they reply to before them, each line behind a `>`.
fn own_words(body: &str) -> &str {
    if !body.starts_with("> <") {
        return body;
    }
    let mut rest = body;
    while let Some(after) = rest.strip_prefix('>') {
        rest = after.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest.strip_prefix('\n').unwrap_or(rest)
}

fn text<'c>(content: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    content.get(name)?.as_str()
}
