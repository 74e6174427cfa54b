//! Rules in plain language, as they are written: what a model is asked about which actions, and how hard its no is.
//!
//! Here they are only read. `policyd` has them judged, and what a judge says can only tighten a decision.

use testudo::config::reader::{Table, Value};

use crate::condition::Condition;
use crate::matter::{Matter, Reach};

/// Longest question, in characters.
const QUESTION: usize = 4_000;
/// Longest id, in characters.
const ID: usize = 64;

/// What a judge's no means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person is asked.
    Ask,
    /// It is denied.
    Block,
}

impl Mode {
    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Block => "block",
        }
    }
}

/// One rule in plain language.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    /// Its name in reasons and records; unique in its file.
    pub id: String,
    /// What the judge is asked.
    pub question: String,
    /// What its no means.
    pub mode: Mode,
    /// The owner may switch it off for one session.
    pub disableable: bool,
    /// Why there is this rule, in its author's words.
    pub reason: String,
    trigger: Trigger,
}

/// When a judge is asked.
#[derive(Debug, Clone, PartialEq)]
enum Trigger {
    Always,
    When(Box<Condition>),
}

impl Judge {
    /// Whether it is about this action. One part that fits is enough, as for all rules that restrict.
    pub(crate) fn concerns(&self, matter: &Matter<'_>) -> bool {
        match &self.trigger {
            Trigger::Always => true,
            Trigger::When(condition) => condition.holds(matter, Reach::Any),
        }
    }

    /// Whether it is about every action.
    pub const fn always(&self) -> bool {
        matches!(self.trigger, Trigger::Always)
    }

    /// Reads a `[[judge]]`; mistakes are noted in its document.
    pub(crate) fn read(table: &Table<'_>) -> Option<Self> {
        for (key, remedy) in [
            ("id", "a short word that reasons and records show"),
            ("trigger", "\"always\", or a condition as in `match`"),
            ("question", "what the judge is to look for, in plain language"),
            ("mode", "\"ask\" or \"block\""),
        ] {
            if table.value(key).is_none() {
                table.require(key, remedy);
            }
        }
        let id = table.string("id");
        if let Some(id) = &id
            && !is_word(id)
        {
            table.refuse("id", "is made of 1 to 64 small letters, digits and `-`");
        }
        let question = table.string("question");
        if let Some(question) = &question
            && (question.trim().is_empty() || question.chars().count() > QUESTION)
        {
            table.refuse("question", &format!("has 1 to {QUESTION} characters"));
        }
        let mode = table.word("mode", &["ask", "block"]);
        let disableable = table.boolean("disableable");
        if disableable.is_some() && mode.as_deref() == Some("ask") {
            table
                .refuse("disableable", "is for rules that block: one that asks leaves it to a person anyway");
        }
        let reason = table.string("reason").unwrap_or_default();
        let trigger = table.value("trigger").and_then(trigger);
        table.finish();
        Some(Self {
            id: id?,
            question: question?,
            mode: if mode? == "block" { Mode::Block } else { Mode::Ask },
            disableable: disableable.unwrap_or(false),
            reason,
            trigger: trigger?,
        })
    }
}

/// `"always"`, or a condition.
fn trigger(value: Value<'_>) -> Option<Trigger> {
    if value.is_table() {
        return value.table("trigger").map(|table| Trigger::When(Box::new(Condition::read(&table))));
    }
    if value.string()? == "always" {
        return Some(Trigger::Always);
    }
    value.refuse("expected \"always\", or a condition such as { effect = \"message\" }")
}

fn is_word(id: &str) -> bool {
    (1..=ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;

    const RULE: &str =
        "[[judge]]\nid = \"a\"\ntrigger = \"always\"\nquestion = \"Is it?\"\nmode = \"block\"\n";

    fn read(text: &str) -> Result<Vec<Judge>, String> {
        rule::parse("p.toml", text).map(|(policy, _)| policy.judges).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_judge_is_read_with_its_defaults() {
        let judges = read(RULE).unwrap();
        let expected = Judge {
            id: "a".into(),
            question: "Is it?".into(),
            mode: Mode::Block,
            disableable: false,
            reason: String::new(),
            trigger: Trigger::Always,
        };
        assert_eq!(judges, [expected]);
        let other =
            RULE.replace("\"always\"", "{ effect = \"message\" }") + "disableable = true\nreason = \"r\"\n";
        let judges = read(&other).unwrap();
        assert!(judges.iter().all(|judge| judge.disableable && !judge.always()));
    }

    #[test]
    fn the_examples_are_right_and_the_shipped_policy_asks_no_model() {
        let examples = include_str!("../../../policies/examples/sentinel.toml");
        let (policy, warnings) = rule::parse("sentinel.toml", examples).unwrap();
        assert_eq!((policy.judges.len(), warnings.len()), (8, 0), "{warnings:?}");
        assert!(policy.judges.iter().all(|judge| !judge.reason.is_empty()));
        assert_eq!(read(include_str!("../../../policies/default.toml")).unwrap(), []);
    }

    #[test]
    fn mistakes_have_their_places() {
        let table: &[(String, &str)] = &[
            ("[[judge]]\n".into(), "p.toml:1:1: `id` is missing"),
            ("[[judge]]\n".into(), "p.toml:1:1: `trigger` is missing"),
            ("[[judge]]\n".into(), "p.toml:1:1: `question` is missing"),
            ("[[judge]]\n".into(), "p.toml:1:1: `mode` is missing"),
            (RULE.replace("block", "blok"), "p.toml:5:8: expected one of ask, block: did you mean `block`?"),
            (RULE.replace("mode", "mod"), "p.toml:5:1: unknown key `mod`: did you mean `mode`?"),
            (RULE.replace("always", "allways"), "p.toml:3:11: expected \"always\""),
            (RULE.replace("\"always\"", "{ efect = \"read\" }"), "p.toml:3:13: unknown key `efect`"),
            (RULE.replace("\"always\"", "3"), "p.toml:3:11: expected a string"),
            (RULE.replace("\"a\"", "\"SECURITY.md\""), "p.toml:2:6: `id` is made of"),
            (RULE.replace("Is it?", " "), "p.toml:4:12: `question` has 1 to 4000"),
            (
                RULE.replace("block", "ask") + "disableable = true\n",
                "p.toml:6:15: `disableable` is for rules that block",
            ),
            (RULE.repeat(2), "p.toml:7:6: `id` is taken"),
        ];
        for (text, expected) in table {
            let shown = read(text).unwrap_err();
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
    }
}
