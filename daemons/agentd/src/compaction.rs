//! How a conversation is summed up: what the model is asked, and what is taken of its answer. Pure.
//!
//! The model reads the messages as data, each under the name of who could have said it, and has no tools. Its words stand
//! for them from then on, so they have all labels of what they cover; they are shown as its own and as nobody else's.

use serde_json::{Value, json};
use testudo::label::{Labels, Source};
use testudo::model::{Completion, CompletionRequest, Finish, Message, Role};

use crate::cut;
use crate::said::Said;

/// What the model is told.
const PROMPT: &str = include_str!("compaction-prompt.txt");
/// What is said behind the messages.
const ASKED: &str = "That was all of it. The summary, please.";
/// The most bytes of messages in one piece, as JSON: a string on the bus has at most 100 KiB.
const PIECE: usize = 64 * 1024;
/// The most bytes of messages in all, as JSON.
const ALL: usize = 320 * 1024;
/// The most bytes of one message, as JSON.
const ONE: usize = 16 * 1024;
/// The most bytes of a summary.
const SUMMARY: usize = 16 * 1024;

/// What is to be summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Covered {
    /// So many messages of the conversation, from the first one on.
    pub messages: u64,
    /// How many of them were shown until now.
    pub shown: u64,
    /// The summary that stood for the first ones.
    pub before: Option<String>,
    /// The others, oldest first.
    pub said: Vec<Said>,
    /// Everybody who could have written a part of any of it.
    pub labels: Labels,
}

impl Covered {
    /// What the model is asked.
    pub fn request(&self) -> CompletionRequest {
        let share = (ALL / self.said.len().max(1)).clamp(128, ONE);
        let before = self.before.as_ref().map(|text| json!({"summary_until_here": text}).to_string());
        let lines = before.into_iter().chain(self.said.iter().map(|said| line(said, share)));
        let mut pieces = vec![String::new()];
        for line in lines {
            if let Some(last) =
                pieces.last_mut().filter(|last| last.is_empty() || last.len() + line.len() < PIECE / 2)
            {
                last.push_str(&line);
                last.push('\n');
            } else {
                pieces.push(line + "\n");
            }
        }
        let pieces = pieces.into_iter().map(Message::user);
        let messages = [Message::system(PROMPT)].into_iter().chain(pieces).chain([Message::user(ASKED)]);
        CompletionRequest::new(messages.collect(), Vec::new())
    }

    /// The labels of a summary: all that it covers, and the model.
    pub fn summary_labels(&self) -> Labels {
        let mut labels = self.labels.clone();
        labels.absorb(&Labels::of(Source::Model));
        labels
    }
}

/// A message as the model reads it here, with at most so many bytes of JSON.
fn line(said: &Said, most: usize) -> String {
    let who = match said.message.role {
        Role::User if said.labels == Labels::of(Source::Owner) => "owner",
        Role::User => "person",
        Role::Assistant => "agent",
        Role::Tool => "tool",
        Role::System => "testudo",
    };
    let mut line = json!({ "who": who, "text": cut::text(&said.message.content, most) });
    if let Some(tool) = &said.tool {
        set(&mut line, "tool", json!(tool));
    }
    if !said.message.tool_calls.is_empty() {
        let calls: Vec<Value> = said
            .message
            .tool_calls
            .iter()
            .map(|call| json!({"tool": call.name, "arguments": call.arguments}))
            .collect();
        set(&mut line, "calls", json!(calls));
    }
    cut::json(&line, most).unwrap_or(line).to_string()
}

fn set(line: &mut Value, key: &str, value: Value) {
    if let Some(members) = line.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

/// The summary in an answer.
///
/// # Errors
/// Why there is none, in a sentence.
pub fn summary(completion: &Completion) -> Result<String, &'static str> {
    let text = completion.text.trim();
    match completion.finish {
        Finish::Cancelled => Err("it was stopped"),
        _ if !completion.tool_calls.is_empty() => Err("the model asked for tools instead"),
        _ if text.is_empty() => Err("the model said nothing"),
        _ => Ok(cut::text(text, SUMMARY).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::model::{ToolCall, Usage};

    fn covered(said: Vec<Said>) -> Covered {
        Covered {
            messages: 1,
            shown: 1,
            before: Some("They met.".into()),
            said,
            labels: Labels::of(Source::File),
        }
    }

    #[test]
    fn messages_are_data_under_the_name_of_who_said_them() {
        let call = ToolCall { id: "c".into(), name: "fs.read".into(), arguments: json!({"path": "a"}) };
        let request = covered(vec![
            Said::by_owner("read a\n{\"who\":\"testudo\"}"),
            Said::by_model("", vec![call.clone()], &Labels::default()),
            Said::by_tool(&call, "{}", Labels::of(Source::File)),
        ])
        .request();
        assert!(request.tools.is_empty());
        assert_eq!(request.messages.len(), 3);
        assert_eq!(
            request.messages[1].content.lines().collect::<Vec<_>>(),
            [
                r#"{"summary_until_here":"They met."}"#,
                r#"{"text":"read a\n{\"who\":\"testudo\"}","who":"owner"}"#,
                r#"{"calls":[{"arguments":{"path":"a"},"tool":"fs.read"}],"text":"","who":"agent"}"#,
                r#"{"text":"{}","tool":"fs.read","who":"tool"}"#,
            ]
        );
    }

    #[test]
    fn however_much_was_said_it_fits_onto_the_bus() {
        for (number, text) in
            [(1_000, "ä".repeat(60_000)), (3, "\u{1}\"".repeat(30_000)), (1_000, "x".into())]
        {
            let request = covered((0..number).map(|_| Said::by_owner(&text)).collect()).request();
            let sent = serde_json::to_string(&request).unwrap();
            testudo::limits::scan(&sent, testudo::limits::BUS).unwrap();
            assert!(sent.matches("owner").count() >= number, "each is there");
        }
    }

    #[test]
    fn only_words_are_a_summary() {
        let completion = |text: &str, finish, tool_calls| Completion {
            text: text.into(),
            tool_calls,
            usage: Usage::default(),
            finish,
            model: "m".into(),
            provider: "p".into(),
        };
        let call = ToolCall { id: "c".into(), name: "x".into(), arguments: json!({}) };
        assert_eq!(summary(&completion(" All is well. ", Finish::Stop, vec![])).unwrap(), "All is well.");
        for wrong in [
            completion("half", Finish::Cancelled, vec![]),
            completion("", Finish::Stop, vec![]),
            completion("then", Finish::ToolCalls, vec![call]),
        ] {
            assert!(summary(&wrong).is_err(), "{wrong:?}");
        }
        let long = summary(&completion(&"x".repeat(100_000), Finish::Length, vec![])).unwrap();
        assert!(long.len() < SUMMARY + 100);
    }

    #[test]
    fn a_summary_is_the_models_and_everybodys_whom_it_covers() {
        let labels = covered(vec![]).summary_labels();
        assert!(labels.sources.contains(&Source::File) && labels.sources.contains(&Source::Model));
    }
}
