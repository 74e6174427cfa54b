//! `testudoctl matrix rooms` and `dead-letters`. Names of rooms are written by whoever may change them.

use jiff::Timestamp;
use serde_json::Value;
use testudo::proxy::Matrix1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link;
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// What stands below the help of `rooms`.
pub(super) const ROOMS: &str = "\
JSON: [{room, name, encrypted, people, purpose, held, sessions}]; purpose is talk, questions, audit or ignored, held is why
nothing is said there now.

Example: testudoctl matrix rooms";
/// What stands below the help of `dead-letters`.
pub(super) const LETTERS: &str = "\
JSON: [{kind, room, at_ms, why, …}], oldest first; kind is unread (event, sender) or unsent (transaction).
What could not be read is read by itself when its key comes.

Example: testudoctl matrix dead-letters";

/// Lists the rooms.
pub(super) async fn rooms(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let text = matrix.rooms().await.doing("list the rooms")?;
    list(&text, page, "The agent is in no room: invite it from an owner's account.", room)
}

/// Lists what did not arrive.
pub(super) async fn letters(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let text = matrix.dead_letters().await.doing("list the dead letters")?;
    list(&text, page, "Everything arrived.", letter)
}

fn list(text: &str, page: &Page, none: &str, shown: fn(&Value, Paint) -> String) -> Result<(), Failure> {
    let items: Vec<Value> = link::read("matrixd", text)?;
    if page.is_json() {
        return Ok(page.json(&items)?);
    }
    if items.is_empty() {
        return Ok(page.line(none)?);
    }
    for item in &items {
        page.text(&shown(item, page.paint()))?;
    }
    Ok(())
}

fn room(room: &Value, paint: Paint) -> String {
    let encrypted = if room.get("encrypted") == Some(&Value::Bool(true)) {
        "encrypted".to_owned()
    } else {
        paint.yellow("not encrypted")
    };
    let people = room.get("people").and_then(Value::as_u64).unwrap_or(0);
    let mut out = format!(
        "{} {} · {} · {encrypted} · {people} in it\n",
        paint.bold(&text(room, "room", 255)),
        text(room, "name", 80),
        text(room, "purpose", 32),
    );
    if room.get("held").is_some_and(Value::is_string) {
        out.push_str(&format!("  {} {}\n", paint.yellow("nothing is said:"), text(room, "held", 300)));
    }
    for session in
        room.get("sessions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        out.push_str(&format!("  session {}\n", screen::brief(session, 64)));
    }
    out
}

fn letter(letter: &Value, paint: Paint) -> String {
    let at = letter.get("at_ms").and_then(Value::as_i64).and_then(|at| Timestamp::from_millisecond(at).ok());
    let at = at.map_or_else(|| "?".to_owned(), |at| format!("{at:.0}"));
    let (what, which) = match letter.get("kind").and_then(Value::as_str) {
        Some("unread") => (
            paint.yellow("unread"),
            format!("from {} {}", text(letter, "sender", 255), text(letter, "event", 255)),
        ),
        _ => (paint.red("unsent"), text(letter, "transaction", 64)),
    };
    format!("{at} {what} in {} {which}\n  {}\n", text(letter, "room", 255), text(letter, "why", 300))
}

fn text(value: &Value, key: &str, most: usize) -> String {
    screen::brief(value.get(key).and_then(Value::as_str).unwrap_or_default(), most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_room_is_shown_with_its_sessions_and_cannot_write_over_the_screen() {
        let given = json!({"room": "!a:x", "name": "Home\u{1b}[2J", "encrypted": false, "people": 3, "purpose": "talk", "held": "@b:x is\n", "sessions": ["m-1"]});
        let shown = room(&given, Paint::new(false));
        assert!(
            shown.starts_with("!a:x Home")
                && shown.contains("not encrypted · 3 in it\n  nothing is said: @b:x is\\n\n  session m-1\n"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn letters_say_what_where_and_why() {
        let unread = json!({"kind": "unread", "room": "!a:x", "event": "$e", "sender": "@s:x", "at_ms": 0, "why": "its key is not here"});
        assert_eq!(
            letter(&unread, Paint::new(false)),
            "1970-01-01T00:00:00Z unread in !a:x from @s:x $e\n  its key is not here\n"
        );
        let unsent = json!({"kind": "unsent", "room": "!a:x", "transaction": "t-1", "at_ms": 1000, "why": "too large"});
        assert_eq!(
            letter(&unsent, Paint::new(false)),
            "1970-01-01T00:00:01Z unsent in !a:x t-1\n  too large\n"
        );
    }
}
