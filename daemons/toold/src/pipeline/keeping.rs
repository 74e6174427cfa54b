//! Instances ahead of the calls that need them, and instances held still on a person's word.

use std::sync::Arc;

use testudo_sandbox::protocol::Template;
use tokio::sync::watch;

use super::Pipeline;
use crate::instances::systemd::Trouble;

impl Pipeline {
    /// Has the session's workshop started ahead, unless the session is stopped. Nobody waits for it: a call that comes
    /// before it is ready waits for the same one, and what goes wrong is told to that call.
    pub fn prepare(self: &Arc<Self>, session: &str) {
        if self.controls.stop && self.switch.admit(session).is_err() {
            return;
        }
        let (pipeline, session) = (self.clone(), session.to_owned());
        tokio::spawn(async move {
            // Nobody cancels it; the sender lives as long as the wish.
            let (_wish, mut cancelled) = watch::channel(false);
            let prepared = pipeline.instances.prepare(&session, Template::Workshop, &mut cancelled).await;
            // What the workspace's own rules are read in; every call needs it.
            let looking = pipeline.instances.prepare(&session, Template::PolicySandbox, &mut cancelled).await;
            for refusal in [prepared, looking].into_iter().filter_map(Result::err) {
                tracing::debug!("no sandbox ahead of a call: {}", refusal.message);
            }
        });
    }

    /// Freezes a session: refuses its further calls, holds its instances still, and says how many those are.
    ///
    /// # Errors
    /// When something of it goes on all the same; its calls are refused then too.
    pub async fn freeze(&self, session: &str, by: &str) -> Result<u32, Trouble> {
        let held = self.instances.freeze(session).await;
        self.chronicle.held(session, "frozen", by, held.instances).await;
        held.complete(session)
    }

    /// Thaws a session's instances, and says how many.
    ///
    /// # Errors
    /// When the service manager does not do it.
    pub async fn thaw(&self, session: &str, by: &str) -> Result<u32, Trouble> {
        let thawed = self.instances.thaw(session).await?;
        self.chronicle.held(session, "thawed", by, thawed).await;
        Ok(thawed)
    }
}
