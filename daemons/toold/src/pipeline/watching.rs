//! Before a decision: the rules of the workspace, read anew when they are not fresh.
//!
//! They are read in an instance of their own that runs no program: what took over the workshop, where the session's
//! programs run, could say that there are none.

use std::time::Instant;

use testudo::refusal::Refusal;
use testudo_sandbox::client::Outcome;
use testudo_sandbox::protocol::Run;
use tokio::sync::watch;

use super::{Identity, Pipeline};
use crate::security;

impl Pipeline {
    /// Makes sure that `policyd` will be told of the workspace's own rules with this session's next decision.
    ///
    /// # Errors
    /// When there is no sandbox to read them in: what needs none of it, is not asked for them.
    pub(super) async fn look_at_security(
        &self,
        identity: &Identity,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<(), Refusal> {
        let (session, known) = (&identity.session, &self.decider.security);
        if !known.is_stale(session, Instant::now()) {
            return Ok(());
        }
        let looked = self.look(session, security::look(&identity.call), cancelled).await?;
        let rules = if security::is_there(&looked) {
            let read = self.look(session, security::read(&identity.call), cancelled).await?;
            security::text(&read)
        } else {
            Ok(String::new())
        };
        known.keep(session, rules, Instant::now());
        Ok(())
    }

    async fn look(
        &self,
        session: &str,
        run: Run,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Outcome, Refusal> {
        let looked = self.instances.run(session, security::TEMPLATE, run.clone(), None, cancelled).await?;
        if !looked.done.timed_out {
            return Ok(looked);
        }
        // It may take a moment only, which a busy machine can miss once. Missed twice, they count as not read.
        self.instances.run(session, security::TEMPLATE, run, None, cancelled).await
    }
}
