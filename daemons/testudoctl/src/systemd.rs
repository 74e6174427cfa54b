//! What systemd says about a unit, asked over the bus; nothing where systemd does not run.

use serde::Serialize;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::wire::OwnedObjectPath;

const NAME: &str = "org.freedesktop.systemd1";

/// A unit as systemd has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// `active`, `failed`, `inactive` and so on.
    pub state: String,
    /// The sentence that the daemon gives about itself.
    pub status: Option<String>,
}

/// Whether a name has an owner.
///
/// # Errors
/// When the bus does not answer.
pub async fn is_owned(connection: &Connection, name: &'static str) -> zbus::Result<bool> {
    let name = BusName::try_from(name)?;
    Ok(DBusProxy::new(connection).await?.name_has_owner(name).await?)
}

/// A unit's state; none where systemd is not on this bus or does not know the unit.
pub async fn unit(connection: &Connection, name: &str) -> Option<UnitState> {
    let object = object(connection, name).await?;
    let unit = proxy(connection, object.clone(), "org.freedesktop.systemd1.Unit").await?;
    let state: String = unit.get_property("ActiveState").await.ok()?;
    let status = match proxy(connection, object, "org.freedesktop.systemd1.Service").await {
        Some(service) => {
            service.get_property::<String>("StatusText").await.ok().filter(|text| !text.is_empty())
        }
        None => None,
    };
    Some(UnitState { state, status })
}

/// The version of systemd, such as 257; none where it is not on this bus.
pub async fn version(connection: &Connection) -> Option<u32> {
    if !is_owned(connection, NAME).await.ok()? {
        return None;
    }
    let path = OwnedObjectPath::try_from("/org/freedesktop/systemd1").ok()?;
    let manager = proxy(connection, path, "org.freedesktop.systemd1.Manager").await?;
    major(&manager.get_property::<String>("Version").await.ok()?)
}

async fn object(connection: &Connection, name: &str) -> Option<OwnedObjectPath> {
    if !is_owned(connection, NAME).await.ok()? {
        return None;
    }
    let path = OwnedObjectPath::try_from("/org/freedesktop/systemd1").ok()?;
    let manager = proxy(connection, path, "org.freedesktop.systemd1.Manager").await?;
    manager.call("GetUnit", &(name,)).await.ok()
}

async fn proxy(
    connection: &Connection,
    path: OwnedObjectPath,
    interface: &'static str,
) -> Option<zbus::Proxy<'static>> {
    zbus::proxy::Builder::new(connection)
        .destination(NAME)
        .path(path)
        .interface(interface)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .ok()
}

fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_begin_with_their_number() {
        for (text, number) in [("257.9-1~deb13u1", Some(257)), ("258~rc2", Some(258)), ("v257", None)] {
            assert_eq!(major(text), number);
        }
    }
}
