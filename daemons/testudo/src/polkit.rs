//! polkit: the person behind a connection proves who he is, to it and to nobody in between.
//!
//! Where there is no polkit, or it does not say yes in time, the answer is no.

use std::collections::HashMap;
use std::time::Duration;

use zbus::wire::Variant;
use zbus::{Connection, proxy};

use crate::fault::{Fault, bus_error_text, is_peer_gone};

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

/// What somebody is to be authorised for.
#[derive(Debug)]
pub struct Question<'a> {
    /// The action, as `units/polkit-1` describes it.
    pub action: &'a str,
    /// The connection behind which he is.
    pub caller: &'a str,
    /// What the dialogue says.
    pub message: &'a str,
    /// What rules of polkit may look at beside the action.
    pub details: &'a [(&'a str, &'a str)],
    /// Names the dialogue, so that it can be taken back; another one for each try.
    pub cancellation: &'a str,
    /// What he is not authorised for, as a verb and its object.
    pub what: &'a str,
    /// How long he may take.
    pub within: Duration,
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

    /// Has polkit authorise the person behind a connection.
    ///
    /// # Errors
    /// [`Fault::Denied`] when it does not say yes, whyever.
    pub async fn authorise(&self, question: &Question<'_>) -> Result<(), Fault> {
        let subject = ("system-bus-name", HashMap::from([("name", Variant::from(question.caller))]));
        let mut details: HashMap<&str, &str> = question.details.iter().copied().collect();
        details.insert("polkit.message", question.message);
        let asked = self.authority.check_authorization(
            &subject,
            question.action,
            details,
            ALLOW_USER_INTERACTION,
            question.cancellation,
        );
        match tokio::time::timeout(question.within, asked).await {
            Ok(Ok((true, _, _))) => Ok(()),
            Ok(Ok((false, challenge, _))) => Err(Fault::Denied(refusal(challenge, question.what))),
            Ok(Err(error)) if is_peer_gone(&error) => {
                Err(Fault::Denied("nobody can be authenticated at this machine: polkit is not there".into()))
            }
            Ok(Err(error)) => Err(Fault::Denied(format!(
                "nobody could be authenticated at this machine: {}",
                bus_error_text(&error)
            ))),
            Err(_) => {
                // The dialogue would ask for nothing any more.
                let _ = self.authority.cancel_check_authorization(question.cancellation).await;
                Err(Fault::Denied("nobody was authenticated at this machine in time".into()))
            }
        }
    }
}

fn refusal(challenge: bool, what: &str) -> String {
    if challenge {
        "polkit could not ask anybody at this machine: answer where a polkit agent runs, such as `pkttyagent`"
            .into()
    } else {
        format!("polkit does not authorise this person to {what}")
    }
}
