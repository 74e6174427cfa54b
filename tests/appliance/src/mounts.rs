//! Single mounts, with errors that name the place.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::error::ApplianceError;
use crate::idmap;

const NONE: Option<&str> = None;

/// Cuts the caller's mount namespace off from the one that it was copied from.
pub(crate) fn detach() -> Result<(), ApplianceError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(ApplianceError::system("make the mounts private"))
}

/// Shows `source`, and what is mounted below it, at `target` too; makes the mount point.
pub(crate) fn bind(source: &Path, target: &Path) -> Result<(), ApplianceError> {
    let wrap = |e: std::io::Error| ApplianceError::file("mount", target, e);
    if fs::metadata(source).map_err(|e| ApplianceError::file("find", source, e))?.is_dir() {
        fs::create_dir_all(target).map_err(wrap)?;
    } else if !target.exists() {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(wrap)?;
        }
        fs::write(target, "").map_err(wrap)?;
    }
    mount(Some(source), target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).map_err(|e| wrap(e.into()))
}

/// As [`bind`], and nothing below can be changed through it.
pub(crate) fn bind_read_only(source: &Path, target: &Path) -> Result<(), ApplianceError> {
    bind(source, target)?;
    read_only(target)
}

/// Makes a mount and all below it read-only.
pub(crate) fn read_only(target: &Path) -> Result<(), ApplianceError> {
    idmap::read_only(target, true, true).map_err(|e| ApplianceError::file("make read-only", target, e))
}

/// Lets a mount be written again.
pub(crate) fn writable(target: &Path) -> Result<(), ApplianceError> {
    idmap::read_only(target, false, false).map_err(|e| ApplianceError::file("make writable", target, e))
}

/// Lets a directory of a read-only mount be written.
pub(crate) fn writable_part(target: &Path) -> Result<(), ApplianceError> {
    bind(target, target)?;
    writable(target)
}

/// An empty file system in memory. `options` as in `TemporaryFileSystem=`: what is a flag becomes one.
pub(crate) fn tmpfs(target: &Path, options: &str) -> Result<(), ApplianceError> {
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => flags |= MsFlags::MS_RDONLY,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "rw" | "suid" | "dev" | "exec" => {}
            other => data.push(other),
        }
    }
    fs::create_dir_all(target).map_err(|e| ApplianceError::file("mount", target, e))?;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(data.join(",").as_str()))
        .map_err(|e| ApplianceError::file("mount a tmpfs on", target, e))
}

/// The processes of the caller's PID namespace; with `pid_only`, nothing else of the kernel.
pub(crate) fn proc(target: &Path, pid_only: bool) -> Result<(), ApplianceError> {
    fs::create_dir_all(target).map_err(|e| ApplianceError::file("mount", target, e))?;
    let options = if pid_only { Some("subset=pid,hidepid=invisible") } else { NONE };
    mount(
        Some("proc"),
        target,
        Some("proc"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        options,
    )
    .map_err(|e| ApplianceError::file("mount proc on", target, e))
}
