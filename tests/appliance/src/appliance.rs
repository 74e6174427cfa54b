//! An appliance as its caller sees it, from outside: start it, ask it, hurt it, stop it.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;
use nix::sys::signal::Signal;

use crate::account::Accounts;
use crate::bus;
use crate::control::{self, Answer, Report, Request, UnitStatus};
use crate::error::ApplianceError;
use crate::guardian::Order;
use crate::layout::{self, Layout};
use crate::peer;
use crate::plan::Plan;

/// The longest that setting up the world inside may take; no service runs yet.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that a question which needs no waiting may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that an orderly stop may take before everything is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a log an error shows.
const LOG_TAIL_LINES: usize = 20;

/// A running appliance. Dropping it stops it; when its process is killed, the appliance is gone too.
#[derive(Debug)]
pub struct Appliance {
    plan: Plan,
    layout: Layout,
    accounts: Accounts,
    lifeline: Option<OwnedFd>,
    guardian: Child,
    init: i32,
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
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ApplianceError::Supervisor(format!("it ended{}", self.tail("supervisor"))));
                }
                Err(error) => return Err(unanswered(error)),
            }
        }
        Ok(())
    }

    fn ask(&self, request: &Request, within: Duration) -> Result<Answer, ApplianceError> {
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
        control::send(lifeline, request, Some(&theirs)).map_err(ApplianceError::Silent)?;
        drop(theirs);
        match control::receive_unless(&mine, within, interrupt) {
            Ok(Answer::NoSuchUnit(unit)) => Err(ApplianceError::NoSuchUnit(unit)),
            Ok(Answer::Failed(why)) => Err(ApplianceError::Supervisor(why)),
            Ok(Answer::Hopeless { unit, outcome }) => {
                Err(ApplianceError::Start { log: self.tail(&unit), unit, outcome })
            }
            Ok(answer) => Ok(answer),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ApplianceError::Supervisor(format!("it ended{}", self.tail("supervisor"))))
            }
            Err(error) => Err(unanswered(error)),
        }
    }

    fn tell(&self, request: &Request) -> Result<(), ApplianceError> {
        self.ask(request, ANSWER_TIMEOUT).map(drop)
    }

    fn await_ready(
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

    /// Waits until a daemon is ready, at most as long as the plan allows for a start.
    ///
    /// # Errors
    /// When it is late, or failed for good.
    pub fn wait_ready(&self, unit: &str) -> Result<(), ApplianceError> {
        self.await_ready(Some(unit), self.plan.start_timeout, None)
    }

    /// Where every service stands, the bus among them.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub fn status(&self) -> Result<Vec<UnitStatus>, ApplianceError> {
        match self.ask(&Request::Status, ANSWER_TIMEOUT)? {
            Answer::Status(all) => Ok(all),
            _ => Err(gone()),
        }
    }

    /// Where one service stands, by short name.
    ///
    /// # Errors
    /// When there is none of that name, or the supervisor does not answer.
    pub fn status_of(&self, unit: &str) -> Result<UnitStatus, ApplianceError> {
        let found = self.status()?.into_iter().find(|status| status.name == unit);
        found.ok_or_else(|| ApplianceError::NoSuchUnit(unit.to_owned()))
    }

    /// The process of a daemon, as seen from outside.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid_of(&self, unit: &str) -> Result<i32, ApplianceError> {
        let inside = self.status_of(unit)?.pid;
        let outside = inside.and_then(|pid| peer::outside(self.init, pid));
        outside.ok_or_else(|| ApplianceError::Supervisor(format!("{unit} does not run")))
    }

    /// The processes behind a socket (`sandbox`, `apply`), as seen from outside.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub fn instances(&self, socket: &str) -> Result<Vec<i32>, ApplianceError> {
        match self.ask(&Request::Instances { socket: socket.to_owned() }, ANSWER_TIMEOUT)? {
            Answer::Pids(pids) => {
                Ok(pids.into_iter().filter_map(|pid| peer::outside(self.init, pid)).collect())
            }
            _ => Err(gone()),
        }
    }

    /// Sends a signal to all processes behind a socket.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub fn signal_instances(&self, socket: &str, signal: Signal) -> Result<(), ApplianceError> {
        self.tell(&Request::SignalInstances { socket: socket.to_owned(), signal: signal as i32 })
    }

    /// Sends a signal to a daemon.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, unit: &str, signal: Signal) -> Result<(), ApplianceError> {
        self.tell(&Request::Signal { unit: unit.to_owned(), signal: signal as i32 })
    }

    /// Kills a daemon. From the return of this, [`Self::wait_ready`] waits for its successor.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&self, unit: &str) -> Result<(), ApplianceError> {
        self.signal(unit, Signal::SIGKILL)
    }

    /// Stops a daemon and waits until it is down; it stays down.
    ///
    /// # Errors
    /// When the supervisor does not answer, or the daemon does not end.
    pub fn stop_unit(&self, unit: &str) -> Result<(), ApplianceError> {
        self.tell(&Request::Stop { unit: unit.to_owned() })?;
        self.ask(&Request::AwaitStopped { unit: unit.to_owned() }, STOP_TIMEOUT).map(drop)
    }

    /// Starts a daemon that is down, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Self::wait_ready`].
    pub fn start_unit(&self, unit: &str) -> Result<(), ApplianceError> {
        self.tell(&Request::Start { unit: unit.to_owned() })?;
        self.wait_ready(unit)
    }

    /// Restarts a daemon in an orderly way, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Self::wait_ready`].
    pub fn restart_unit(&self, unit: &str) -> Result<(), ApplianceError> {
        self.tell(&Request::Restart { unit: unit.to_owned() })?;
        self.wait_ready(unit)
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

/// An interruption is no fault of the supervisor's.
fn unanswered(error: io::Error) -> ApplianceError {
    match error.kind() {
        io::ErrorKind::Interrupted => ApplianceError::Interrupted,
        _ => ApplianceError::Silent(error),
    }
}

fn gone() -> ApplianceError {
    ApplianceError::Silent(io::ErrorKind::NotConnected.into())
}
