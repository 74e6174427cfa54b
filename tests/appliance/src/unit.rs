//! What the supervisor understands of the shipped units.
//!
//! Start order, life cycle, identity, directories, credentials and namespaces are taken at their word. What only
//! systemd can do (cgroups, seccomp filters, IP filters) is skipped here and proved under a real systemd instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::ApplianceError;
use crate::ini::Ini;
use crate::name::short_name;
use crate::span;

/// How a service says that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It sends `READY=1`.
    Notify,
    /// It was executed.
    Exec,
    /// It writes a line to descriptor 3, as a bus does.
    Address,
}

/// A `.service` file, or the template of one.
#[derive(Debug, Clone)]
pub(crate) struct ServiceUnit {
    pub(crate) name: String,
    pub(crate) after: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) readiness: Readiness,
    pub(crate) user: String,
    pub(crate) group: Option<String>,
    pub(crate) umask: u32,
    pub(crate) restart_on_failure: bool,
    pub(crate) restart_delay: Duration,
    pub(crate) restart_steps: u32,
    pub(crate) restart_delay_max: Duration,
    pub(crate) restart_prevented_by: Vec<i32>,
    pub(crate) watchdog: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) runtime_max: Option<Duration>,
    /// Relative to `/var/lib`.
    pub(crate) state_directories: Vec<String>,
    /// Relative to `/run`.
    pub(crate) runtime_directories: Vec<String>,
    pub(crate) wants_configuration: bool,
    /// `NAME=value`, in which `%n` is the unit's name.
    pub(crate) environment: Vec<String>,
    /// Names of credentials that the unit may have; a trailing `*` stands for anything.
    pub(crate) credentials: Vec<String>,
    pub(crate) confinement: Confinement,
}

/// The namespaces and mounts of a service.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one switch for each directive of the unit")]
pub(crate) struct Confinement {
    pub(crate) network: bool,
    pub(crate) ipc: bool,
    pub(crate) pids: bool,
    pub(crate) hostname: bool,
    pub(crate) users: bool,
    pub(crate) tmp: bool,
    pub(crate) read_only_system: bool,
    pub(crate) pid_only_proc: bool,
    pub(crate) no_new_privileges: bool,
    pub(crate) no_capabilities: bool,
    pub(crate) no_core: bool,
    /// Target and mount options.
    pub(crate) tmpfs: Vec<(PathBuf, String)>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) inaccessible: Vec<PathBuf>,
}

/// One bind mount of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
    /// Left out where there is no such source.
    pub(crate) optional: bool,
}

/// A `.socket` file. With `Accept=yes` each connection gets an instance of the template; otherwise one instance of
/// the service gets the listening socket, started by the first connection while there is none. With `Service=` the
/// service that it names gets it, at each of its starts, beside its other sockets.
#[derive(Debug, Clone)]
pub(crate) struct SocketUnit {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) mode: u32,
    pub(crate) accept: bool,
    pub(crate) max_connections: usize,
    pub(crate) descriptor_name: String,
    /// The service of the target that gets the listening socket.
    pub(crate) service: Option<String>,
    pub(crate) template: ServiceUnit,
}

/// Everything that a target wants.
#[derive(Debug, Default)]
pub(crate) struct Units {
    pub(crate) services: Vec<ServiceUnit>,
    pub(crate) sockets: Vec<SocketUnit>,
}

impl Units {
    /// Reads a target and what it wants from a directory of units.
    pub(crate) fn load(directory: &Path, target: &str) -> Result<Self, ApplianceError> {
        let mut units = Self::default();
        for name in read(directory, target)?.words("Unit", "Wants") {
            units.add(directory, &name)?;
        }
        Ok(units)
    }

