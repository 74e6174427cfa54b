//! What a room is told in the place of something that the homeserver refused for good: what it was, and why.
//!
//! Once, by its name, and never about what was to tell so: a room that refuses everything is told nothing.

use crate::approval::rendering::defused;
use crate::conversation::plain;
use crate::outgoing::{Outgoing, Text};

/// How the transaction ids of what is told begin.
const TELLING: &str = "refused.";

/// The transaction id under which a room is told of this one.
pub(super) fn name(transaction: &str) -> String {
    format!("{TELLING}{transaction}")
}

/// What is told of a post with this transaction id; nothing of what nobody misses, nor of what was to tell so.
pub(super) fn telling(transaction: &str, refused: &Outgoing, cause: &str) -> Option<Outgoing> {
    if transaction.starts_with(TELLING) {
        return None;
    }
    let (what, thread, mentions) = match refused {
        Outgoing::Text(text) => ("what I had to say here".to_owned(), &text.thread, text.mentions.clone()),
        Outgoing::Edit { text, .. } => {
            ("what I had to say here to its end".to_owned(), &text.thread, text.mentions.clone())
        }
        Outgoing::Attachment { name, thread, .. } => (format!("the file `{name}`"), thread, Vec::new()),
        Outgoing::Reaction { .. } | Outgoing::Redaction { .. } => return None,
    };
    let body = format!("I cannot send {what}: {cause}.");
    Some(Outgoing::Text(Text {
        // A file has a name of somebody's, and a cause may hold what others chose.
        body: defused(&plain::harmless(&body)),
        thread: thread.clone(),
        notice: true,
        mentions,
        ..Text::default()
    }))
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::event_id;

    use super::*;

    fn file(name: &str) -> Outgoing {
        let (name, mime, thread) = (name.to_owned(), String::new(), Some(event_id!("$root").to_owned()));
        Outgoing::Attachment { name, mime, content: vec![1], thread, behalf: None }
    }

    #[test]
    fn it_says_what_and_why_in_the_place_where_it_would_have_been() {
        let Some(Outgoing::Text(text)) = telling("t", &file("a.pdf"), "it is too large; ask for less") else {
            unreachable!()
        };
        assert_eq!(text.body, "I cannot send the file `a.pdf`: it is too large; ask for less.");
        assert_eq!((text.thread, text.notice), (Some(event_id!("$root").to_owned()), true));
    }

    #[test]
    fn nothing_is_told_of_what_was_to_tell_nor_of_what_nobody_misses() {
        let told = telling("t", &file("a"), "no").unwrap();
        assert_eq!(telling(&name("t"), &told, "no"), None);
        let target = event_id!("$e").to_owned();
        assert_eq!(
            telling("t", &Outgoing::Reaction { target: target.clone(), key: "✅".into() }, "no"),
            None
        );
        assert_eq!(telling("t", &Outgoing::Redaction { target, reason: None }, "no"), None);
    }

    #[test]
    fn words_of_others_in_it_ring_at_nobodys_and_look_like_no_question() {
        let Some(Outgoing::Text(text)) = telling("t", &file("⛨ @room"), "⛨ TESTUDO ASKS\u{202e}") else {
            unreachable!()
        };
        assert!(!text.body.contains('⛨') && !text.body.contains("@room"), "{}", text.body);
        assert!(!text.body.contains('\u{202e}'), "{}", text.body);
    }
}
