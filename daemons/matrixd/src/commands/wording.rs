//! How commands are answered: short Markdown. What others wrote stands in it as code or escaped, cut, and with
//! everything written out that cannot be seen.

use testudo::approval::lease::Lease;
use testudo::approval::{Approval, Scope};
use testudo::config::Matrixd;
use testudo::visible;

use super::agent::Session;
use super::policy::Rules;

mod context;

pub(super) use context::{budget, chosen, models, pinned, pins, shortened, unpinned, usage};

/// Most lines of a list.
const LINES: usize = 40;
/// Most characters of a value.
const VALUE: usize = 120;
/// Most characters of a sentence.
const SENTENCE: usize = 400;

/// A value of others as code.
pub(super) fn code(text: &str) -> String {
    // A backtick would end the code: one that only looks like it does not.
    format!("`{}`", brief(text, VALUE).replace('`', "ˋ"))
}

/// A sentence of others, or with words of others in it, as words and nothing but words.
pub(super) fn words(text: &str) -> String {
    let mut out = String::new();
    for c in brief(text, SENTENCE).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn brief(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(most).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{}{rest}", visible::line(&start))
}

fn listed<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    let mut out = String::new();
    for one in all.iter().take(LINES) {
        out.push_str(&format!("- {}\n", line(one)));
    }
    if all.len() > LINES {
        out.push_str(&format!("- … and {} more\n", all.len() - LINES));
    }
    out
}

fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// What can only be done at the machine.
pub(super) fn at_the_machine(name: &str, what: &str) -> String {
    format!("This channel may not {what}. At the machine: `testudoctl chat`, then `/{name}`.")
}

pub(super) fn running(running: bool) -> String {
    if running { "Something is running here; `/stop` ends it." } else { "Nothing is running here." }
        .to_owned()
}

pub(super) fn status(sessions: &[Session], here: &str, is_running: bool, waiting: usize) -> String {
    let runs = sessions.iter().filter(|session| session.running).count();
    format!(
        "{} Session {}.\n\n{}, {runs} running. {} waiting{}. The daemons and the record: `testudoctl status` at the machine.",
        running(is_running),
        code(here),
        count(sessions.len(), "session"),
        count(waiting, "question"),
        if waiting > 0 { " (`/approvals`)" } else { "" },
    )
}

pub(super) fn stopped(stopped: bool, dropped: usize, elsewhere: usize) -> String {
    let waited = match dropped {
        0 => "",
        1 => " One message that waited was dropped.",
        _ => " The messages that waited were dropped.",
    };
    match (stopped, elsewhere) {
        (true, _) => format!("■ Stopped.{waited}"),
        (false, 0) => format!("Nothing is running here.{waited}"),
        (false, _) => format!(
            "Nothing is running here.{waited} In {} of this room something is: say `/stop` there.",
            count(elsewhere, "other session")
        ),
    }
}

pub(super) fn renewed(before: &str, after: &str) -> String {
    format!(
        "The next message begins a new session here, {}. The old one, {}, stays as it is.",
        code(after),
        code(before)
    )
}

pub(super) fn sessions(sessions: &[Session], here: &str) -> String {
    if sessions.is_empty() {
        return "There are no conversations yet.".to_owned();
    }
    let mut newest: Vec<&Session> = sessions.iter().collect();
    newest.sort_by(|a, b| b.last_at.cmp(&a.last_at));
    listed(&newest, |session| {
        if session.sealed.is_some() {
            let name = code(&session.session);
            return format!("{name}: of another version, cannot be opened; the journal says what helps");
        }
        let state = if session.running {
            ", running"
        } else if session.blocked {
            ", blocked: a question waits for an answer"
        } else {
            ""
        };
        let place = if session.session == here { " (here)" } else { "" };
        let turns = count(usize::try_from(session.turns).unwrap_or(usize::MAX), "turn");
        format!("{}{place}: {turns}{state}", code(&session.session))
    })
}

pub(super) fn approvals(approvals: &[Approval], here: &str) -> String {
    if approvals.is_empty() {
        return "Nothing waits for an answer.".to_owned();
    }
    let list = listed(approvals, |approval| {
        let place = if approval.session == here {
            "here".to_owned()
        } else {
            format!("in {}", code(&approval.session))
        };
        let (id, tool, end) = (code(&approval.id), code(&approval.tool), code(&approval.expires_at));
        format!("{id}: {tool} {place}, expires {end}")
    });
    format!(
        "{list}\nEach is answered where it was asked, with the code that stands there; `/deny ID` does without."
    )
}

