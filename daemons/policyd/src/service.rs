//! `org.testudo.Policy1` on the bus.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use testudo::action::Judged;
use testudo::approval::Scope;
use testudo::config::Config;
use testudo::daemon::{DaemonError, Lifecycle, state_directory};
use testudo::diagnostic::Diagnostics;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::limits::{self, BUS, REPLY};
use testudo::options::GivenOptions;
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::{bus, journal};
use zbus::message::Header;
use zbus::wire::OwnedVariant;
use zbus::{Connection, interface};

use crate::controls::Controls;
use crate::desk::Desk;
use crate::ledger::Ledger;
use crate::rule::{self, Rule};

/// How often overdue questions are looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// The object at `/org/testudo/Policy1`.
struct Policy {
    desk: Arc<Desk>,
    subscribers: Subscribers,
    connection: Connection,
    controls: Controls,
}

#[interface(name = "org.testudo.Policy1", introspection_docs = false)]
impl Policy {
    #[zbus(out_args("decision"))]
    async fn decide(
        &self,
        action: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_daemon(&[Daemon::Toold])?;
        GivenOptions::new(options).finish()?;
        let judged: Judged = limits::parse(action, REPLY)?;
        body(&self.desk.decide(&judged, &caller.connection).await?)
    }

    #[zbus(name = "Await", out_args("outcome"))]
    async fn await_(&self, approval: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = Caller::of(&header, &self.connection).await?.require_daemon(&[Daemon::Toold])?;
        body(&self.desk.outcome(approval).await?)
    }

    async fn redeem(
        &self,
        approval: &str,
        digest: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let _ = Caller::of(&header, &self.connection).await?.require_daemon(&[Daemon::Toold])?;
        self.desk.redeem(approval, digest).await
    }

    async fn withdraw(&self, approval: &str, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let _ = Caller::of(&header, &self.connection).await?.require_daemon(&[Daemon::Toold])?;
        self.desk.cancel(approval).await
    }

    #[zbus(out_args("approvals"))]
    async fn approvals(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        let mut options = GivenOptions::new(options);
        let session = options.string("session")?;
        options.finish()?;
        body(&self.desk.pending(session.as_deref())?)
    }

    #[zbus(out_args("resolution"))]
    async fn approve(
        &self,
        approval: &str,
        digest: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let by = self.approver(&header, approval).await?;
        let mut options = GivenOptions::new(options);
        let scope = match options.string("for")?.as_deref() {
            None | Some("once") => Scope::Once,
            Some("session") => Scope::Session,
            Some(other) => {
                return Err(Fault::InvalidArgument(format!("`for` is `once` or `session`, not `{other}`")));
            }
        };
        options.finish()?;
        body(&self.desk.approve(approval, digest, scope, &by).await?)
    }

    #[zbus(out_args("resolution"))]
    async fn deny(
        &self,
        approval: &str,
        reason: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let by = self.approver(&header, approval).await?;
        GivenOptions::new(options).finish()?;
        let reason: String = reason.chars().take(1024).collect();
        body(&self.desk.deny(approval, &reason, &by).await?)
    }

    #[zbus(out_args("explanation"))]
    async fn explain(&self, action: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        let judged: Judged = limits::parse(action, REPLY)?;
        body(&self.desk.explain(&judged)?)
    }

    #[zbus(out_args("report"))]
    async fn check(
        &self,
        toml_text: &str,
        name: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        if toml_text.len() > BUS.message {
            return Err(Fault::TooLarge(format!("the policy is longer than {} bytes", BUS.message)));
        }
        let (ok, rules, findings) = match rule::parse(name, toml_text) {
            Ok((rules, warnings)) => (true, rules.len(), warnings),
            Err(Diagnostics(found)) => (false, 0, found),
        };
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        body(&json!({ "ok": ok, "rules": rules, "findings": findings }))
    }

    async fn subscribe(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        self.subscribers.add(&caller.connection, None)
    }

    #[zbus(signal)]
    async fn approval_requested(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        seq: u64,
        approval: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn approval_resolved(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        seq: u64,
        resolution: &str,
    ) -> zbus::Result<()>;
}

impl Policy {
    /// Who answers. An agent can never: the bus refuses it first, and this a second time, with a record.
    async fn approver(&self, header: &Header<'_>, approval: &str) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        match (&caller.principal, self.controls.approver_identity) {
            (Principal::Operator(name), _) => Ok(name.clone()),
            (other, false) => Ok(other.to_string()),
            (other, true) => {
                let why = format!("{other} may not answer approvals");
                self.desk.note_refused(approval, &other.to_string(), &why).await;
                Err(Fault::Denied(why))
            }
        }
    }
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// A policy file with mistakes is a bad configuration; so is one that is not there.
pub async fn serve(config: Config, lifecycle: Lifecycle, controls: Controls) -> Result<(), DaemonError> {
    let rules = load(&config.policyd.rules)?;
    let count = rules.len();
    let ledger =
        Ledger::open(&state_directory()?.join("approvals.db"), controls).map_err(DaemonError::failed)?;
    let connection = bus::connect().await?;
    let subscribers = Subscribers::new(&connection, bus::POLICY_PATH, bus::POLICY).await?;
    let recorder = Recorder::new(&connection).await?;
    let desk = Arc::new(Desk::new(
        rules,
        config.policyd.approval_ttl,
        now_ms,
        ledger,
        recorder,
        subscribers.clone(),
    ));
    let departures = Box::pin(bus::departures(&connection).await?);
    let policy = Policy { desk: desk.clone(), subscribers, connection: connection.clone(), controls };
    connection.object_server().at(bus::POLICY_PATH, policy).await?;
    connection.request_name(bus::POLICY).await?;
    for asker in desk.askers().map_err(|fault| DaemonError::failed(fault.text()))? {
        if !bus::is_connected(&connection, &asker).await? {
            let _ = desk.withdraw(&asker).await;
        }
    }
    tokio::spawn(sweep(desk.clone()));
    tokio::spawn(watch(desk.clone(), departures));
    let status = format!(
        "Deciding by {count} rules; an unanswered question becomes a no after {:?}.",
        config.policyd.approval_ttl
    );
    journal::event(
        journal::DAEMON_READY,
        libsystemd::logging::Priority::Info,
        "policyd is ready",
        &[("DAEMON", "policyd")],
    );
    lifecycle.serve_until_stopped(&status, || async { desk.pending(None).is_ok() }).await;
    bus::leave(&connection, bus::POLICY).await;
    Ok(())
}

async fn sweep(desk: Arc<Desk>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        if let Err(error) = desk.sweep().await {
            tracing::error!("overdue approvals could not be ended: {}", error.text());
        }
    }
}

async fn watch(desk: Arc<Desk>, mut departures: impl futures_util::Stream<Item = String> + Unpin) {
    while let Some(gone) = departures.next().await {
        if let Err(error) = desk.withdraw(&gone).await {
            tracing::error!("the approvals of {gone} could not be withdrawn: {}", error.text());
        }
    }
}

/// Reads all policy files; the mistakes of all of them are shown at once.
fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Rule>, DaemonError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut mistakes = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                mistakes.push(format!("cannot read the policy {}: {error}", path.display()));
                continue;
            }
        };
        match rule::parse(&path.display().to_string(), &text) {
            Ok((mut found, warnings)) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                rules.append(&mut found);
            }
            Err(diagnostics) => mistakes.push(diagnostics.to_string()),
        }
    }
    if mistakes.is_empty() { Ok(rules) } else { Err(DaemonError::Config(mistakes.join("\n"))) }
}

fn body<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
