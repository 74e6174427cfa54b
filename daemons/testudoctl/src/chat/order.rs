//! What a typed line means: something to say, a command, or the answer to an approval.

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
    /// Yes, this once.
    Once,
    /// Yes, for this session.
    Session,
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
/sessions          conversations
/status            are all daemons there
/stop              cancel what is running (so does Ctrl-C)
/quit              leave (so does Ctrl-D); what is running goes on
When an approval waits: y once, s for this session, n [REASON] no.
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
    match (word.to_ascii_lowercase().as_str(), rest.trim()) {
        ("y" | "yes", "") => Answer::Once,
        ("s" | "session", "") => Answer::Session,
        ("n" | "no", reason) => Answer::No(reason.to_owned()),
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
            ("/stop", Order::Stop),
            ("/quit", Order::Quit),
        ] {
            assert_eq!(order(line), meant, "{line}");
        }
        assert!(matches!(order("/approve"), Order::Wrong(_)));
        assert!(matches!(order("/etc/passwd please"), Order::Wrong(_)));
    }

    #[test]
    fn only_exact_words_are_a_yes() {
        for (line, meant) in [
            ("y", Answer::Once),
            ("YES ", Answer::Once),
            ("s", Answer::Session),
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
