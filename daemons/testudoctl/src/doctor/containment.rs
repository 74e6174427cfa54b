//! What calls are contained by, as far as it can be seen from outside: sockets, control groups, a container engine.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testudo::config::{Container, Toold};

use super::{Check, Outcome};

/// The templates, each with a socket of this name.
const TEMPLATES: [&str; 5] =
    ["ai-provider", "code-executor", "integration-test", "policy-sandbox", "workshop"];

/// Where the engine is: on NixOS in the second place.
const ENGINES: [&str; 2] = ["/usr/bin/podman", "/run/current-system/sw/bin/podman"];

/// All of them.
pub(super) fn checks(config: &Toold) -> Vec<Check> {
    let listens = |name: &str| {
        let path = config.sandboxes.join(format!("{name}.sock"));
        fs::metadata(path).is_ok_and(|status| status.file_type().is_socket())
    };
    let missing: Vec<&str> = TEMPLATES.into_iter().filter(|name| !listens(name)).collect();
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").ok();
    let version = ENGINES.iter().find_map(|engine| version(engine.as_ref()));
    vec![
        sockets(&config.sandboxes, &missing),
        groups(controllers.as_deref()),
        engine(&config.containers, version.as_deref(), listens("container")),
    ]
}

fn sockets(directory: &Path, missing: &[&str]) -> Check {
    if missing.is_empty() {
        return Check::pass("templates", format!("{} sockets in {}", TEMPLATES.len(), directory.display()));
    }
    let detail = format!("nothing listens for {} in {}", missing.join(", "), directory.display());
    Check::bad(Outcome::Fail, "templates", detail, "systemctl start testudo.target")
}

/// `controllers` are those of the one hierarchy of version 2, if it is the only one.
fn groups(controllers: Option<&str>) -> Check {
    let has = |name: &str| controllers.is_some_and(|list| list.split_whitespace().any(|word| word == name));
    if has("memory") && has("pids") {
        return Check::pass("control groups", "memory and processes of each call can be limited");
    }
    Check::bad(
        Outcome::Warn,
        "control groups",
        "a call has no control group of its own here; the limits of its processes and of its unit hold",
        "boot with systemd.unified_cgroup_hierarchy=1",
    )
}

fn engine(containers: &[Container], version: Option<&str>, listens: bool) -> Check {
    const CHECK: &str = "containers";
    let names = containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
    match (containers.is_empty(), version) {
        (true, None) => Check::pass(CHECK, "none is configured, and no engine is installed"),
        (true, Some(version)) => Check::pass(CHECK, format!("none is configured; {version} is there")),
        (false, None) => {
            let detail = format!("{names}: there is no Podman");
            Check::bad(Outcome::Fail, CHECK, detail, "install podman, or remove [toold.containers]")
        }
        (false, Some(_)) if !listens => Check::bad(
            Outcome::Fail,
            CHECK,
            format!("{names}: nothing listens for them"),
            "systemctl enable --now testudo-container.socket",
        ),
        (false, Some(version)) => {
            Check::pass(CHECK, format!("{names}: {version}, isolation by namespaces of root's engine"))
        }
    }
}

/// What an instance says of itself, as `Tools1.Containment` has it.
pub(super) fn isolation(told: &Value) -> Option<Check> {
    let abi = told.get("landlock_abi")?.as_i64()?;
    let grouped = told.get("cgroup")?.as_bool()?;
    let copied = told.get("workspace")?.as_str()? == "copy";
    let groups = if grouped { "a control group for each call" } else { "no control group for a call" };
    let workspace =
        if copied { "the workspace is copied for each call" } else { "the workspace is overlaid" };
    let detail = format!("Landlock ABI {abi}, {groups}, {workspace}");
    if copied {
        let fix = "an overlay is refused here: calls are slower, and a large workspace is refused";
        return Some(Check::bad(Outcome::Warn, "isolation", detail, fix));
    }
    Some(Check::pass("isolation", detail))
}

fn version(engine: &Path) -> Option<String> {
    let output = Command::new(engine).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_missing_is_named() {
        assert_eq!(sockets(Path::new("/run"), &[]).outcome, Outcome::Pass);
        let check = sockets(Path::new("/run"), &["workshop"]);
        assert!(check.outcome == Outcome::Fail && check.detail.contains("workshop"), "{check:?}");
    }

    #[test]
    fn control_groups_need_both_controllers() {
        assert_eq!(groups(Some("cpuset cpu io memory pids\n")).outcome, Outcome::Pass);
        for less in [Some("memory\n"), Some("hugetlb\n"), None] {
            assert_eq!(groups(less).outcome, Outcome::Warn, "{less:?}");
        }
    }

    #[test]
    fn an_instance_says_how_it_contains() {
        let told = serde_json::json!({"landlock_abi": 7, "cgroup": false, "workspace": "overlay"});
        let check = isolation(&told).unwrap();
        assert_eq!(check.outcome, Outcome::Pass);
        assert_eq!(check.detail, "Landlock ABI 7, no control group for a call, the workspace is overlaid");
        let told = serde_json::json!({"landlock_abi": 7, "cgroup": true, "workspace": "copy"});
        assert_eq!(isolation(&told).unwrap().outcome, Outcome::Warn);
        assert_eq!(isolation(&Value::Null), None);
    }

    #[test]
    fn an_engine_is_missed_only_where_containers_are_configured() {
        let some = [Container { name: "py".to_owned(), image: String::new() }];
        for (containers, version, listens, outcome) in [
            (&[][..], None, false, Outcome::Pass),
            (&[][..], Some("podman version 5"), false, Outcome::Pass),
            (&some[..], None, true, Outcome::Fail),
            (&some[..], Some("podman version 5"), false, Outcome::Fail),
            (&some[..], Some("podman version 5"), true, Outcome::Pass),
        ] {
            assert_eq!(engine(containers, version, listens).outcome, outcome, "{containers:?} {version:?}");
        }
    }
}
