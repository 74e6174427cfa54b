//! A process of a unit: what it finds, and what is taken from it before its program runs.
//!
//! [`prepare`] makes what must exist beforehand; [`launch`] forks, confines and executes. What goes wrong in between is in
//! the unit's log, and the exit status is the one that systemd would give.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use caps::CapSet;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, execve, getpid, setgroups, setresgid, setresuid, setsid,
};

use crate::account::Identity;
use crate::clone::{Forked, fork_into, pass};
use crate::error::ApplianceError;
use crate::layout::directory;
use crate::unit::{Confinement, ServiceUnit};
use crate::{loopback, mounts};

/// The program could not be executed, as systemd has it.
const EXIT_EXEC: i32 = 203;
/// The namespaces could not be made, as systemd has it.
const EXIT_NAMESPACE: i32 = 226;

/// One process to start.
pub(crate) struct Launch<'a> {
    pub(crate) unit: &'a ServiceUnit,
    pub(crate) identity: &'a Identity,
    /// Program and arguments, with their paths as they are inside.
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: fs::File,
    /// Become the descriptors 3, 4, …
    pub(crate) passed: Vec<BorrowedFd<'a>>,
    /// The names of the passed descriptors, with colons between them, if they are of socket units.
    pub(crate) activation: Option<&'a str>,
}

/// Makes the directories of a unit, owned by its user.
pub(crate) fn prepare(unit: &ServiceUnit, identity: &Identity) -> Result<(), ApplianceError> {
    let state = unit.state_directories.iter().map(|name| (Path::new("/var/lib").join(name), 0o700));
    let runtime = unit.runtime_directories.iter().map(|name| (Path::new("/run").join(name), 0o755));
    for (path, bits) in state.chain(runtime) {
        directory(&path, bits)?;
        own(&path, identity)?;
    }
    Ok(())
}

/// Gives a tree to a user. A kept state may be from a run in which the number was another one.
fn own(path: &Path, identity: &Identity) -> Result<(), ApplianceError> {
    let wrap = |e| ApplianceError::file("own", path, e);
    let metadata = fs::symlink_metadata(path).map_err(wrap)?;
    if (metadata.uid(), metadata.gid()) == (identity.uid, identity.gid) {
        return Ok(());
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(wrap)?.flatten() {
            own(&entry.path(), identity)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(identity.uid), Some(identity.gid)).map_err(wrap)
}

/// Writes the credentials of a unit where only its user can read them, in memory.
pub(crate) fn credentials<'a>(
    unit: &ServiceUnit,
    identity: &Identity,
    given: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<PathBuf, ApplianceError> {
    let place = Path::new("/run/credentials").join(&unit.name);
    directory(&place, 0o700)?;
    for (name, secret) in given {
        let allowed = |pattern: &String| {
            pattern.strip_suffix('*').map_or(pattern == name, |stem| name.starts_with(stem))
        };
        if !unit.credentials.iter().any(allowed) {
            return Err(ApplianceError::Unit { unit: unit.name.clone(), key: "ImportCredential" });
        }
        let path = place.join(name);
        let wrap = |e| ApplianceError::file("write", &path, e);
        fs::write(&path, "").map_err(wrap)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).map_err(wrap)?;
        fs::write(&path, secret).map_err(wrap)?;
        chown(&path, Some(identity.uid), Some(identity.gid)).map_err(wrap)?;
    }
    directory(&place, 0o500)?;
    chown(&place, Some(identity.uid), Some(identity.gid))
        .map_err(|e| ApplianceError::file("own", &place, e))?;
    Ok(place)
}

/// Starts the process and returns its number.
pub(crate) fn launch(launch: &Launch<'_>) -> Result<i32, ApplianceError> {
    let confinement = &launch.unit.confinement;
    let mut namespaces = CloneFlags::CLONE_NEWNS;
    namespaces.set(CloneFlags::CLONE_NEWNET, confinement.network);
    namespaces.set(CloneFlags::CLONE_NEWIPC, confinement.ipc);
    namespaces.set(CloneFlags::CLONE_NEWPID, confinement.pids);
    namespaces.set(CloneFlags::CLONE_NEWUTS, confinement.hostname);
    match fork_into(namespaces).map_err(ApplianceError::system("fork"))? {
        Forked::Parent(pid) => Ok(pid.as_raw()),
        Forked::Child => {
            let status = match run(launch) {
                Ok(never) => match never {},
                Err((status, error)) => {
                    eprintln!("{error}");
                    status
                }
            };
            std::process::exit(status)
        }
    }
}

type Refusal = (i32, ApplianceError);

