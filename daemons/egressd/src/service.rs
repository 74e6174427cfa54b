//! `org.testudo.Egress1` on the bus, and the life of the daemon.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use libsystemd::logging::Priority;
use testudo::bus;
use testudo::config::Config;
use testudo::config::egress::Binding;
use testudo::daemon::{self, DaemonError, Lifecycle};
use testudo::egress::Pass;
use testudo::egress::status::{Secret, Status, Traveller};
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::journal;
use testudo::limits::{self, BUS};
use tokio::time::Instant;
use zbus::message::Header;
use zbus::{Connection, interface};

use crate::activation;
use crate::controls::Controls;
use crate::decision::MODELS;
use crate::gate::Who;
use crate::gatekeeper::Gatekeeper;
use crate::listener;
use crate::proxy::Proxy;
use crate::secrets::Secrets;
use crate::tickets::{Opened, TicketError, Tickets};

/// How long the connections of a call that is over may take to say what they carried.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The object at `/org/testudo/Egress1`.
struct Egress {
    gate: Arc<Gatekeeper>,
    config: Config,
    connection: Connection,
}

#[interface(name = "org.testudo.Egress1", introspection_docs = false)]
impl Egress {
    #[zbus(out_args("ticket"))]
    async fn open(&self, pass: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_daemon(&[Daemon::Toold])?;
        let pass: Pass = limits::parse(pass, BUS)?;
        self.gate.tickets.open(pass, &caller.connection, Instant::now()).map_err(|error| match error {
            TicketError::Pass(_) => Fault::InvalidArgument(error.to_string()),
            TicketError::Twice(_) | TicketError::Full => Fault::Busy(error.to_string()),
        })
    }

    #[zbus(out_args("carried"))]
    async fn close(&self, call: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = Caller::of(&header, &self.connection).await?.require_daemon(&[Daemon::Toold])?;
        let opened = ended(&self.gate.tickets, call)?;
        if tokio::time::timeout(LAST_WORDS, opened.account.idle()).await.is_err() {
            tracing::warn!("connections of {call} have not said what they carried");
        }
        self.gate.tickets.forget(call);
        body(&opened.account.carried())
    }

    #[zbus(out_args("status"))]
    async fn status(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        body(&self.state())
    }
}

impl Egress {
    fn state(&self) -> Status {
        let calls = self.gate.tickets.list(Instant::now()).into_iter().filter_map(|opened| {
            let Who::Call(pass) = &opened.traveller.who else { return None };
            Some(Traveller {
                call: pass.call.clone(),
                session: pass.session.clone(),
                tool: pass.tool.clone(),
                requester: pass.requester.clone(),
                listed: pass.listed.clone(),
                tunnels: pass.tunnels.clone(),
                open: opened.account.open(),
                carried: opened.account.carried(),
            })
        });
        let account = &self.gate.models.1;
        let models = Traveller {
            call: MODELS.to_owned(),
            session: MODELS.to_owned(),
            tool: "models".to_owned(),
            requester: Principal::Daemon(Daemon::Modeld),
            listed: self.gate.provider.clone(),
            tunnels: Vec::new(),
            open: account.open(),
            carried: account.carried(),
        };
        Status {
            travellers: calls.chain([models]).collect(),
            secrets: self.config.egressd.secrets.iter().map(secret).collect(),
            private: self.config.egressd.private.clone(),
        }
    }
}

/// Ends a call. One that is not known has no empty account: it was forgotten by a restart or with its time, and may have
/// carried anything, so whoever asks must not take its result for clean.
fn ended(tickets: &Tickets, call: &str) -> Result<Opened, Fault> {
    let unknown = || {
        Fault::NotFound(format!("cannot say what {call} carried: it has no ticket here, or none any more"))
    };
    tickets.close(call).ok_or_else(unknown)
}

fn secret(binding: &Binding) -> Secret {
    let present = daemon::credential(&binding.credential).is_some_and(|path| path.is_file());
    let Binding { name, endpoint, credential, .. } = binding.clone();
    Secret { name, endpoint, credential, present }
}

/// Serves `org.testudo.Egress1` and the sockets until the service manager stops it.
///
/// # Errors
/// When the configuration cannot be used, or the bus cannot be reached.
pub async fn serve(config: Config, lifecycle: Lifecycle, controls: Controls) -> Result<(), DaemonError> {
    let connection = bus::connect().await?;
    let wrong = |error: &dyn std::error::Error| DaemonError::Config(error.to_string());
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let values =
        Secrets::load(&config.egressd.secrets, credentials.as_deref()).map_err(|error| wrong(&error))?;
    let doors = activation::doors().map_err(DaemonError::failed)?;
    let gate = Arc::new(Gatekeeper::new(&connection, &config, controls).await?);
    let proxy = Proxy::new(Arc::clone(&gate), &config.egressd, controls, values);
    let proxy = Arc::new(proxy.map_err(|error| wrong(&error))?);
    let departures = Box::pin(bus::departures(&connection).await?);
    let secrets = config.egressd.secrets.len();
    let egress = Egress { gate: Arc::clone(&gate), config, connection: connection.clone() };
    connection.object_server().at(bus::EGRESS_PATH, egress).await?;
    connection.request_name(bus::EGRESS).await?;
    tokio::spawn(watch(Arc::clone(&gate), departures));
    let listening = tokio::spawn(listener::serve(doors, proxy));
    journal::event(journal::DAEMON_READY, Priority::Info, "egressd is ready", &[("DAEMON", "egressd")]);
    let status = format!("Reaching out when it is decided; {secrets} secrets are bound.");
    lifecycle.serve_until_stopped(&status, || async { !listening.is_finished() }).await;
    listening.abort();
    gate.close_all();
    bus::leave(&connection, bus::EGRESS).await;
    Ok(())
}

async fn watch(gate: Arc<Gatekeeper>, mut departures: impl futures_util::Stream<Item = String> + Unpin) {
    while let Some(gone) = departures.next().await {
        let ended = gate.tickets.depart(&gone);
        if ended > 0 {
            tracing::warn!("{ended} calls may not reach out any more: toold left the bus");
        }
    }
}

fn body<T: serde::Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_known_has_no_account() {
        let config = testudo::config::parse("testudo.toml", "").unwrap().egressd;
        let (tickets, now) = (Tickets::new(config.clone()), Instant::now());
        let open = |call: &str| {
            let pass = Pass {
                call: call.to_owned(),
                session: "main".to_owned(),
                requester: Principal::Daemon(Daemon::Agentd),
                tool: "web.fetch".to_owned(),
                listed: Vec::new(),
                tunnels: Vec::new(),
                unattended: false,
                approver: None,
            };
            tickets.open(pass, ":1.5", now).unwrap();
        };
        let unknown = |call: &str| matches!(ended(&tickets, call), Err(Fault::NotFound(_)));
        assert!(unknown("after-a-restart"));
        open("once");
        assert!(ended(&tickets, "once").is_ok());
        assert!(unknown("once"), "it was told already");
        open("late");
        assert!(tickets.list(now + config.lifetime).is_empty());
        assert!(unknown("late"), "its connections outlived its ticket");
        open("left");
        assert!(tickets.depart(":1.5") > 0);
        assert!(unknown("left"));
    }
}
