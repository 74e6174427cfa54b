//! `testudo.toml`: one file, a table per daemon, read whole by every daemon.
//!
//! A mistake in any table stops every daemon with exit status 78 and shows all mistakes of the file at once.
//! Start with [`load`]; the shape of each table is in its `read` function; [`reader`] does the work.

mod containers;
pub mod egress;
mod matrixd;
mod modeld;
pub mod reader;
pub mod sessions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::diagnostic::Diagnostics;
use crate::verdict::Weight;
pub use containers::Container;
use egress::Egressd;
pub use matrixd::Matrixd;
pub use modeld::{Modeld, Provider};
use reader::{Document, Table};
use sessions::{Group, Unattended};

/// Where the file is when nobody says otherwise.
const DEFAULT_DIRECTORY: &str = "/etc/testudo";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[agentd]`
    pub agentd: Agentd,
    /// `[egressd]`
    pub egressd: Egressd,
    /// `[matrixd]`
    pub matrixd: Matrixd,
    /// `[modeld]`
    pub modeld: Modeld,
    /// `[policyd]`
    pub policyd: Policyd,
    /// `[toold]`
    pub toold: Toold,
    /// `[extension]`
    pub extension: Extension,
}

/// How `agentd` runs its loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Agentd {
    /// Most model calls in one turn; 1 to 1000.
    pub max_turns: u32,
    /// Most tokens of a day, read and written in all sessions together; none for no limit.
    pub daily_tokens: Option<u32>,
    /// Sessions in which no person watches.
    pub unattended: Unattended,
}

/// How `policyd` decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Policyd {
    /// The policy files, all of them in force together.
    pub rules: Vec<PathBuf>,
    /// How long an approval waits for an answer.
    pub approval_ttl: Duration,
    /// How long the tokens of an approved plan hold.
    pub plan_ttl: Duration,
    /// How long a question of a session that nobody watches waits when it has no approver.
    pub parked_ttl: Duration,
    /// The operator to whom questions of sessions that nobody watches go.
    pub approver: Option<String>,
    /// The addresses and accounts by which the owner goes in records.
    pub identities: Vec<String>,
    /// How long the judges of one action may take together; 1 ms to 10 min.
    pub judge_timeout: Duration,
    /// What `policy.update` may change.
    pub amendments: Amendments,
    /// How heavy the answer to a `policy.update` must be; never lighter than a reply.
    pub amend_by: Weight,
}

/// What `policy.update` may change beside the files that the configuration names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Amendments {
    /// Nothing: the policy is what the configuration says and no more.
    None,
    /// Files may be added; those of the configuration stay in force beside them.
    #[default]
    Add,
    /// A file may also take the place of one of the configuration with the same name.
    Replace,
}

impl Amendments {
    /// The words of the configuration, in the order of the variants.
    const WORDS: [&str; 3] = ["none", "add", "replace"];

    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Add => "add",
            Self::Replace => "replace",
        }
    }

    fn read(table: &Table<'_>) -> Self {
        match table.word("amendments", &Self::WORDS).as_deref() {
            Some("none") => Self::None,
            Some("replace") => Self::Replace,
            _ => Self::Add,
        }
    }
}

/// How `toold` acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Toold {
    /// The directory in which sandboxes answer, each template at `TEMPLATE.sock`.
    pub sandboxes: PathBuf,
    /// Where the runner that applies change sets answers.
    pub apply_socket: PathBuf,
    /// How long a sandbox that no call needs is kept.
    pub sandbox_idle: Duration,
    /// The longest that one tool call may run.
    pub call_timeout: Duration,
    /// Most bytes of output of one call.
    pub output_limit: u64,
    /// Calls per minute and session that are sustained.
    pub calls_per_minute: u32,
    /// Calls per session that may come at once.
    pub burst: u32,
    /// Sessions that share a bucket beside their own.
    pub groups: Vec<Group>,
    /// Images that programs may run in, by name; none unless the operator says so.
    pub containers: Vec<Container>,
}

/// The extension rules, which `policyd` and the process that evaluates them both know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// The components, all of them in force together; at most [`MOST_COMPONENTS`], each with another file name.
    pub components: Vec<PathBuf>,
}

/// Most extension components; every one of them is asked about every call.
pub const MOST_COMPONENTS: usize = 16;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Diagnostics),
}

/// Reads the file that was named, or the default one, which may be absent.
///
/// # Errors
/// When a file that was named is not there, or a file cannot be read, or has mistakes.
pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
    let directory = std::env::var_os("CONFIGURATION_DIRECTORY").unwrap_or_else(|| DEFAULT_DIRECTORY.into());
    let path = named.map_or_else(|| Path::new(&directory).join("testudo.toml"), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    Ok(parse(&path.display().to_string(), &text)?)
}

/// Parses the text of a file.
///
/// # Errors
/// All mistakes of the text.
pub fn parse(file: &str, text: &str) -> Result<Config, Diagnostics> {
    let document = Document::parse(file, text);
    let root = document.root();
    let egressd = Egressd::read(&root.table("egressd"));
    let config = Config {
        agentd: Agentd::read(&root.table("agentd")),
        matrixd: Matrixd::read(&root.table("matrixd")),
        modeld: Modeld::read(&root.table("modeld"), &egressd.secrets),
        egressd,
        policyd: Policyd::read(&root.table("policyd")),
        toold: Toold::read(&root.table("toold")),
        extension: Extension::read(&root.table("extension")),
    };
    root.finish();
    document.conclude()?;
    Ok(config)
}

impl Agentd {
    fn read(table: &Table<'_>) -> Self {
        let max_turns = table.integer("max_turns", 1..=1000).unwrap_or(25);
        let daily_tokens = table.integer("daily_tokens", 1..=u32::MAX);
        let unattended = Unattended::read(&table.table("unattended"));
        table.finish();
        Self { max_turns, daily_tokens, unattended }
    }
}

impl Policyd {
    fn read(table: &Table<'_>) -> Self {
        let rules =
            table.paths("rules").unwrap_or_else(|| vec!["/usr/share/testudo/policies/default.toml".into()]);
        let approval_ttl = table.duration("approval_ttl").unwrap_or(Duration::from_mins(5));
        if approval_ttl.is_zero() {
            table.refuse("approval_ttl", "must be more than 0: nobody could ever answer");
        }
        let plan_ttl = table.duration("plan_ttl").unwrap_or(Duration::from_mins(15));
        let parked_ttl = table.duration("parked_ttl").unwrap_or(Duration::from_hours(24));
        for (key, given) in [("plan_ttl", plan_ttl), ("parked_ttl", parked_ttl)] {
            if given.is_zero() {
                table.refuse(key, "must be more than 0");
            }
        }
        let approver = table.string("approver");
        let identities = table.strings("identities").unwrap_or_default();
        if identities.iter().any(|identity| identity.trim().is_empty()) {
            table.refuse("identities", "has an empty one, which would be everybody");
        }
        let judge_timeout = table.duration("judge_timeout").unwrap_or(Duration::from_mins(1));
        if judge_timeout.is_zero() || judge_timeout > Duration::from_mins(10) {
            table.refuse("judge_timeout", "must be more than 0 and at most 10m");
        }
        let amendments = Amendments::read(table);
        // A reaction can be forged by the server that carries it, so it never changes the rules.
        let amend_by = match table.word("amend_by", &["reply", "otp", "local"]).as_deref() {
            Some("otp") => Weight::Otp,
            Some("local") => Weight::Local,
            _ => Weight::Reply,
        };
        table.finish();
        Self {
            rules,
            approval_ttl,
            plan_ttl,
            parked_ttl,
            approver,
            identities,
            judge_timeout,
            amendments,
            amend_by,
        }
    }
}

impl Extension {
    fn read(table: &Table<'_>) -> Self {
        let components = table.paths("components").unwrap_or_default();
        if components.len() > MOST_COMPONENTS {
            table.refuse("components", &format!("has more than {MOST_COMPONENTS} components"));
        }
        let names: BTreeSet<_> = components.iter().map(|path| path.file_stem()).collect();
        if names.len() < components.len() || names.contains(&None) {
            table.refuse("components", "needs another file name for each: reasons name a component by it");
        }
        table.finish();
        Self { components }
    }
}

impl Toold {
    fn read(table: &Table<'_>) -> Self {
        let config = Self {
            sandboxes: table.path("sandboxes").unwrap_or_else(|| "/run/testudo/sandbox".into()),
            apply_socket: table.path("apply_socket").unwrap_or_else(|| "/run/testudo/apply.sock".into()),
            sandbox_idle: table.duration("sandbox_idle").unwrap_or(Duration::from_mins(15)),
            call_timeout: table.duration("call_timeout").unwrap_or(Duration::from_mins(1)),
            output_limit: table.size("output_limit").unwrap_or(1 << 20),
            calls_per_minute: table.integer("calls_per_minute", 1..=1_000_000).unwrap_or(600),
            burst: table.integer("burst", 1..=1_000_000).unwrap_or(100),
            groups: Group::read(&table.table("groups")),
            containers: Container::read(&table.table("containers")),
        };
        table.finish();
        config
    }
}

#[cfg(test)]
mod tests;
