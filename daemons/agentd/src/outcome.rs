//! The outcome of a tool call, as the model is told it and as people see it in passing.

use serde_json::{Value, json};
use testudo::label::{Labels, Source};
use testudo::refusal::Code;
use testudo::tool::Outcome;
use testudo::turn::Call;

use crate::cut;

/// The most bytes of one result that the model is shown and the history keeps.
pub const SHOWN: usize = 16 * 1024;
/// The most lines of a result that people see in passing.
const PREVIEW_LINES: usize = 12;
/// The most bytes of it.
const PREVIEW_BYTES: usize = 1024;

/// What the model is told: `{"result": {content, changes}}` or `{"error": {…}}`, with a note where it was cut.
pub fn told(outcome: &Outcome) -> String {
    let Some(output) = &outcome.result else {
        return json!({ "error": outcome.error }).to_string();
    };
    let changes: Vec<Value> =
        output.changes.iter().map(|change| json!({"kind": change.kind, "path": change.path})).collect();
    let result = json!({ "content": output.content, "changes": changes });
    let mut message = serde_json::Map::new();
    if let Some(short) = cut::json(&result, SHOWN) {
        message.insert("note".into(), format!("cut to {SHOWN} bytes: ask for a part to see the rest").into());
        message.insert("result".into(), short);
    } else {
        if output.truncated {
            message.insert("note".into(), "cut by the limit of the tool's output".into());
        }
        message.insert("result".into(), result);
    }
    Value::Object(message).to_string()
}

/// Who could have written what the model is told: for a result its own labels, for an error Testudo,
/// and the tool itself where the words of the error are the tool's.
pub fn labels(outcome: &Outcome) -> Labels {
    match (&outcome.result, &outcome.error) {
        (Some(output), _) => {
            let mut labels = output.labels.clone();
            labels.absorb(&Labels::of(Source::Tool(outcome.tool.clone())));
            labels
        }
        (None, Some(error)) if error.code != Code::HandlerError => Labels::of(Source::System),
        (None, _) => Labels::of(Source::Tool(outcome.tool.clone())),
    }
}

/// A few lines for people.
pub fn preview(outcome: &Outcome) -> String {
    let text = match (&outcome.result, &outcome.error) {
        (Some(output), _) => readable(&output.content),
        (None, Some(error)) => error.message.clone(),
        (None, None) => String::new(),
    };
    let mut lines = text.lines();
    let mut shown = lines.by_ref().take(PREVIEW_LINES).collect::<Vec<_>>().join("\n");
    let has_more = lines.next().is_some() || shown.len() > PREVIEW_BYTES;
    shown.truncate(shown.floor_char_boundary(PREVIEW_BYTES));
    if has_more { format!("{shown}\n…") } else { shown }
}

/// Strings as they are, members of an object one below the other, everything else as JSON.
fn readable(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let lines =
                members.iter().filter(|(_, value)| !matches!(value, Value::String(text) if text.is_empty()));
            lines
                .map(|(key, value)| match value {
                    Value::String(text) if text.contains('\n') => format!("{key}:\n{text}"),
                    Value::String(text) => format!("{key}: {text}"),
                    other => format!("{key}: {other}"),
                })
                .collect::<Vec<_>>()
                .join("\n")
        }
        Value::Array(items) => items.iter().map(readable).collect::<Vec<_>>().join("\n"),
        scalar => scalar.to_string(),
    }
}

/// The call in short, for clients of the agent.
pub fn summary(outcome: &Outcome) -> Call {
    Call {
        id: outcome.call.clone(),
        tool: outcome.tool.clone(),
        verdict: outcome.verdict,
        error: outcome.error.clone(),
        duration_ms: outcome.duration_ms,
        files: outcome.result.as_ref().map(|output| output.files.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::refusal::Refusal;
    use testudo::tool::{GivenFile, Output};

    fn outcome(result: Result<Value, Refusal>) -> Outcome {
        let (result, error) = match result {
            Ok(content) => {
                (Some(Output { content, labels: Labels::of(Source::File), ..Output::default() }), None)
            }
            Err(error) => (None, Some(error)),
        };
        Outcome { call: "c-1".into(), tool: "fs.read".into(), verdict: None, duration_ms: 1, result, error }
    }

    #[test]
    fn the_model_is_told_results_and_errors_as_json() {
        let good = told(&outcome(Ok(json!("hi"))));
        assert_eq!(
            serde_json::from_str::<Value>(&good).unwrap(),
            json!({"result": {"content": "hi", "changes": []}})
        );
        let bad = told(&outcome(Err(Refusal::new(Code::ConfirmationDenied, "no"))));
        let bad: Value = serde_json::from_str(&bad).unwrap();
        assert_eq!(
            (&bad["error"]["code"], &bad["error"]["message"]),
            (&json!("CONFIRMATION_DENIED"), &json!("no"))
        );
    }

    #[test]
    fn a_long_result_is_cut_with_a_note_and_stays_json() {
        let text = told(&outcome(Ok(json!("\"".repeat(3 * SHOWN)))));
        assert!(text.len() < SHOWN + 200);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["note"].as_str().unwrap().starts_with("cut to 16384 bytes"));
        assert!(value["result"]["content"].as_str().unwrap().len() > SHOWN / 3);
    }

    #[test]
    fn labels_are_those_of_the_result_and_of_the_tool() {
        let sources = labels(&outcome(Ok(json!("hi")))).sources;
        assert!(sources.contains(&Source::File) && sources.contains(&Source::Tool("fs.read".into())));
        assert_eq!(labels(&outcome(Err(Refusal::broken()))), Labels::of(Source::System));
        let own_words = Refusal::new(Code::HandlerError, "written by the tool");
        assert_eq!(labels(&outcome(Err(own_words))), Labels::of(Source::Tool("fs.read".into())));
    }

    #[test]
    fn files_are_those_that_toold_says_and_none_that_a_tool_words() {
        let file = GivenFile {
            id: "f-1".into(),
            name: "a.pdf".into(),
            mime: "application/pdf".into(),
            size: 3,
            sha256: "00".into(),
        };
        let mut given = outcome(Ok(json!({"id": "f-1"})));
        given.result.as_mut().unwrap().files.push(file.clone());
        assert_eq!(summary(&given).files, [file]);
        assert!(!told(&given).contains("application/pdf"), "the model is told the content alone");
        let worded = outcome(Ok(json!({"files": [{"id": "f-1", "name": "a"}]})));
        assert!(summary(&worded).files.is_empty());
    }

    #[test]
    fn people_see_a_few_lines() {
        assert_eq!(
            preview(&outcome(Ok(json!({"exit_code": 0, "stderr": "", "stdout": "a\nb"})))),
            "exit_code: 0\nstdout:\na\nb"
        );
        let long = preview(&outcome(Ok(json!("line\n".repeat(50)))));
        assert_eq!((long.lines().count(), long.lines().last()), (PREVIEW_LINES + 1, Some("…")));
        assert!(preview(&outcome(Ok(json!("ä".repeat(5000))))).len() < PREVIEW_BYTES + 10);
    }
}
