//! The environment of a service: what systemd sets, and the address of the private bus. Nothing is inherited.

use std::collections::BTreeMap;

use crate::account::Identity;
use crate::bus;
use crate::error::ApplianceError;
use crate::filesystem::CONFIGURATION;
use crate::name::of_kind;
use crate::notify;
use crate::plan::Plan;
use crate::unit::{Readiness, ServiceUnit};

/// What a unit finds in this plan, which has the last word, at one start of it.
pub(crate) fn planned(
    plan: &Plan,
    unit: &ServiceUnit,
    identity: &Identity,
) -> Result<BTreeMap<String, String>, ApplianceError> {
    let mut set = of(unit, identity, &invocation()?);
    let more = of_kind(&plan.environment, unit.short_name()).into_iter().flatten();
    set.extend(more.map(|(name, value)| (name.clone(), value.clone())));
    Ok(set)
}

/// All variables but those that hold the process's own number. `invocation` is of this one start.
fn of(unit: &ServiceUnit, identity: &Identity, invocation: &str) -> BTreeMap<String, String> {
    let joined = |base: &str, names: &[String]| {
        names.iter().map(|name| format!("{base}/{name}")).collect::<Vec<_>>().join(":")
    };
    let mut set = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("USER".to_owned(), identity.name.clone()),
        ("LOGNAME".to_owned(), identity.name.clone()),
        ("HOME".to_owned(), identity.home.clone()),
        ("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), bus::ADDRESS.to_owned()),
        ("INVOCATION_ID".to_owned(), invocation.to_owned()),
    ]);
    let mut add = |name: &str, value: String| set.insert(name.to_owned(), value);
    // An instance is named by its start, which no two have in common.
    let name = unit.name.replace("@.", &format!("@{invocation}."));
    for (variable, value) in unit.environment.iter().filter_map(|set| set.split_once('=')) {
        add(variable, value.replace("%n", &name));
    }
    if unit.readiness == Readiness::Notify {
        add("NOTIFY_SOCKET", notify::PATH.to_owned());
    }
    if let Some(watchdog) = unit.watchdog {
        add("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    if !unit.state_directories.is_empty() {
        add("STATE_DIRECTORY", joined("/var/lib", &unit.state_directories));
    }
    if !unit.runtime_directories.is_empty() {
        add("RUNTIME_DIRECTORY", joined("/run", &unit.runtime_directories));
    }
    if unit.wants_configuration {
        add("CONFIGURATION_DIRECTORY", CONFIGURATION.to_owned());
    }
    set
}

/// A fresh id for one start of a service, as systemd gives it: 32 hexadecimal digits.
fn invocation() -> Result<String, ApplianceError> {
    let path = "/proc/sys/kernel/random/uuid";
    let uuid = std::fs::read_to_string(path).map_err(|error| ApplianceError::file("read", path, error))?;
    Ok(uuid.chars().filter(char::is_ascii_hexdigit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_a_unit_asks_for_and_nothing_of_ours() {
        let identity = Identity { name: "u".into(), home: "/".into(), uid: 1, gid: 1, groups: Vec::new() };
        let unit = ServiceUnit {
            readiness: Readiness::Notify,
            watchdog: Some(Duration::from_secs(30)),
            name: "testudo-x@.service".into(),
            environment: vec!["TESTUDO_UNIT=%n".into()],
            state_directories: vec!["testudo/a".into(), "b".into()],
            wants_configuration: true,
            ..ServiceUnit::plain()
        };
        let set = of(&unit, &identity, "a1");
        for (name, value) in [
            ("WATCHDOG_USEC", "30000000"),
            ("STATE_DIRECTORY", "/var/lib/testudo/a:/var/lib/b"),
            ("NOTIFY_SOCKET", "/run/notify"),
            ("USER", "u"),
            ("INVOCATION_ID", "a1"),
            ("TESTUDO_UNIT", "testudo-x@a1.service"),
        ] {
            assert_eq!(set.get(name).map(String::as_str), Some(value));
        }
        assert!(!of(&ServiceUnit::plain(), &identity, "a1").contains_key("NOTIFY_SOCKET"));
        assert!(!set.contains_key("CARGO_MANIFEST_DIR"));
    }
}
