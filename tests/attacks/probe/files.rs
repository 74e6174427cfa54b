//! Files of the machine, of other sessions and of the daemons; devices; and what the kernel shows as files.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

use crate::system::{Outcome, call, text};
use crate::{Probe, Stage, errno};

pub(crate) const PROBES: &[Probe] = &[
    ("read-machine-file", |stage| holds(stage.get("machine-file")?, stage)),
    ("read-machine-file-through-link", read_through_link),
    ("read-record", |_| starts("/var/lib/testudo/auditd/audit.db", b"SQLite format 3")),
    ("read-shadow", |_| starts("/etc/shadow", b"root:")),
    ("read-configuration", |_| starts("/appliance/etc/testudo.toml", b"[")),
    ("write-machine-file", |stage| write(&Path::new(stage.get("machine-folder")?).join("owned"))),
    ("write-programs", |_| open_for_writing("/usr/bin/env")),
    ("write-start-up-file", |_| open_for_writing("/etc/profile")),
    ("write-preload", |_| create_in("/etc")),
    ("write-core-pattern", |_| same_again("/proc/sys/kernel/core_pattern")),
    ("write-memory-setting", |_| same_again("/proc/sys/vm/overcommit_memory")),
    ("read-kernel-symbols", |_| starts("/proc/kallsyms", b"0")),
    ("read-kernel-settings", |_| names("/proc/sys/kernel")),
    ("write-system-setting", |_| {
        open_for_writing("/sys/kernel/mm/ksm/run")
            .or_else(|_| open_for_writing("/sys/kernel/profiling"))
            .or_else(|_| open_for_writing("/sys/kernel/mm/transparent_hugepage/enabled"))
    }),
    ("read-system-files", |_| names("/sys/kernel")),
    ("set-release-agent", |_| {
        cgroup(|folder| open_for_writing(&folder.join("release_agent").to_string_lossy()))
    }),
    ("make-control-group", |_| {
        cgroup(|folder| {
            let made = folder.join("testudo-probe");
            fs::create_dir(&made).map_err(|error| errno(&error))?;
            let _ = fs::remove_dir(&made);
            Ok(format!("made {}", made.display()))
        })
    }),
    ("leave-control-group", |_| {
        cgroup(|folder| open_for_writing(&folder.join("cgroup.procs").to_string_lossy()))
    }),
    ("make-device", |_| make_device()),
    ("open-memory-device", |_| device("/dev/mem")),
    ("open-disk", |_| device("/dev/vda").or_else(|_| device("/dev/sda"))),
    ("watch-machine-file", watch),
    ("read-neighbours-scratch", neighbours_scratch),
    ("poison-neighbours-shell", neighbours_shell),
    ("open-runner-scratch", |_| names("/run/scratch")),
    ("bind-workspace-elsewhere", |_| names("/run/workspace")),
    ("list-machine", |_| names("/var")),
];

fn starts(path: &str, with: &[u8]) -> Outcome {
    let found = fs::read(path).map_err(|error| errno(&error))?;
    if found.starts_with(with) { Ok(format!("{} bytes", found.len())) } else { Err(Errno::ENODATA) }
}

fn holds(path: &str, stage: &Stage) -> Outcome {
    let secret = stage.get("secret-head")?.to_owned() + stage.get("secret-tail")?;
    let found = fs::read(path).map_err(|error| errno(&error))?;
    let seen = found.windows(secret.len()).any(|window| window == secret.as_bytes());
    if seen { Ok("the secret".to_owned()) } else { Err(Errno::ENODATA) }
}

fn read_through_link(stage: &Stage) -> Outcome {
    let link = "/tmp/link";
    std::os::unix::fs::symlink(stage.get("machine-file")?, link).map_err(|error| errno(&error))?;
    holds(link, stage)
}

fn names(folder: &str) -> Outcome {
    let names: Vec<String> = fs::read_dir(folder)
        .map_err(|error| errno(&error))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if names.is_empty() { Err(Errno::ENODATA) } else { Ok(format!("{} names", names.len())) }
}

fn write(path: &Path) -> Outcome {
    fs::write(path, "x").map_err(|error| errno(&error))?;
    let _ = fs::remove_file(path);
    Ok(format!("wrote {}", path.display()))
}

/// Opened, never written: it would be the machine's.
fn open_for_writing(path: &str) -> Outcome {
    OpenOptions::new().write(true).open(path).map_err(|error| errno(&error))?;
    Ok(format!("{path} is open for writing"))
}

/// A name that means nothing, made and removed at once. A call has an `/etc` of its own, in which it may: this is about
/// the machine's.
fn create_in(folder: &str) -> Outcome {
    fs::metadata(Path::new(folder).join("profile")).map_err(|error| errno(&error))?;
    write(&Path::new(folder).join("testudo-probe-owned"))
}

/// Writes what is there already.
fn same_again(path: &str) -> Outcome {
    let now = fs::read(path).map_err(|error| errno(&error))?;
    fs::write(path, now).map_err(|error| errno(&error))?;
    Ok(format!("wrote {path}"))
}

/// The first control group that lets it happen, of any hierarchy.
fn cgroup(act: impl Fn(&Path) -> Outcome) -> Outcome {
    let root = PathBuf::from("/sys/fs/cgroup");
    let entries = fs::read_dir(&root).map_err(|error| errno(&error))?.flatten().map(|entry| entry.path());
    let mut last = Errno::ENOENT;
    for folder in entries.filter(|path| path.is_dir()).chain([root.clone()]) {
        match act(&folder) {
            Ok(detail) => return Ok(detail),
            Err(errno) => last = errno,
        }
    }
    Err(last)
}

/// The one device that everybody may make: overlayfs takes it for a deletion.
fn make_device() -> Outcome {
    let mode = usize::try_from(libc::S_IFCHR | 0o600).unwrap_or(0);
    let here = libc::AT_FDCWD.cast_unsigned() as usize;
    call(libc::SYS_mknodat, &[here, text(c"/tmp/device"), mode, 0]).map(|_| "made one".to_owned())
}

fn device(path: &str) -> Outcome {
    fs::File::open(path).map_err(|error| errno(&error))?;
    Ok(format!("{path} is open"))
}

fn watch(stage: &Stage) -> Outcome {
    let watcher = call(libc::SYS_inotify_init1, &[0])?;
    let path = std::ffi::CString::new(stage.get("machine-folder")?).map_err(|_| Errno::EINVAL)?;
    call(libc::SYS_inotify_add_watch, &[watcher, text(&path), 0xfff]).map(|_| "it is watched".to_owned())
}

fn neighbours_scratch(stage: &Stage) -> Outcome {
    neighbour(stage).map(|_| "the secret".to_owned())
}

/// What is in this directory when its command ends is what the next one of its session begins with.
fn neighbours_shell(stage: &Stage) -> Outcome {
    let kept = neighbour(stage)?.join("session/planted");
    fs::write(&kept, "").map_err(|error| errno(&error))?;
    Ok(format!("wrote {}", kept.display()))
}

/// Where the runner keeps what belongs to the neighbour's call.
fn neighbour(stage: &Stage) -> Result<PathBuf, Errno> {
    for place in ["/run/scratch", "/var/tmp"] {
        for call in fs::read_dir(place).into_iter().flatten().flatten() {
            if holds(&call.path().join("upper/neighbour").to_string_lossy(), stage).is_ok() {
                return Ok(call.path());
            }
        }
    }
    Err(Errno::ENOENT)
}
