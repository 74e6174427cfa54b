//! Whether the operator behind a connection may change the account's trust: polkit asks him to prove who he is.
//!
//! Root needs no proof, as polkit itself has it, so that a machine without polkit can be looked after. For anybody
//! else no polkit means no.

use std::collections::HashMap;
use std::time::Duration;

use testudo::fault::{Fault, bus_error_text, is_peer_gone};
use zbus::wire::Variant;
use zbus::{Connection, proxy};

/// What polkit is asked to authorise, as `units/polkit-1` describes it.
const ACTION: &str = "org.testudo.matrix.manage";
/// It may ask the person for a password.
const ALLOW_USER_INTERACTION: u32 = 1;
/// How long a person may take to prove who he is.
const PATIENCE: Duration = Duration::from_mins(2);
/// Who needs no proof.
const ROOT: &str = "root";

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
        let builder = AuthorityProxy::builder(connection).cache_properties(zbus::proxy::CacheProperties::No);
        Ok(Self { authority: builder.build().await? })
    }

    /// Has polkit authorise an operator; `what` says for what, as a verb and its object.
    ///
    /// # Errors
    /// When it does not say yes, whyever.
    pub async fn authorise(&self, connection: &str, operator: &str, what: &str) -> Result<(), Fault> {
        if operator == ROOT {
            return Ok(());
        }
        let subject = ("system-bus-name", HashMap::from([("name", Variant::from(connection))]));
        let message = format!("Authentication is required to look after the agent's Matrix account: {what}");
        let details = HashMap::from([("polkit.message", message.as_str())]);
        let cancellation = format!("matrix-{connection}");
        let asked = self.authority.check_authorization(
            &subject,
            ACTION,
            details,
            ALLOW_USER_INTERACTION,
            &cancellation,
        );
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok((true, _, _))) => Ok(()),
            Ok(Ok((false, _, _))) => Err(Fault::Denied(
                "polkit does not authorise this person to look after the account; answer where a polkit agent runs, such \
                 as `pkttyagent`, or be root"
                    .into(),
            )),
            Ok(Err(error)) if is_peer_gone(&error) => {
                Err(Fault::Denied("nobody can be authenticated at this machine: polkit is not there; be root".into()))
            }
            Ok(Err(error)) => {
                Err(Fault::Denied(format!("nobody could be authenticated at this machine: {}", bus_error_text(&error))))
            }
            Err(_) => {
                // The dialogue would ask for nothing any more.
                let _ = self.authority.cancel_check_authorization(&cancellation).await;
                Err(Fault::Denied("nobody was authenticated at this machine in time".into()))
            }
        }
    }
}
