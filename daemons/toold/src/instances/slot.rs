//! The place of one session's instance of one template, and the life of the one that is in it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo::action::Bearer;
use testudo_sandbox::client::{Canceller, Instance};
use testudo_sandbox::protocol::{Probe, Template};

use super::lifecycle::{Effect, Event, Life, Outcome, State, Step};
use super::systemd;

/// A place; whoever holds `instance` may use it.
pub(super) struct Slot {
    pub(super) session: String,
    pub(super) template: Template,
    pub(super) instance: tokio::sync::Mutex<Option<Instance>>,
    idle: Duration,
    /// Who the instance is, while there is one.
    bearer: Mutex<Option<Bearer>>,
    life: Mutex<Life>,
    /// What it said of the kernel it runs on, while there is one.
    probe: Mutex<Option<Probe>>,
    /// Which files of the session it was given.
    given: Mutex<BTreeSet<String>>,
    /// Hangs up on the instance, whoever holds it.
    canceller: Mutex<Option<Canceller>>,
}

impl Slot {
    pub(super) fn new(session: &str, template: Template, idle: Duration, now: Instant) -> Self {
        Self {
            session: session.to_owned(),
            template,
            instance: tokio::sync::Mutex::new(None),
            idle,
            bearer: Mutex::default(),
            life: Mutex::new(Life::new(idle, now)),
            probe: Mutex::default(),
            given: Mutex::default(),
            canceller: Mutex::default(),
        }
    }

    /// Tells the life in it what happened.
    pub(super) fn on(&self, event: Event, now: Instant) -> Vec<Effect> {
        lock(&self.life).on(event, now)
    }

    /// Begins another life. Only for who holds the instance, and that there is none.
    pub(super) fn renew(&self, now: Instant) {
        *lock(&self.life) = Life::new(self.idle, now);
    }

    /// Who is in it now.
    pub(super) fn is(&self, bearer: Option<Bearer>, canceller: Option<Canceller>) {
        *lock(&self.bearer) = bearer;
        *lock(&self.canceller) = canceller;
        lock(&self.given).clear();
    }

    /// Whether it was given this file.
    pub(super) fn has(&self, name: &str) -> bool {
        lock(&self.given).contains(name)
    }

    pub(super) fn was_given(&self, names: Vec<String>) {
        lock(&self.given).extend(names);
    }

    /// What it said of itself; with nobody in it, nothing.
    pub(super) fn said(&self, probe: Option<Probe>) {
        *lock(&self.probe) = probe;
    }

    pub(super) fn probe(&self) -> Option<Probe> {
        lock(&self.probe).clone()
    }

    pub(super) fn bearer(&self) -> Option<Bearer> {
        lock(&self.bearer).clone()
    }

    /// The unit of the instance, if it is one that the service manager can be asked about.
    pub(super) fn unit(&self) -> Option<String> {
        self.bearer().map(|bearer| bearer.unit).filter(|unit| systemd::is_instance(unit))
    }

    /// Closes our end of the connection; its other end hears of it whatever it does.
    pub(super) fn hang_up(&self) {
        if let Some(canceller) = lock(&self.canceller).as_ref() {
            canceller.cancel();
        }
    }

    pub(super) fn is_frozen(&self) -> bool {
        lock(&self.life).is_frozen()
    }

    pub(super) fn state(&self) -> State {
        lock(&self.life).state()
    }

    pub(super) fn since(&self) -> Instant {
        lock(&self.life).since()
    }

    /// The steps of cleaning, once it is gone and if its end is worth a record.
    pub(super) fn bad_end(&self) -> Option<Vec<(Step, Outcome)>> {
        let life = lock(&self.life);
        (life.state() == State::Gone && life.ended_badly()).then(|| life.tried().to_vec())
    }
}

/// Nothing that holds a lock here can panic, so a poisoned one still guards a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
