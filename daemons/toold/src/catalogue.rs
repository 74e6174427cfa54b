//! The catalogue: every tool that exists, with its arguments and what it does.
//!
//! Arguments are described by JSON Schema and nothing else is taken: `additionalProperties` is false everywhere.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testudo::action::Effect;
use testudo::declaration::{Declaration, Role};
use testudo::plan::MOST_STEPS;
use testudo::tool::Spec;

/// The tool that proposes a plan; it runs nothing.
pub const PLAN: &str = "request_approval";

/// Longest path that a tool takes, in characters.
const PATH: u32 = 4096;
/// Longest text that a tool takes; a string of the bus may not be longer anyway.
const TEXT: u32 = 100 * 1024;

/// All tools, by name.
pub fn specs() -> Vec<Spec> {
    let path =
        |what: &str| json!({ "type": "string", "minLength": 1, "maxLength": PATH, "description": what });
    let pattern =
        |what: &str| json!({ "type": "string", "minLength": 1, "maxLength": 1000, "description": what });
    let mut specs = vec![
        spec(
            "echo",
            "Gives a text back.",
            Effect::Read,
            &["text"],
            &json!({ "text": { "type": "string", "maxLength": TEXT } }),
        ),
        spec("time.now", "Tells the time in UTC.", Effect::Read, &[], &json!({})),
        spec(
            "fs.read",
            "Reads a text file of the workspace.",
            Effect::Read,
            &["path"],
            &json!({
                "path": path("relative to the workspace"),
                "offset": { "type": "integer", "minimum": 0, "description": "first byte" },
                "limit": { "type": "integer", "minimum": 1, "maximum": 1 << 20, "description": "most bytes" },
            }),
        ),
        spec(
            "fs.list",
            "Lists a directory of the workspace.",
            Effect::Read,
            &[],
            &json!({ "path": path("the directory; the workspace itself unless given") }),
        ),
        spec(
            "fs.exists",
            "Says whether a path of the workspace exists, and what it is.",
            Effect::Read,
            &["path"],
            &json!({ "path": path("relative to the workspace") }),
        ),
        spec(
            "search.grep",
            "Searches files of the workspace for a regular expression.",
            Effect::Read,
            &["pattern"],
            &json!({
                "pattern": pattern("a regular expression"),
                "path": path("a file or directory to search"),
                "glob": pattern("only files whose path matches this"),
                "max": { "type": "integer", "minimum": 1, "maximum": 5000, "description": "most matches" },
            }),
        ),
        spec(
            "search.glob",
            "Finds files of the workspace by a glob, such as src/**/*.rs.",
            Effect::Read,
            &["pattern"],
            &json!({ "pattern": pattern("the glob"), "path": path("a directory to search") }),
        ),
        spec(
            "fs.write",
            "Proposes to write a text file of the workspace; it is applied after approval.",
            Effect::Write,
            &["path", "content"],
            &json!({
                "path": path("relative to the workspace"),
                "content": { "type": "string", "maxLength": TEXT },
                "mode": { "enum": ["overwrite", "append", "create"] },
            }),
        ),
        spec(
            "shell.run",
            "Runs a shell command in the workspace, without a network; what it writes is applied after approval.",
            Effect::Execute,
            &["command"],
            &json!({
                "command": { "type": "string", "minLength": 1, "maxLength": 64 * 1024 },
                "cwd": path("directory to start in"),
                "timeout_ms": { "type": "integer", "minimum": 1, "maximum": 3_600_000 },
                "stdin": { "type": "string", "maxLength": TEXT },
            }),
        ),
    ];
    specs.push(plan());
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    specs
}

/// The tool by which an agent asks for several steps at once.
fn plan() -> Spec {
    let step = json!({
        "type": "object",
        "properties": {
            "tool": { "type": "string", "minLength": 1, "maxLength": 64 },
            "arguments": { "type": "object", "description": "exactly as the call will have them" },
        },
        "required": ["tool", "arguments"],
        "additionalProperties": false,
    });
    spec(
        PLAN,
        "Asks for approval of several calls at once, before any of them. Then make exactly these calls in this order.",
        Effect::Read,
        &["goal", "steps"],
        &json!({
            "goal": { "type": "string", "minLength": 1, "maxLength": 1000, "description": "what it is for" },
            "steps": { "type": "array", "minItems": 1, "maxItems": MOST_STEPS, "items": step },
        }),
    )
}

fn spec(name: &str, description: &str, effect: Effect, required: &[&str], properties: &Value) -> Spec {
    let declaration = Declaration {
        effects: BTreeSet::from([effect]),
        arguments: properties.as_object().into_iter().flatten().filter_map(|(name, _)| role(name)).collect(),
        contained: true,
        reversible: effect == Effect::Write,
        ..Declaration::default()
    };
    Spec {
        name: name.into(),
        description: description.into(),
        effect,
        declaration,
        parameters: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    }
}

/// What an argument of our own tools is. Its name says it; the same name is the same thing in all of them.
fn role(name: &str) -> Option<(String, Role)> {
    let role = match name {
        "path" | "cwd" | "glob" => Role::Path,
        "command" => Role::Command,
        "content" | "text" | "stdin" | "pattern" | "goal" | "steps" => Role::Content,
        "offset" | "limit" | "max" | "timeout_ms" | "mode" => Role::Option,
        _ => return None,
    };
    Some((name.to_owned(), role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_closed() {
        for spec in specs() {
            assert_eq!(spec.parameters["additionalProperties"], json!(false), "{}", spec.name);
        }
    }

    #[test]
    fn every_argument_is_declared() {
        for spec in specs() {
            let arguments = spec.parameters["properties"].as_object().unwrap();
            assert!(arguments.keys().eq(spec.declaration.arguments.keys()), "{}", spec.name);
        }
    }
}
