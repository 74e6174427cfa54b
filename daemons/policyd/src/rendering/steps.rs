//! The steps of a plan as numbered lines: each with its arguments, what was found of it, and what a yes to it covers.

use serde_json::Value;
use testudo::flow::Flow;
use testudo::visible;

use super::{Depth, values};
use crate::ledger::Entry;

/// The goal and every step.
pub(super) fn lines(entry: &Entry, depth: Depth, cut: &mut bool) -> Vec<String> {
    let arguments = &entry.approval.arguments;
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines =
        vec![format!("its goal, in the model's words: {}", values::quoted(&text(arguments, "goal")))];
    for step in arguments.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let number = step.get("step").and_then(Value::as_u64).unwrap_or_default();
        let (tool, verdict) = (visible::line(&text(step, "tool")), visible::line(&text(step, "verdict")));
        lines.push(format!("{number}. {tool} ({verdict})"));
        let mut one = entry.clone();
        one.approval.arguments = step.get("arguments").cloned().unwrap_or_default();
        one.facts.flow = Flow::default();
        lines.extend(values::arguments(&one, depth, cut).into_iter().map(|line| format!("   {line}")));
        lines.extend(list(step, "applies").map(|line| format!("   a yes covers: {line}")));
        lines.extend(list(step, "reasons").map(|line| format!("   because: {line}")));
    }
    lines
}

/// How what the steps apply can be undone.
pub(super) fn undo(entry: &Entry) -> &'static str {
    let steps = entry.approval.arguments.get("steps").and_then(Value::as_array);
    let applies: Vec<String> = steps.into_iter().flatten().flat_map(|step| list(step, "applies")).collect();
    if applies.iter().any(|line| line.starts_with("modify ")) {
        "what is replaced is not shown here and nothing keeps it, unless the folder is under git"
    } else if applies.iter().any(|line| line.starts_with("add ")) {
        "by removing what is new"
    } else {
        "what its steps write is only proposed"
    }
}

fn list<'v>(step: &'v Value, key: &str) -> impl Iterator<Item = String> + use<'v> {
    let items = step.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(visible::line)
}
