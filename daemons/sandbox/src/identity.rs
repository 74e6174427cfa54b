//! Which sandbox this is: the unit and the one start of it, as the service manager says.
//!
//! Read once, before the first call: what a call does cannot change it. Whoever gave leave to one sandbox can tell
//! by it whether that sandbox is still the one that would act.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The variable in which the unit says its own name.
const UNIT: &str = "TESTUDO_UNIT";

/// One life of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The unit, such as `testudo-sandbox-workshop@12-34.service`; without systemd, the control group that it runs in.
    pub unit: String,
    /// The invocation id, which no two starts share.
    pub invocation: String,
}

impl Identity {
    /// What this process is; none where nobody gave it an invocation id.
    pub fn of_this_process() -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let invocation = std::env::var("INVOCATION_ID").ok().filter(|id| is_plain(id))?;
        // In a control group namespace of its own the path says nothing, so the unit says its name itself.
        let named = std::env::var(UNIT).ok().filter(|name| is_name(name));
        Some(Self { unit: named.unwrap_or_else(|| unit(&groups)), invocation })
    }
}

/// The unit in the text of a `cgroup` file: the last part of the path in the one hierarchy of version 2.
fn unit(groups: &str) -> String {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.map_or_else(|| "/".to_owned(), str::to_owned)
}

/// Whether this can be the name of a unit.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    (1..=255).contains(&name.len()) && name.bytes().all(plain)
}

fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_last_part_of_the_control_group() {
        for (groups, expected) in [
            (
                "0::/testudo.slice/testudo-sandbox.slice/testudo-sandbox-workshop@3-1-2.service\n",
                "testudo-sandbox-workshop@3-1-2.service",
            ),
            ("4:memory:/x\n0::/a/b.scope\n", "b.scope"),
            ("0::/\n", "/"),
            ("", "/"),
        ] {
            assert_eq!(unit(groups), expected, "{groups}");
        }
    }

    #[test]
    fn an_invocation_is_hexadecimal() {
        assert!(is_plain("0123456789abcdef0123456789ABCDEF"));
        for wrong in ["", "x", "a b", &"a".repeat(65)] {
            assert!(!is_plain(wrong), "{wrong}");
        }
    }
}
