//! The service manager, for what only it can do to an instance: freeze it, thaw it, stop it.
//!
//! It lets us do that to units of sandboxes and to nothing else: a rule of polkit says so, and the bus lets us call
//! these methods alone. On a bus without a service manager every operation is [`Trouble::Unavailable`].

use thiserror::Error;
use zbus::wire::OwnedObjectPath;
use zbus::{Connection, DBusError as _, proxy};

/// What all units of sandboxes are called.
pub const PATTERN: &str = "testudo-sandbox-*@*.service";

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn freeze_unit(&self, name: &str) -> zbus::Result<()>;
    fn thaw_unit(&self, name: &str) -> zbus::Result<()>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn list_units_by_patterns(&self, states: &[&str], patterns: &[&str]) -> zbus::Result<Vec<Listed>>;
}

/// A unit as it is listed: name, description, load state, active state, sub-state, followed unit, path, and a queued
/// job with its number, type and path.
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Why the service manager did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Trouble {
    /// There is none, or it does not listen to us.
    #[error("cannot {verb} the sandbox: there is no service manager on this bus that does it ({why})")]
    Unavailable {
        /// What was asked.
        verb: &'static str,
        /// What the bus said.
        why: String,
    },
    /// It refused, or failed.
    #[error("cannot {verb} {unit}: {why}")]
    Refused {
        /// What was asked.
        verb: &'static str,
        /// Of which unit.
        unit: String,
        /// What it said.
        why: String,
    },
    /// A session is frozen, and something of it goes on all the same.
    #[error(
        "session {session} is frozen: its calls are refused until testudoctl thaw {session}, but {why}; testudoctl stop {session} ends what runs"
    )]
    Running {
        /// Which one.
        session: String,
        /// What goes on, and why.
        why: String,
    },
}

/// The way to the service manager.
#[derive(Debug, Clone)]
pub struct Systemd(Option<ManagerProxy<'static>>);

impl Systemd {
    /// Over this bus; nothing is asked yet.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        // Properties are not used, and to hear of their changes we would have to be allowed more.
        let proxy = ManagerProxy::builder(connection).cache_properties(zbus::proxy::CacheProperties::No);
        Ok(Self(Some(proxy.build().await?)))
    }

    /// One that is not there.
    #[cfg(test)]
    pub fn absent() -> Self {
        Self(None)
    }

    /// Freezes a unit: nothing in it goes on.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn freeze(&self, unit: &str) -> Result<(), Trouble> {
        let manager = self.manager("freeze")?;
        manager.freeze_unit(unit).await.map_err(|error| trouble("freeze", unit, &error))
    }

    /// Thaws a unit. One that is not frozen stays as it is, and one that is gone is none of ours any more.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn thaw(&self, unit: &str) -> Result<(), Trouble> {
        let manager = self.manager("thaw")?;
        match manager.thaw_unit(unit).await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map_err(|error| trouble("thaw", unit, &error)),
        }
    }

    /// Stops a unit with everything in it; does not wait for it. One that is gone is stopped.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn stop(&self, unit: &str) -> Result<(), Trouble> {
        let manager = self.manager("stop")?;
        match manager.stop_unit(unit, "replace").await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map(drop).map_err(|error| trouble("stop", unit, &error)),
        }
    }

    /// The instances that run now, whoever started them.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn instances(&self) -> Result<Vec<String>, Trouble> {
        let manager = self.manager("list")?;
        let listed = manager.list_units_by_patterns(&["active", "activating"], &[PATTERN]).await;
        let listed = listed.map_err(|error| trouble("list", PATTERN, &error))?;
        Ok(listed.into_iter().map(|unit| unit.0).collect())
    }

    fn manager(&self, verb: &'static str) -> Result<&ManagerProxy<'static>, Trouble> {
        self.0.as_ref().ok_or_else(|| Trouble::Unavailable { verb, why: "not connected".into() })
    }
}

/// Whether this is a unit that a template of ours could have.
pub fn is_instance(unit: &str) -> bool {
    let name = unit.strip_prefix("testudo-sandbox-").and_then(|rest| rest.strip_suffix(".service"));
    name.and_then(|name| name.split_once('@')).is_some_and(|(template, instance)| {
        testudo_sandbox::template::Template::of_name(template).is_some() && !instance.is_empty()
    })
}

/// The name of an error of the other side, and what it said.
fn answer(error: &zbus::Error) -> Option<(String, Option<&str>)> {
    match error {
        zbus::Error::MethodError(name, text, _) => Some((name.to_string(), text.as_deref())),
        // The well-known ones come as their own kind.
        zbus::Error::FDO(error) => Some((error.name().to_string(), error.description())),
        _ => None,
    }
}

fn is_gone(error: &zbus::Error) -> bool {
    answer(error).is_some_and(|(name, _)| name == "org.freedesktop.systemd1.NoSuchUnit")
}

fn trouble(verb: &'static str, unit: &str, error: &zbus::Error) -> Trouble {
    let (name, said) = answer(error).unwrap_or_default();
    let why = said.map_or_else(|| error.to_string(), str::to_owned);
    let absent = [
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.systemd1.OperationNotSupported",
        "org.freedesktop.DBus.Error.NotSupported",
    ];
    if absent.contains(&name.as_str()) {
        Trouble::Unavailable { verb, why }
    } else {
        Trouble::Refused { verb, unit: unit.to_owned(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_template_of_ours_is_called_is_an_instance() {
        assert!(is_instance("testudo-sandbox-workshop@3-12-995.service"));
        assert!(is_instance("testudo-sandbox-ai-provider@0.service"));
        for other in [
            "testudo-sandbox@1.service",
            "testudo-sandbox-workshop@.service",
            "testudo-sandbox-shop@1.service",
            "testudo-toold.service",
            "/user.slice/session-2.scope",
            "",
        ] {
            assert!(!is_instance(other), "{other}");
        }
    }
}
