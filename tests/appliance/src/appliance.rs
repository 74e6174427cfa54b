//! An appliance as its caller sees it, from outside: start it, ask it, hurt it, stop it.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;

use crate::account::Accounts;
use crate::bus;
use crate::control::{self, Answer, Report, Request};
use crate::error::ApplianceError;
use crate::guardian::Order;
use crate::layout::{self, Layout};
use crate::peer;
use crate::plan::Plan;

/// The longest that setting up the world inside may take; no service runs yet.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that a question which needs no waiting may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that an orderly stop may take before everything is killed.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a log an error shows.
const LOG_TAIL_LINES: usize = 20;

/// A running appliance. Dropping it stops it; when its process is killed, the appliance is gone too.
#[derive(Debug)]
pub struct Appliance {
    pub(crate) plan: Plan,
    layout: Layout,
    accounts: Accounts,
    lifeline: Option<OwnedFd>,
    guardian: Child,
    pub(crate) init: i32,
    ready_after: Duration,
    /// Other appliances keep off the state until this is closed.
    _hold: Flock<fs::File>,
}

impl Appliance {
    /// Starts an appliance and returns when all its daemons are ready.
    ///
    /// # Errors
    /// Without root; when something of the plan is missing; when a daemon fails or is late, with what it said.
    pub fn start(plan: Plan) -> Result<Self, ApplianceError> {
        Self::start_or(plan, None)
    }

    /// As [`Self::start`], but gives up when this descriptor becomes readable.
    ///
    /// # Errors
    /// [`ApplianceError::Interrupted`] then; nothing is left of the appliance.
    pub fn start_unless(plan: Plan, interrupt: BorrowedFd<'_>) -> Result<Self, ApplianceError> {
        Self::start_or(plan, Some(interrupt))
    }

    fn start_or(plan: Plan, interrupt: Option<BorrowedFd<'_>>) -> Result<Self, ApplianceError> {
        let started = Instant::now();
        if !nix::unistd::geteuid().is_root() {
            return Err(ApplianceError::NotRoot);
        }
        let program = plan.bin_dir.join("testudo-init");
        if !program.is_file() {
            let remedy = "build it with cargo build -p testudo-appliance";
            return Err(ApplianceError::Missing { program: program.display().to_string(), remedy });
        }
        let accounts = Accounts::load(&plan.units.join("sysusers.d"), plan.human)?;
        let layout = Layout::create(&plan)?;
        let hold = layout::hold(&layout.state).inspect_err(|_| layout.sweep())?;
        let (mine, theirs) = control::pair().map_err(ApplianceError::Silent)?;
        let log_path = layout.log().join("supervisor.log");
        let log = fs::File::create(&log_path).map_err(|e| ApplianceError::file("make", &log_path, e));
        let guardian = log.and_then(|log| {
            let command = Command::new(&program).stdin(theirs).stdout(Stdio::null()).stderr(log).spawn();
            command.map_err(|e| ApplianceError::file("execute", &program, e))
        });
        let guardian = guardian.inspect_err(|_| layout.sweep())?;
        let (lifeline, ready_after) = (Some(mine), Duration::ZERO);
        let mut appliance =
            Self { plan, layout, accounts, lifeline, guardian, init: 0, ready_after, _hold: hold };
        appliance.hand_over(interrupt)?;
        appliance.await_ready(None, appliance.plan.start_timeout, interrupt)?;
        appliance.ready_after = started.elapsed();
        Ok(appliance)
    }

    fn hand_over(&mut self, interrupt: Option<BorrowedFd<'_>>) -> Result<(), ApplianceError> {
        let Some(lifeline) = &self.lifeline else { return Err(gone()) };
        let order = Order { plan: self.plan.clone(), layout: self.layout.clone() };
        control::send(lifeline, &order, None).map_err(ApplianceError::Silent)?;
        let mut up = false;
        while self.init == 0 || !up {
            match control::receive_unless::<Report>(lifeline, SET_UP_TIMEOUT, interrupt) {
                Ok(Report::Init(pid)) => self.init = pid,
                Ok(Report::Up) => up = true,
                Ok(Report::Failed(why)) => return Err(ApplianceError::Supervisor(why)),
                Ok(Report::Ended) => return Err(self.unanswered(io::ErrorKind::UnexpectedEof.into())),
                Err(error) => return Err(self.unanswered(error)),
            }
        }
        Ok(())
    }

    pub(crate) fn ask(&self, request: &Request, within: Duration) -> Result<Answer, ApplianceError> {
        self.ask_unless(request, within, None)
    }

    fn ask_unless(
        &self,
        request: &Request,
        within: Duration,
        interrupt: Option<BorrowedFd<'_>>,
    ) -> Result<Answer, ApplianceError> {
        let Some(lifeline) = &self.lifeline else { return Err(gone()) };
        let (mine, theirs) = control::pair().map_err(ApplianceError::Silent)?;
        control::send(lifeline, request, Some(&theirs)).map_err(|error| self.unanswered(error))?;
        drop(theirs);
        match control::receive_unless(&mine, within, interrupt) {
            Ok(Answer::NoSuchUnit(unit)) => Err(ApplianceError::NoSuchUnit(unit)),
            Ok(Answer::Failed(why)) => Err(ApplianceError::Supervisor(why)),
            Ok(Answer::Hopeless { unit, outcome }) => {
                Err(ApplianceError::Start { log: self.tail(&unit), unit, outcome })
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.unanswered(error)),
        }
    }

