//! What a line means while an approval waits: an answer to it, or a command instead.
//!
//! Only exact words are a yes; a guess is no answer, and the question is asked again.

use testudo::command::{self, Channel, Line};

use crate::approvals::{ForHowLong, Yes};

/// How the phrase begins that a change of the policy shows where it breaks much. `policyd` compares all of it.
const PHRASE: &str = "I break ";

/// A line while an approval waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, for so long, for these steps, with what it is proved with.
    Yes(Yes),
    /// Show it whole first.
    Whole,
    /// No, with a reason that may be empty.
    No(String),
    /// A command instead.
    Instead(Line),
    /// Neither.
    Unclear,
}

/// Reads it.
pub fn read(line: &str) -> Answer {
    let line = line.trim();
    if line.starts_with('/') {
        return Answer::Instead(command::read(line, Channel::Chat));
    }
    if line.starts_with(PHRASE) {
        return Answer::Yes(phrase(line));
    }
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (word, rest) = (first.to_ascii_lowercase(), rest.trim());
    if matches!(word.as_str(), "n" | "no") {
        return Answer::No(rest.to_owned());
    }
    let mut rest = rest.split_whitespace().peekable();
    let (scope, mut steps) = match word.as_str() {
        "w" | "whole" => return if rest.next().is_none() { Answer::Whole } else { Answer::Unclear },
        "y" | "yes" => (Some(ForHowLong::Once), None),
        "s" | "session" => (Some(ForHowLong::Session), None),
        "a" | "always" => (Some(ForHowLong::Always), None),
        "u" | "until" => match rest.next().map(ForHowLong::parse) {
            Some(Ok(time @ ForHowLong::Until(_))) => (Some(time), None),
            _ => (None, None),
        },
        _ if are_steps(first) => (Some(ForHowLong::Once), Some(first.to_owned())),
        _ => (None, None),
    };
    if scope == Some(ForHowLong::Once) && steps.is_none() {
        steps = rest.next_if(|text| are_steps(text)).map(str::to_owned);
    }
    let code = rest.next().map(str::to_owned);
    match scope {
        Some(scope) if code.as_deref().is_none_or(is_code) && rest.next().is_none() => {
            Answer::Yes(Yes { scope, code, steps, ..Yes::default() })
        }
        _ => Answer::Unclear,
    }
}

/// `1-3`, `1,3` or `-2`: numbers of steps, of which a plan has at most two digits' worth.
fn are_steps(text: &str) -> bool {
    let is_number =
        |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_part = |part: &str| match part.split_once('-') {
        Some(("", without)) => is_number(without),
        Some((from, to)) => is_number(from) && is_number(to),
        None => is_number(part),
    };
    text.split(',').all(is_part)
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The phrase, perhaps with a code behind it; the phrase itself ends in a word.
fn phrase(line: &str) -> Yes {
    let (text, code) = match line.rsplit_once(' ') {
        Some((text, code)) if is_code(code) => (text.trim_end(), Some(code.to_owned())),
        _ => (line, None),
    };
    Yes { phrase: Some(text.to_owned()), code, ..Yes::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use testudo::command::Command;

    fn yes(scope: ForHowLong, steps: &str, code: &str) -> Answer {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Answer::Yes(Yes { scope, steps: some(steps), code: some(code), ..Yes::default() })
    }

    #[test]
    fn only_exact_words_are_a_yes() {
        for (line, meant) in [
            ("y", yes(ForHowLong::Once, "", "")),
            ("YES ", yes(ForHowLong::Once, "", "")),
            ("s", yes(ForHowLong::Session, "", "")),
            ("a", yes(ForHowLong::Always, "", "")),
            ("u 30m", yes(ForHowLong::Until("30m".into()), "", "")),
            ("y 123456", yes(ForHowLong::Once, "", "123456")),
            ("u 30m 123456", yes(ForHowLong::Until("30m".into()), "", "123456")),
            ("1-3", yes(ForHowLong::Once, "1-3", "")),
            ("y 1,3", yes(ForHowLong::Once, "1,3", "")),
            ("-2 123456", yes(ForHowLong::Once, "-2", "123456")),
            ("y 1-3,7 123456", yes(ForHowLong::Once, "1-3,7", "123456")),
            ("w", Answer::Whole),
            ("u", Answer::Unclear),
            ("u session", Answer::Unclear),
            ("s 1-3", Answer::Unclear),
            ("a 1", Answer::Unclear),
            ("1-3 please", Answer::Unclear),
            ("1-", Answer::Unclear),
            ("123456", Answer::Unclear),
            ("100", Answer::Unclear),
            ("y 12345", Answer::Unclear),
            ("y 123456 7", Answer::Unclear),
            ("w please", Answer::Unclear),
            ("n", Answer::No(String::new())),
            ("no  wrong folder", Answer::No("wrong folder".into())),
            ("", Answer::Unclear),
            ("y but not there", Answer::Unclear),
            ("yep", Answer::Unclear),
            ("sure", Answer::Unclear),
            ("/stop", Answer::Instead(Line::Command(Command::Stop))),
        ] {
            assert_eq!(read(line), meant, "{line}");
        }
    }

    #[test]
    fn the_phrase_of_a_breaking_change_is_given_as_it_was_typed() {
        for (line, phrase, code) in [
            ("I break 6 decisions", "I break 6 decisions", None),
            ("I break 6 decisions 123456", "I break 6 decisions", Some("123456")),
            ("I break 123456 decisions", "I break 123456 decisions", None),
            ("I break everything", "I break everything", None),
        ] {
            let expected =
                Yes { phrase: Some(phrase.into()), code: code.map(str::to_owned), ..Yes::default() };
            assert_eq!(read(line), Answer::Yes(expected), "{line}");
        }
        assert_eq!(read("i break 6 decisions"), Answer::Unclear);
    }

    proptest! {
        #[test]
        fn what_begins_otherwise_is_no_yes(line in "[^ysauYSAUI0-9-].{0,30}") {
            prop_assert!(!matches!(read(&line), Answer::Yes(_)), "{line}");
        }
    }
}
