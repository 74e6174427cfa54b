//! What a typed line means: something to say, a command, or the answer to an approval.

use crate::approvals::ForHowLong;

/// A line at the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing was typed.
    Nothing,
    /// To the agent.
    Say(String),
    /// `/help`
    Help,
    /// `/approvals`
    Approvals,
    /// `/approve ID`
    Approve(String),
    /// `/deny ID reason`
    Deny(String, String),
    /// `/rules`
    Rules,
    /// `/disable RULE`, or `/enable RULE` when it is true.
    Switch(String, bool),
    /// `/sessions`
    Sessions,
    /// `/status`
    Status,
    /// `/stop`
    Stop,
    /// `/quit`
    Quit,
    /// It begins like a command and is none; what is wrong with it.
    Wrong(String),
}

/// A line while an approval waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, for so long, perhaps with a one-time code.
    Yes(ForHowLong, Option<String>),
    /// Show it whole first.
    Whole,
    /// No, with a reason that may be empty.
    No(String),
    /// A command instead.
    Order(Order),
    /// Neither; it is asked again, for a guess is no answer.
    Unclear,
}

/// All commands, for `/help`.
pub const HELP: &str = "\
/approvals         what waits for an answer, in every session
/approve ID        show it and ask for the answer here
/deny ID [REASON]  say no to it
/rules             the rules in plain language, as they stand in this session
/disable RULE      switch one off in this session, if the policy lets it be; /enable RULE switches it on
/sessions          conversations
/status            are all daemons there
/stop              cancel what is running (so does Ctrl-C)
/quit              leave (so does Ctrl-D); what is running goes on
When an approval waits: y once, s for this session, u 30m for a time, a always (exactly this), n [REASON] no;
w shows it whole; a one-time code stands behind the letter: y 123456.
Alt-Enter begins a new line. A line that begins with // is said with one slash.";

/// Reads a line at the prompt.
pub fn order(line: &str) -> Order {
    let line = line.trim();
    if line.is_empty() {
        return Order::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else { return Order::Say(line.to_owned()) };
    if command.starts_with('/') {
        return Order::Say(command.to_owned());
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    match (word, rest) {
        ("help" | "?", _) => Order::Help,
        ("approvals", _) => Order::Approvals,
        ("approve" | "deny", "") => Order::Wrong(format!("which one? /{word} ID")),
        ("approve", id) => Order::Approve(id.to_owned()),
        ("deny", rest) => {
            let (id, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            Order::Deny(id.to_owned(), reason.trim().to_owned())
        }
        ("rules", _) => Order::Rules,
        ("disable" | "enable", "") => Order::Wrong(format!("which one? /{word} RULE; /rules lists them")),
        ("disable" | "enable", rule) => Order::Switch(rule.to_owned(), word == "enable"),
        ("sessions", _) => Order::Sessions,
        ("status", _) => Order::Status,
        ("stop", _) => Order::Stop,
        ("quit" | "exit", _) => Order::Quit,
        (other, _) => Order::Wrong(format!("there is no /{other}: /help lists what there is")),
    }
}

/// Reads a line while an approval waits. Only exact words are a yes.
pub fn answer(line: &str) -> Answer {
    let line = line.trim();
    if line.starts_with('/') {
        return Answer::Order(order(line));
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (word, rest) = (word.to_ascii_lowercase(), rest.trim());
    if matches!(word.as_str(), "n" | "no") {
        return Answer::No(rest.to_owned());
    }
    let mut rest = rest.split_whitespace();
    let scope = match word.as_str() {
        "w" | "whole" => return if rest.next().is_none() { Answer::Whole } else { Answer::Unclear },
        "y" | "yes" => Some(ForHowLong::Once),
        "s" | "session" => Some(ForHowLong::Session),
        "a" | "always" => Some(ForHowLong::Always),
        "u" | "until" => match rest.next().map(ForHowLong::parse) {
            Some(Ok(time @ ForHowLong::Until(_))) => Some(time),
            _ => None,
        },
        _ => None,
    };
    let code = rest.next().map(str::to_owned);
    let is_code = |code: &String| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    match scope {
        Some(scope) if code.as_ref().is_none_or(is_code) && rest.next().is_none() => Answer::Yes(scope, code),
        _ => Answer::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_they_say() {
        for (line, meant) in [
            ("  ", Order::Nothing),
            ("write hi", Order::Say("write hi".into())),
            ("//etc is a folder", Order::Say("/etc is a folder".into())),
            ("/help", Order::Help),
            ("/approve a-1", Order::Approve("a-1".into())),
            ("/deny a-1  not  there", Order::Deny("a-1".into(), "not  there".into())),
            ("/deny a-1", Order::Deny("a-1".into(), String::new())),
            ("/rules", Order::Rules),
            ("/disable no-money", Order::Switch("no-money".into(), false)),
            ("/enable no-money", Order::Switch("no-money".into(), true)),
            ("/stop", Order::Stop),
            ("/quit", Order::Quit),
        ] {
            assert_eq!(order(line), meant, "{line}");
        }
        assert!(matches!(order("/approve"), Order::Wrong(_)));
        assert!(matches!(order("/disable"), Order::Wrong(_)));
        assert!(matches!(order("/etc/passwd please"), Order::Wrong(_)));
    }

    #[test]
    fn only_exact_words_are_a_yes() {
        for (line, meant) in [
            ("y", Answer::Yes(ForHowLong::Once, None)),
            ("YES ", Answer::Yes(ForHowLong::Once, None)),
            ("s", Answer::Yes(ForHowLong::Session, None)),
            ("a", Answer::Yes(ForHowLong::Always, None)),
            ("u 30m", Answer::Yes(ForHowLong::Until("30m".into()), None)),
            ("y 123456", Answer::Yes(ForHowLong::Once, Some("123456".into()))),
            ("u 30m 123456", Answer::Yes(ForHowLong::Until("30m".into()), Some("123456".into()))),
            ("w", Answer::Whole),
            ("u", Answer::Unclear),
            ("u session", Answer::Unclear),
            ("y 12345", Answer::Unclear),
            ("y 123456 7", Answer::Unclear),
            ("w please", Answer::Unclear),
            ("n", Answer::No(String::new())),
            ("no  wrong folder", Answer::No("wrong folder".into())),
            ("", Answer::Unclear),
            ("y but not there", Answer::Unclear),
            ("yep", Answer::Unclear),
            ("sure", Answer::Unclear),
            ("/stop", Answer::Order(Order::Stop)),
        ] {
            assert_eq!(answer(line), meant, "{line}");
        }
    }
}
