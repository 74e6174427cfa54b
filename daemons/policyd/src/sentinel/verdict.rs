//! What a judge may say: one JSON object of three members, and nothing around it.
//!
//! Whatever else comes back is no verdict. It is neither mended nor guessed at, since the text may be what the judged
//! action wanted said.

use serde::{Deserialize, Serialize};
use testudo::model::{Completion, Finish};
use testudo::verdict::Verdict;
use testudo::visible::is_visible;
use thiserror::Error;

/// Longest answer that is read, in bytes.
const LENGTH: usize = 8 * 1024;
/// Most characters of an explanation that people are shown.
const EXPLANATION: usize = 300;

/// How much is at stake, as the judge sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little.
    Low,
    /// Something.
    Medium,
    /// Much.
    High,
}

/// What a judge said about one rule and one part of an action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    /// What may happen.
    pub decision: Verdict,
    /// Why, in a line that can be shown.
    pub explanation: String,
    /// How much is at stake.
    pub risk: Risk,
}

/// Why there is no verdict. None of the texts holds anything of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// It came too late.
    #[error("the judge did not answer in time")]
    Late,
    /// It is no verdict.
    #[error("the judge's answer is no verdict")]
    Garbage,
    /// The model cannot be asked.
    #[error("the judge cannot be asked: {0}")]
    Unreachable(String),
    /// It failed too often just now.
    #[error("the judge has failed again and again and rests")]
    Resting,
    /// The session asks too much at once.
    #[error("too much waits for the judge in this session")]
    Crowded,
    /// It cannot be shown to a judge as a whole.
    #[error("it is too long for the judge to see all of it")]
    NotWhole,
    /// The rule itself cannot be seen.
    #[error("the rules of the workspace cannot be read: {0}")]
    Unread(String),
    /// What happened in the session is not known.
    #[error("what happened in the session cannot be read")]
    NoLog,
}

/// Reads the answer of a model.
///
/// # Errors
/// [`Failure::Garbage`] for everything but one whole verdict.
pub fn read(completion: &Completion) -> Result<Spoken, Failure> {
    let whole = completion.finish == Finish::Stop && completion.tool_calls.is_empty();
    if !whole || completion.text.len() > LENGTH {
        return Err(Failure::Garbage);
    }
    let spoken: Spoken = serde_json::from_str(&completion.text).map_err(|_| Failure::Garbage)?;
    let shown = spoken.explanation.chars().map(|c| if is_visible(c) { c } else { ' ' });
    Ok(Spoken { explanation: shown.take(EXPLANATION).collect(), ..spoken })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use testudo::model::{ToolCall, Usage};

    fn said(text: &str) -> Completion {
        Completion {
            text: text.into(),
            tool_calls: Vec::new(),
            usage: Usage::default(),
            finish: Finish::Stop,
            model: "m".into(),
            provider: "p".into(),
        }
    }

    const ALLOW: &str = r#"{"decision":"allow","explanation":"fine","risk":"low"}"#;

    #[test]
    fn one_verdict_is_read() {
        let spoken = read(&said(&format!(" {ALLOW}\n"))).unwrap();
        assert_eq!((spoken.decision, spoken.risk), (Verdict::Allow, Risk::Low));
        let long = ALLOW.replace("fine", &format!("a\\u202e\\n{}", "x".repeat(1000)));
        let explanation = read(&said(&long)).unwrap().explanation;
        assert!(explanation.starts_with("a  xxx") && explanation.chars().count() == EXPLANATION);
    }

    #[test]
    fn everything_else_is_none() {
        let cases = [
            String::new(),
            "allow".into(),
            "null".into(),
            format!("{ALLOW}{ALLOW}"),
            format!("{ALLOW}\n{}", ALLOW.replace("allow", "deny")),
            format!("[{ALLOW}]"),
            format!("```json\n{ALLOW}\n```"),
            format!("Here you are: {ALLOW}"),
            format!("{ALLOW} That is all."),
            ALLOW.replace("allow", "permit"),
            ALLOW.replace("allow", "ALLOW"),
            ALLOW.replace("\"allow\"", "true"),
            ALLOW.replace("low\"}", "none\"}"),
            ALLOW.replace("{\"dec", "{\"decision\":\"deny\",\"dec"),
            ALLOW.replace("{\"dec", "{\"note\":1,\"dec"),
            r#"{"decision":"allow"}"#.into(),
            r#"{"decision":"allow","explanation":null,"risk":"low"}"#.into(),
            ALLOW.replace("fine", &"x".repeat(LENGTH)),
        ];
        for text in cases {
            assert_eq!(read(&said(&text)), Err(Failure::Garbage), "{text}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_or_calls_a_tool_is_none() {
        for finish in [Finish::Length, Finish::Cancelled, Finish::ToolCalls] {
            assert_eq!(read(&Completion { finish, ..said(ALLOW) }), Err(Failure::Garbage), "{finish:?}");
        }
        let call = ToolCall { id: "1".into(), name: "echo".into(), arguments: serde_json::json!({}) };
        assert!(read(&Completion { tool_calls: vec![call], ..said(ALLOW) }).is_err());
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_verdict_by_chance(text in "(.|\n){0,120}") {
            prop_assert!(read(&said(&text)).is_err());
        }

        #[test]
        fn a_verdict_with_anything_around_it_is_none(before in "[^ \n\t\r]{0,5}", after in "[^ \n\t\r]{0,5}") {
            let alone = before.is_empty() && after.is_empty();
            prop_assert_eq!(read(&said(&format!("{before}{ALLOW}{after}"))).is_ok(), alone);
        }
    }
}