fn run(launch: &Launch<'_>) -> Result<std::convert::Infallible, Refusal> {
    let confine = |error: ApplianceError| (EXIT_NAMESPACE, error);
    let system = |action| move |errno| (EXIT_NAMESPACE, ApplianceError::system(action)(errno));
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(system("unblock signals"))?;
    setsid().map_err(system("make a session"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("follow the supervisor's end"))?;
    let null =
        fs::File::open("/dev/null").map_err(|e| confine(ApplianceError::file("open", "/dev/null", e)))?;
    dup2_stdin(null).map_err(system("close standard input"))?;
    dup2_stdout(&launch.log).map_err(system("open the log"))?;
    dup2_stderr(&launch.log).map_err(system("open the log"))?;
    let confinement = &launch.unit.confinement;
    if confinement.network {
        loopback::up().map_err(system("bring up the loopback interface"))?;
    }
    file_system(launch).map_err(confine)?;
    umask(Mode::from_bits_truncate(launch.unit.umask));
    if confinement.no_core {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(system("limit core files"))?;
    }
    become_user(launch.identity, confinement).map_err(confine)?;
    execute(launch).map_err(|error| (EXIT_EXEC, error))
}

/// Changes the private copy of the mounts to what the unit says.
fn file_system(launch: &Launch<'_>) -> Result<(), ApplianceError> {
    let confinement = &launch.unit.confinement;
    mounts::detach()?;
    let mut mounted = vec![PathBuf::from("/proc")];
    // Sources are what they were before anything of this unit's own is mounted over them, as with systemd.
    let mut binds = Vec::new();
    for bind in &confinement.binds {
        match held(&bind.source) {
            Ok(source) => binds.push((source, bind)),
            Err(_) if bind.optional && !bind.source.exists() => {}
            Err(errno) => return Err(ApplianceError::file("find", &bind.source, errno)),
        }
    }
    if confinement.pids || confinement.pid_only_proc {
        mounts::proc(Path::new("/proc"), confinement.pid_only_proc)?;
    }
    if confinement.tmp {
        mounts::tmpfs(Path::new("/tmp"), "mode=1777,nosuid,nodev")?;
        mounted.push("/tmp".into());
    }
    for (target, options) in &confinement.tmpfs {
        mounts::tmpfs(target, options)?;
        mounted.push(target.clone());
    }
    for (source, bind) in &binds {
        let source = Path::new("/proc/self/fd").join(source.as_raw_fd().to_string());
        if bind.read_only {
            mounts::bind_read_only(&source, &bind.target)?;
        } else {
            mounts::bind(&source, &bind.target)?;
            mounted.push(bind.target.clone());
        }
    }
    for path in confinement.inaccessible.iter().filter(|path| path.exists()) {
        mounts::tmpfs(path, "mode=000,size=4k,ro,nosuid,nodev,noexec")?;
    }
    if !confinement.read_only_system {
        return Ok(());
    }
    let state = launch.unit.state_directories.iter().map(|name| Path::new("/var/lib").join(name));
    let runtime = launch.unit.runtime_directories.iter().map(|name| Path::new("/run").join(name));
    mounts::read_only(Path::new("/"))?;
    for path in mounted {
        mounts::writable(&path)?;
    }
    state.chain(runtime).chain(["/dev/shm".into()]).try_for_each(|path| mounts::writable_part(&path))
}

/// A place, whatever is mounted over it later.
fn held(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// Gives up root for good. No way leads back: no capability, and none to gain by an execution.
fn become_user(identity: &Identity, confinement: &Confinement) -> Result<(), ApplianceError> {
    let system = ApplianceError::system;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(system("set the groups"))?;
    if confinement.no_capabilities {
        drop_bounding_set()?;
    }
    setresgid(gid, gid, gid).map_err(system("set the group"))?;
    setresuid(uid, uid, uid).map_err(system("set the user"))?;
    if confinement.users {
        private_users(identity)?;
        drop_bounding_set()?;
    }
    if confinement.no_new_privileges {
        prctl::set_no_new_privs().map_err(system("renounce new privileges"))?;
    }
    // The change of user has cleared it.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("follow the supervisor's end"))
}

fn drop_bounding_set() -> Result<(), ApplianceError> {
    for capability in caps::all() {
        // A kernel may know fewer of them than the library.
        if caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false) {
            caps::drop(None, CapSet::Bounding, capability).map_err(|error| ApplianceError::System {
                action: "drop a capability",
                source: std::io::Error::other(error),
            })?;
        }
    }
    Ok(())
}

/// A user namespace in which only the user and its group exist.
fn private_users(identity: &Identity) -> Result<(), ApplianceError> {
    // The change of user made the process's own /proc files root's.
    prctl::set_dumpable(true).map_err(ApplianceError::system("open its own maps"))?;
    unshare(CloneFlags::CLONE_NEWUSER).map_err(ApplianceError::system("make a user namespace"))?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{0} {0} 1", identity.uid)),
        ("/proc/self/gid_map", format!("{0} {0} 1", identity.gid)),
    ] {
        fs::write(file, text).map_err(|e| ApplianceError::file("write", file, e))?;
    }
    Ok(())
}

fn execute(launch: &Launch<'_>) -> Result<std::convert::Infallible, ApplianceError> {
    let mut environment = launch.environment.clone();
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    if launch.unit.watchdog.is_some() {
        set("WATCHDOG_PID", getpid().to_string());
    }
    if let Some(name) = launch.activation {
        set("LISTEN_FDS", launch.passed.len().to_string());
        set("LISTEN_FDNAMES", name.to_owned());
        set("LISTEN_PID", getpid().to_string());
    }
    let text = |text: String| {
        CString::new(text)
            .map_err(|e| ApplianceError::System { action: "pass an argument", source: e.into() })
    };
    let variables: Vec<CString> = environment
        .into_iter()
        .map(|(name, value)| text(format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    let arguments: Vec<CString> = launch.command.iter().cloned().map(text).collect::<Result<_, _>>()?;
    let program = launch.command.first().map(PathBuf::from).unwrap_or_default();
    pass(&launch.passed).map_err(ApplianceError::system("pass the descriptors"))?;
    let path = CString::new(program.as_os_str().as_bytes()).unwrap_or_default();
    match execve(&path, &arguments, &variables) {
        Ok(never) => Ok(never),
        Err(errno) => Err(ApplianceError::file("execute", program, errno)),
    }
}
