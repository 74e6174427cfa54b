//! Everything of an action that a judge must see, as text, and the parts that it is cut into.
//!
//! One line for each value, `"where" = JSON`, so that no line break of an argument is one here, and characters that
//! nobody sees are written out. The parts overlap: what is shorter than the overlap stands whole in one of them.
//! An action that does not fit into [`MOST`] parts cannot be judged as a whole, and is not judged at all.

use serde_json::Value;
use testudo::action::Judged;
use testudo::visible::is_visible;

/// Most parts of one action.
pub const MOST: usize = 8;
/// Most bytes of one part.
const LENGTH: usize = 24_000;
/// Bytes at the end of a part that the next one begins with.
const OVERLAP: usize = 1_000;
/// Most bytes of a text that is cut into [`MOST`] parts.
const WHOLE: usize = MOST * (LENGTH - OVERLAP);

/// Writes an action out; none when a judge could not see all of it.
pub fn written(judged: &Judged) -> Option<String> {
    if judged.hidden.is_some() {
        return None;
    }
    let changes = serde_json::to_value(&judged.changes).ok()?;
    let mut text = Text(String::new());
    text.value("arguments", &judged.action.arguments)?;
    if !judged.changes.is_empty() {
        text.value("changes", &changes)?;
    }
    if let Some(diff) = &judged.diff {
        text.value("diff", &Value::from(diff.as_str()))?;
    }
    Some(text.0)
}

/// Cuts a text into parts that overlap. No text gives one empty part.
pub fn cut(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    loop {
        let end = boundary(text, (start + LENGTH).min(text.len()));
        parts.push(text.get(start..end).unwrap_or_default());
        if end >= text.len() {
            return parts;
        }
        start = boundary(text, end - OVERLAP);
    }
}

/// The last boundary of a character that is not after `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Writes a string as JSON, all that nobody can see as its number.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ if is_visible(c) => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

struct Text(String);

impl Text {
    /// Writes a value and all that is in it; none when it has become too long.
    fn value(&mut self, at: &str, value: &Value) -> Option<()> {
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().try_for_each(|(key, member)| self.value(&format!("{at}/{key}"), member))
            }
            Value::Array(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.value(&format!("{at}/{index}"), item)),
            Value::String(text) => self.line(at, &quote(text)),
            other => self.line(at, &other.to_string()),
        }
    }

    fn line(&mut self, at: &str, value: &str) -> Option<()> {
        self.0.push_str(&format!("{} = {value}\n", quote(at)));
        (self.0.len() <= WHOLE).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use testudo::action::{Action, Effect, Phase};
    use testudo::identity::Principal;

    fn judged(arguments: Value) -> Judged {
        let action = Action {
            tool: "t".into(),
            arguments,
            effect: Effect::Write,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: None,
        };
        Judged::new(action, "c-1")
    }

    #[test]
    fn every_value_has_its_line_and_nothing_can_make_one_more() {
        let text = written(&judged(json!({
            "a": "x\n\"arguments/b\" = 1", "k\n\"q": [1, {}, null, true], "bidi": "a\u{202e}b\u{e0041}ü"
        })));
        assert_eq!(
            text.unwrap(),
            "\"arguments/a\" = \"x\\n\\\"arguments/b\\\" = 1\"\n\
             \"arguments/bidi\" = \"a\\u202eb\\udb40\\udc41ü\"\n\
             \"arguments/k\\n\\\"q/0\" = 1\n\"arguments/k\\n\\\"q/1\" = {}\n\
             \"arguments/k\\n\\\"q/2\" = null\n\"arguments/k\\n\\\"q/3\" = true\n"
        );
    }

    #[test]
    fn what_is_applied_is_seen_with_its_diff() {
        let mut applied = judged(json!({}));
        applied.diff = Some("+evil".into());
        assert_eq!(written(&applied).unwrap(), "\"arguments\" = {}\n\"diff\" = \"+evil\"\n");
        applied.hidden = Some("it is too long".into());
        assert_eq!(written(&applied), None);
    }

    #[test]
    fn more_than_eight_parts_are_not_judged() {
        let of = |length: usize| written(&judged(json!({ "a": "x".repeat(length) })));
        assert_eq!(cut(&of(100 * 1024).unwrap()).len(), 5);
        assert_eq!(cut(&of(WHOLE - 100).unwrap()).len(), MOST);
        assert_eq!(of(WHOLE), None);
        let deep = json!({ "k".repeat(WHOLE): 1 });
        assert_eq!(written(&judged(deep)), None);
    }

    proptest! {
        #[test]
        fn parts_overlap_and_leave_nothing_out(unit in "[a-zü→\\\\\"\n]{1,40}", times in 0usize..3000) {
            let text = unit.repeat(times);
            let parts = cut(&text);
            prop_assert!(parts.len() <= text.len() / (LENGTH - OVERLAP - 4) + 1);
            let mut seen = 0;
            for part in &parts {
                let start = part.as_ptr() as usize - text.as_ptr() as usize;
                prop_assert!(part.len() <= LENGTH);
                prop_assert!(start == 0 || start + OVERLAP <= seen);
                seen = start + part.len();
            }
            prop_assert_eq!(seen, text.len());
        }

        #[test]
        fn a_quoted_string_is_json_of_itself_on_one_line(text in "(.|\n|\u{202e}|\u{e0041}){0,80}") {
            let quoted = quote(&text);
            prop_assert!(!quoted.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
