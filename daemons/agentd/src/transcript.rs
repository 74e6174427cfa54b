//! Sessions as clients see them: the JSON of `Sessions` and `Session`.

use serde_json::{Value, json};
use testudo::config::sessions::Unattended;
use testudo::turn::End;

use crate::conversation::Spoken;
use crate::session::Session;
use crate::store::Sealed;

/// The most bytes of messages, and of turns, in one answer; the newest are shown.
const LONGEST: usize = 2 * 1024 * 1024;

/// One line of the list: `session`, `started_at`, `last_at`, `messages`, `turns`, whether one is `running`, whether
/// the last one is `blocked`, whether nobody watches it (`unattended`), and its last `run`.
pub fn overview(session: &Session, configured: &Unattended) -> Value {
    let running = session.is_running();
    let is_configured = configured.sessions.iter().any(|pattern| pattern.matches(session.name()));
    session.with_conversation(|conversation| {
        json!({
            "session": session.name(),
            "started_at": conversation.started_at,
            "last_at": conversation.last_at,
            "messages": conversation.messages,
            "turns": conversation.turns,
            "running": running,
            "blocked": !running && conversation.finished().next_back().is_some_and(|last| last.end == End::Blocked),
            "unattended": is_configured || conversation.is_unattended(),
            "run": conversation.run(),
        })
    })
}

/// One that this version cannot open: `session`, and why it is `sealed`.
pub fn sealed(sealed: &Sealed) -> Value {
    json!({ "session": sealed.name.as_str(), "sealed": sealed.to_string() })
}

/// The whole of it, as far as it is in memory: messages (role, text, at, labels, and where there are some tool,
/// call and calls) and the turns that ended.
pub fn transcript(session: &Session) -> Value {
    session.with_conversation(|conversation| {
        json!({
            "session": session.name(),
            "messages": newest(conversation.spoken().rev().map(message)),
            "turns": newest(conversation.finished().rev().map(|finished| json!(finished))),
        })
    })
}

/// From the newest backwards what fits, in the order of time.
fn newest(backwards: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut room = LONGEST;
    let fitting = backwards.map_while(|value| {
        room = room.checked_sub(value.to_string().len())?;
        Some(value)
    });
    let mut values: Vec<Value> = fitting.collect();
    values.reverse();
    values
}

fn message(Spoken { at, said }: &Spoken) -> Value {
    let mut shown = serde_json::Map::new();
    shown.insert("role".into(), json!(said.message.role));
    shown.insert("text".into(), json!(said.message.content));
    shown.insert("at".into(), json!(at));
    shown.insert("labels".into(), json!(said.labels));
    if let Some(tool) = &said.tool {
        shown.insert("tool".into(), json!(tool));
    }
    if let Some(call) = &said.message.tool_call_id {
        shown.insert("call".into(), json!(call));
    }
    if !said.message.tool_calls.is_empty() {
        shown.insert("calls".into(), json!(said.message.tool_calls));
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Conversation, Line};
    use crate::name::SessionName;
    use crate::said::Said;
    use crate::store::Store;

    fn session(texts: &[String]) -> Session {
        let store = Store::open(tempfile::tempdir().unwrap().path()).unwrap();
        let mut conversation = Conversation::default();
        for text in texts {
            conversation.take(Line::Said { turn: "t".into(), at: "1".into(), said: Said::by_owner(text) });
        }
        Session::new(SessionName::parse("main").unwrap(), store, conversation)
    }

    #[test]
    fn shapes_are_stable() {
        let session = session(&["hi".into()]);
        assert_eq!(
            overview(&session, &Unattended::default()),
            json!({"session": "main", "started_at": "", "last_at": "1", "messages": 1, "turns": 0, "running": false,
                   "blocked": false, "unattended": false, "run": null})
        );
        let labels = json!({"sources": ["owner"], "private": false});
        assert_eq!(
            transcript(&session),
            json!({"session": "main", "turns": [],
                   "messages": [{"role": "user", "text": "hi", "at": "1", "labels": labels}]})
        );
    }

    #[test]
    fn the_newest_messages_are_shown_where_not_all_fit() {
        let texts: Vec<String> = (0..60).map(|n| format!("{n}{}", "x".repeat(100_000))).collect();
        let shown = transcript(&session(&texts));
        let messages = shown["messages"].as_array().unwrap();
        assert!(messages.len() < 60 && shown.to_string().len() < LONGEST + 1000);
        assert!(messages.last().unwrap()["text"].as_str().unwrap().starts_with("59x"));
    }
}
