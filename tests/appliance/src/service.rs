//! The life of one service: a state machine without I/O. Time is passed in; what to do comes out.
//!
//! ```text
//!  Waiting ─▶ Starting ─▶ Ready ─▶ Stopping ─▶ Stopped
//!     ▲          └────┬─────┘ exit, silence
//!     └─ Restarting ◀─┴─▶ Failed (an exit status that a restart does not mend)
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::control::{State, UnitStatus};
use crate::notify::Words;
use crate::unit::{Readiness, ServiceUnit};

/// Up for so long, it starts again from the shortest delay when it fails.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Status(i32),
    Signal(Signal),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with status {status}"),
            Self::Signal(signal) => write!(f, "was ended by {signal}"),
        }
    }
}

/// What the supervisor has to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Spawn,
    Kill(Signal),
}

/// One service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) unit: ServiceUnit,
    pub(crate) state: State,
    pub(crate) pid: Option<i32>,
    pub(crate) outcome: Option<String>,
    pub(crate) restarts: u32,
    status_text: String,
    started: Option<Instant>,
    ready_after: Option<Duration>,
    /// When `step` has something to do in this state.
    deadline: Option<Instant>,
    /// Failures since it was last healthy.
    failures: u32,
    again: bool,
}

impl Service {
    pub(crate) fn new(unit: ServiceUnit) -> Self {
        Self {
            unit,
            state: State::Waiting,
            pid: None,
            outcome: None,
            restarts: 0,
            status_text: String::new(),
            started: None,
            ready_after: None,
            deadline: None,
            failures: 0,
            again: false,
        }
    }

