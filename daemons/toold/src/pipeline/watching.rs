//! Before a decision: the rules of the workspace, read anew when they are not fresh.

use std::time::Instant;

use testudo::refusal::Refusal;
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
        let looked = self.instances.run(session, security::look(&identity.call), None, cancelled).await?;
        let rules = if security::is_there(&looked) {
            let read = self.instances.run(session, security::read(&identity.call), None, cancelled).await?;
            security::text(&read)
        } else {
            Ok(String::new())
        };
        known.keep(session, rules, Instant::now());
        Ok(())
    }
}
