//! Puts an answer together from the pieces of a stream.
//!
//! Text comes in order; a tool call comes in fragments that belong together by their index. Servers
//! differ: some leave the index out, some give every call the same one, some send arguments as an object
//! or not at all, some answer as a whole though a stream was asked for. All of these are taken.

use serde::Deserialize;
use serde_json::{Value, json};
use testudo::limits;
use testudo::model::{Completion, Finish, ToolCall, Usage};

use super::names::Names;

/// The most bytes of text and arguments in one answer.
pub(crate) const LIMIT: usize = 512 * 1024;
/// The most tool calls in one answer.
const CALLS: usize = 128;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is not what the protocol says.
    Malformed(&'static str),
    /// It is over [`LIMIT`].
    TooLarge,
    /// It is an error, with the server's own words.
    Failed(String),
    /// The server withheld it.
    Filtered,
    /// It ended before its end.
    BrokeOff,
}

/// An answer so far.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    text: String,
    calls: Vec<Partial>,
    finish: Option<String>,
    done: bool,
    usage: Usage,
    model: Option<String>,
    size: usize,
}

#[derive(Debug, Default)]
struct Partial {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
    model: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(alias = "message")]
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<Fragment>>,
}

#[derive(Deserialize)]
struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Answer {
    /// Whether the server said that nothing more comes.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes one event; gives the text that it adds.
    pub(crate) fn take(&mut self, event: &str) -> Result<String, Flaw> {
        if event.trim() == "[DONE]" {
            self.done = true;
            return Ok(String::new());
        }
        let chunk: Chunk = serde_json::from_str(event)
            .map_err(|_| Flaw::Malformed("a piece of it is not the JSON of a chunk"))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Flaw::Failed(words_of(&error).unwrap_or_default()));
        }
        if let Some(tokens) = chunk.usage {
            self.usage.input_tokens = tokens.prompt_tokens.unwrap_or(self.usage.input_tokens);
            self.usage.output_tokens = tokens.completion_tokens.unwrap_or(self.usage.output_tokens);
        }
        if self.model.is_none() {
            self.model = chunk.model.filter(|model| !model.is_empty() && model.len() <= 256);
        }
        let mut added = String::new();
        for choice in chunk.choices.unwrap_or_default().into_iter().filter(|choice| choice.index == 0) {
            self.finish = choice.finish_reason.or(self.finish.take());
            let Some(piece) = choice.delta else { continue };
            for text in [piece.content, piece.refusal].into_iter().flatten() {
                self.grow(text.len())?;
                added.push_str(&text);
            }
            for fragment in piece.tool_calls.unwrap_or_default() {
                self.join(fragment)?;
            }
        }
        self.text.push_str(&added);
        Ok(added)
    }

    fn join(&mut self, fragment: Fragment) -> Result<(), Flaw> {
        let id = fragment.id.unwrap_or_default();
        let (name, arguments) = fragment.function.map_or((None, None), |part| (part.name, part.arguments));
        let name = name.unwrap_or_default();
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        self.grow(id.len() + name.len() + arguments.len())?;
        let same = |call: &Partial| {
            (fragment.index.is_none() || call.index == fragment.index)
                && (id.is_empty() || call.id == id || call.id.is_empty())
        };
        // Where the index says nothing, a name begins a new call.
        let begins = fragment.index.is_none() && !name.is_empty();
        let at = if begins { None } else { self.calls.iter().rposition(same) };
        let at = match at {
            Some(at) => at,
            None if self.calls.len() < CALLS => {
                self.calls.push(Partial { index: fragment.index, ..Partial::default() });
                self.calls.len() - 1
            }
            None => return Err(Flaw::Malformed("it has more than 128 tool calls")),
        };
        if let Some(call) = self.calls.get_mut(at) {
            if call.id.is_empty() {
                call.id = id;
            }
            // A name is sent whole; servers that send it again with each fragment mean the same one.
            if call.name.is_empty() {
                call.name = name;
            }
            call.arguments.push_str(&arguments);
        }
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), Flaw> {
        self.size = self.size.saturating_add(by);
        if self.size > LIMIT { Err(Flaw::TooLarge) } else { Ok(()) }
    }

    /// The completion, now that the stream has ended; `asked` is the model that was asked.
    pub(crate) fn conclude(self, names: &Names, asked: &str, provider: &str) -> Result<Completion, Flaw> {
        let finish = match (self.finish.as_deref(), self.calls.is_empty()) {
            (Some("content_filter"), _) => return Err(Flaw::Filtered),
            (Some("length"), _) => Finish::Length,
            (None, _) if !self.done => return Err(Flaw::BrokeOff),
            (_, false) => Finish::ToolCalls,
            (_, true) => Finish::Stop,
        };
        let mut tool_calls: Vec<ToolCall> = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            if call.name.is_empty() {
                return Err(Flaw::Malformed("a tool call has no name"));
            }
            let clashes = call.id.is_empty()
                || call.id.len() > 256
                || tool_calls.iter().any(|other| other.id == call.id);
            let id = if clashes { format!("call-{}", uuid::Uuid::new_v4().simple()) } else { call.id };
            tool_calls.push(ToolCall {
                id,
                name: names.tool(&call.name),
                arguments: arguments(call.arguments),
            });
        }
        Ok(Completion {
            text: self.text,
            tool_calls,
            usage: self.usage,
            finish,
            model: self.model.unwrap_or_else(|| asked.to_owned()),
            provider: provider.to_owned(),
        })
    }
}

/// JSON within the limits of the bus, or the text as it came.
fn arguments(text: String) -> Value {
    if text.trim().is_empty() {
        return json!({});
    }
    limits::parse(&text, limits::BUS).unwrap_or(Value::String(text))
}

/// What an error object says: `{"message": …}`, or a text alone.
pub(crate) fn words_of(error: &Value) -> Option<String> {
    let text = error.as_str().or_else(|| error.get("message")?.as_str());
    text.map(str::to_owned)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
