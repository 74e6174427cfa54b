//! The judge of the built-in model: it compares phrases, deterministically, and understands nothing else.
//!
//! In the question of a rule it looks for `deny when "…"` and `ask when "…"`, and for what stands in the quotes in the
//! arguments of the action, as they are written in JSON. The strictest phrase that occurs is the verdict; none, and it
//! allows. It cannot judge a rule without such phrases: one of a policy file it leaves to the owner, and a `SECURITY.md`
//! in other words, which may be about anything, says nothing to it.

use serde_json::json;
use testudo::model::{Message, POLICY_RULE, Role, WORKSPACE_RULE};

/// How strict a phrase is; the order is that of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Allow,
    Ask,
    Deny,
}

/// The verdict on the rule and the action of a request, as JSON.
pub(crate) fn verdict(messages: &[Message]) -> String {
    let (decision, explanation) =
        weigh(messages).unwrap_or((Word::Ask, "this is no question for a judge".into()));
    let (decision, risk) = match decision {
        Word::Allow => ("allow", "low"),
        Word::Ask => ("ask", "medium"),
        Word::Deny => ("deny", "high"),
    };
    json!({"decision": decision, "explanation": explanation, "risk": risk}).to_string()
}

fn weigh(messages: &[Message]) -> Option<(Word, String)> {
    let content =
        |role| messages.iter().find(|message| message.role == role).map(|message| message.content.as_str());
    let (question, ours) = rule(content(Role::System)?)?;
    let action = action(content(Role::User)?)?;
    let phrases = phrases(&question);
    if phrases.is_empty() && ours {
        return Some((
            Word::Ask,
            "the built-in judge understands no rule but deny when \"…\" and ask when \"…\"".into(),
        ));
    }
    let found =
        phrases.into_iter().filter(|(_, phrase)| occurs(phrase, action)).max_by_key(|(word, _)| *word);
    Some(match found {
        Some((word, phrase)) => (word, format!("\"{phrase}\" occurs")),
        None => (Word::Allow, "none of the rule's phrases occurs".into()),
    })
}

/// The rule, and whether it is of a policy file.
fn rule(instructions: &str) -> Option<(String, bool)> {
    let after = |prefix: &str| instructions.lines().rev().find_map(|line| line.strip_prefix(prefix));
    let (text, ours) = match after(POLICY_RULE) {
        Some(text) => (text, true),
        None => (after(WORKSPACE_RULE)?, false),
    };
    serde_json::from_str(text).ok().map(|text| (text, ours))
}

/// The lines between the marks `action` and `end`.
fn action(data: &str) -> Option<&str> {
    let (mark, _) = data.split_once(' ')?;
    let (_, rest) = data.split_once(&format!("\n{mark} action\n"))?;
    rest.split_once(&format!("{mark} end\n")).map(|(action, _)| action)
}

/// What stands in quotes after `deny when` and `ask when`.
fn phrases(question: &str) -> Vec<(Word, String)> {
    let mut found = Vec::new();
    for (word, before) in [(Word::Deny, "deny when \""), (Word::Ask, "ask when \"")] {
        let ends = question.split(before).skip(1).filter_map(|rest| rest.split_once('"'));
        found.extend(
            ends.filter(|(phrase, _)| !phrase.is_empty()).map(|(phrase, _)| (word, phrase.to_owned())),
        );
    }
    found
}

fn occurs(phrase: &str, action: &str) -> bool {
    let written = serde_json::to_string(phrase).unwrap_or_default();
    let written = written.trim_start_matches('"').trim_end_matches('"');
    action.contains(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn judged(prefix: &str, question: &str, log: &str, action: &str) -> String {
        let system = format!("Instructions.\n{prefix}{}\n", Value::from(question));
        let user = format!("m7 facts\n{{}}\nm7 log\n{log}m7 action\n{action}m7 end\n");
        let verdict: Value =
            serde_json::from_str(&verdict(&[Message::system(system), Message::user(user)])).unwrap();
        verdict["decision"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_strictest_phrase_that_occurs_is_the_verdict() {
        let question = "Is money moved? deny when \"all of it\", deny when \"a\\b\", ask when \"pay\"";
        for (action, expected) in [
            ("\"arguments/text\" = \"pay all of it\"\n", "deny"),
            ("\"arguments/text\" = \"pay a bit\"\n", "ask"),
            ("\"arguments/text\" = \"x a\\\\b x\"\n", "deny"),
            ("\"arguments/text\" = \"nothing\"\n", "allow"),
            ("", "allow"),
        ] {
            assert_eq!(judged(POLICY_RULE, question, "", action), expected, "{action}");
        }
        assert_eq!(
            judged(POLICY_RULE, question, "{\"text\":\"pay all of it\"}\n", ""),
            "allow",
            "only the arguments count"
        );
    }

    #[test]
    fn a_rule_that_it_cannot_judge_is_the_owners() {
        for question in ["Is it kind?", "deny when \"\"", "deny when \"open", "DENY WHEN \"x\""] {
            assert_eq!(judged(POLICY_RULE, question, "", "\"arguments/a\" = \"x\"\n"), "ask", "{question}");
        }
        let about_reports = "# Security policy\nReport what you find to security@example.org.";
        assert_eq!(judged(WORKSPACE_RULE, about_reports, "", "\"arguments/a\" = \"x\"\n"), "allow");
        assert_eq!(judged(WORKSPACE_RULE, "deny when \"x\"", "", "\"arguments/a\" = \"x\"\n"), "deny");
    }

    #[test]
    fn what_is_no_question_is_asked_about() {
        assert!(verdict(&[]).contains("\"ask\""));
        assert!(verdict(&[Message::system("Rule: \"x\""), Message::user("m7 facts")]).contains("\"ask\""));
    }

    proptest! {
        #[test]
        fn any_request_has_a_verdict(system in "(.|\n|Rule: |\"){0,60}", user in "(.|\n|m action\n|m end\n){0,60}") {
            let verdict = verdict(&[Message::system(system), Message::user(user)]);
            prop_assert!(serde_json::from_str::<Value>(&verdict).unwrap()["decision"].is_string());
        }
    }
}
