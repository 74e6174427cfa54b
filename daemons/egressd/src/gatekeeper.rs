//! The gate itself: who asks, what is decided, where it leads, and the record, in this order.
//!
//! ```text
//!  wish ─▶ literal address? ─▶ listed? ─▶ policyd ─▶ names ─▶ addresses ─▶ record ─▶ bytes
//! ```
//! A name is looked up after the decision: a question to a name server tells somebody what is asked for, too.

use std::sync::Arc;

use jiff::Timestamp;
use testudo::config::egress::Egressd;
use testudo::config::{Config, Provider};
use testudo::egress::{Endpoint, Host, Pass, Scheme};
use testudo::identity::{Daemon, Principal};
use testudo::recorder::Recorder;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;
use zbus::Connection;

use crate::account::Account;
use crate::chronicle::Chronicle;
use crate::controls::{Control, Controls};
use crate::decision::{Decided, Decider, Permit};
use crate::destination::{Destinations, is_listed, is_tunnel, unchecked};
use crate::gate::{Admitted, Gate, Load, Reason, Transfer, Traveller, Turned, Who, Wish};
use crate::neighbourhood::Neighbourhood;
use crate::resolver::{ResolveError, Resolver};
use crate::tickets::Tickets;

/// Everything that `egressd` knows beside bytes.
#[derive(Debug)]
pub struct Gatekeeper {
    /// The calls that may reach out.
    pub tickets: Tickets,
    /// `modeld`, and what it carried.
    pub models: (Arc<Traveller>, Arc<Account>),
    /// Where `modeld` may go: its provider.
    pub provider: Vec<Endpoint>,
    config: Egressd,
    destinations: Destinations,
    /// For `modeld`: its provider may be on this machine.
    of_models: Destinations,
    resolver: Resolver,
    decider: Decider,
    chronicle: Chronicle,
    controls: Controls,
}

impl Gatekeeper {
    /// A gate with nobody at it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection, config: &Config, controls: Controls) -> zbus::Result<Self> {
        let provider: Vec<Endpoint> = provider(config).into_iter().collect();
        let config = config.egressd.clone();
        Ok(Self {
            tickets: Tickets::new(config.clone()),
            models: (Arc::new(Traveller::new(Who::Models, &config)), Arc::default()),
            destinations: Destinations::new(config.private.clone(), Vec::new()),
            of_models: Destinations::new(config.private.clone(), provider.clone()),
            provider,
            resolver: Resolver::new(config.resolver, config.connect_timeout),
            decider: Decider::new(connection, controls).await?,
            chronicle: Chronicle::new(Recorder::new(connection).await?, controls),
            config,
            controls,
        })
    }

    /// Ends everything that goes on.
    pub fn close_all(&self) {
        self.tickets.close_all();
        self.models.0.close();
    }

    async fn let_out(
        &self,
        who: &Who,
        account: Option<&Account>,
        wish: &Wish,
    ) -> Result<(Permit, bool, Admitted), Turned> {
        let guards = self.controls.has(Control::PrivateAddresses);
        let destinations = if *who == Who::Models { &self.of_models } else { &self.destinations };
        if guards {
            destinations.literal(wish, &near()?)?;
        }
        bodiless(wish)?;
        let listed = self.listed(who, wish)?;
        let (fresh, known) = (Decided::default(), account.map(|account| &account.decided));
        // modeld has no call that its answers could belong to: each request is decided anew.
        let known = known.filter(|_| *who != Who::Models).unwrap_or(&fresh);
        let permit = self.decider.decide(who, wish, listed, known).await?;
        let found = match &wish.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.addresses(name).await.map_err(|error| unknown(&error))?,
        };
        let checked =
            if guards { destinations.checked(wish, &found, &near()?)? } else { unchecked(wish, &found) };
        let addresses = match (&wish.host, self.controls.has(Control::Pinning)) {
            (Host::Name(name), false) => {
                let again = self.resolver.addresses(name).await.map_err(|error| unknown(&error))?;
                unchecked(wish, &again)
            }
            _ => checked,
        };
        let admitted = Admitted { addresses, id: Uuid::new_v4().simple().to_string() };
        self.chronicle.opened(who, wish, &permit, listed, &admitted).await?;
        Ok((permit, listed, admitted))
    }

    /// Whether this was decided with the call; and whether it may be asked about at all.
    fn listed(&self, who: &Who, wish: &Wish) -> Result<bool, Turned> {
        match who {
            Who::Call(pass) if wish.scheme == Scheme::Tcp && !is_tunnel(&pass.tunnels, wish) => {
                Err(Turned::new(Reason::Denied, "no such tunnel was declared with the call"))
            }
            Who::Call(pass) => Ok(is_listed(&pass.listed, wish)),
            // Nobody watches its session, and it has nothing to look for elsewhere.
            Who::Models if !is_listed(&self.provider, wish) => Err(Turned::new(
                Reason::Denied,
                format!("{wish} is not the provider that modeld is configured for"),
            )),
            Who::Models => Ok(true),
        }
    }

    fn account(&self, who: &Who) -> Option<Arc<Account>> {
        match who {
            Who::Call(pass) => self.tickets.account(&pass.call),
            Who::Models => Some(Arc::clone(&self.models.1)),
        }
    }
}

