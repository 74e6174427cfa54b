//! The private root: the machine's programs, and nothing else of the machine.
//!
//! A tmpfs with binds of `/usr`, `/etc` and the like. `/home`, `/root`, the machine's `/run`, `/var` and `/tmp` are not
//! there; the appliance's directories stand where the units expect them, except those that would need a new directory in
//! `/usr` or `/etc`: the [`PathTable`] says where these are.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::account::Accounts;
use crate::bus;
use crate::error::ApplianceError;
use crate::idmap::{self, Mapping};
use crate::layout::{Layout, directory};
use crate::mounts;
use crate::plan::Plan;
use crate::settings;
use crate::unit::PathTable;

/// What of the machine is visible inside, where it is there at all.
const SHARED: [&str; 11] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix", "/gnu", "/sys"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The user of the workspace.
const WORK_USER: &str = "testudo-work";

/// The configuration directory inside: `/etc` is the machine's.
pub(crate) const CONFIGURATION: &str = "/appliance/etc";
/// The configuration of the bus inside.
pub(crate) const BUS_CONFIG: &str = "/appliance/bus.conf";
/// The logs inside.
pub(crate) const LOGS: &str = "/var/log/testudo";
/// The workspace inside.
const WORKSPACE: &str = "/var/lib/testudo/workspace";

/// Where the units' paths are inside.
pub(crate) fn path_table(plan: &Plan) -> PathTable {
    let mut table = PathTable::default();
    table.0.insert("/usr/lib/testudo".into(), plan.bin_dir.clone());
    table.0.insert("/etc/testudo".into(), CONFIGURATION.into());
    table
}

/// Builds the root and moves the caller, who has a mount namespace of its own, into it.
pub(crate) fn enter(plan: &Plan, layout: &Layout, accounts: &Accounts) -> Result<(), ApplianceError> {
    mounts::detach()?;
    let root = layout.root();
    mounts::tmpfs(&root, "mode=0755,nosuid,nodev,size=64M")?;
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    share(&root)?;
    devices(&at("/dev"))?;
    mounts::proc(&at("/proc"), false)?;
    for (path, bits) in [
        ("/run/credentials", 0o711),
        ("/tmp", 0o1777),
        ("/var/tmp", 0o1777),
        ("/var/lib", 0o755),
        ("/var/log", 0o755),
        (CONFIGURATION, 0o755),
    ] {
        directory(&at(path), bits)?;
    }
    mounts::bind(&layout.run(), &at("/run/testudo"))?;
    mounts::bind(&layout.lib(), &at("/var/lib/testudo"))?;
    mounts::bind(&layout.log(), &at(LOGS))?;
    workspace(plan, layout, accounts, &root)?;
    for path in plan.visible.iter().chain(plan.binaries.values()) {
        let inside = at(&path.to_string_lossy());
        reachable(path)?;
        mounts::bind_read_only(path, &inside)?;
    }
    for (name, text) in [("passwd", accounts.passwd_text()), ("group", accounts.group_text())] {
        let copy = at("/appliance").join(name);
        write(&copy, &text)?;
        mounts::bind_read_only(&copy, &at("/etc").join(name))?;
    }
    write(&at(CONFIGURATION).join("testudo.toml"), &settings::text(plan))?;
    write(&at(BUS_CONFIG), &bus::config(plan.bus_policy, &plan.units.join("dbus-1/system.d")))?;
    chdir(&root).map_err(ApplianceError::system("enter the private root"))?;
    pivot_root(".", ".").map_err(ApplianceError::system("make the private root the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(ApplianceError::system("leave the machine's root"))?;
    chdir("/").map_err(ApplianceError::system("enter the private root"))
}

fn share(root: &Path) -> Result<(), ApplianceError> {
    for path in SHARED.map(Path::new) {
        let inside = root.join(path.strip_prefix("/").unwrap_or(path));
        match fs::read_link(path) {
            Ok(target) => symlink(target, &inside).map_err(|e| ApplianceError::file("link", &inside, e))?,
            Err(_) if path.is_dir() => mounts::bind(path, &inside)?,
            Err(_) => {}
        }
    }
    // Where a resolver manages it, it is a link into the machine's /run.
    let resolver = Path::new("/etc/resolv.conf");
    if let Ok(real) = fs::canonicalize(resolver)
        && real.starts_with("/run")
    {
        let copy = root.join(real.strip_prefix("/").unwrap_or(&real));
        if let Some(parent) = copy.parent() {
            directory(parent, 0o755)?;
        }
        fs::copy(&real, &copy).map_err(|e| ApplianceError::file("copy", &real, e))?;
    }
    Ok(())
}

fn devices(target: &Path) -> Result<(), ApplianceError> {
    directory(target, 0o755)?;
    for device in DEVICES {
        mounts::bind(&Path::new("/dev").join(device), &target.join(device))?;
    }
    for (name, to) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(to, target.join(name)).map_err(|e| ApplianceError::file("link", target.join(name), e))?;
    }
    directory(&target.join("shm"), 0o1777)
}

/// Mounts the workspace so that it belongs to the sandbox's user inside and to its owner on disk.
fn workspace(plan: &Plan, layout: &Layout, accounts: &Accounts, root: &Path) -> Result<(), ApplianceError> {
    // A plan without sandboxes has no such user and no workspace.
    let Ok(work) = accounts.user(WORK_USER) else { return Ok(()) };
    let path = &layout.workspace;
    let owner = fs::metadata(path).map_err(|e| ApplianceError::file("find", path, e))?;
    let target = &root.join(WORKSPACE.trim_start_matches('/'));
    directory(target, 0o755)?;
    let on_disk = (owner.uid(), owner.gid());
    let inside = (work.uid, work.gid);
    if on_disk == inside {
        return mounts::bind(path, target);
    }
    match idmap::bind(path, target, Mapping { on_disk, inside }, &root.join("proc")) {
        Ok(()) => Ok(()),
        Err(source) if plan.workspace.is_some() => {
            Err(ApplianceError::Workspace { path: path.clone(), source })
        }
        // A fresh folder can be given away instead; the human then reads it as root only.
        Err(_) => {
            chown(path, Some(work.uid), Some(work.gid)).map_err(|e| ApplianceError::file("own", path, e))?;
            mounts::bind(path, target)
        }
    }
}

/// Refuses what other users than its owner cannot read: the daemons are other users.
fn reachable(path: &Path) -> Result<(), ApplianceError> {
    let mode = fs::metadata(path).map_err(|e| ApplianceError::file("find", path, e))?.mode();
    if mode & 0o005 == 0o005 || (mode & 0o170_000 == 0o100_000 && mode & 0o004 != 0) {
        return Ok(());
    }
    Err(ApplianceError::Missing {
        program: path.display().to_string(),
        remedy: "only its owner may read it, and the daemons are other users; chmod -R a+rX it",
    })
}

fn write(path: &PathBuf, text: &str) -> Result<(), ApplianceError> {
    fs::write(path, text).map_err(|e| ApplianceError::file("write", path, e))
}
