//! The root that a call sees: programs read-only, a tiny `/etc`, `/proc`, a few devices, `/tmp`, the workspace.
//!
//! Everything here happens in the child's own mount namespace, in an order that the kernel dictates. [`Root::build`]
//! leaves nothing of the host reachable and does all that does not depend on the call, because the child has time then;
//! [`Root::complete`] only adds the call's own. A [`RootError`] names the step that failed.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::apply::OWN_DIRECTORY;
use crate::inbox::INBOX;
use crate::layers::{Layer, Layers};
use crate::limits::Limits;
use crate::overlay::{self, Directories};
use crate::protocol::WORKSPACE;
use crate::syscall;

/// Devices that a call gets, none of which holds any state.
pub(crate) const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];

/// What a call may read of `/etc`.
pub(crate) const FILES: [&str; 6] =
    ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ssl/certs"];

/// Top-level names that are made of their own even when the host's tree shows through.
const OWN: [&str; 5] = ["workspace", "inbox", "tmp", "proc", "dev"];

/// Where the call's directories are until its overlay is mounted, and where something empty is to cover them with.
/// Unmounting them would take the kernel as long as all the rest.
const SCRATCH: &str = ".scratch";
const NOTHING: &str = ".nothing";

/// Holds `/tmp` and `/dev/shm`, which are one file system with one size.
const PRIVATE: &str = ".private";

const OVERLAY: &str = "the overlay";

/// A step of building the root that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {object}: {source}")]
pub(crate) struct RootError {
    step: &'static str,
    object: String,
    source: io::Error,
}

impl RootError {
    /// Whether the kernel will never have an overlay of this workspace. What may be otherwise at the next attempt,
    /// such as a lack of memory, is another matter.
    pub(crate) fn refuses_overlay(&self) -> bool {
        use Errno::{EACCES, EINVAL, ELOOP, ENODEV, ENOSYS, EOPNOTSUPP, EPERM};
        let errno = self.source.raw_os_error().map(Errno::from_raw);
        self.object == OVERLAY
            && matches!(errno, Some(EACCES | EINVAL | ELOOP | ENODEV | ENOSYS | EOPNOTSUPP | EPERM))
    }
}

/// What the root is built from. All paths are the host's.
pub(crate) struct Root<'a> {
    /// The workspace.
    pub(crate) workspace: &'a Path,
    /// What people sent into the session; there need be none.
    pub(crate) inbox: &'a Path,
    /// The call's directories: where the root is built, and what its overlay is made of.
    pub(crate) directories: &'a Directories,
    /// Trees of programs, bound at the same paths.
    pub(crate) programs: &'a [PathBuf],
    /// Where `/usr` and what belongs to it is taken from; other trees are always the host's.
    pub(crate) base: &'a Path,
    /// Which layers are in force.
    pub(crate) layers: Layers,
}

/// The file with a call's own names, in the directory that calls of a session share.
pub(crate) const HOSTS: &str = "hosts";

