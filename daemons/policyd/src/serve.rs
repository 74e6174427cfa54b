//! The daemon's life: opens its state, takes its name, and ends overdue questions until it is asked to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use testudo::config::Config;
use testudo::daemon::{self, DaemonError, Lifecycle, state_directory};
use testudo::polkit::Polkit;
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::{bus, journal};

use crate::controls::Controls;
use crate::desk::Desk;
use crate::extension::Extension;
use crate::ledger::Ledger;
use crate::otp;
use crate::plans::Plans;
use crate::routing::Routing;
use crate::rules_file::book::Book;
use crate::sentinel::Sentinel;
use crate::service::Policy;
use crate::sessions::Sessions;

/// How often overdue questions are looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// A policy file with mistakes is a bad configuration; so is one that is not there.
pub async fn serve(config: Config, lifecycle: Lifecycle, controls: Controls) -> Result<(), DaemonError> {
    let book = Book::open(&config.policyd, &state_directory()?)?;
    let ledger =
        Ledger::open(&state_directory()?.join("approvals.db"), controls).map_err(DaemonError::failed)?;
    let sessions =
        Sessions::open(&state_directory()?.join("sessions.db"), now_ms).map_err(DaemonError::failed)?;
    let sessions = sessions.of_owner(config.policyd.identities.clone());
    let connection = bus::connect().await?;
    let subscribers = Subscribers::new(&connection, bus::POLICY_PATH, bus::POLICY).await?;
    let recorder = Recorder::new(&connection).await?;
    let sentinel = Sentinel::open(&config, controls, &connection, &recorder, now_ms).await?;
    let otp = otp::Secret::read(daemon::credential(otp::secret::CREDENTIAL).as_deref())
        .map_err(|error| DaemonError::Config(error.to_string()))?;
    let plans = Plans::new(config.policyd.plan_ttl, controls).map_err(DaemonError::failed)?;
    let routing = Routing { approver: config.policyd.approver.clone(), parked: config.policyd.parked_ttl };
    let desk = Desk::new(
        book,
        plans,
        config.policyd.approval_ttl,
        now_ms,
        ledger,
        sessions,
        recorder,
        subscribers.clone(),
    );
    let desk = desk.with_proofs(otp, Polkit::new(&connection).await?).map_err(DaemonError::failed)?;
    let socket = Path::new(testudo::extension::SOCKET);
    let extension = Extension::configured(&config.extension, socket, Arc::new(Instant::now))
        .map_err(|error| DaemonError::Config(error.to_string()))?;
    extension.warm().await;
    let desk = desk.with_sentinel(sentinel).with_routing(routing).with_extension(extension);
    let desk = desk.with_owners(config.matrixd.clone());
    let desk = Arc::new(desk);
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
    desk.take_up_rules().await;
    journal::event(
        journal::DAEMON_READY,
        libsystemd::logging::Priority::Info,
        "policyd is ready",
        &[("DAEMON", "policyd")],
    );
    lifecycle.serve_until_stopped(&desk.status(), || async { desk.pending(None).is_ok() }).await;
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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
