//! What a caller can ask of, and do to, single services while the appliance runs.

use nix::sys::signal::Signal;

use crate::appliance::{ANSWER_TIMEOUT, Appliance, STOP_TIMEOUT, gone};
use crate::control::{Answer, Request, UnitStatus};
use crate::error::ApplianceError;
use crate::peer;

impl Appliance {
    /// Waits until a daemon is ready, at most as long as the plan allows for a start.
    ///
    /// # Errors
    /// When it is late, or failed for good.
    pub fn wait_ready(&self, unit: &str) -> Result<(), ApplianceError> {
        self.await_ready(Some(unit), self.plan.start_timeout, None)
    }

    /// Waits until a daemon has been started again at least so often after failures.
    ///
    /// # Errors
    /// When that does not happen while a start may take.
    pub fn wait_restarts(&self, unit: &str, at_least: u32) -> Result<(), ApplianceError> {
        self.ask(&Request::AwaitRestarts { unit: unit.to_owned(), at_least }, self.plan.start_timeout)
            .map(drop)
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
}
