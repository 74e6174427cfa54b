//! What goes out, as the content of events. Pure.
//!
//! Written by hand: what is sent is exactly this, and every message says whom it mentions (nobody, unless it is the
//! answer to somebody), so that no text of a model rings at everybody's in a room.

use matrix_sdk::ruma::OwnedEventId;
use serde_json::{Map, Value, json};

use crate::outgoing::Text;

/// Largest content that is tried, in bytes of JSON: encryption makes it a third larger, and an event may have 64 KiB.
pub(super) const LARGEST: usize = 45 * 1024;

/// Words.
pub(super) fn words(text: &Text) -> Value {
    let mut content = said(text, "");
    if let Some(relation) = relation(text.thread.as_ref(), text.reply_to.as_ref()) {
        content.insert("m.relates_to".into(), relation);
    }
    content.into()
}

/// New words in the place of an event. Clients that know no edits show a star.
pub(super) fn edit(target: &OwnedEventId, text: &Text) -> Value {
    let mut content = said(text, "* ");
    content.insert("m.new_content".into(), said(text, "").into());
    content.insert("m.relates_to".into(), json!({ "rel_type": "m.replace", "event_id": target }));
    content.into()
}

/// A reaction.
pub(super) fn reaction(target: &OwnedEventId, key: &str) -> Value {
    json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": target, "key": key } })
}

/// A file that lies at `source`: `{"file": …}` when it was encrypted, `{"url": …}` when it was not.
pub(super) fn file(
    name: &str,
    mime: &str,
    size: usize,
    source: Map<String, Value>,
    thread: Option<&OwnedEventId>,
) -> Value {
    let kind = match mime.split('/').next() {
        Some("image") => "m.image",
        Some("audio") => "m.audio",
        Some("video") => "m.video",
        _ => "m.file",
    };
    let mut content = source;
    content.insert("msgtype".into(), kind.into());
    content.insert("body".into(), name.into());
    content.insert("filename".into(), name.into());
    content.insert("info".into(), json!({ "mimetype": mime, "size": size }));
    content.insert("m.mentions".into(), json!({}));
    if let Some(relation) = relation(thread, None) {
        content.insert("m.relates_to".into(), relation);
    }
    content.into()
}

fn said(text: &Text, mark: &str) -> Map<String, Value> {
    let mut content = Map::new();
    content.insert("msgtype".into(), if text.notice { "m.notice" } else { "m.text" }.into());
    content.insert("body".into(), format!("{mark}{}", text.body).into());
    if let Some(html) = &text.html {
        content.insert("format".into(), "org.matrix.custom.html".into());
        content.insert("formatted_body".into(), format!("{mark}{html}").into());
    }
    let mentions = if text.mentions.is_empty() { json!({}) } else { json!({ "user_ids": text.mentions }) };
    content.insert("m.mentions".into(), mentions);
    content
}

/// In a thread clients that know none show a reply to its root, which is then none.
fn relation(thread: Option<&OwnedEventId>, reply_to: Option<&OwnedEventId>) -> Option<Value> {
    match (thread, reply_to) {
        (Some(root), reply_to) => Some(json!({
            "rel_type": "m.thread",
            "event_id": root,
            "is_falling_back": reply_to.is_none(),
            "m.in_reply_to": { "event_id": reply_to.unwrap_or(root) },
        })),
        (None, Some(reply_to)) => Some(json!({ "m.in_reply_to": { "event_id": reply_to } })),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::event_id;

    use super::*;

    #[test]
    fn nothing_that_is_said_mentions_anybody() {
        let text =
            Text { body: "@room @ann:home.org".into(), html: Some("<b>@room</b>".into()), ..Text::default() };
        let edit = edit(&event_id!("$e").to_owned(), &text);
        let file = file("@room", "text/plain", 1, Map::new(), None);
        for content in [&words(&text), &edit, &edit["m.new_content"], &file] {
            assert_eq!(content["m.mentions"], json!({}), "{content}");
        }
    }

    #[test]
    fn who_is_to_be_notified_is_and_an_edit_notifies_him_too() {
        let mentions = vec![matrix_sdk::ruma::owned_user_id!("@ann:home.org")];
        let text = Text { body: "@bob:home.org".into(), mentions, ..Text::default() };
        let edit = edit(&event_id!("$e").to_owned(), &text);
        for content in [&words(&text), &edit, &edit["m.new_content"]] {
            assert_eq!(content["m.mentions"], json!({ "user_ids": ["@ann:home.org"] }), "{content}");
        }
    }

    #[test]
    fn a_thread_keeps_its_root_and_a_reply_in_it_its_target() {
        let (root, last) = (event_id!("$root").to_owned(), event_id!("$last").to_owned());
        let in_thread = words(&Text { thread: Some(root.clone()), ..Text::default() });
        assert_eq!(in_thread["m.relates_to"]["is_falling_back"], true);
        assert_eq!(in_thread["m.relates_to"]["m.in_reply_to"]["event_id"], "$root");
        let reply = words(&Text { thread: Some(root), reply_to: Some(last.clone()), ..Text::default() });
        assert_eq!(reply["m.relates_to"]["event_id"], "$root");
        assert_eq!(reply["m.relates_to"]["is_falling_back"], false);
        assert_eq!(reply["m.relates_to"]["m.in_reply_to"]["event_id"], "$last");
        let plain = words(&Text { reply_to: Some(last), notice: true, ..Text::default() });
        assert_eq!(plain["m.relates_to"], json!({ "m.in_reply_to": { "event_id": "$last" } }));
        assert_eq!(plain["msgtype"], "m.notice");
        assert_eq!(words(&Text::default()).get("m.relates_to"), None);
    }

    #[test]
    fn an_edit_replaces_words_and_form() {
        let text = Text { body: "new".into(), html: Some("<i>new</i>".into()), ..Text::default() };
        let content = edit(&event_id!("$e").to_owned(), &text);
        assert_eq!(content["body"], "* new");
        assert_eq!(content["m.new_content"]["formatted_body"], "<i>new</i>");
        assert_eq!(content["m.relates_to"], json!({ "rel_type": "m.replace", "event_id": "$e" }));
    }

    #[test]
    fn a_file_is_shown_as_what_it_is() {
        for (mime, kind) in
            [("image/png", "m.image"), ("text/plain", "m.file"), ("audio/ogg", "m.audio"), ("", "m.file")]
        {
            assert_eq!(file("f", mime, 3, Map::new(), None)["msgtype"], kind);
        }
    }
}
