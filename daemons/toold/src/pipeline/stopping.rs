//! The stop switch at work: what runs is ended, what waits is taken back, and what was granted ahead is void.

use std::time::Duration;

use super::Pipeline;
use crate::switch::{Stopped, SwitchError};

/// How long a person waits for the record of what he has done already.
const RECORD: Duration = Duration::from_millis(300);

impl Pipeline {
    /// Stops a session, or everything, and says how many calls were ended. In force before the first of them ends.
    ///
    /// # Errors
    /// When it would not survive a restart; it is in force all the same.
    pub async fn stop(&self, session: Option<&str>, by: &str) -> Result<u32, SwitchError> {
        let at = format!("{:.0}", jiff::Timestamp::now());
        // First the switch: a call either sees it in stage 4, or is among those that are ended now.
        self.switch.stop(session, Stopped { by: by.to_owned(), at });
        self.instances.note_stop(session);
        let ended = match session {
            Some(session) => {
                self.decider.grants.forget(session);
                // Cancelled before its sandbox goes, so that a call knows why it ends.
                let ended = self.running.cancel_session(session);
                self.instances.close(session);
                ended
            }
            None => {
                self.decider.grants.forget_all();
                let ended = self.running.cancel_all();
                self.instances.close_all();
                ended
            }
        };
        let kept = tokio::task::block_in_place(|| self.switch.keep());
        self.say(session, "stopped", by, ended).await;
        kept.map(|()| u32::try_from(ended).unwrap_or(u32::MAX))
    }

    /// Lets a session go on, or everything; false when it was not stopped.
    ///
    /// # Errors
    /// When it cannot be kept; then it stays stopped.
    pub async fn resume(&self, session: Option<&str>, by: &str) -> Result<bool, SwitchError> {
        let resumed = tokio::task::block_in_place(|| self.switch.resume(session))?;
        if resumed {
            self.instances.note_resume(session);
            self.say(session, "resumed", by, 0).await;
        }
        Ok(resumed)
    }

    /// In the record and the journal, without waiting for a record that hangs.
    async fn say(&self, session: Option<&str>, decision: &'static str, by: &str, ended: usize) {
        let recording = self.chronicle.switched(session, decision, by, ended);
        if tokio::time::timeout(RECORD, tokio::spawn(recording)).await.is_err() {
            tracing::warn!("the record of a {decision} session is late");
        }
    }
}
