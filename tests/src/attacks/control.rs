//! What stands between a call and the rest, and how it is taken out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use testudo_appliance::Plan;

use crate::{ablated, repository};

/// Something that stops attacks. Its name is the one that `tests/attacks/table` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// A layer of the runner.
    Layer(&'static str),
    /// A directive of the runner's units: a name for it, and text of theirs with what it is replaced by.
    Unit(&'static str, &'static [(&'static str, &'static str)]),
    /// A control of a daemon.
    Daemon(&'static str, &'static str),
}

use Control::{Daemon, Layer, Unit};

const LAYERS: [&str; 16] = [
    "own-root",
    "read-only-root",
    "proposals",
    "pid-namespace",
    "ipc-namespace",
    "uts-namespace",
    "empty-network",
    "landlock",
    "seccomp",
    "privileges",
    "descriptors",
    "resource-limits",
    "output-limit",
    "wall-limit",
    "scratch-isolation",
    "hidden-reaper",
];

const UNITS: [Control; 15] = [
    // The instance's user is nobody; without, it is the machine's root.
    Unit(
        "own-user",
        &[("=testudo-work\n", "=root\n"), ("NoNewPrivileges=yes\n", ""), ("PrivateUsers=yes\n", "")],
    ),
    // Without, that of the daemon that keeps the record.
    Unit("user-of-no-daemon", &[("=testudo-work\n", "=testudo-auditd\n")]),
    // Without, the group that may read `/etc/shadow`.
    Unit("own-group", &[("Group=testudo-work\n", "Group=shadow\n")]),
    Unit("read-only-system", &[("ProtectSystem=strict\n", "")]),
    // The instance's `/run` is its own and empty.
    Unit("own-run", &[("TemporaryFileSystem=/run\n", "")]),
    // The instance's scratch is its own; without, all instances share a directory of the host, in which the number of the
    // process keeps them apart.
    Unit(
        "own-scratch",
        &[
            ("--scratch /run/scratch", "--scratch /var/tmp"),
            ("ProtectSystem=strict\n", ""),
            ("PrivatePIDs=yes\n", ""),
        ],
    ),
    Unit("scratch-size", &[("size=256M", "size=2G")]),
    Unit("scratch-files", &[("nr_inodes=50000", "nr_inodes=500000")]),
    // The instance only reads the workspace.
    Unit("read-only-workspace", &[("BindReadOnlyPaths=/var/lib", "BindPaths=/var/lib")]),
    Unit("own-processes", &[("PrivatePIDs=yes\n", "")]),
    // In the instance's `/proc`, processes of others are not there, nor anything but processes.
    Unit("hidden-processes", &[("ProtectProc=invisible\n", ""), ("ProcSubset=pid\n", "")]),
    Unit("own-network", &[("PrivateNetwork=yes\n", "")]),
    Unit("own-ipc", &[("PrivateIPC=yes\n", "")]),
    Unit("no-new-privileges", &[("NoNewPrivileges=yes\n", "")]),
    Unit("no-core", &[("LimitCORE=0\n", "")]),
];

impl Control {
    /// The one with this name. `toold:decide` is the control `decide` of `toold`.
    pub fn of_name(name: &str) -> Option<Self> {
        let layer = LAYERS.into_iter().find(|layer| *layer == name).map(Layer);
        layer.or_else(|| UNITS.into_iter().find(|unit| unit.name() == name)).or_else(|| {
            let (daemon, control) = name.split_once(':')?;
            // A few words that live as long as the program.
            Some(Daemon(String::leak(daemon.to_owned()), String::leak(control.to_owned())))
        })
    }

    /// Its name, without its daemon's.
    pub const fn name(&self) -> &'static str {
        match self {
            Layer(name) | Unit(name, _) | Daemon(_, name) => name,
        }
    }
}

/// Takes controls out of an appliance that has not started yet. The folder holds its units, if they had to change.
pub fn take_out(plan: &mut Plan, missing: &[Control]) -> Option<TempDir> {
    let mut layers = Vec::new();
    let mut edits = Vec::new();
    for control in missing {
        match control {
            Layer(name) => layers.push(*name),
            Unit(_, text) => edits.extend_from_slice(text),
            Daemon(daemon, name) => ablated(plan, daemon, name),
        }
    }
    if !layers.is_empty() {
        ablated(plan, "sandbox", &layers.join(","));
    }
    (!edits.is_empty()).then(|| edited_units(plan, &edits))
}

/// Whether the workspace must be opened to other users than its own: no call begins without it.
pub fn changes_user(missing: &[Control]) -> bool {
    missing.iter().any(|control| matches!(control, Unit("own-user" | "user-of-no-daemon", _)))
}

/// Has the appliance start from a copy of the units in which the sandbox's are changed.
fn edited_units(plan: &mut Plan, edits: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::Builder::new().prefix("testudo-units-").tempdir_in("/var/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut met = vec![false; edits.len()];
    copy(&repository().join("units"), folder.path(), edits, &mut met);
    for ((old, _), met) in edits.iter().zip(met) {
        // Two controls may share a directive; then it is gone already.
        assert!(met || edits.iter().filter(|(other, _)| other == old).count() > 1, "no {old:?} in the units");
    }
    plan.visible.push(folder.path().to_path_buf());
    plan.units = folder.path().to_path_buf();
    folder
}

/// Links become files: the units of all templates are links to one text.
fn copy(from: &Path, to: &Path, edits: &[(&str, &str)], met: &mut [bool]) {
    for entry in fs::read_dir(from).expect("the units are there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("it is ours");
            copy(&entry.path(), &target, edits, met);
            continue;
        }
        let path = entry.path();
        let of_sandbox = path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.starts_with("testudo-sandbox") && part.contains("@.service")
        });
        if !of_sandbox {
            fs::copy(&path, &target).expect("it is ours");
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("a unit is text");
        for ((old, new), met) in edits.iter().zip(met.iter_mut()) {
            *met |= text.contains(old);
            text = text.replace(old, new);
        }
        fs::write(&target, text).expect("it is ours");
    }
}