    /// Reads one more service or socket.
    pub(crate) fn add(&mut self, directory: &Path, name: &str) -> Result<(), ApplianceError> {
        match name.rsplit_once('.') {
            Some((_, "service")) => {
                self.services.push(ServiceUnit::new(name, &read(directory, name)?)?);
            }
            Some((stem, "socket")) => {
                let ini = read(directory, name)?;
                let at = if ini.is_on("Socket", "Accept") { "@" } else { "" };
                let template = ini.last("Socket", "Service").map(str::to_owned);
                let template = template.unwrap_or_else(|| format!("{stem}{at}.service"));
                let template = ServiceUnit::new(&template, &read(directory, &template)?)?;
                self.sockets.push(SocketUnit::new(name, &ini, template)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// What all of them take away.
    pub(crate) fn confinements(&mut self) -> impl Iterator<Item = &mut Confinement> {
        let templates = self.sockets.iter_mut().map(|socket| &mut socket.template);
        self.services.iter_mut().chain(templates).map(|unit| &mut unit.confinement)
    }
}

/// A unit, which may be a link to another's text, with its drop-ins: files `*.conf` of `NAME.d`, in the order of their
/// names. An empty one says nothing.
fn read(directory: &Path, name: &str) -> Result<Ini, ApplianceError> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| ApplianceError::file("read", path, source))
    };
    let mut ini = Ini::parse(&text(&directory.join(name))?);
    let drop_ins = std::fs::read_dir(directory.join(format!("{name}.d"))).into_iter().flatten().flatten();
    let mut drop_ins: Vec<PathBuf> = drop_ins.map(|entry| entry.path()).collect();
    drop_ins.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    drop_ins.sort_unstable();
    for path in drop_ins {
        ini.read(&text(&path)?);
    }
    Ok(ini)
}

impl ServiceUnit {
    fn new(name: &str, ini: &Ini) -> Result<Self, ApplianceError> {
        let text = |key| ini.last("Service", key);
        let time = |key| text(key).and_then(span::parse);
        let words = |key| ini.words("Service", key);
        let bad = |key: &'static str| ApplianceError::Unit { unit: name.to_owned(), key };
        let readiness = match text("Type") {
            Some("notify") => Readiness::Notify,
            Some("exec" | "simple") | None => Readiness::Exec,
            Some(_) => return Err(bad("Type")),
        };
        let command = words("ExecStart");
        if command.is_empty() {
            return Err(bad("ExecStart"));
        }
        let delay = time("RestartSec").unwrap_or(Duration::from_millis(100));
        let credentials = words("LoadCredential").into_iter().chain(words("ImportCredential"));
        Ok(Self {
            name: name.to_owned(),
            after: ini.words("Unit", "After"),
            command,
            readiness,
            user: text("User").unwrap_or("root").to_owned(),
            group: text("Group").map(str::to_owned),
            umask: text("UMask").map_or(Some(0o022), octal).ok_or_else(|| bad("UMask"))?,
            restart_on_failure: matches!(text("Restart"), Some("on-failure" | "always")),
            restart_delay: delay,
            restart_steps: text("RestartSteps").and_then(|steps| steps.parse().ok()).unwrap_or(0),
            restart_delay_max: time("RestartMaxDelaySec").unwrap_or(delay),
            restart_prevented_by: words("RestartPreventExitStatus")
                .iter()
                .filter_map(|s| s.parse().ok())
                .collect(),
            watchdog: time("WatchdogSec"),
            start_timeout: time("TimeoutStartSec").unwrap_or(Duration::from_secs(90)),
            stop_timeout: time("TimeoutStopSec").unwrap_or(Duration::from_secs(90)),
            runtime_max: time("RuntimeMaxSec"),
            state_directories: words("StateDirectory"),
            runtime_directories: words("RuntimeDirectory"),
            wants_configuration: text("ConfigurationDirectory").is_some(),
            environment: words("Environment"),
            credentials: credentials.map(|c| c.split(':').next().unwrap_or_default().to_owned()).collect(),
            confinement: Confinement::new(ini),
        })
    }

    /// A service that says nothing of itself, to be filled in.
    pub(crate) fn plain() -> Self {
        Self {
            name: String::new(),
            after: Vec::new(),
            command: Vec::new(),
            readiness: Readiness::Exec,
            user: "root".to_owned(),
            group: None,
            umask: 0o022,
            restart_on_failure: true,
            restart_delay: Duration::from_millis(100),
            restart_steps: 0,
            restart_delay_max: Duration::from_millis(100),
            restart_prevented_by: Vec::new(),
            watchdog: None,
            start_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(5),
            runtime_max: None,
            state_directories: Vec::new(),
            runtime_directories: Vec::new(),
            wants_configuration: false,
            environment: Vec::new(),
            credentials: Vec::new(),
            confinement: Confinement::default(),
        }
    }

