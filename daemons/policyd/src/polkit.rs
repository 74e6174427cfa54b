//! An answer at this machine: polkit asks the person behind a connection to prove who he is.
//!
//! What is proved is proved to polkit and told to `policyd`, so a channel that carries answers cannot claim it.

use std::time::Duration;

use testudo::approval::Approval;
use testudo::fault::Fault;
use testudo::polkit::Question;
use testudo::visible;

use crate::desk::Desk;

/// What polkit is asked to authorise, as `units/polkit-1` describes it.
const ACTION: &str = "org.testudo.policy.approve";

impl Desk {
    /// Has polkit authenticate the person behind a connection.
    ///
    /// # Errors
    /// When it does not say yes, whyever.
    pub(crate) async fn authenticate(
        &self,
        approval: &Approval,
        connection: &str,
        within: Duration,
    ) -> Result<(), Fault> {
        let polkit = self.polkit.as_ref();
        let polkit =
            polkit.ok_or_else(|| Fault::Denied("nobody can be authenticated at this machine".into()))?;
        let message = format!(
            "Authentication is required to let the agent do what {} asks: {} in session {}",
            approval.id,
            visible::line(&approval.tool),
            visible::line(&approval.session)
        );
        let question = Question {
            action: ACTION,
            caller: connection,
            message: &message,
            details: &[("approval", approval.id.as_str())],
            // One for each try: a person may try again while an older dialogue is still open.
            cancellation: &format!("{}-{connection}", approval.id),
            what: "approve",
            within,
        };
        polkit.authorise(&question).await
    }
}