impl Gate for Gatekeeper {
    fn ticket(&self, ticket: &str) -> Option<Arc<Traveller>> {
        let found = self.tickets.find(ticket, Instant::now());
        if found.is_some() || self.controls.has(Control::Ticket) {
            return found;
        }
        Some(Arc::new(Traveller::new(Who::Call(nobody()), &self.config)))
    }

    fn models(&self) -> Arc<Traveller> {
        Arc::clone(&self.models.0)
    }

    async fn admit(&self, from: &Arc<Traveller>, wish: &Wish) -> Result<Admitted, Turned> {
        let account = self.account(&from.who);
        let decided = tokio::select! {
            decided = self.let_out(&from.who, account.as_deref(), wish) => decided,
            () = from.closed() => Err(Turned::new(Reason::Ticket, "the call is over")),
        };
        match decided {
            Ok((_, _, admitted)) => {
                if let Some(account) = account {
                    account.admitted(wish, &admitted, Timestamp::now().to_string());
                }
                Ok(admitted)
            }
            Err(turned) => {
                self.refused(from, Some(wish), &turned).await;
                Err(turned)
            }
        }
    }

    async fn refused(&self, from: &Arc<Traveller>, wish: Option<&Wish>, turned: &Turned) {
        if let Some(account) = self.account(&from.who) {
            account.refused();
        }
        self.chronicle.refused(&from.who, wish, turned).await;
    }

    async fn closed(&self, from: &Arc<Traveller>, wish: &Wish, admitted: &Admitted, transfer: &Transfer) {
        self.chronicle.closed(&from.who, wish, admitted, transfer).await;
        if let Some(account) = self.account(&from.who) {
            account.closed(admitted, transfer);
        }
    }
}

/// What is near now. Where that cannot be known, nothing is known to be far.
fn near() -> Result<Neighbourhood, Turned> {
    Neighbourhood::read().map_err(|error| {
        let sentence = format!("cannot read the addresses of this machine: {error}");
        Turned::new(Reason::Unavailable, sentence)
    })
}

/// A body under a method that only looks means nothing to an honest server, and would tell the other one anything.
fn bodiless(wish: &Wish) -> Result<(), Turned> {
    if wish.load != Load::None && matches!(wish.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        let sentence = format!("cannot take the request: {} has no body", wish.method);
        return Err(Turned::new(Reason::Form, sentence));
    }
    Ok(())
}

/// Where `modeld` is configured to go: everything below its base URL.
fn provider(config: &Config) -> Option<Endpoint> {
    match &config.modeld.provider {
        Provider::Rehearsal => None,
        Provider::OpenAi { base_url, .. } => {
            let mut url = Url::parse(base_url).ok()?;
            // It is kept by modeld and says nothing about where.
            url.set_query(None);
            url.set_fragment(None);
            Endpoint::parse(url.as_str()).ok()
        }
    }
}

/// Whom a connection without a ticket is for, where tickets are taken out.
fn nobody() -> Pass {
    Pass {
        call: "unknown".to_owned(),
        session: "unknown".to_owned(),
        requester: Principal::Daemon(Daemon::Toold),
        tool: "unknown".to_owned(),
        listed: Vec::new(),
        tunnels: Vec::new(),
        unattended: false,
        approver: None,
    }
}

fn unknown(error: &ResolveError) -> Turned {
    let reason = match error {
        ResolveError::Late(_) => Reason::Time,
        ResolveError::System(_) => Reason::Unavailable,
        ResolveError::Answer { .. } | ResolveError::Many(_) => Reason::Name,
    };
    Turned::new(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_looks_brings_nothing() {
        let opaque = Wish::opaque(Scheme::Https, Host::parse("a.example").unwrap(), 443);
        for (method, load, expected) in [
            ("GET", Load::None, true),
            ("GET", Load::Bytes(1), false),
            ("HEAD", Load::Endless, false),
            ("OPTIONS", Load::Bytes(9), false),
            ("POST", Load::Bytes(9), true),
            ("DELETE", Load::Endless, true),
            ("", Load::None, true),
        ] {
            let wish = Wish { method: method.into(), load, ..opaque.clone() };
            assert_eq!(bodiless(&wish).is_ok(), expected, "{method} {load:?}");
        }
    }
}
