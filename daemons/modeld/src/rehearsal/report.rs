//! What the planner says at the end: the outcome of each step, shortly, and what it could not plan.

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::Step;

/// The most characters of one outcome that are shown.
const SHOWN: usize = 2_000;

const HELP: &str = "\
I understand sentences such as these, several in one message, joined by \"then\", \"and\", full stops or lines:
  write 'hi' to notes/a.txt · append 'more\\n' to notes/a.txt · create b.txt with 'x'
  write src/x.rs: (and a block between lines of ```)
  read notes/a.txt · list files in src · does Cargo.toml exist
  search for foo in src · find the text 'foo' in *.rs · find files matching *.toml
  run ls -la · run `make test; echo $?` in src · what time is it · say hello
  call TOOL {\"argument\": \"any JSON\"}";

/// The last words of a turn; `outcomes` are those of the steps that were called, in order.
pub(crate) fn report(steps: &[Step], outcomes: &[&str]) -> String {
    let mut text = String::new();
    let unknown: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Unknown(clause) => Some(clause.as_str()),
            _ => None,
        })
        .collect();
    if steps.is_empty() || !unknown.is_empty() {
        text.push_str("I am the built-in rehearsal planner, without intelligence");
        text.push_str(if unknown.is_empty() { ".\n" } else { ", and cannot plan this:\n" });
        for clause in &unknown {
            push_block(&mut text, clause);
        }
    }
    let mut outcomes = outcomes.iter();
    for step in steps {
        match step {
            Step::Do(wish) => {
                let told =
                    outcomes.next().map_or_else(|| "not called".to_owned(), |outcome| outcome_of(outcome));
                push_outcome(&mut text, &wish.title, &told);
            }
            Step::NotOffered(wish) => {
                push_outcome(&mut text, &wish.title, &format!("the tool {} is not on offer", wish.tool));
            }
            Step::TooMany(clause) => {
                push_outcome(&mut text, clause, "not done, nor what follows: too many steps in one message");
            }
            Step::Unknown(_) => {}
        }
    }
    if steps.is_empty() || !unknown.is_empty() {
        text.push_str(HELP);
    }
    text.trim_end().to_owned()
}

/// One line as one line, several indented below the title.
fn push_outcome(text: &mut String, title: &str, told: &str) {
    let told = told.trim_end();
    if told.lines().nth(1).is_none() {
        let _infallible = writeln!(text, "{title}: {told}");
    } else {
        let _infallible = writeln!(text, "{title}:");
        push_block(text, told);
    }
}

fn push_block(text: &mut String, block: &str) {
    for line in block.lines() {
        let _infallible = writeln!(text, "    {line}");
    }
}

/// An outcome as a model is told it: `{"result": …}` or `{"error": …}`, perhaps with a note, or plain text.
fn outcome_of(outcome: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(outcome) else { return cut(outcome.to_owned()) };
    let told = match (value.get("error"), value.get("result")) {
        (Some(error @ Value::Object(_)), _) => refused(error),
        (_, Some(result)) => gave(result),
        _ => content(&value).unwrap_or_else(|| plain(&value)),
    };
    let told = cut(told);
    match value.get("note").and_then(Value::as_str) {
        Some(note) => format!("{told}\n… ({note})"),
        None => told,
    }
}

fn cut(told: String) -> String {
    match told.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}\n… (cut)", told.get(..end).unwrap_or_default()),
        None => told,
    }
}

fn refused(error: &Value) -> String {
    let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    format!("refused, {}: {}", part("code"), part("message"))
}

/// What a tool gave and what was applied to the workspace.
fn gave(result: &Value) -> String {
    let Some(own) = result.get("content") else { return plain(result) };
    let applied = result.get("changes").and_then(Value::as_array).filter(|applied| !applied.is_empty());
    let applied = applied.map(|applied| applied.iter().map(change).collect::<Vec<_>>().join("\n"));
    match (content(own), applied) {
        (Some(told), Some(applied)) => format!("{}\n{applied}", told.trim_end()),
        (Some(told), None) => told,
        (None, Some(applied)) => applied,
        (None, None) => plain(own),
    }
}

fn change(change: &Value) -> String {
    let part = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", part("kind"), part("path"))
}

/// A tool's own result for people, if it has one of the known forms: of a command the status and the
/// output, of a reader the text, of a search a line for each find.
fn content(value: &Value) -> Option<String> {
    const TEXT: &[&str] = &["content", "text", "utc", "stdout", "stderr"];
    const ROWS: &[&str] = &["entries", "matches", "paths"];
    let members = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Object(members) => members,
        _ => return None,
    };
    let exit = members.get("exit").map(|exit| format!("exit status {exit}"));
    let exists = members.get("exists").and_then(Value::as_bool).map(|yes| if yes { "yes" } else { "no" });
    let text = TEXT.iter().filter_map(|name| members.get(*name)?.as_str()).map(str::to_owned);
    let lists = ROWS.iter().filter_map(|name| members.get(*name)?.as_array());
    let rows = lists.map(|rows| match rows.as_slice() {
        [] => "nothing".to_owned(),
        rows => rows.iter().map(row).collect::<Vec<_>>().join("\n"),
    });
    let parts: Vec<String> =
        exit.into_iter().chain(exists.map(str::to_owned)).chain(text).chain(rows).collect();
    let told = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("\n");
    match (parts.is_empty(), told.is_empty()) {
        (true, _) => None,
        (_, true) => Some("(empty)".to_owned()),
        _ => Some(told),
    }
}

/// One match, `src/a.rs:3: text`, one entry, `src/`, or a path.
fn row(row: &Value) -> String {
    let part = |name: &str| row.get(name).map(plain);
    match (part("path"), part("line"), part("text"), part("name"), part("kind")) {
        (Some(path), Some(line), Some(text), ..) => format!("{path}:{line}: {}", text.trim_end()),
        (.., Some(name), Some(kind)) if kind.starts_with("dir") => format!("{name}/"),
        (.., Some(name), _) => name,
        _ => plain(row),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outcomes_are_told_shortly() {
        let result = |content: Value| json!({"result": {"content": content, "changes": []}}).to_string();
        let changes = json!([{"kind": "add", "path": "a"}, {"kind": "mkdir", "path": "b"}]);
        let wrote =
            json!({"result": {"content": {"path": "a", "bytes": 2, "created": true}, "changes": changes}});
        let ran = json!({"result": {"content": {"exit": 0, "stdout": "", "stderr": ""}, "changes": changes}});
        let table = [
            (
                r#"{"error": {"code": "CONFIRMATION_DENIED", "message": "no"}}"#.into(),
                "refused, CONFIRMATION_DENIED: no",
            ),
            (result(json!({"path": "a", "content": "hi\n", "size": 3, "truncated": false})), "hi\n"),
            (result(json!({"path": "a", "content": ""})), "(empty)"),
            (wrote.to_string(), "add a\nmkdir b"),
            (ran.to_string(), "exit status 0\nadd a\nmkdir b"),
            (result(json!({"exit": 2, "stdout": "out", "stderr": "err"})), "exit status 2\nout\nerr"),
            (result(json!({"exit": 0, "stdout": "", "stderr": ""})), "exit status 0"),
            (
                result(
                    json!({"entries": [{"name": "src", "kind": "directory"}, {"name": "b", "kind": "file"}]}),
                ),
                "src/\nb",
            ),
            (result(json!({"matches": [{"path": "a", "line": 3, "text": "x\n"}], "files": 1})), "a:3: x"),
            (result(json!({"matches": [], "files": 0})), "nothing"),
            (result(json!({"paths": ["a", "b/c"]})), "a\nb/c"),
            (result(json!({"path": "a", "exists": false, "kind": null})), "no"),
            (result(json!({"utc": "2026-11-21T08:00:00.000Z", "unix": 1})), "2026-11-21T08:00:00.000Z"),
            (result(json!({"else": 1})), "{\"else\":1}"),
            (r#"{"note": "left out"}"#.into(), "{\"note\":\"left out\"}\n… (left out)"),
            (r#"{"result": {"content": "a"}, "note": "cut"}"#.into(), "a\n… (cut)"),
            ("{\"result\": {\"content\": \"cut he".into(), "{\"result\": {\"content\": \"cut he"),
            ("plain".into(), "plain"),
        ];
        for (outcome, told) in table {
            assert_eq!(outcome_of(&outcome), told, "{outcome}");
        }
        assert!(outcome_of(&"é".repeat(SHOWN + 1)).ends_with("… (cut)"));
    }
}
