//! Whether the operator behind a connection may change the account's trust: polkit asks him to prove who he is.
//!
//! Root needs no proof, as polkit itself has it, so that a machine without polkit can be looked after. For anybody
//! else no polkit means no.

use std::time::Duration;

use testudo::fault::Fault;
use testudo::polkit::{Polkit, Question};

/// What polkit is asked to authorise, as `units/polkit-1` describes it.
const ACTION: &str = "org.testudo.matrix.manage";
/// How long a person may take to prove who he is.
const PATIENCE: Duration = Duration::from_mins(2);
/// Who needs no proof.
const ROOT: &str = "root";

/// Has polkit authorise an operator; `what` says for what, as a verb and its object.
///
/// # Errors
/// When it does not say yes, whyever.
pub(crate) async fn authorise(
    polkit: &Polkit,
    connection: &str,
    operator: &str,
    what: &str,
) -> Result<(), Fault> {
    if operator == ROOT {
        return Ok(());
    }
    let message = format!("Authentication is required to look after the agent's Matrix account: {what}");
    let question = Question {
        action: ACTION,
        caller: connection,
        message: &message,
        details: &[],
        cancellation: &format!("matrix-{connection}"),
        what: "look after the account",
        within: PATIENCE,
    };
    polkit.authorise(&question).await
}
