//! `testudo-auditd` keeps the record: what the appliance decided and did, in order, so that no change goes unseen.
//!
//! Layout, from the bus inwards:
//! * [`service`]: `org.testudo.Audit1`, who may call what, limits;
//! * [`writer`]: one thread, one bounded queue, group commit;
//! * [`store`], [`schema`], [`head`]: the database and the small file beside it;
//! * [`archive`]: reading, on connections of its own;
//! * [`chain`], [`walk`], [`row`]: the pure core: how records hang together and how that is checked.
//!
//! Promises: a sequence that was answered is on the disk; sequences have no gaps; nothing is ever changed or
//! removed. A change of any record by somebody with the file in hand is found by verifying, at start and on
//! demand, unless he also writes every later hash and the head file anew.

pub mod archive;
pub mod chain;
pub mod error;
pub mod head;
pub mod row;
pub mod schema;
pub mod service;
pub mod store;
pub mod walk;
pub mod writer;

use std::time::Duration;

use jiff::Timestamp;
use testudo::daemon::{DaemonError, Lifecycle, state_directory};
use testudo::record::{Entry, Verification};
use testudo::{bus, journal};

use crate::archive::Archive;
use crate::service::Audit;
use crate::store::{Draft, Store};
use crate::walk::AUDITD;
use crate::writer::Writer;

/// How long answers that are under way may take to leave when the daemon stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Opens and verifies the record, serves it on the bus and closes it when asked to stop.
///
/// # Errors
/// When the record cannot be opened or the bus name cannot be had.
pub async fn serve(lifecycle: Lifecycle) -> Result<(), DaemonError> {
    let directory = state_directory()?;
    let opening = tokio::task::spawn_blocking({
        let directory = directory.clone();
        move || {
            let now = Timestamp::now();
            let (mut store, verification) = Store::open(&directory, now)?;
            let started = Entry::new("audit.started").with("version", env!("CARGO_PKG_VERSION"));
            store.append(vec![Draft { writer: AUDITD, entry: started }], now)?;
            Ok::<_, error::StoreError>((store, verification))
        }
    });
    let (store, verification) = opening.await.map_err(DaemonError::failed)?.map_err(DaemonError::failed)?;
    let (writer, thread) = Writer::start(store, Box::new(Timestamp::now)).map_err(DaemonError::failed)?;
    let audit = Audit::new(writer.clone(), Archive::at(&directory.join(store::FILE)));
    let connection = bus::serve(bus::AUDIT, bus::AUDIT_PATH, audit).await?;

    let status = status(&verification);
    let fields = [("DAEMON", "auditd")];
    journal::event(journal::DAEMON_READY, libsystemd::logging::Priority::Info, &status, &fields);
    lifecycle.serve_until_stopped(&status, || async { writer.is_alive().await }).await;

    writer.stop().await;
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    // Records that were kept are answered for, too.
    let _ = tokio::time::timeout(LAST_ANSWERS, connection.graceful_shutdown()).await;
    Ok(())
}

/// What the record looked like at start, in a sentence.
fn status(verification: &Verification) -> String {
    let records = match verification.records {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    };
    match (verification.first_bad, &verification.problem) {
        (None, _) => format!("Recording; {records}, chain verified."),
        (Some(seq), problem) => {
            let problem = problem.as_deref().unwrap_or("the chain is broken there");
            format!("Recording; {records}, BROKEN from record {seq} on: {problem}.")
        }
    }
}