    /// The name as people and tests say it: `policyd` for `testudo-policyd.service`.
    pub(crate) fn short_name(&self) -> &str {
        short_name(&self.name)
    }
}

impl Confinement {
    fn new(ini: &Ini) -> Self {
        let on = |key| ini.is_on("Service", key);
        let absolute = |text: &str| PathBuf::from(text.trim_start_matches(['-', '+']));
        let binds = |key, read_only| {
            ini.words("Service", key).into_iter().map(move |word| {
                let (source, target) = word.split_once(':').unwrap_or((&word, &word));
                let target = target.split(':').next().unwrap_or(target);
                Bind {
                    optional: source.starts_with('-'),
                    source: absolute(source),
                    target: absolute(target),
                    read_only,
                }
            })
        };
        Self {
            network: on("PrivateNetwork"),
            ipc: on("PrivateIPC"),
            pids: on("PrivatePIDs"),
            hostname: on("ProtectHostname"),
            users: on("PrivateUsers"),
            tmp: on("PrivateTmp") || ini.last("Service", "PrivateTmp") == Some("disconnected"),
            read_only_system: ini.last("Service", "ProtectSystem") == Some("strict"),
            pid_only_proc: ini.last("Service", "ProcSubset") == Some("pid"),
            no_new_privileges: on("NoNewPrivileges"),
            // The shipped units either drop all of them or do not say; the ini reader keeps no empty lists apart.
            no_capabilities: on("NoNewPrivileges") && ini.all("Service", "CapabilityBoundingSet").is_empty(),
            no_core: ini.last("Service", "LimitCORE") == Some("0"),
            tmpfs: ini
                .words("Service", "TemporaryFileSystem")
                .iter()
                .map(|word| word.split_once(':').unwrap_or((word, "")))
                .map(|(target, options)| (target.into(), options.to_owned()))
                .collect(),
            binds: binds("BindPaths", false).chain(binds("BindReadOnlyPaths", true)).collect(),
            inaccessible: ini
                .words("Service", "InaccessiblePaths")
                .iter()
                .map(|path| absolute(path))
                .collect(),
        }
    }
}

impl SocketUnit {
    fn new(name: &str, ini: &Ini, template: ServiceUnit) -> Result<Self, ApplianceError> {
        let text = |key| ini.last("Socket", key);
        let bad = |key: &'static str| ApplianceError::Unit { unit: name.to_owned(), key };
        let accept = ini.is_on("Socket", "Accept");
        let path =
            text("ListenStream").filter(|path| path.starts_with('/')).ok_or_else(|| bad("ListenStream"))?;
        Ok(Self {
            name: name.to_owned(),
            path: path.into(),
            user: text("SocketUser").map(str::to_owned),
            group: text("SocketGroup").map(str::to_owned),
            mode: text("SocketMode").map_or(Some(0o666), octal).ok_or_else(|| bad("SocketMode"))?,
            accept,
            max_connections: text("MaxConnections").and_then(|n| n.parse().ok()).unwrap_or(64),
            descriptor_name: text("FileDescriptorName")
                .unwrap_or(if accept { "connection" } else { name })
                .to_owned(),
            service: text("Service").map(str::to_owned),
            template,
        })
    }
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok()
}

/// Paths inside unit files that are elsewhere in the private file system, by longest prefix.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathTable(pub(crate) BTreeMap<PathBuf, PathBuf>);

impl PathTable {
    /// Where a path of a unit file really is.
    pub(crate) fn resolve(&self, path: &str) -> String {
        for (prefix, place) in self.0.iter().rev() {
            if let Ok(rest) = Path::new(path).strip_prefix(prefix) {
                let place = if rest.as_os_str().is_empty() { place.clone() } else { place.join(rest) };
                return place.to_string_lossy().into_owned();
            }
        }
        path.to_owned()
    }
}

#[cfg(test)]
mod tests;