    /// Whether units that come after it may start.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.state, State::Ready | State::Failed | State::Stopped)
    }

    /// Failed again and again without ever having been ready.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.state == State::Failed || (self.ready_after.is_none() && self.failures >= 3)
    }

    pub(crate) fn spawned(&mut self, pid: i32, now: Instant) {
        self.pid = Some(pid);
        self.started = Some(now);
        self.status_text.clear();
        self.state = State::Starting;
        self.deadline = Some(now + self.unit.start_timeout);
        if self.unit.readiness == Readiness::Exec {
            self.ready(now);
        }
    }

    pub(crate) fn ready(&mut self, now: Instant) {
        if self.state == State::Starting {
            self.state = State::Ready;
            self.outcome = None;
            self.ready_after = self.started.map(|started| now - started);
            self.deadline = self.unit.watchdog.map(|watchdog| now + watchdog);
        }
    }

    pub(crate) fn notified(&mut self, words: Words, now: Instant) {
        if words.ready {
            self.ready(now);
        }
        if words.watchdog && self.state == State::Ready {
            self.deadline = self.unit.watchdog.map(|watchdog| now + watchdog);
        }
        if words.stopping && self.state == State::Ready {
            // Drains on its own account; no watchdog any more.
            self.deadline = None;
        }
        if let Some(status) = words.status {
            self.status_text = status;
        }
    }

    pub(crate) fn exited(&mut self, exit: Exit, now: Instant) {
        self.pid = None;
        if self.state == State::Stopping {
            self.deadline = None;
            self.state = if std::mem::take(&mut self.again) { State::Waiting } else { State::Stopped };
            return;
        }
        let cause = self.outcome.take().filter(|_| self.state == State::Dying).map(|why| format!("{why}, "));
        self.outcome = Some(format!("{}{exit}", cause.unwrap_or_default()));
        if exit == Exit::Status(0) {
            (self.state, self.deadline) = (State::Stopped, None);
        } else if matches!(exit, Exit::Status(status) if self.unit.restart_prevented_by.contains(&status))
            || !self.unit.restart_on_failure
        {
            (self.state, self.deadline) = (State::Failed, None);
        } else {
            if self.started.is_some_and(|started| now - started >= HEALTHY_AFTER) {
                self.failures = 0;
            }
            self.deadline = Some(now + self.delay());
            self.failures += 1;
            self.restarts += 1;
            self.state = State::Restarting;
        }
    }

    /// From `RestartSec=` to `RestartMaxDelaySec=` in `RestartSteps=` equal ratios, as systemd does.
    fn delay(&self) -> Duration {
        let (least, most) = (self.unit.restart_delay, self.unit.restart_delay_max);
        if self.unit.restart_steps == 0 || most <= least || least.is_zero() {
            return least;
        }
        let share =
            f64::from(self.failures.min(self.unit.restart_steps)) / f64::from(self.unit.restart_steps);
        least.mul_f64((most.as_secs_f64() / least.as_secs_f64()).powf(share))
    }

    /// Asks it to end; it stays down unless `again`.
    pub(crate) fn stop(&mut self, again: bool, now: Instant) -> Option<Step> {
        self.again = again;
        if self.pid.is_none() {
            self.state = if again { State::Waiting } else { State::Stopped };
            self.deadline = None;
            return None;
        }
        if self.state == State::Stopping {
            return None;
        }
        self.state = State::Stopping;
        self.deadline = Some(now + self.unit.stop_timeout);
        Some(Step::Kill(Signal::SIGTERM))
    }

    /// Lets it start again after a stop or failure.
    pub(crate) fn start(&mut self) {
        if self.pid.is_none() {
            (self.state, self.deadline, self.failures) = (State::Waiting, None, 0);
        }
    }

    /// Somebody has sent it a SIGKILL: it counts as gone from now on, not from when its end is seen.
    pub(crate) fn doomed(&mut self) {
        if self.pid.is_some() && self.state != State::Stopping {
            (self.state, self.deadline) = (State::Dying, None);
        }
    }

    /// It runs, but not as it must: it is to be killed, and stays down.
    pub(crate) fn refuse(&mut self, why: String) {
        self.unit.restart_on_failure = false;
        (self.state, self.deadline, self.outcome) = (State::Dying, None, Some(why));
    }

    /// There is no process: it cannot even be begun.
    pub(crate) fn unstartable(&mut self, why: String) {
        (self.state, self.deadline, self.outcome) = (State::Failed, None, Some(why));
    }

    /// What is due by now.
    pub(crate) fn step(&mut self, now: Instant) -> Option<Step> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return None;
        }
        self.deadline = None;
        match self.state {
            State::Restarting => {
                self.state = State::Waiting;
                Some(Step::Spawn)
            }
            State::Stopping => Some(Step::Kill(Signal::SIGKILL)),
            State::Starting | State::Ready => {
                let late = if self.state == State::Starting {
                    "was not ready in time"
                } else {
                    "missed its watchdog"
                };
                self.outcome = Some(late.to_owned());
                self.state = State::Dying;
                Some(Step::Kill(Signal::SIGKILL))
            }
            _ => None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn report(&self) -> UnitStatus {
        UnitStatus {
            name: self.unit.short_name().to_owned(),
            state: self.state,
            pid: self.pid,
            status_text: self.status_text.clone(),
            restarts: self.restarts,
            outcome: self.outcome.clone(),
            ready_after: self.ready_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service::new(ServiceUnit {
            readiness: Readiness::Notify,
            watchdog: Some(Duration::from_secs(2)),
            restart_prevented_by: vec![78],
            restart_steps: 2,
            restart_delay_max: Duration::from_secs(10),
            ..ServiceUnit::plain()
        })
    }

    fn words(text: &str) -> Words {
        Words::parse(text)
    }

    #[test]
    fn ready_when_it_says_so_and_killed_when_it_falls_silent() {
        let (mut service, t0) = (service(), Instant::now());
        service.spawned(7, t0);
        assert_eq!(service.state, State::Starting);
        service.notified(words("STATUS=opening"), t0);
        assert_eq!(service.state, State::Starting);
        service.notified(words("READY=1"), t0 + Duration::from_secs(1));
        assert_eq!(
            (service.state, service.report().ready_after),
            (State::Ready, Some(Duration::from_secs(1)))
        );
        service.notified(words("WATCHDOG=1"), t0 + Duration::from_secs(2));
        assert_eq!(service.step(t0 + Duration::from_secs(3)), None);
        assert_eq!(service.step(t0 + Duration::from_secs(4)), Some(Step::Kill(Signal::SIGKILL)));
        service.exited(Exit::Signal(Signal::SIGKILL), t0 + Duration::from_secs(4));
        assert_eq!(service.state, State::Restarting);
        assert_eq!(service.outcome.as_deref(), Some("missed its watchdog, was ended by SIGKILL"));
    }

    #[test]
    fn restarts_are_ever_slower_up_to_the_limit() {
        let (mut service, t0) = (service(), Instant::now());
        for milliseconds in [100, 1000, 10_000, 10_000] {
            service.spawned(7, t0);
            service.exited(Exit::Status(1), t0);
            let delay = service.deadline().unwrap() - t0;
            assert_eq!(delay.as_millis(), milliseconds);
            assert_eq!(service.step(t0 + delay), Some(Step::Spawn));
        }
        assert!(service.is_hopeless());
    }

    #[test]
    fn a_bad_configuration_is_final_and_a_clean_exit_too() {
        let (mut service, t0) = (service(), Instant::now());
        service.spawned(7, t0);
        service.exited(Exit::Status(78), t0);
        assert!(service.state == State::Failed && service.is_settled() && service.step(t0).is_none());
        service.start();
        assert_eq!(service.state, State::Waiting);
        service.spawned(8, t0);
        service.exited(Exit::Status(0), t0);
        assert_eq!(service.state, State::Stopped);
    }

    #[test]
    fn a_refused_service_stays_down_and_the_reason_is_kept() {
        let (mut service, t0) = (service(), Instant::now());
        service.spawned(7, t0);
        service.refuse("left out rules".to_owned());
        service.exited(Exit::Signal(Signal::SIGKILL), t0);
        assert!(service.is_hopeless());
        assert_eq!(service.outcome.as_deref(), Some("left out rules, was ended by SIGKILL"));
    }

    #[test]
    fn a_stop_that_is_ignored_becomes_a_kill() {
        let (mut service, t0) = (service(), Instant::now());
        service.spawned(7, t0);
        assert_eq!(service.stop(true, t0), Some(Step::Kill(Signal::SIGTERM)));
        assert_eq!(service.stop(true, t0), None);
        assert_eq!(service.step(t0 + Duration::from_secs(5)), Some(Step::Kill(Signal::SIGKILL)));
        service.exited(Exit::Signal(Signal::SIGKILL), t0);
        assert_eq!((service.state, service.restarts), (State::Waiting, 0));
    }

    #[test]
    fn a_killed_service_is_not_ready_any_more_before_its_end_is_seen() {
        let (mut service, t0) = (service(), Instant::now());
        service.spawned(7, t0);
        service.ready(t0);
        service.doomed();
        service.notified(words("READY=1"), t0);
        assert_eq!(service.state, State::Dying);
    }
}