    pub(crate) fn tell(&self, request: &Request) -> Result<(), ApplianceError> {
        self.ask(request, ANSWER_TIMEOUT).map(drop)
    }

    pub(crate) fn await_ready(
        &self,
        unit: Option<&str>,
        within: Duration,
        interrupt: Option<BorrowedFd<'_>>,
    ) -> Result<(), ApplianceError> {
        match self.ask_unless(&Request::AwaitReady { unit: unit.map(str::to_owned) }, within, interrupt) {
            Err(ApplianceError::Silent(error)) if error.kind() == io::ErrorKind::TimedOut => {
                let late = self.status()?.into_iter().filter(|status| status.state != control::State::Ready);
                let late: Vec<String> =
                    late.map(|status| status.name).filter(|n| unit.is_none_or(|u| u == n)).collect();
                let log = late.iter().map(|name| self.tail(name)).collect();
                Err(ApplianceError::Late { what: format!("readiness of {}", late.join(", ")), within, log })
            }
            result => result.map(drop),
        }
    }

    /// The address of the bus, from outside.
    pub fn bus_address(&self) -> String {
        format!("unix:path={}", self.layout.run().join(bus::SOCKET).display())
    }

    /// Where the daemons' programs and `testudoctl` are.
    pub fn bin_dir(&self) -> &Path {
        &self.plan.bin_dir
    }

    /// The folder that the agent works on, from outside.
    pub fn workspace(&self) -> &Path {
        &self.layout.workspace
    }

    /// State, logs and a fresh workspace: `lib/`, `log/`, `workspace/`.
    pub fn state_dir(&self) -> &Path {
        &self.layout.state
    }

    /// What is `/run/testudo` inside: the bus and the sockets.
    pub fn run_dir(&self) -> PathBuf {
        self.layout.run()
    }

    /// A private temporary folder of the human.
    pub fn tmp_dir(&self) -> PathBuf {
        self.layout.tmp()
    }

    /// What a unit wrote so far, by short name; empty if nothing.
    pub fn log(&self, unit: &str) -> String {
        let bytes = fs::read(self.layout.log().join(format!("{unit}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// From the call of [`Self::start`] until all daemons were ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The variables with which a program outside reaches this appliance.
    pub fn environment(&self) -> [(&'static str, std::ffi::OsString); 3] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.plan.bin_dir.clone()).chain(std::env::split_paths(&path));
        [
            ("DBUS_SYSTEM_BUS_ADDRESS", self.bus_address().into()),
            // A PATH with a colon in a folder's name cannot be; then it stays as it was.
            ("PATH", std::env::join_paths(path).unwrap_or_default()),
            ("TESTUDO_WORKSPACE", self.layout.workspace.clone().into()),
        ]
    }

    /// `testudoctl` of this appliance.
    pub fn testudoctl(&self) -> Command {
        let mut command = Command::new(self.plan.bin_dir.join("testudoctl"));
        command.envs(self.environment());
        command
    }

    /// A program inside, as one of its users and with the user's groups; it sees only what is visible there.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn run_as(
        &self,
        user: &str,
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Result<Command, ApplianceError> {
        peer::command(self.init, &self.accounts.user(user)?, program.as_ref())
    }

    /// A program outside, as the human, who is an operator.
    ///
    /// # Errors
    /// When the human is in no account.
    pub fn run_as_human(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command, ApplianceError> {
        let mut command = peer::human(&self.accounts.user_by_id(self.plan.human.uid)?, program.as_ref());
        command.envs(self.environment()).env("TMPDIR", self.tmp_dir());
        Ok(command)
    }

    /// What a failed question means: asked off, late, or the supervisor is gone, and then its log says why.
    fn unanswered(&self, error: io::Error) -> ApplianceError {
        match error.kind() {
            io::ErrorKind::Interrupted => ApplianceError::Interrupted,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                ApplianceError::Supervisor(format!("it ended{}", self.tail("supervisor")))
            }
            _ => ApplianceError::Silent(error),
        }
    }

    /// The end of a unit's log as lines of an error message.
    fn tail(&self, unit: &str) -> String {
        let log = self.log(unit);
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_TAIL_LINES)..).unwrap_or_default();
        last.iter().flat_map(|line| ["\n  ", unit, ": ", line]).collect()
    }

    /// Stops everything in reverse order and removes what is temporary.
    ///
    /// # Errors
    /// When it took too long and was killed, or the supervisor had failed.
    pub fn stop(mut self) -> Result<(), ApplianceError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ApplianceError> {
        if self.lifeline.is_none() {
            return Ok(());
        }
        let result = match self.init {
            0 => Ok(()),
            _ => self.ask(&Request::Shutdown, STOP_TIMEOUT).map(drop),
        };
        // Without it the guardian kills what is left, sweeps up and ends.
        self.lifeline = None;
        let _ = self.guardian.wait();
        self.layout.sweep();
        result
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

pub(crate) fn gone() -> ApplianceError {
    ApplianceError::Silent(io::ErrorKind::NotConnected.into())
}
