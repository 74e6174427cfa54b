//! Bus names, object paths and the connection.
//!
//! Name, path and interface of a daemon say the same: `org.testudo.Policy1`, `/org/testudo/Policy1`.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use zbus::connection::Builder;
use zbus::names::BusName;
use zbus::{Connection, fdo};

/// `org.testudo.Agent1`: thinks.
pub const AGENT: &str = "org.testudo.Agent1";
/// `org.testudo.Audit1`: records.
pub const AUDIT: &str = "org.testudo.Audit1";
/// `org.testudo.Egress1`: reaches out.
pub const EGRESS: &str = "org.testudo.Egress1";
/// `org.testudo.Matrix1`: talks.
pub const MATRIX: &str = "org.testudo.Matrix1";
/// `org.testudo.Models1`: infers.
pub const MODELS: &str = "org.testudo.Models1";
/// `org.testudo.Policy1`: decides.
pub const POLICY: &str = "org.testudo.Policy1";
/// `org.testudo.Tools1`: acts.
pub const TOOLS: &str = "org.testudo.Tools1";

/// Object path of the Agent1 interface.
pub const AGENT_PATH: &str = "/org/testudo/Agent1";
/// Object path of the Audit1 interface.
pub const AUDIT_PATH: &str = "/org/testudo/Audit1";
/// Object path of the Egress1 interface.
pub const EGRESS_PATH: &str = "/org/testudo/Egress1";
/// Object path of the Matrix1 interface.
pub const MATRIX_PATH: &str = "/org/testudo/Matrix1";
/// Object path of the Models1 interface.
pub const MODELS_PATH: &str = "/org/testudo/Models1";
/// Object path of the Policy1 interface.
pub const POLICY_PATH: &str = "/org/testudo/Policy1";
/// Object path of the Tools1 interface.
pub const TOOLS_PATH: &str = "/org/testudo/Tools1";

/// How long the answers of finished calls may take to leave.
const LAST_ANSWERS: Duration = Duration::from_millis(20);

/// Connects to the system bus as a client. `DBUS_SYSTEM_BUS_ADDRESS` names another one.
///
/// # Errors
/// When the bus cannot be reached or refuses this user.
pub async fn connect() -> zbus::Result<Connection> {
    Builder::system().build().await
}

/// Serves `interface` at `path` and then asks for `name`, in this order: who finds the name finds it served.
///
/// # Errors
/// When the bus cannot be reached, or the name belongs to somebody else or is not ours by the bus policy.
pub async fn serve<I>(name: &'static str, path: &'static str, interface: I) -> zbus::Result<Connection>
where
    I: zbus::object_server::Interface,
{
    let connection = Builder::system().build().await?;
    connection.object_server().at(path, interface).await?;
    connection.request_name(name).await?;
    Ok(connection)
}

/// Gives the name back, so that new calls start or reach a successor, and lets the last answers out.
pub async fn leave(connection: &Connection, name: &'static str) {
    if let Err(error) = connection.release_name(name).await {
        tracing::debug!("{name} was not given back: {error}");
    }
    // Answers are written by tasks of the connection; nothing tells when the last one is out.
    tokio::time::sleep(LAST_ANSWERS).await;
}

/// The unique names of connections that leave the bus, from now on.
///
/// # Errors
/// When the bus does not let us watch.
pub async fn departures(connection: &Connection) -> zbus::Result<impl Stream<Item = String> + Send + use<>> {
    let bus = fdo::DBusProxy::new(connection).await?;
    let changes = bus.receive_name_owner_changed().await?;
    Ok(changes.filter_map(|change| {
        let gone = change.args().ok().and_then(|args| match &args.name {
            BusName::Unique(name) if args.new_owner.is_none() => Some(name.to_string()),
            _ => None,
        });
        std::future::ready(gone)
    }))
}

/// Whether a unique name is on the bus now.
///
/// # Errors
/// When the bus does not answer.
pub async fn is_connected(connection: &Connection, unique_name: &str) -> zbus::Result<bool> {
    let Ok(name) = BusName::try_from(unique_name) else { return Ok(false) };
    Ok(fdo::DBusProxy::new(connection).await?.name_has_owner(name).await?)
}
