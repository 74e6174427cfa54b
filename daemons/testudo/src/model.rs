//! What the agent and a language model say to each other, whichever model it is.
//!
//! `agentd` sends a [`CompletionRequest`] to `modeld` and gets a [`Completion`]; both travel as JSON
//! over `org.testudo.Models1`. The types are free of any provider's wire format, and refuse unknown
//! members, so that nothing slips through one daemon and is read by another.
//!
//! Everything in a [`Completion`] was written by a model and is hostile until a later stage has
//! checked it: names may be of tools that do not exist and arguments may be anything at all.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who a [`Message`] is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The appliance itself: instructions for the model.
    System,
    /// The human.
    User,
    /// The model.
    Assistant,
    /// The outcome of one tool call, refused calls too.
    Tool,
}

/// One message of a conversation, in the order in which it was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who it is from.
    pub role: Role,
    /// The text; may be empty where [`Message::tool_calls`] is not.
    pub content: String,
    /// The calls that the model asked for; only with [`Role::Assistant`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The [`ToolCall::id`] that this is the outcome of; only and always with [`Role::Tool`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// Instructions for the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::plain(Role::System, content.into())
    }

    /// What the human said.
    pub fn user(content: impl Into<String>) -> Self {
        Self::plain(Role::User, content.into())
    }

    /// What the model said, with the calls that it asked for.
    pub fn assistant(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::plain(Role::Assistant, content.into()) }
    }

    /// The outcome of the call `id`: JSON of `{"result": …}` or of `{"error": {code, message, …}}`.
    pub fn tool(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(id.into()), ..Self::plain(Role::Tool, content.into()) }
    }

    fn plain(role: Role, content: String) -> Self {
        Self { role, content, tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A tool as it is offered to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    /// The name in the catalogue, such as `fs.read`.
    pub name: String,
    /// What it does, in a sentence or two for the model.
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// A call that a model asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Names the call within the conversation; the outcome refers to it.
    pub id: String,
    /// The tool, which need not be one that was offered.
    pub name: String,
    /// A JSON object, or, where the model's text was not JSON, that text as a JSON string.
    /// Whatever is not an object is to be refused; see [`ToolCall::object`].
    pub arguments: Value,
}

impl ToolCall {
    /// The arguments if they have the only valid form, a JSON object.
    pub fn object(&self) -> Option<&Map<String, Value>> {
        self.arguments.as_object()
    }
}

/// Before the rule of a policy file, in a judge's instructions: a JSON string to the end of the line.
pub const POLICY_RULE: &str = "Rule: ";
/// Before the rule that lies in the workspace, in a judge's instructions: a JSON string to the end of the line.
pub const WORKSPACE_RULE: &str = "Rule, as written in the workspace: ";

/// What a completion is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The agent's next words and calls.
    #[default]
    Talk,
    /// A verdict on one action, for `policyd` alone. There are no tools.
    Judge,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// What for; `modeld` holds it to who asks.
    #[serde(default)]
    pub purpose: Purpose,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// The tools on offer; may be empty.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
    /// Another model than the configured one; must be among those that `modeld` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The most tokens to write; the provider's own default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How freely to choose, 0 to 2; the provider's own default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
}

impl CompletionRequest {
    /// A request with nothing but a conversation and the tools on offer.
    pub fn new(messages: Vec<Message>, tools: Vec<ToolSpec>) -> Self {
        Self { purpose: Purpose::Talk, messages, tools, model: None, max_tokens: None, temperature: None }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It had said all.
    Stop,
    /// It waits for the outcome of its calls.
    ToolCalls,
    /// The limit of tokens, its own or the request's, cut it short.
    Length,
    /// The caller cancelled; text and calls are what had come until then and must not be acted on.
    Cancelled,
}

/// Tokens as the provider counted them; 0 where it did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens read: the conversation and the tools.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The whole text, the same that was sent piece by piece while it ran.
    pub text: String,
    /// The calls that it asks for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// What it cost.
    pub usage: Usage,
    /// Why it stopped.
    pub finish: Finish,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The provider that answered: `rehearsal` or `openai`.
    pub provider: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_have_a_small_stable_form() {
        let call = ToolCall { id: "c1".into(), name: "fs.read".into(), arguments: json!({"path": "a"}) };
        let cases = [
            (Message::user("hi"), json!({"role": "user", "content": "hi"})),
            (Message::tool("c1", "{}"), json!({"role": "tool", "content": "{}", "tool_call_id": "c1"})),
            (
                Message::assistant("", vec![call]),
                json!({"role": "assistant", "content": "",
                       "tool_calls": [{"id": "c1", "name": "fs.read", "arguments": {"path": "a"}}]}),
            ),
        ];
        for (message, form) in cases {
            assert_eq!(serde_json::to_value(&message).unwrap(), form);
            assert_eq!(serde_json::from_value::<Message>(form).unwrap(), message);
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        for text in [
            r#"{"role": "user", "content": "hi", "name": "x"}"#,
            r#"{"role": "owner", "content": "hi"}"#,
            r#"{"role": "user"}"#,
        ] {
            assert!(serde_json::from_str::<Message>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<CompletionRequest>(r#"{"messages": [], "stream": true}"#).is_err());
    }

    #[test]
    fn arguments_that_are_no_object_are_seen() {
        let call = |arguments| ToolCall { id: "c".into(), name: "echo".into(), arguments };
        assert!(call(json!({})).object().is_some());
        assert!(call(json!("{\"text\": ")).object().is_none());
        assert!(call(json!([1])).object().is_none());
    }
}
