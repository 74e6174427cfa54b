//! Stage 3: are these arguments that the tool takes? All mistakes are said at once.

use jsonschema::Validator;
use serde_json::Value;
use testudo::limits::{self, BUS};
use testudo::refusal::{Code, Refusal};
use testudo::tool::Spec;
use thiserror::Error;

use crate::destinations;

/// A catalogue entry that cannot be used.
#[derive(Debug, Error)]
#[error("cannot compile the schema of {tool}: {cause}")]
pub struct SchemaError {
    tool: String,
    cause: String,
}

/// A tool with its compiled schema.
pub struct Tool {
    /// As the catalogue has it.
    pub spec: Spec,
    schema: Validator,
}

impl Tool {
    /// Compiles the schema of a catalogue entry.
    ///
    /// # Errors
    /// When the schema is none.
    pub fn compile(spec: Spec) -> Result<Self, SchemaError> {
        match jsonschema::validator_for(&spec.parameters) {
            Ok(schema) => Ok(Self { spec, schema }),
            Err(error) => Err(SchemaError { tool: spec.name, cause: error.to_string() }),
        }
    }

    /// Parses and checks arguments.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` with the first field at fault and a sentence about each mistake.
    pub fn validate(&self, text: &str) -> Result<Value, Refusal> {
        let arguments = parse(text)?;
        let mistakes: Vec<_> = self.schema.iter_errors(&arguments).collect();
        let Some(first) = mistakes.first() else {
            return match destinations::unusable(&self.spec.name, &arguments) {
                Some((field, why)) => Err(Refusal::new(Code::ValidationFailed, cut(&why, 2000)).at(field)),
                None => Ok(arguments),
            };
        };
        let field = first.instance_path().to_string();
        let sentences: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let message = cut(&format!("{} does not take this: {}", self.spec.name, sentences.join("; ")), 2000);
        Err(Refusal::new(Code::ValidationFailed, message).at(field))
    }
}

/// Parses arguments within the limits; they must be a JSON object without keys that no argument needs.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn parse(text: &str) -> Result<Value, Refusal> {
    let failed = |message: String| Refusal::new(Code::ValidationFailed, message).at("");
    let arguments: Value = limits::parse(text, BUS).map_err(|error| failed(error.to_string()))?;
    limits::check_keys(&arguments).map_err(|error| failed(error.to_string()))?;
    if let Some(field) = fraction(&arguments) {
        return Err(failed("numbers must be written as integers: 2, not 2.0 or 2e0".into()).at(field));
    }
    if arguments.is_object() {
        Ok(arguments)
    } else {
        Err(failed("the arguments must be a JSON object".into()))
    }
}

/// The first number that is not written as an integer, as a JSON pointer. JSON Schema takes 2.0 for an integer and
/// `serde_json` does not: what is shown would not be what runs.
fn fraction(value: &Value) -> Option<String> {
    let below = |key: &str, member| fraction(member).map(|rest| format!("/{key}{rest}"));
    match value {
        Value::Number(number) => number.is_f64().then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| below(&at.to_string(), item)),
        Value::Object(members) => members.iter().find_map(|(key, member)| below(key, member)),
        _ => None,
    }
}

/// At most this many characters, with a mark where it was cut.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tool(name: &str) -> Tool {
        Tool::compile(crate::catalogue::specs().into_iter().find(|spec| spec.name == name).unwrap()).unwrap()
    }

    #[test]
    fn every_schema_compiles() {
        for spec in crate::catalogue::specs() {
            Tool::compile(spec).unwrap();
        }
    }

    #[test]
    fn wrong_arguments_name_their_field() {
        for (name, text, field, part) in [
            ("fs.read", r#"{}"#, "", "path"),
            ("fs.read", r#"{"path": 3}"#, "/path", "string"),
            ("fs.read", r#"{"path": "a", "more": 1}"#, "", "more"),
            ("fs.read", r#"{"path": "a", "offset": -1}"#, "/offset", "minimum"),
            ("fs.write", r#"{"path": "a", "content": "", "mode": "x"}"#, "/mode", "x"),
            ("echo", r#"[]"#, "", "object"),
            ("echo", r#"nonsense"#, "", "JSON"),
            ("echo", r#"{"text": "a", "__proto__": {}}"#, "", "__proto__"),
            ("fs.read", r#"{"path": "a", "offset": 2.0}"#, "/offset", "integers"),
            ("web.fetch", r#"{"url": "ftp://a.example/"}"#, "/url", "does not match"),
            ("web.fetch", r#"{"url": "https://a@b.example/"}"#, "/url", "user name"),
            ("web.fetch", r#"{"url": "https://1.2.3/"}"#, "/url", "number"),
            ("code.run", r#"{"language": "perl", "code": "1"}"#, "/language", "perl"),
            (
                "test.run",
                r#"{"command": "x", "tunnels": [{"host": "a.b", "port": 1, "local": 80}]}"#,
                "/tunnels/0/local",
                "minimum",
            ),
            (
                "test.run",
                r#"{"command": "x", "tunnels": [{"host": "localhost", "port": 1, "local": 8080}]}"#,
                "/tunnels",
                "localhost",
            ),
        ] {
            let refusal = tool(name).validate(text).unwrap_err();
            assert_eq!((refusal.code, refusal.stage), (Code::ValidationFailed, Some(3)));
            assert_eq!(refusal.field.as_deref(), Some(field), "{text}: {}", refusal.message);
            assert!(refusal.message.contains(part), "{text}: {}", refusal.message);
        }
    }

    #[test]
    fn right_arguments_pass_unchanged() {
        let arguments =
            tool("fs.write").validate(r#"{"path":"a/b","content":"hi\n","mode":"create"}"#).unwrap();
        assert_eq!(arguments["content"], "hi\n");
    }

    #[test]
    fn all_mistakes_are_said() {
        let refusal = tool("fs.read").validate(r#"{"path": 3, "offset": "x", "z": 1}"#).unwrap_err();
        for part in ["3", "x", "z"] {
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,200}") {
            let _ = tool("shell.run").validate(&text);
        }
    }
}
