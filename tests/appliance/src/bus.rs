//! The private bus: a configuration of the machine's own `dbus-daemon`, type `system`, with the shipped policy files.

use std::path::{Path, PathBuf};

use crate::account::BUS_USER;
use crate::error::ApplianceError;
use crate::plan::BusPolicy;
use crate::unit::{Confinement, Readiness, ServiceUnit};

/// Where the bus listens, inside. From outside it is `run/bus` of the base directory.
pub(crate) const ADDRESS: &str = "unix:path=/run/testudo/bus";
/// Its socket's file name.
pub(crate) const SOCKET: &str = "bus";
/// The name by which units are ordered after it.
pub(crate) const UNIT: &str = "dbus.socket";

/// As Debian's `system.conf` has it: connect, be told signals and replies; everything else needs a hole in a policy file.
const DENY_BY_DEFAULT: &str = r#"  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.systemd1.Activator"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
  </policy>
"#;

const ALLOW_EVERYTHING: &str = r#"  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
"#;

/// The configuration file's text.
pub(crate) fn config(policy: BusPolicy, policy_files: &Path) -> String {
    let rules = match policy {
        BusPolicy::Shipped => {
            format!(
                "{DENY_BY_DEFAULT}  <includedir>{}</includedir>\n",
                escaped(&policy_files.to_string_lossy())
            )
        }
        BusPolicy::Open => ALLOW_EVERYTHING.to_owned(),
    };
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\n  <type>system</type>\n  \
         <auth>EXTERNAL</auth>\n  <listen>{ADDRESS}</listen>\n{rules}</busconfig>\n"
    )
}

/// What the bus did not understand of its rules: it says so, leaves them out and goes on, and nobody would notice.
pub(crate) fn complaint(log: &str) -> Option<String> {
    let wrong = ["Encountered error", "Unknown username", "Unknown group", "Error: "];
    let line = log.lines().find(|line| wrong.iter().any(|wrong| line.contains(wrong)))?;
    Some(format!("left out rules of its policy ({})", line.split_once(": ").map_or(line, |(_, rest)| rest)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The bus as a service of the supervisor. It is ready when it has written its address to descriptor 3.
pub(crate) fn unit(config: &Path) -> Result<ServiceUnit, ApplianceError> {
    let program = find()?;
    Ok(ServiceUnit {
        name: UNIT.to_owned(),
        after: Vec::new(),
        command: vec![
            program.to_string_lossy().into_owned(),
            format!("--config-file={}", config.display()),
            "--nofork".to_owned(),
            "--nopidfile".to_owned(),
            "--nosyslog".to_owned(),
            "--print-address=3".to_owned(),
        ],
        readiness: Readiness::Address,
        user: BUS_USER.to_owned(),
        confinement: Confinement { no_new_privileges: true, no_capabilities: true, ..Confinement::default() },
        ..ServiceUnit::plain()
    })
}

fn find() -> Result<PathBuf, ApplianceError> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path)
        .chain(["/usr/bin".into(), "/run/current-system/sw/bin".into()])
        .map(|directory| directory.join("dbus-daemon"))
        .find(|program| program.is_file())
        // Inside, only the real place may be visible.
        .and_then(|program| std::fs::canonicalize(program).ok())
        .ok_or_else(|| ApplianceError::Missing {
            program: "dbus-daemon".to_owned(),
            remedy: "on Debian it is in the package dbus-daemon",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_the_bus_leaves_out_are_found() {
        let line = "dbus-daemon[3]: Unknown username \"testudo-x\" in message bus configuration file\n";
        assert_eq!(
            complaint(line).unwrap(),
            "left out rules of its policy (Unknown username \"testudo-x\" in message bus configuration file)"
        );
        assert_eq!(complaint("dbus-daemon[3]: Rejected send message\n"), None);
    }

    #[test]
    fn the_shipped_bus_denies_by_default_and_the_open_one_includes_nothing() {
        let shipped = config(BusPolicy::Shipped, Path::new("/a & b/system.d"));
        assert!(
            shipped.contains("<deny send_type=\"method_call\"/>") && shipped.contains("<deny own=\"*\"/>")
        );
        assert!(shipped.contains("<includedir>/a &amp; b/system.d</includedir>"));
        let open = config(BusPolicy::Open, Path::new("/x"));
        assert!(!open.contains("includedir") && !open.contains("<deny"));
    }
}
