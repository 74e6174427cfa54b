//! Limits that hold before anything is parsed.
//!
//! | what | limit |
//! |---|---|
//! | one message | 1 MiB |
//! | one string of JSON | 100 KiB |
//! | nesting of JSON | 64 |
//!
//! [`scan`] looks at bytes only: it neither allocates nor recurses, so hostile text costs its length and no more.

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::unique::Unique;

/// Bounds of one JSON text.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of the whole text, in bytes.
    pub message: usize,
    /// Of one string, in bytes as written.
    pub string: usize,
    /// Of nested arrays and objects.
    pub depth: usize,
}

/// The limits of every bus method.
pub const BUS: Limits = Limits { message: 1024 * 1024, string: 100 * 1024, depth: 64 };

/// The limits of what one daemon answers another: a tool's result or a whole conversation may be one long string.
pub const REPLY: Limits = Limits { message: 8 * 1024 * 1024, string: 4 * 1024 * 1024, depth: 128 };

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// The whole is too long.
    #[error("cannot take {actual} bytes of JSON: the limit is {limit}")]
    Message {
        /// Its length.
        actual: usize,
        /// The most it may be.
        limit: usize,
    },
    /// One string is too long.
    #[error("cannot take a string of more than {limit} bytes (at byte {at})")]
    String {
        /// Where it begins.
        at: usize,
        /// The most it may be.
        limit: usize,
    },
    /// Nested too deeply.
    #[error("cannot take JSON nested deeper than {limit} (at byte {at})")]
    Depth {
        /// Where it went too deep.
        at: usize,
        /// The most it may be.
        limit: usize,
    },
    /// A key that has a meaning to some readers and none here.
    #[error("cannot take an object with the key `{0}`")]
    Key(String),
    /// It is not JSON, or not of the expected shape.
    #[error("cannot read JSON: {0}")]
    Shape(String),
}

impl From<LimitError> for crate::fault::Fault {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Message { .. } | LimitError::String { .. } | LimitError::Depth { .. } => {
                Self::TooLarge(error.to_string())
            }
            LimitError::Key(_) | LimitError::Shape(_) => Self::InvalidArgument(error.to_string()),
        }
    }
}

/// Checks lengths and nesting of a JSON text without parsing it.
///
/// # Errors
/// The first limit that it exceeds.
pub fn scan(text: &str, limits: Limits) -> Result<(), LimitError> {
    if text.len() > limits.message {
        return Err(LimitError::Message { actual: text.len(), limit: limits.message });
    }
    let mut depth = 0usize;
    let mut string: Option<usize> = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(start) = string {
            if at - start > limits.string {
                return Err(LimitError::String { at: start, limit: limits.string });
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => string = None,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string = Some(at + 1),
            b'[' | b'{' => {
                depth += 1;
                if depth > limits.depth {
                    return Err(LimitError::Depth { at, limit: limits.depth });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Scans and then parses. An object with a key twice is refused.
///
/// # Errors
/// A limit, or what is wrong with the JSON.
pub fn parse<T: DeserializeOwned>(text: &str, limits: Limits) -> Result<T, LimitError> {
    scan(text, limits)?;
    serde_json::from_str::<Unique>(text).map_err(|error| LimitError::Shape(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| LimitError::Shape(error.to_string()))
}

/// Keys that would reach an object's prototype in some languages; no argument needs them.
const FORBIDDEN_KEYS: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// Refuses keys that no argument needs, at any depth. The nesting has been bounded by [`scan`].
///
/// # Errors
/// [`LimitError::Key`] with the first of them.
pub fn check_keys(value: &Value) -> Result<(), LimitError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check_keys),
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            if FORBIDDEN_KEYS.contains(&key.as_str()) {
                return Err(LimitError::Key(key.clone()));
            }
            check_keys(member)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Limits = Limits { message: 100, string: 10, depth: 3 };

    #[test]
    fn each_limit_has_its_boundary() {
        assert_eq!(scan(&format!("\"{}\"", "a".repeat(10)), SMALL), Ok(()));
        assert!(matches!(
            scan(&format!("\"{}\"", "a".repeat(11)), SMALL),
            Err(LimitError::String { at: 1, .. })
        ));
        assert_eq!(scan("[[[]]]", SMALL), Ok(()));
        assert!(matches!(scan("[[[[]]]]", SMALL), Err(LimitError::Depth { at: 3, .. })));
        assert_eq!(scan(&" ".repeat(100), SMALL), Ok(()));
        assert!(matches!(scan(&" ".repeat(101), SMALL), Err(LimitError::Message { actual: 101, .. })));
    }

    #[test]
    fn brackets_inside_strings_do_not_count() {
        assert_eq!(scan(r#""[[[[""#, SMALL), Ok(()));
        assert_eq!(scan(r#""\"[[[[""#, SMALL), Ok(()));
    }

    #[test]
    fn forbidden_keys_are_found_at_any_depth() {
        let value: Value = serde_json::from_str(r#"{"a":[{"__proto__":1}]}"#).unwrap();
        assert_eq!(check_keys(&value), Err(LimitError::Key("__proto__".into())));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_never_panics(text in ".{0,300}") {
            let _: Result<Value, _> = parse(&text, SMALL);
        }

        #[test]
        fn what_passes_the_scan_is_no_deeper_than_the_limit(depth in 0usize..10) {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            prop_assert_eq!(scan(&text, SMALL).is_ok(), depth <= 3);
        }
    }
}
