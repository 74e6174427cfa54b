//! Results, taken apart into values: JSON, the block YAML that dumpers write, and Python's notation of literals.
//!
//! Each reader takes the whole text or nothing: a record that stands somewhere inside of other text is text. YAML
//! is read without anchors, tags and flow collections, so that nothing in it can grow or refer.

use serde_json::Value;

mod literal;
mod yaml;

/// Deepest nesting that is read.
const DEEPEST: usize = 24;
/// Longest text that is looked at, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// The value that a whole text is, when it is an object or a list.
pub(super) fn value(text: &str) -> Option<Value> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.trim();
    let whole = |value: &Value| value.is_object() || value.is_array();
    match text.chars().next()? {
        '{' | '[' => {
            serde_json::from_str(text).ok().filter(whole).or_else(|| literal::read(text)).filter(whole)
        }
        _ => yaml::read(text).filter(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_dumpers_write_is_read() {
        let text = "- content: 'Report - June 9\n\n    Present: Ann''s team\n\n\n    - one\n\n    '\n  id_: '19'\n  size: 12.5\n  people:\n  - a@x.org\n  - b@x.org\n  none: null\n- content: A long line that goes\n    on here\n  id_: '20'\n  people: []\n";
        let value = value(text).unwrap();
        assert_eq!(value[0]["id_"], json!("19"));
        assert_eq!(value[0]["people"], json!(["a@x.org", "b@x.org"]));
        assert!(value[0]["content"].as_str().unwrap().contains("Ann's team"));
        assert_eq!(value[1]["content"], json!("A long line that goes on here"));
        assert_eq!(super::value("a: 1\nb:\n  c: \"x\\ny\"\n").unwrap(), json!({"a": 1, "b": {"c": "x\ny"}}));
        assert_eq!(super::value("{'a': 'b', 'c': [1, None]}").unwrap(), json!({"a": "b", "c": [1, null]}));
        assert_eq!(super::value("[\"a\", \"b\"]").unwrap(), json!(["a", "b"]));
        assert_eq!(super::value("- a\n- b\n").unwrap(), json!(["a", "b"]));
    }

    #[test]
    fn a_record_inside_of_text_is_text() {
        for text in [
            "Dear all,\n- id: 1\n  name: x\n",
            "id: 1\nid: 2\n",
            "hello",
            "a: &x 1\nb: *x\n",
            "{\"a\": 1} and more",
            "",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "([-a:'\"{}\\[\\] \n|>&1]){0,80}") {
            let _ = value(&text);
        }

        #[test]
        fn any_characters_are_read_or_not(text in "(.|\n){0,60}") {
            let _ = value(&text);
        }
    }
}
