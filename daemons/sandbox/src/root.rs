//! The root that a call sees: programs read-only, a tiny `/etc`, `/proc`, a few devices, `/tmp`, the workspace.
//!
//! Everything here happens in the child's own mount namespace, in an order that the kernel dictates; the last
//! step leaves nothing of the host reachable. A [`RootError`] names the step that failed.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::layers::{Layer, Layers};
use crate::overlay;
use crate::syscall;

/// Devices that a call gets, none of which holds any state.
pub(crate) const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];

/// What a call may read of `/etc`.
pub(crate) const FILES: [&str; 5] =
    ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache"];

/// Top-level names that are made of their own even when the host's tree shows through.
const OWN: [&str; 4] = ["workspace", "tmp", "proc", "dev"];

/// A step of building the root that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {object}: {source}")]
pub(crate) struct RootError {
    step: &'static str,
    object: String,
    source: io::Error,
}

/// What the root is built from. All paths are the host's.
pub(crate) struct Root<'a> {
    /// An empty directory to build it on.
    pub(crate) place: &'a Path,
    /// The workspace, and what lies over it if it is writable.
    pub(crate) workspace: &'a Path,
    /// The overlay's directories.
    pub(crate) overlay: Option<&'a overlay::Directories>,
    /// Trees of programs, bound at the same paths.
    pub(crate) programs: &'a [PathBuf],
    /// Bytes of `/tmp`.
    pub(crate) tmp_bytes: u64,
    /// Which layers are in force.
    pub(crate) layers: Layers,
}

impl Root<'_> {
    /// Builds the root and moves into it; afterwards the working directory is its `/`.
    pub(crate) fn enter(&self) -> Result<(), RootError> {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        at("make private", "/", mount(NONE, "/", NONE, private, NONE))?;
        let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        at(
            "mount",
            "the root",
            mount(Some("tmpfs"), self.place, Some("tmpfs"), plain, Some("size=1m,mode=0755")),
        )?;
        at("enter", "the root", chdir(self.place))?;
        if self.layers.has(Layer::OwnRoot) {
            self.programs()?;
        } else {
            self.whole_host()?;
        }
        Self::devices()?;
        self.processes()?;
        self.workspace()?;
        self.scratch()?;
        at("change", "the root", pivot_root(".", "."))?;
        at("leave", "the host's root", umount2(".", MntFlags::MNT_DETACH))?;
        at("enter", "the new root", chdir("/"))?;
        if self.layers.has(Layer::ReadOnlyRoot) {
            let flags = plain | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            at("make read-only", "the root", mount(NONE, "/", NONE, flags, NONE))?;
        }
        Ok(())
    }

    fn programs(&self) -> Result<(), RootError> {
        for tree in self.programs {
            self.bind(tree)?;
        }
        for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
            let host = Path::new("/").join(name);
            if let Ok(target) = fs::read_link(&host) {
                at_io("link", name, symlink(target, name))?;
            } else if host.is_dir() && !self.programs.contains(&host) {
                self.bind(&host)?;
            }
        }
        at_io("make", "etc", fs::create_dir("etc"))?;
        let files = [
            ("passwd", "work:x:1000:1000::/tmp:/bin/sh\n"),
            ("group", "work:x:1000:\n"),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
        ];
        for (name, text) in files {
            at_io("write", name, fs::write(Path::new("etc").join(name), text))?;
        }
        // The loader's cache, and Debian's links from generic to actual program names.
        let cache = Path::new("/etc/ld.so.cache");
        if cache.is_file() {
            at_io("copy", "ld.so.cache", fs::copy(cache, "etc/ld.so.cache").map(drop))?;
        }
        if Path::new("/etc/alternatives").is_dir() {
            self.bind(Path::new("/etc/alternatives"))?;
        }
        Ok(())
    }

    fn whole_host(&self) -> Result<(), RootError> {
        let entries = at_io("list", "/", fs::read_dir("/"))?;
        for entry in entries.flatten().filter(|entry| !OWN.iter().any(|own| entry.file_name() == *own)) {
            let path = entry.path();
            if let Ok(target) = fs::read_link(&path) {
                at_io("link", &path.to_string_lossy(), symlink(target, relative(&path)))?;
            } else if path.is_dir() {
                self.bind(&path)?;
            }
        }
        Ok(())
    }

    fn bind(&self, tree: &Path) -> Result<(), RootError> {
        let (name, inside) = (tree.to_string_lossy(), relative(tree));
        at_io("make", &name, fs::create_dir_all(inside))?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        at("bind", &name, mount(Some(tree), inside, NONE, flags, NONE))?;
        at_io("make read-only", &name, protect(inside, !self.layers.has(Layer::ReadOnlyRoot)))
    }

    fn devices() -> Result<(), RootError> {
        at_io("make", "dev", fs::create_dir("dev"))?;
        for device in DEVICES {
            let inside = relative(Path::new(device));
            at_io("make", device, fs::write(inside, ""))?;
            at("bind", device, mount(Some(device), inside, NONE, MsFlags::MS_BIND, NONE))?;
        }
        let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
        for (name, target) in links {
            at_io("link", name, symlink(target, Path::new("dev").join(name)))?;
        }
        Ok(())
    }

    fn processes(&self) -> Result<(), RootError> {
        at_io("make", "proc", fs::create_dir("proc"))?;
        if self.layers.has(Layer::PidNamespace) {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            at("mount", "proc", mount(Some("proc"), "proc", Some("proc"), flags, Some("subset=pid")))
        } else {
            at("bind", "proc", mount(Some("/proc"), "proc", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))
        }
    }

    fn workspace(&self) -> Result<(), RootError> {
        at_io("make", "workspace", fs::create_dir("workspace"))?;
        let inside = Path::new("workspace");
        match self.overlay {
            Some(directories) if self.layers.has(Layer::Proposals) => {
                let options = directories.options(self.workspace);
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
                let made = mount(Some("overlay"), inside, Some("overlay"), flags, Some(options.as_os_str()));
                at("mount", "the overlay", made)?;
            }
            overlay => {
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                at("bind", "the workspace", mount(Some(self.workspace), inside, NONE, flags, NONE))?;
                at_io("make read-only", "the workspace", protect(inside, overlay.is_some()))?;
            }
        }
        // The apply runner's journal and staged contents are none of a tool's business.
        let journal = Path::new("workspace/.testudo");
        if journal.exists() {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
            at(
                "cover",
                ".testudo",
                mount(Some("tmpfs"), journal, Some("tmpfs"), flags, Some("size=4k,mode=0555")),
            )?;
        }
        Ok(())
    }

    fn scratch(&self) -> Result<(), RootError> {
        at_io("make", "tmp", fs::create_dir("tmp"))?;
        let options = format!("size={},nr_inodes=16384,mode=0700", self.tmp_bytes);
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        at("mount", "tmp", mount(Some("tmpfs"), "tmp", Some("tmpfs"), flags, Some(options.as_str())))
    }
}

const NONE: Option<&str> = None;

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn protect(inside: &Path, writable: bool) -> io::Result<()> {
    let path = CString::new(inside.as_os_str().as_bytes()).map_err(io::Error::other)?;
    syscall::protect_mount(&path, writable)
}

fn at<T>(step: &'static str, object: &str, result: nix::Result<T>) -> Result<T, RootError> {
    at_io(step, object, result.map_err(io::Error::from))
}

fn at_io<T>(step: &'static str, object: &str, result: io::Result<T>) -> Result<T, RootError> {
    result.map_err(|source| RootError { step, object: object.to_owned(), source })
}
