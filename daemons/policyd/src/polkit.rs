//! An answer at this machine: polkit asks the person behind a connection to prove who he is.
//!
//! What is proved is proved to polkit and told to `policyd`, so a channel that carries answers cannot claim it. Where
//! there is no polkit, or it does not say yes in time, the answer is no.

use std::collections::HashMap;
use std::time::Duration;

use testudo::approval::Approval;
use testudo::fault::{Fault, bus_error_text, is_peer_gone};
use testudo::visible;
use zbus::wire::Variant;
use zbus::{Connection, proxy};

use crate::desk::Desk;

/// What polkit is asked to authorise, as `units/polkit-1` describes it.
const ACTION: &str = "org.testudo.policy.approve";
/// It may ask the person for a password.
const ALLOW_USER_INTERACTION: u32 = 1;

#[proxy(
    interface = "org.freedesktop.PolicyKit1.Authority",
    default_service = "org.freedesktop.PolicyKit1",
    default_path = "/org/freedesktop/PolicyKit1/Authority"
)]
trait Authority {
    fn check_authorization(
        &self,
        subject: &(&str, HashMap<&str, Variant<'_>>),
        action_id: &str,
        details: HashMap<&str, &str>,
        flags: u32,
        cancellation_id: &str,
    ) -> zbus::Result<(bool, bool, HashMap<String, String>)>;

    fn cancel_check_authorization(&self, cancellation_id: &str) -> zbus::Result<()>;
}

/// A client of polkit.
#[derive(Debug, Clone)]
pub struct Polkit {
    authority: AuthorityProxy<'static>,
}

impl Polkit {
    /// A client on this connection; polkit need not be there.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        let authority = AuthorityProxy::builder(connection)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        Ok(Self { authority })
    }

    async fn check(&self, caller: &str, approval: &Approval, within: Duration) -> Result<(), Fault> {
        let subject = ("system-bus-name", HashMap::from([("name", Variant::from(caller))]));
        let message = format!(
            "Authentication is required to let the agent do what {} asks: {} in session {}",
            approval.id,
            visible::line(&approval.tool),
            visible::line(&approval.session)
        );
        let details =
            HashMap::from([("approval", approval.id.as_str()), ("polkit.message", message.as_str())]);
        // One for each try: a person may try again while an older dialogue is still open.
        let cancellation = format!("{}-{caller}", approval.id);
        let asked = self.authority.check_authorization(
            &subject,
            ACTION,
            details,
            ALLOW_USER_INTERACTION,
            &cancellation,
        );
        let answer = tokio::time::timeout(within, asked).await;
        match answer {
            Ok(Ok((true, _, _))) => Ok(()),
            Ok(Ok((false, challenge, _))) => Err(Fault::Denied(refusal(challenge).into())),
            Ok(Err(error)) if is_peer_gone(&error) => {
                Err(Fault::Denied("nobody can be authenticated at this machine: polkit is not there".into()))
            }
            Ok(Err(error)) => Err(Fault::Denied(format!(
                "nobody could be authenticated at this machine: {}",
                bus_error_text(&error)
            ))),
            Err(_) => {
                // The dialogue would ask for nothing any more.
                let _ = self.authority.cancel_check_authorization(&cancellation).await;
                Err(Fault::Denied("nobody was authenticated at this machine in time".into()))
            }
        }
    }
}

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
        polkit.check(connection, approval, within).await
    }
}

const fn refusal(challenge: bool) -> &'static str {
    if challenge {
        "polkit could not ask anybody at this machine: answer where a polkit agent runs, such as `pkttyagent`"
    } else {
        "polkit does not authorise this person to approve"
    }
}
