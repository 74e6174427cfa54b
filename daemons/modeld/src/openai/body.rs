//! A request in the form of the wire.

use serde_json::{Map, Value, json};
use testudo::model::{CompletionRequest, Message, Role, ToolCall};

use super::names::on_wire;

/// The body of `POST /chat/completions`; `usage` asks for the count of tokens at the end.
pub(crate) fn body(request: &CompletionRequest, model: &str, usage: bool) -> Value {
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    let mut body = Map::from_iter([
        ("model".to_owned(), json!(model)),
        ("messages".to_owned(), Value::Array(messages)),
        ("stream".to_owned(), json!(true)),
    ]);
    if usage {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &testudo::model::ToolSpec| {
            json!({"type": "function", "function": {
                "name": on_wire(&tool.name), "description": tool.description, "parameters": tool.parameters}})
        };
        body.insert("tools".to_owned(), request.tools.iter().map(tool).collect());
    }
    body.extend(request.max_tokens.map(|most| ("max_tokens".to_owned(), json!(most))));
    body.extend(request.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature))));
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    let content = &message.content;
    match message.role {
        Role::System => json!({"role": "system", "content": content}),
        Role::User => json!({"role": "user", "content": content}),
        Role::Tool => json!({"role": "tool", "tool_call_id": message.tool_call_id, "content": content}),
        Role::Assistant if message.tool_calls.is_empty() => json!({"role": "assistant", "content": content}),
        Role::Assistant => {
            let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
            // Some servers take an empty text for an answer without calls.
            let content = if content.is_empty() { Value::Null } else { json!(content) };
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
    }
}

/// Arguments travel as text. Servers that parse it fail as a whole on what is not an object, so what a
/// model once got wrong goes back inside of one.
fn call(call: &ToolCall) -> Value {
    let arguments = match call.object() {
        Some(_) => call.arguments.to_string(),
        None => json!({"invalid": call.arguments}).to_string(),
    };
    json!({"id": call.id, "type": "function", "function": {"name": on_wire(&call.name), "arguments": arguments}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::model::ToolSpec;

    #[test]
    fn a_whole_conversation_has_the_form_of_the_wire() {
        let call = |arguments| ToolCall { id: "c".into(), name: "fs.read".into(), arguments };
        let mut request = CompletionRequest::new(
            vec![
                Message::system("s"),
                Message::user("u"),
                Message::assistant("", vec![call(json!({"path": "a"})), call(json!("{oops"))]),
                Message::tool("c", "{}"),
                Message::assistant("done", vec![]),
            ],
            vec![ToolSpec {
                name: "fs.read".into(),
                description: "reads".into(),
                parameters: json!({"type": "object"}),
            }],
        );
        request.max_tokens = Some(7);
        assert_eq!(
            body(&request, "m", true),
            json!({
                "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 7,
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "u"},
                    {"role": "assistant", "content": null, "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "fs_read", "arguments": "{\"path\":\"a\"}"}},
                        {"id": "c", "type": "function", "function": {"name": "fs_read", "arguments": "{\"invalid\":\"{oops\"}"}}]},
                    {"role": "tool", "tool_call_id": "c", "content": "{}"},
                    {"role": "assistant", "content": "done"}],
                "tools": [{"type": "function", "function": {
                    "name": "fs_read", "description": "reads", "parameters": {"type": "object"}}}],
            })
        );
        let plain = body(&CompletionRequest::new(vec![], vec![]), "m", false);
        assert_eq!(plain, json!({"model": "m", "messages": [], "stream": true}));
    }
}
