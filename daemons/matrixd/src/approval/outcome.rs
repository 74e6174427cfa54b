//! How a question ended, in words for its room. Pure.

use testudo::approval::{Outcome, Scope, State};
use testudo::visible;

use super::prompt::{End, Prompt};

/// Most characters of a reason.
const REASON: usize = 200;

/// The end of a prompt; none for what is no end of it.
pub const fn end(state: State) -> Option<End> {
    match state {
        State::Pending => None,
        State::Approved | State::Redeemed => Some(End::Approved),
        State::Denied => Some(End::Denied),
        State::Expired => Some(End::Expired),
        State::Withdrawn => Some(End::Withdrawn),
    }
}

/// What is said in the place of the prompt.
pub fn sentence(outcome: &Outcome) -> String {
    let by = outcome.by.as_deref().map_or_else(String::new, |by| format!(" by {}", shown(by)));
    let why = outcome.reason.as_deref().filter(|why| !why.is_empty());
    let why = why.map_or_else(String::new, |why| format!(": {}", shown(why)));
    match outcome.state {
        State::Pending => "still open".to_owned(),
        State::Approved | State::Redeemed => {
            let lease = outcome.lease.as_deref().map_or_else(String::new, |lease| {
                let lease = shown(lease);
                format!(" ({lease}; `/revoke {lease}` ends it)")
            });
            format!("✅ approved {}{by}{lease}", reach(outcome.scope))
        }
        State::Denied => format!("❌ denied{by}{why}"),
        State::Expired => "⌛ expired: nobody answered in time, which is a no".to_owned(),
        State::Withdrawn => format!("withdrawn{why}"),
    }
}

/// What is said of a prompt that ended while nobody here could see how.
pub fn unseen(prompt: &Prompt, now_ms: u64) -> (End, String) {
    if now_ms >= prompt.expires_ms {
        (End::Expired, "⌛ expired: nobody answered in time, which is a no".to_owned())
    } else {
        (End::Settled, "settled while this was not watched: `testudoctl audit log` says how".to_owned())
    }
}

const fn reach(scope: Option<Scope>) -> &'static str {
    match scope {
        None | Some(Scope::Once) => "once",
        Some(Scope::Session) => "for this session",
        Some(Scope::Until) => "for a time",
        Some(Scope::Always) => "always",
    }
}

fn shown(text: &str) -> String {
    visible::line(&text.chars().take(REASON).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(state: State) -> Outcome {
        Outcome {
            id: "a-7".into(),
            state,
            digest: "00".into(),
            reason: None,
            by: Some("matrix @ann:home.org".into()),
            weight: None,
            scope: None,
            lease: None,
        }
    }

    #[test]
    fn every_end_is_said() {
        assert_eq!(sentence(&outcome(State::Approved)), "✅ approved once by matrix @ann:home.org");
        let lease =
            Outcome { scope: Some(Scope::Session), lease: Some("l-7".into()), ..outcome(State::Approved) };
        assert!(sentence(&lease).contains("for this session") && sentence(&lease).contains("/revoke l-7"));
        let denied = Outcome { reason: Some("write\u{202e}it\nelsewhere".into()), ..outcome(State::Denied) };
        assert_eq!(sentence(&denied), "❌ denied by matrix @ann:home.org: write\\u{202e}it\\u{a}elsewhere");
        assert!(sentence(&outcome(State::Expired)).contains("expired"));
        assert!(sentence(&outcome(State::Withdrawn)).contains("withdrawn"));
    }
}