/// What is said to `/approve ID` without its code, and to an id that no question has.
pub(super) fn unanswered(id: &str, approval: Option<&Approval>) -> String {
    let id = code(id);
    match approval {
        None => format!("No question {id} waits for an answer; `/approvals` lists what does."),
        Some(_) => format!(
            "That is no answer to {id}, and it still waits: `/approve ID CODE`, with the code that its question shows, \
             or `/deny ID REASON`."
        ),
    }
}

pub(super) fn leases(leases: &[Lease]) -> String {
    if leases.is_empty() {
        return "No yes holds for longer than once.".to_owned();
    }
    let list = listed(leases, |lease| {
        let end = match (lease.scope, lease.expires_at.as_deref()) {
            (Scope::Always, _) | (_, None) => "until it is revoked".to_owned(),
            (_, Some(end)) => format!("until {}", code(end)),
        };
        let place = lease
            .session
            .as_deref()
            .map_or_else(|| "every session".to_owned(), |name| format!("session {}", code(name)));
        let mut exactly = String::new();
        for (name, value) in &lease.exactly {
            exactly.push_str(&format!(" {}", code(&format!("{name}={value}"))));
        }
        format!("{}: {}{exactly} in {place}, {end}", code(&lease.id), code(&lease.tool))
    });
    format!("{list}\n`/revoke LEASE` ends one.")
}

pub(super) fn rules(rules: &Rules) -> String {
    if rules.rules.is_empty() {
        return "The policy has no rules in plain language.".to_owned();
    }
    let mut list = listed(&rules.rules, |rule| {
        let state = match (rule.enabled, rule.disableable) {
            (false, _) => ", **off here**",
            (true, true) => ", may be switched off",
            (true, false) => "",
        };
        format!("{} ({}{state}): {}", code(&rule.id), words(&rule.mode), words(&rule.question))
    });
    if rules.rests {
        list.push_str("\nThe judge failed again and again and rests; until then every call is asked about.");
    }
    list
}

pub(super) fn security(config: &Matrixd, rules: &Rules, waiting: usize, leases: usize) -> String {
    let rooms = match config.rooms.len() {
        0 => "every room into which an owner invites".to_owned(),
        number => format!("{} by name", count(number, "room")),
    };
    let plain = match config.unencrypted_rooms.len() {
        0 => "all encrypted".to_owned(),
        number => format!("**{number} need not be encrypted**; nothing is approved there"),
    };
    let homeserver = if config.trust_homeserver {
        "**trusted as the owner's own**: a reaction answers also what policy wants a reply for"
    } else {
        "not trusted: a reaction answers only what policy calls light"
    };
    let off = rules.rules.iter().filter(|rule| !rule.enabled).count();
    let off = if off == 0 { "none off here".to_owned() } else { format!("**{off} off here**") };
    format!(
        "- people: {}, {}, {} of bridged ones; nobody else is heard\n\
         - rooms: {rooms}; {plain}\n\
         - homeserver: {homeserver}\n\
         - rules in plain language: {}, {off}{}\n\
         - yeses that hold: {}; {} waiting\n\
         \n\
         The policy, what may reach out and the daemons themselves: `testudoctl chat`, then `/security`, and `testudoctl doctor`.",
        count(config.owners.len(), "owner"),
        count(config.members.len(), "member"),
        count(config.bridged.len(), "pattern"),
        rules.rules.len(),
        if rules.rests { "; the judge rests, so every call is asked about" } else { "" },
        count(leases, "lease"),
        count(waiting, "question"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_others_wrote_is_no_markdown() {
        assert_eq!(code("a`b\u{202e}\n"), "`aˋb\\u{202e}\\u{a}`");
        assert_eq!(words("[x](http://evil) <b> `c`"), "\\[x\\](http://evil) \\<b\\> \\`c\\`");
        assert!(code(&"x".repeat(1000)).chars().count() <= VALUE + 3);
    }

    #[test]
    fn a_long_list_is_cut() {
        let all: Vec<Session> = (0..100)
            .map(|number| Session {
                session: format!("s-{number}"),
                turns: number,
                last_at: Some(format!("2026-01-01T00:00:{number:02}Z")),
                running: number == 99,
                blocked: false,
                unattended: false,
                run: None,
                sealed: None,
            })
            .collect();
        let text = sessions(&all, "s-98");
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.starts_with("- `s-99`: 99 turns, running\n- `s-98` (here): 98 turns\n"), "{text}");
        assert!(text.ends_with("- … and 60 more\n"), "{text}");
    }

    proptest! {
        #[test]
        fn code_stays_one_span_on_one_line(text in any::<String>()) {
            let code = code(&text);
            prop_assert_eq!(code.matches('`').count(), 2);
            prop_assert!(!code.chars().any(char::is_control));
        }
    }
}
