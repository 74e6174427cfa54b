//! What to start: the units, the binaries, the settings and the few things that tests take out or exchange.
//!
//! [`Plan::from_repo`] is the shipped appliance. Its fields are public so that a test changes one thing and says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ApplianceError;

/// Which rules the bus enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusPolicy {
    /// Deny by default, with the shipped policy files.
    Shipped,
    /// Everyone may do everything: the proof that the shipped policy is what refuses.
    Open,
}

/// Who started the appliance and talks to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Human {
    /// The user.
    pub uid: u32,
    /// The user's primary group.
    pub gid: u32,
}

impl Human {
    /// The one behind `sudo`, else the calling user.
    pub fn current() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
        Self {
            uid: number("SUDO_UID").unwrap_or_else(|| nix::unistd::getuid().as_raw()),
            gid: number("SUDO_GID").unwrap_or_else(|| nix::unistd::getgid().as_raw()),
        }
    }
}

/// An appliance to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The tree with `system/`, `sysusers.d/` and `dbus-1/system.d/`.
    pub units: PathBuf,
    /// The target whose `Wants=` are started.
    pub target: String,
    /// Units that are started beside those of the target, as an operator enables them.
    pub enabled: Vec<String>,
    /// Where `testudo-X`, `testudoctl` and `testudo-init` are.
    pub bin_dir: PathBuf,
    /// Other programs in place of the shipped ones, by short name (`toold`, `apply`, `sandbox-workshop`) or by what several begin with (`sandbox`).
    pub binaries: BTreeMap<String, PathBuf>,
    /// Arguments after those of the unit, in the same way.
    pub arguments: BTreeMap<String, Vec<String>>,
    /// `testudo.toml` as table, key and value; see [`Plan::set`].
    pub settings: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// The whole text of `testudo.toml`, in place of `settings`.
    pub config_text: Option<String>,
    /// Credentials by short name of the service and name of the credential. They never touch the disk.
    pub credentials: BTreeMap<String, BTreeMap<String, String>>,
    /// Variables beside those of the unit, in the same way as `binaries`.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    /// The rules of the bus.
    pub bus_policy: BusPolicy,
    /// Folders that stay visible at their own paths in the private file system, read-only.
    pub visible: Vec<PathBuf>,
    /// Keeps state, logs and workspace in this folder and uses what is there already; none: a fresh one, removed at the end.
    pub keep: Option<PathBuf>,
    /// A folder of the user's as workspace; none: a folder of the appliance's own.
    pub workspace: Option<PathBuf>,
    /// Whose workspace a fresh one is, and who is made an operator.
    pub human: Human,
    /// The longest that all daemons together may take to be ready.
    pub start_timeout: Duration,
}

impl Plan {
    /// The shipped appliance from a checkout, with the binaries that were built into `bin_dir`.
    ///
    /// # Errors
    /// When one of the two folders is not there.
    pub fn from_repo(repo: &Path, bin_dir: &Path) -> Result<Self, ApplianceError> {
        let canonical = |path: &Path| {
            std::fs::canonicalize(path).map_err(|source| ApplianceError::file("find", path, source))
        };
        let policies = canonical(&repo.join("policies"))?;
        let rules = policies.join("default.toml");
        let mut plan = Self::bare(&canonical(&repo.join("units"))?, &canonical(bin_dir)?);
        plan.visible.push(policies);
        plan.set("policyd", "rules", vec![rules]);
        Ok(plan)
    }

    /// A plan with nothing but units and binaries.
    pub fn bare(units: &Path, bin_dir: &Path) -> Self {
        Self {
            units: units.to_path_buf(),
            target: "testudo.target".to_owned(),
            enabled: Vec::new(),
            bin_dir: bin_dir.to_path_buf(),
            binaries: BTreeMap::new(),
            arguments: BTreeMap::new(),
            settings: BTreeMap::new(),
            config_text: None,
            credentials: BTreeMap::new(),
            environment: BTreeMap::new(),
            bus_policy: BusPolicy::Shipped,
            visible: vec![units.to_path_buf(), bin_dir.to_path_buf()],
            keep: None,
            workspace: None,
            human: Human::current(),
            start_timeout: Duration::from_secs(30),
        }
    }

    /// The folder of the binaries, seen from a test: the one above `deps/`.
    ///
    /// # Errors
    /// When the running program has no path.
    pub fn bin_dir_of_test() -> Result<PathBuf, ApplianceError> {
        let program = std::env::current_exe()
            .map_err(|source| ApplianceError::System { action: "find the running program", source })?;
        let mut directory = program;
        directory.pop();
        if directory.ends_with("deps") {
            directory.pop();
        }
        Ok(directory)
    }

    /// Sets one key of `testudo.toml`: a string, a number, a truth value, a path, or a list of them.
    pub fn set(&mut self, table: &str, key: &str, value: impl Serialize) -> &mut Self {
        // What cannot be a JSON value (a map with odd keys) becomes null, which the daemons' parser refuses by name.
        let value = serde_json::to_value(value).unwrap_or_default();
        self.settings.entry(table.to_owned()).or_default().insert(key.to_owned(), value);
        self
    }

    /// Has the agent talk: enables `testudo-matrixd.service` with this account at a homeserver that answers at `url`, which
    /// may be on loopback, and gives it what it logs in with and what its stores are encrypted with.
    pub fn matrix(&mut self, url: &str, user: &str, password: &str, store_key: &str) -> &mut Self {
        let unit = "testudo-matrixd.service".to_owned();
        if !self.enabled.contains(&unit) {
            self.enabled.push(unit);
        }
        self.set("matrixd", "homeserver", url)
            .set("matrixd", "user", user)
            .credential("matrixd", "matrix-password", password)
            .credential("matrixd", "matrix-store-key", store_key)
    }

    /// Sets a variable of a service.
    pub fn variable(&mut self, service: &str, name: &str, value: &str) -> &mut Self {
        self.environment.entry(service.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives a credential to a service.
    pub fn credential(&mut self, service: &str, name: &str, secret: &str) -> &mut Self {
        self.credentials.entry(service.to_owned()).or_default().insert(name.to_owned(), secret.to_owned());
        self
    }
}
