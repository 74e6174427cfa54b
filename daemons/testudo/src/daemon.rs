//! The life of a daemon under systemd.
//!
//! ```text
//!  config ──▶ state open ──▶ name owned ──▶ READY=1 ── serving ──▶ SIGTERM: STOPPING=1, drain ──▶ exit 0
//!     └─ bad: all mistakes on standard error, exit 78
//! ```
//! The watchdog is petted only after the daemon's own loop answered, so a wedged loop is found and restarted.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use libsystemd::daemon::{NotifyState, notify, watchdog_enabled};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Config, ConfigError};
use crate::{journal, visible};

/// `EX_CONFIG`: the configuration is bad, and a restart would not mend it.
pub const EXIT_CONFIG: u8 = 78;
/// How long work on other threads may take to end after the daemon's own loop did.
const LAST_WORK: Duration = Duration::from_secs(2);
/// `EX_USAGE` as `clap` has it.
const EXIT_USAGE: u8 = 2;

/// Why a daemon ended other than by being asked to.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The configuration, or a file that it names, is bad.
    #[error("{0}")]
    Config(String),
    /// Anything else.
    #[error("{0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DaemonError {
    /// Any error that a restart may mend.
    pub fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<zbus::Error> for DaemonError {
    fn from(error: zbus::Error) -> Self {
        Self::failed(format!("cannot serve on the bus: {}", crate::fault::bus_error_text(&error)))
    }
}

impl From<ConfigError> for DaemonError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

/// Runs a daemon: journal, arguments, configuration, `serve`, exit status.
///
/// `serve` gets the configuration, does everything and returns when it is asked to stop; see [`Lifecycle`].
pub fn run<F, S>(name: &'static str, serve: S) -> ExitCode
where
    S: FnOnce(Config, Lifecycle) -> F,
    F: Future<Output = Result<(), DaemonError>>,
{
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => run_with(name, None, serve),
        (Some(flag), Some(path), None) if flag == "--config" => run_with(name, Some(Path::new(&path)), serve),
        _ => {
            eprintln!(
                "Usage: testudo-{name} [--config FILE]\nStarted by systemd; see testudoctl(1) for people."
            );
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// As [`run`], with the configuration file named by the caller instead of the arguments.
pub fn run_with<F, S>(name: &'static str, named: Option<&Path>, serve: S) -> ExitCode
where
    S: FnOnce(Config, Lifecycle) -> F,
    F: Future<Output = Result<(), DaemonError>>,
{
    journal::start();
    let result = config::load(named).map_err(DaemonError::from).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(DaemonError::failed)?;
        let result = runtime.block_on(async { serve(config, Lifecycle::new()?).await });
        // Work on other threads that does not end must not keep a daemon that was asked to.
        runtime.shutdown_timeout(LAST_WORK);
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(DaemonError::Config(text)) => {
            eprintln!("{text}");
            journal::event(
                journal::CONFIG_REFUSED,
                libsystemd::logging::Priority::Error,
                &format!("{name} refused its configuration"),
                &[("DAEMON", name)],
            );
            ExitCode::from(EXIT_CONFIG)
        }
        Err(error) => {
            tracing::error!("{name} stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The daemon's side of what systemd wants to know.
pub struct Lifecycle {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Lifecycle {
    fn new() -> Result<Self, DaemonError> {
        let listen = |kind| signal(kind).map_err(DaemonError::failed);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Tells systemd that the daemon serves, and then pets the watchdog while `alive` answers, until SIGTERM.
    ///
    /// `alive` must go through the loop that does the daemon's work.
    pub async fn serve_until_stopped<F, A>(mut self, status: &str, alive: A)
    where
        A: Fn() -> F,
        F: Future<Output = bool>,
    {
        say(&[NotifyState::Ready, NotifyState::Status(status.to_owned())]);
        let period = watchdog_enabled(false).map_or(Duration::from_hours(1), |limit| limit / 3);
        let mut tick = tokio::time::interval(period);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = tick.tick() => {
                    // An answer that does not come in time must not stop SIGTERM from being heard.
                    if matches!(tokio::time::timeout(period, alive()).await, Ok(true)) {
                        say(&[NotifyState::Watchdog]);
                    }
                }
            }
        }
        say(&[NotifyState::Stopping, NotifyState::Status("Draining what is under way.".to_owned())]);
    }
}

/// The most characters of it.
const STATUS: usize = 400;

/// Changes the sentence that `systemctl status` shows. It may have words of others in it: on a line of their own they would
/// be orders to the service manager, so there is one line, cut where it is long.
pub fn status(text: &str) {
    say(&[NotifyState::Status(one_line(text))]);
}

fn one_line(text: &str) -> String {
    let start: String = text.chars().take(STATUS).collect();
    visible::line(&start)
}

fn say(states: &[NotifyState]) {
    // Without a NOTIFY_SOCKET nobody wants to know; that is not an error.
    if let Err(error) = notify(false, states) {
        tracing::debug!("the service manager was not told: {error}");
    }
}

/// The daemon's own state directory, from `STATE_DIRECTORY`.
///
/// # Errors
/// When systemd gave none: a daemon that cannot keep its state must not run.
pub fn state_directory() -> Result<PathBuf, DaemonError> {
    std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(
        || DaemonError::Config("STATE_DIRECTORY is not set: start this by its unit or by ./try".into()),
    )
}

/// The path of a credential, from `CREDENTIALS_DIRECTORY`; whether it is there is for the reader to find out.
pub fn credential(name: &str) -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_orders_to_the_service_manager() {
        let said = one_line("refused: x\nWATCHDOG_USEC=1\nSTOPPING=1");
        assert!(!said.contains('\n') && said.starts_with("refused: x"), "{said}");
        assert!(one_line(&"x".repeat(10_000)).len() <= STATUS);
    }
}