impl Root<'_> {
    /// Builds the root and moves into it; afterwards the working directory is its `/`.
    pub(crate) fn build(&self) -> Result<(), RootError> {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        at("make private", "/", mount(NONE, "/", NONE, private, NONE))?;
        let place = &self.directories.root;
        at(
            "mount",
            "the root",
            mount(Some("tmpfs"), place, Some("tmpfs"), PLAIN, Some("size=1m,mode=0755")),
        )?;
        at("enter", "the root", chdir(place))?;
        if self.layers.has(Layer::OwnRoot) {
            self.programs()?;
        } else {
            self.whole_host()?;
        }
        Self::devices()?;
        self.processes()?;
        self.workspace()?;
        Self::private()?;
        for name in [relative(Path::new(crate::session::PLACE)), Path::new(NOTHING)] {
            at_io("make", &name.to_string_lossy(), fs::create_dir_all(name))?;
        }
        at("change", "the root", pivot_root(".", "."))?;
        at("leave", "the host's root", umount2(".", MntFlags::MNT_DETACH))?;
        at("enter", "the new root", chdir("/"))?;
        if self.layers.has(Layer::ReadOnlyRoot) {
            let flags = PLAIN | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            at("make read-only", "the root", mount(NONE, "/", NONE, flags, NONE))?;
        }
        Ok(())
    }

    /// Adds what the call decides: whether its workspace is an overlay, how large its private files may be, and
    /// whether it belongs to the session's shell. The working directory is `/`.
    /// With `hosts`, names that only this call knows.
    pub(crate) fn complete(
        &self,
        overlay: bool,
        tmp_bytes: u64,
        session: bool,
        hosts: bool,
    ) -> Result<(), RootError> {
        let workspace = Path::new("workspace");
        if overlay && self.layers.has(Layer::Proposals) && self.directories.copying {
            let copy = Path::new(SCRATCH).join(overlay::UPPER);
            at("bind", "the copy", mount(Some(&copy), workspace, NONE, MsFlags::MS_BIND, NONE))?;
            at_io("protect", "the copy", protect(workspace, true))?;
        } else if overlay && self.layers.has(Layer::Proposals) {
            let scratch = Path::new("/").join(SCRATCH);
            let options = Directories::options(Path::new(WORKSPACE), &scratch);
            let options = Some(options.as_os_str());
            let made = mount(Some("overlay"), workspace, Some("overlay"), PLAIN, options);
            at("mount", OVERLAY, made)?;
        } else if !overlay && !self.layers.has(Layer::Proposals) {
            at_io("make read-only", "the workspace", protect(workspace, false))?;
        }
        if session {
            let kept = Path::new(SCRATCH).join(overlay::SESSION);
            let place = relative(Path::new(crate::session::PLACE));
            at("bind", "the shell's state", mount(Some(&kept), place, NONE, MsFlags::MS_BIND, NONE))?;
        }
        if hosts {
            let (own, place) =
                (Path::new(SCRATCH).join(overlay::SESSION).join(HOSTS), Path::new("etc/hosts"));
            at("bind", "the call's hosts", mount(Some(&own), place, NONE, MsFlags::MS_BIND, NONE))?;
            at_io("make read-only", "the call's hosts", protect(place, false))?;
        }
        at("cover", "the scratch", mount(Some(NOTHING), SCRATCH, NONE, MsFlags::MS_BIND, NONE))?;
        // The apply runner's journal and staged contents are none of a tool's business.
        let journal = workspace.join(OWN_DIRECTORY);
        if journal.exists() {
            let flags = PLAIN | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
            let options = Some("size=4k,mode=0555");
            at("cover", OWN_DIRECTORY, mount(Some("tmpfs"), &journal, Some("tmpfs"), flags, options))?;
        }
        if tmp_bytes != Limits::default().tmp_bytes {
            let options = format!("size={tmp_bytes}");
            let flags = PLAIN | MsFlags::MS_REMOUNT;
            at("resize", "tmp", mount(NONE, "tmp", NONE, flags, Some(options.as_str())))?;
        }
        Ok(())
    }

    fn programs(&self) -> Result<(), RootError> {
        for tree in self.programs {
            if tree == Path::new("/usr") {
                self.bind(&self.base.join("usr"), tree)?;
            } else {
                self.bind(tree, tree)?;
            }
        }
        for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
            let (own, place) = (self.base.join(name), Path::new("/").join(name));
            if let Ok(target) = fs::read_link(&own) {
                at_io("link", name, symlink(target, name))?;
            } else if own.is_dir() && !self.programs.contains(&place) {
                self.bind(&own, &place)?;
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
        let cache = self.base.join("etc/ld.so.cache");
        if cache.is_file() {
            at_io("copy", "ld.so.cache", fs::copy(cache, "etc/ld.so.cache").map(drop))?;
        }
        for tree in ["/etc/alternatives", "/etc/ssl/certs"].map(Path::new) {
            let own = self.base.join(relative(tree));
            if own.is_dir() {
                self.bind(&own, tree)?;
            }
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
                self.bind(&path, &path)?;
            }
        }
        Ok(())
    }

    /// Shows a tree of the host's at a place of the root.
    fn bind(&self, tree: &Path, place: &Path) -> Result<(), RootError> {
        let (name, inside) = (tree.to_string_lossy(), relative(place));
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
            at("mount", "proc", mount(Some("proc"), "proc", Some("proc"), flags, Some("subset=pid")))?;
            // A kernel that does not know the option, or does not heed it, would show its settings.
            let seen = Path::new("proc/sys").exists();
            let verified = if seen { Err(io::Error::other("it shows more than processes")) } else { Ok(()) };
            at_io("mount", "proc", verified)
        } else {
            at("bind", "proc", mount(Some("/proc"), "proc", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))
        }
    }

    /// The workspace and the inbox, read-only, and the directories that an overlay of it will be made of.
    fn workspace(&self) -> Result<(), RootError> {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        let inside = Path::new("workspace");
        at_io("make", "workspace", fs::create_dir(inside))?;
        at("bind", "the workspace", mount(Some(self.workspace), inside, NONE, flags, NONE))?;
        at_io("make read-only", "the workspace", protect(inside, !self.layers.has(Layer::Proposals)))?;
        at_io("make", SCRATCH, fs::create_dir(SCRATCH))?;
        at_io("make", INBOX, fs::create_dir(relative(Path::new(INBOX))))?;
        if self.inbox.is_dir() {
            let place = relative(Path::new(INBOX));
            at("bind", INBOX, mount(Some(self.inbox), place, NONE, MsFlags::MS_BIND, NONE))?;
            at_io("make read-only", INBOX, protect(place, false))?;
        }
        let scratch = Some(self.directories.top.as_path());
        // Not with the root that is being built in it.
        at("bind", "the scratch", mount(scratch, SCRATCH, NONE, MsFlags::MS_BIND, NONE))
    }

    /// `/tmp` and `/dev/shm`, of one size together.
    fn private() -> Result<(), RootError> {
        at_io("make", PRIVATE, fs::create_dir(PRIVATE))?;
        let options = format!("size={},nr_inodes=16384,mode=0755", Limits::default().tmp_bytes);
        let options = Some(options.as_str());
        at("mount", "the private files", mount(Some("tmpfs"), PRIVATE, Some("tmpfs"), PLAIN, options))?;
        for (name, place) in [("tmp", "tmp"), ("shm", "dev/shm")] {
            let (kept, place) = (Path::new(PRIVATE).join(name), Path::new(place));
            at_io("make", name, DirBuilder::new().mode(0o700).create(&kept))?;
            at_io("make", name, fs::create_dir(place))?;
            at("bind", name, mount(Some(&kept), place, NONE, MsFlags::MS_BIND, NONE))?;
        }
        at("leave", "the private files", umount2(PRIVATE, MntFlags::MNT_DETACH))?;
        at_io("remove", PRIVATE, fs::remove_dir(PRIVATE))
    }
}

const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
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
