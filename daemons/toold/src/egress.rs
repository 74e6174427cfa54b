//! The way out of a call: a ticket of `egressd` that lives as long as the call, and what its connections carried.
//!
//! A [`Trip`] is closed in every case: by [`Trip::close`], and where a call ends in any other way by being dropped. The
//! ticket goes to the sandbox and to nobody else; the program that runs there never sees it.

use testudo::action::Action;
use testudo::egress::{Carried, Endpoint, Pass};
use testudo::fault::bus_error_text;
use testudo::label::{Labels, Source};
use testudo::limits::{self, REPLY};
use testudo::proxy::Egress1Proxy;
use testudo::refusal::{Code, Refusal};
use tokio::sync::watch;
use zbus::Connection;

use crate::decision::Attendance;
use crate::destinations;
use crate::pipeline::Identity;
use crate::running;

/// Most hosts that are told of one call; where there may be more, more people could have written the result.
const MOST_HOSTS: usize = 100;

/// A client of `egressd`.
pub struct Egress {
    proxy: Egress1Proxy<'static>,
}

/// A call's leave to reach out.
#[must_use = "a trip that is dropped at once carries nothing"]
pub(crate) struct Trip {
    proxy: Egress1Proxy<'static>,
    call: Option<String>,
    ticket: String,
}

impl Egress {
    /// A client on this connection; `egressd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self { proxy: Egress1Proxy::new(connection).await? })
    }

    /// Lets a decided call reach out, until the trip is closed.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE` when `egressd` is away or refuses; `HANDLER_ERROR` when the call was ended.
    pub(crate) async fn open(
        &self,
        identity: &Identity,
        action: &Action,
        attendance: &Attendance,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Trip, Refusal> {
        let pass = Pass {
            call: identity.call.clone(),
            session: identity.session.clone(),
            requester: identity.requester.clone(),
            tool: action.tool.clone(),
            listed: destinations::listed(action),
            tunnels: tunnels(action)?,
            unattended: attendance.unattended,
            approver: attendance.approver.clone(),
        };
        let text = serde_json::to_string(&pass).map_err(|_| Refusal::broken())?;
        // From here on it is closed whatever happens, also when the answer is lost.
        let mut trip = Trip { proxy: self.proxy.clone(), call: Some(pass.call), ticket: String::new() };
        tokio::select! {
            ticket = self.proxy.open(&text) => trip.ticket = ticket.map_err(|error| unavailable(&error))?,
            () = running::ended(cancelled) => {
                return Err(Refusal::new(Code::HandlerError, "the call was cancelled").in_stage(6));
            }
        }
        Ok(trip)
    }
}

impl Trip {
    /// What the sandbox shows to `egressd`.
    pub(crate) fn ticket(&self) -> &str {
        &self.ticket
    }

    /// Ends all connections of the call, and says what they carried.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE` when that is not known, be it that `egressd` is away, or that it forgot the call when it
    /// started anew: then nobody knows who could have written the result.
    pub(crate) async fn close(mut self) -> Result<Carried, Refusal> {
        let Some(call) = self.call.take() else { return Ok(Carried::default()) };
        let answer = self.proxy.close(&call).await.map_err(|error| {
            let text = format!(
                "the result is withheld, since egressd does not say where it comes from: {}",
                bus_error_text(&error)
            );
            Refusal::new(Code::PluginUnavailable, text).in_stage(6)
        })?;
        limits::parse(&answer, REPLY).map_err(|_| Refusal::broken())
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let proxy = self.proxy.clone();
            tokio::spawn(async move {
                if let Err(error) = proxy.close(&call).await {
                    tracing::warn!(call, "egressd was not told that the call is over: {error}");
                }
            });
        }
    }
}

/// The destinations of a call's tunnels.
fn tunnels(action: &Action) -> Result<Vec<Endpoint>, Refusal> {
    let tunnels = destinations::tunnels(&action.arguments);
    let endpoint = |tunnel: &testudo_sandbox::protocol::Tunnel| {
        Endpoint::parse(&format!("tcp://{}:{}", tunnel.host, tunnel.port))
            .map_err(|error| Refusal::new(Code::ValidationFailed, error.to_string()).at("/tunnels"))
    };
    tunnels.iter().map(endpoint).collect()
}

/// Who else could have written a result, by where its call reached out to.
pub(crate) fn labels(carried: &Carried) -> Labels {
    let mut labels = Labels::default();
    for host in &carried.hosts {
        labels.absorb(&Labels::of(Source::Web(host.clone())));
    }
    if carried.hosts.len() >= MOST_HOSTS || (carried.hosts.is_empty() && carried.connections > 0) {
        labels.absorb(&Labels::of(Source::Stranger));
    }
    labels
}

fn unavailable(error: &zbus::Error) -> Refusal {
    let text =
        format!("the call has no way out, since egressd does not give it one: {}", bus_error_text(error));
    Refusal::new(Code::PluginUnavailable, text).in_stage(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_a_source_and_what_is_not_known_is_a_stranger_s() {
        let carried = |hosts: Vec<String>, connections| Carried { hosts, connections, ..Carried::default() };
        assert!(labels(&carried(vec![], 0)).sources.is_empty());
        let two = labels(&carried(vec!["a.example".into(), "b.example".into()], 3));
        let sources = [Source::Web("a.example".into()), Source::Web("b.example".into())];
        assert!(two.sources.iter().eq(&sources));
        let many = (0..MOST_HOSTS).map(|n| format!("h{n}.example")).collect();
        assert!(labels(&carried(many, 200)).sources.contains(&Source::Stranger));
        assert!(labels(&carried(vec![], 1)).sources.contains(&Source::Stranger));
    }
}
