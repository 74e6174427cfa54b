//! What people granted ahead: the tokens of approved plans, by session, until they are spent.
//!
//! They never leave this daemon but to `policyd`. A token that is offered out of turn is not spent by that, so it
//! stays here until its turn or its end comes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use testudo::plan::Spendable;

/// Most tokens of one session; the oldest go first, and their steps are asked about again.
const MOST: usize = 200;

/// Tokens by session, oldest first.
#[derive(Debug, Default)]
pub struct Grants {
    sessions: Mutex<HashMap<String, Vec<Spendable>>>,
}

impl Grants {
    /// Keeps the tokens of a plan.
    pub fn keep(&self, session: &str, tokens: Vec<Spendable>) {
        let mut sessions = self.lock();
        let kept = sessions.entry(session.to_owned()).or_default();
        kept.extend(tokens);
        kept.drain(..kept.len().saturating_sub(MOST));
    }

    /// The oldest token for the action with this digest.
    pub fn find(&self, session: &str, digest: &str) -> Option<Spendable> {
        self.lock().get(session)?.iter().find(|token| token.digest == digest).cloned()
    }

    /// A token is used up.
    pub fn spent(&self, session: &str, token: &Spendable) {
        let mut sessions = self.lock();
        if let Some(kept) = sessions.get_mut(session) {
            kept.retain(|other| other != token);
            if kept.is_empty() {
                sessions.remove(session);
            }
        }
    }

    /// Forgets all tokens of a session that ended or was stopped.
    pub fn forget(&self, session: &str) {
        self.lock().remove(session);
    }

    /// Forgets all tokens.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Spendable>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digest: &str, token: &str) -> Spendable {
        Spendable { digest: digest.into(), token: token.into() }
    }

    #[test]
    fn a_token_is_found_by_its_action_in_its_session_until_it_is_spent() {
        let grants = Grants::default();
        grants.keep("main", vec![token("a", "1"), token("b", "2"), token("a", "3")]);
        assert_eq!(grants.find("main", "a"), Some(token("a", "1")));
        assert_eq!(grants.find("other", "a"), None);
        assert_eq!(grants.find("main", "c"), None);
        grants.spent("main", &token("a", "1"));
        assert_eq!(grants.find("main", "a"), Some(token("a", "3")));
        grants.forget("main");
        assert_eq!(grants.find("main", "b"), None);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let grants = Grants::default();
        for number in 0..=MOST {
            grants.keep("main", vec![token(&number.to_string(), "x")]);
        }
        assert_eq!(grants.find("main", "0"), None);
        assert!(grants.find("main", "1").is_some());
    }
}
