//! `org.testudo.Egress1` on the bus, and the life of the daemon.

use testudo::bus;
use testudo::config::Config;
use testudo::daemon::{DaemonError, Lifecycle};

use crate::controls::Controls;

/// Serves `org.testudo.Egress1` and the sockets until the service manager stops it.
///
/// # Errors
/// When the configuration cannot be used, or the bus cannot be reached.
pub async fn serve(_config: Config, lifecycle: Lifecycle, _controls: Controls) -> Result<(), DaemonError> {
    let connection = bus::connect().await?;
    connection.request_name(bus::EGRESS).await?;
    lifecycle.serve_until_stopped("Reaching out.", || async { true }).await;
    bus::leave(&connection, bus::EGRESS).await;
    Ok(())
}
