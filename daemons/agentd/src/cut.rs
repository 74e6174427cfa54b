//! Shortening of texts and JSON to a number of bytes, so that one long result cannot crowd out a conversation.

use std::borrow::Cow;

use serde_json::Value;

/// The shortest that strings are cut to before the shape of the JSON is given up.
const LEAST: usize = 16;

/// The longest beginning of `text` that has at most `limit` bytes and ends between two characters.
pub fn head(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// The text itself, or its beginning and a note of how much is missing; at most `limit` bytes and the note.
pub fn text(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}… (cut: {} bytes in all)", head(text, limit), text.len()))
}

/// The same JSON with its strings and arrays shortened evenly until it has at most `limit` bytes as text; none if
/// it has so already. Where that is not enough, its text as one short string.
pub fn json(value: &Value, limit: usize) -> Option<Value> {
    if length(value) <= limit {
        return None;
    }
    let mut short = value.clone();
    let mut share = limit;
    while share >= LEAST {
        shrink(&mut short, share);
        if length(&short) <= limit {
            return Some(short);
        }
        share = share / 8 * 7;
    }
    // Inside a string every quote takes two bytes.
    Some(Value::from(head(&value.to_string(), limit / 2)))
}

fn length(value: &Value) -> usize {
    value.to_string().len()
}

fn shrink(value: &mut Value, share: usize) {
    match value {
        Value::String(text) => text.truncate(text.floor_char_boundary(share)),
        Value::Array(items) => {
            items.truncate((share / LEAST).max(1));
            for item in items {
                shrink(item, share);
            }
        }
        Value::Object(members) => members.values_mut().for_each(|member| shrink(member, share)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(text("abc", 3), "abc");
        assert_eq!(json(&json!({"a": "b"}), 9), None);
    }

    #[test]
    fn a_long_text_ends_between_characters_and_says_so() {
        assert_eq!(text("aä", 2), "a… (cut: 3 bytes in all)");
    }

    #[test]
    fn short_members_survive_long_ones() {
        let value = json!({"stdout": "x".repeat(10_000), "exit_code": 3, "stderr": "no"});
        let short = json(&value, 1_000).unwrap();
        assert_eq!((&short["exit_code"], &short["stderr"]), (&json!(3), &json!("no")));
        assert!(short["stdout"].as_str().unwrap().len() > 700, "{short}");
    }

    #[test]
    fn what_cannot_be_shortened_becomes_a_text() {
        let value: Value =
            (0..1000).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
        assert!(json(&value, 500).unwrap().is_string());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,200}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"]{1,9}", inner, 0..6).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_limit_holds(value in any_json(), limit in 64usize..2_000) {
            let short = json(&value, limit).unwrap_or(value);
            prop_assert!(short.to_string().len() <= limit);
        }
    }
}
