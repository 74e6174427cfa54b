//! One message of a conversation with what is known about it.

use serde::{Deserialize, Serialize};
use testudo::label::{Labels, Source};
use testudo::model::{Message, ToolCall};
use testudo::observation::Author;
use testudo::visible;

use crate::speaker::Speaker;

/// A message, who could have written it, and for outcomes which tool it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// What the model is shown.
    pub message: Message,
    /// Who could have written a part of it.
    pub labels: Labels,
    /// For the outcome of a call: the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

impl Said {
    /// Words of the owner.
    pub fn by_owner(text: &str) -> Self {
        Self { message: Message::user(text), labels: Labels::of(Source::Owner), tool: None }
    }

    /// Words of a person. The model is told who it was where it was not the owner; what is unusual in a name is not
    /// shown to it.
    pub fn by_person(speaker: &Speaker, text: &str) -> Self {
        let (who, source) = match speaker.author {
            Author::Owner => return Self::by_owner(text),
            Author::Member => ("a member, not the owner", Source::Member),
            Author::Bridged => ("somebody of another network, not the owner", Source::Bridged),
            Author::Stranger => ("a stranger", Source::Stranger),
        };
        let shown = format!("{} ({who}) says:\n{text}", visible::line(&speaker.name));
        Self { message: Message::user(shown), labels: Labels::of(source), tool: None }
    }

    /// Words of Testudo itself, in the place where a reply of the model would stand.
    pub fn by_system(text: &str) -> Self {
        Self { message: Message::assistant(text, Vec::new()), labels: Labels::of(Source::System), tool: None }
    }

    /// Words of the model, which could carry on anything that it had read.
    pub fn by_model(text: impl Into<String>, calls: Vec<ToolCall>, read: &Labels) -> Self {
        let mut labels = Labels::of(Source::Model);
        labels.absorb(read);
        Self { message: Message::assistant(text, calls), labels, tool: None }
    }

    /// The outcome of a call.
    pub fn by_tool(call: &ToolCall, text: impl Into<String>, labels: Labels) -> Self {
        Self { message: Message::tool(call.id.as_str(), text), labels, tool: Some(call.name.clone()) }
    }

    /// Testudo's own word on a call that has no outcome.
    pub fn not_run(call: &ToolCall, why: &str) -> Self {
        let text = serde_json::json!({"error": {"code": "NOT_RUN", "message": why}}).to_string();
        Self::by_tool(call, text, Labels::of(Source::System))
    }
}
