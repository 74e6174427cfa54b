//! The calls that run now, and how to end them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Most calls at one time, of all sessions.
const MOST: usize = 64;

/// Most of them of one session, so that no session crowds the others out.
const MOST_OF_SESSION: usize = 8;

/// Calls by id.
#[derive(Debug, Default)]
pub struct Running {
    calls: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    connection: String,
    session: String,
    cancelled: watch::Sender<bool>,
}

/// Why a call could not be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// A call with this id runs already.
    Duplicate,
    /// Too many run.
    Full,
}

/// Returns when somebody ends the call.
pub async fn ended(cancelled: &mut watch::Receiver<bool>) {
    // The sender lives in the entry until the call leaves, so waiting cannot fail before that.
    let _ = cancelled.wait_for(|cancelled| *cancelled).await;
}

impl Running {
    /// Enters a call; the receiver turns true when somebody ends it.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn enter(
        &self,
        call: &str,
        session: &str,
        connection: &str,
    ) -> Result<watch::Receiver<bool>, Crowded> {
        let mut calls = self.lock();
        if calls.contains_key(call) {
            return Err(Crowded::Duplicate);
        }
        let of_session = calls.values().filter(|entry| entry.session == session).count();
        if calls.len() >= MOST || of_session >= MOST_OF_SESSION {
            return Err(Crowded::Full);
        }
        let (cancelled, receiver) = watch::channel(false);
        let entry = Entry { connection: connection.to_owned(), session: session.to_owned(), cancelled };
        calls.insert(call.to_owned(), entry);
        Ok(receiver)
    }

    /// Removes a call that ended.
    pub fn leave(&self, call: &str) {
        self.lock().remove(call);
    }

    /// Ends one call; false when there is none.
    pub fn cancel(&self, call: &str) -> bool {
        self.lock().get(call).is_some_and(|entry| entry.cancelled.send(true).is_ok())
    }

    /// Ends all calls of a connection that left: nobody is there to hear their results.
    pub fn cancel_connection(&self, connection: &str) {
        let _ = self.cancel_where(|entry| entry.connection == connection);
    }

    /// Ends all calls of a session, and says how many.
    pub fn cancel_session(&self, session: &str) -> usize {
        self.cancel_where(|entry| entry.session == session)
    }

    /// Ends all calls, and says how many.
    pub fn cancel_all(&self) -> usize {
        self.cancel_where(|_| true)
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn cancel_where(&self, which: impl Fn(&Entry) -> bool) -> usize {
        let calls = self.lock();
        let mut ended = 0;
        for entry in calls.values().filter(|entry| which(entry)) {
            // Nobody listens any more when the call is just ending.
            let _ = entry.cancelled.send(true);
            ended += 1;
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_cannot_crowd_out_the_others() {
        let running = Running::default();
        let enter = |call: &str, session: &str| running.enter(call, session, ":1.1").map(drop);
        for number in 0..MOST_OF_SESSION {
            assert_eq!(enter(&format!("c-{number}"), "busy"), Ok(()));
        }
        assert_eq!(enter("c-more", "busy"), Err(Crowded::Full));
        assert_eq!(enter("c-other", "other"), Ok(()));
        assert_eq!(enter("c-other", "third"), Err(Crowded::Duplicate));
        running.leave("c-0");
        assert_eq!(enter("c-more", "busy"), Ok(()));
    }

    #[test]
    fn a_call_ends_by_its_id_its_session_or_its_caller() {
        let running = Running::default();
        let receivers: Vec<_> =
            [("a", "s", ":1.1"), ("b", "s", ":1.2"), ("c", "t", ":1.2"), ("d", "t", ":1.3")]
                .into_iter()
                .map(|(call, session, caller)| running.enter(call, session, caller).unwrap())
                .collect();
        let ended = || receivers.iter().map(|receiver| *receiver.borrow()).collect::<Vec<_>>();
        assert!(running.cancel("a") && !running.cancel("unknown"));
        assert_eq!(ended(), [true, false, false, false]);
        running.cancel_connection(":1.2");
        assert_eq!(ended(), [true, true, true, false]);
        assert_eq!(running.cancel_session("t"), 2);
        assert_eq!(ended(), [true; 4]);
    }
}
