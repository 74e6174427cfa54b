//! Canonical JSON and digests over it.
//!
//! One value has one text: object keys sorted by their bytes, no white space, numbers as `serde_json` writes
//! them. What is approved, recorded and run is named by the SHA-256 of that text, so two values have the same
//! digest only if they are the same value.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The canonical text of `value`.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The canonical text of anything that serialises.
///
/// # Errors
/// When `value` cannot be JSON, such as a map whose keys are not strings.
pub fn text_of<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_value(value).map(|value| text(&value))
}

/// SHA-256 over `domain`, a zero byte and `text`, in lower-case hexadecimal.
///
/// The domain keeps digests of different kinds of things apart.
pub fn digest(domain: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    hash.update([0]);
    hash.update(text.as_bytes());
    hex::encode(hash.finalize())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut keys: Vec<_> = members.iter().collect();
            keys.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push('{');
            for (index, (key, member)) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn order_of_keys_does_not_matter_and_order_of_items_does() {
        let a: Value = serde_json::from_str(r#"{"b":[1,2],"a":"\u00e9"}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{ "a" : "é", "b" : [1, 2] }"#).unwrap();
        assert_eq!(text(&a), r#"{"a":"é","b":[1,2]}"#);
        assert_eq!(text(&a), text(&b));
        assert_ne!(text(&json!([1, 2])), text(&json!([2, 1])));
    }

    #[test]
    fn domains_keep_digests_apart() {
        assert_ne!(digest("a", "x"), digest("b", "x"));
        assert_ne!(digest("a", "bx"), digest("ab", "x"));
        assert_eq!(digest("a", "x").len(), 64);
    }

    proptest! {
        #[test]
        fn reading_a_canonical_number_gives_the_same_number(number: f64) {
            let written = text(&json!(number));
            let read: Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(text(&read), written);
        }
    }
}
