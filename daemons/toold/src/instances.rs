//! Sandbox instances: one connection for each session, made when it is first needed and kept warm.
//!
//! Calls of one session follow each other on its instance. An instance is asked what the kernel offers before its
//! first call; one that cannot contain a call refuses it with the reason.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo::action::Bearer;
use testudo::refusal::{Code, Refusal};
use testudo_sandbox::changeset::Proposal;
use testudo_sandbox::client::{ClientError, Instance, Outcome, Recovery};
use testudo_sandbox::protocol::{Identity, Run};
use tokio::sync::watch;

use crate::running;
use application::Unapplied;

pub mod application;

/// An instance that nobody used for this long is let go.
const IDLE: Duration = Duration::from_mins(15);
/// As many instances are kept warm; the socket unit starts no more than 64, and those that end take a moment.
const MOST: usize = 48;
/// What the client grants a call beyond its own time limit before it hangs up.
const GRACE: Duration = Duration::from_secs(5);

/// The sandboxes of all sessions, and the runner that applies change sets.
pub struct Instances {
    sandbox: PathBuf,
    apply: PathBuf,
    sessions: Mutex<HashMap<String, Arc<Slot>>>,
    on_refusal: fn(&str),
}

struct Slot {
    instance: tokio::sync::Mutex<Option<Instance>>,
    /// Who the instance is, while there is one.
    bearer: Mutex<Option<Bearer>>,
    used: Mutex<Instant>,
}

impl Instances {
    /// Instances behind these two sockets; `on_refusal` hears when the kernel cannot contain calls.
    pub fn new(sandbox: PathBuf, apply: PathBuf, on_refusal: fn(&str)) -> Self {
        Self { sandbox, apply, sessions: Mutex::default(), on_refusal }
    }

    /// Who would run the session's next call, as far as there is an instance already.
    pub fn bearer(&self, session: &str) -> Option<Bearer> {
        let slot = lock(&self.sessions).get(session).cloned()?;
        if let Ok(mut held) = slot.instance.try_lock() {
            let _gone = held.take_if(|instance| !instance.is_alive());
            if held.is_none() {
                return None;
            }
        }
        lock(&slot.bearer).clone()
    }

    /// Sees to it that there is an instance, so that leave can be given to it.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE`, also for an instance that nobody gave an identity; `HANDLER_ERROR` when cancelled.
    pub async fn prepare(
        &self,
        session: &str,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Bearer, Refusal> {
        if let Some(bearer) = self.bearer(session) {
            return Ok(bearer);
        }
        let slot = self.slot(session);
        let ready = async {
            let mut held = slot.instance.lock().await;
            if held.as_ref().is_none_or(|instance| !instance.is_alive()) {
                self.make_room();
                *held = Some(self.connect(&slot).await?);
            }
            Ok(())
        };
        tokio::select! {
            ready = ready => ready?,
            () = running::ended(cancelled) => return Err(stopped()),
        }
        let bearer = lock(&slot.bearer).clone();
        bearer.ok_or_else(|| unavailable("the sandbox has no identity that leave could be given to"))
    }

    /// Runs a call in its session's instance; in that of `bearer` and no other, if one is named.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE`, `PLUGIN_TIMEOUT`, or `HANDLER_ERROR` when it was cancelled.
    pub async fn run(
        &self,
        session: &str,
        run: Run,
        bearer: Option<&Bearer>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Outcome, Refusal> {
        let slot = self.slot(session);
        let mut held = tokio::select! {
            held = slot.instance.lock() => held,
            () = running::ended(cancelled) => return Err(stopped()),
        };
        let mut instance = match held.take().filter(Instance::is_alive) {
            Some(instance) => instance,
            None => {
                self.make_room();
                self.connect(&slot).await?
            }
        };
        if bearer.is_some_and(|bearer| lock(&slot.bearer).as_ref() != Some(bearer)) {
            *held = Some(instance);
            return Err(unavailable("the sandbox that this was allowed to is gone"));
        }
        if *cancelled.borrow() {
            *held = Some(instance);
            return Err(stopped());
        }
        let canceller = instance.canceller().map_err(|error| unavailable(&error.to_string()))?;
        let deadline = Duration::from_millis(run.limits.wall_ms) + GRACE;
        let mut work = tokio::task::spawn_blocking(move || {
            let result = instance.run(&run);
            (instance, result)
        });
        let (ended, stop) = tokio::select! {
            ended = &mut work => (ended, None),
            () = running::ended(cancelled) => {
                canceller.cancel();
                (work.await, Some(stopped()))
            }
            () = tokio::time::sleep(deadline) => {
                canceller.cancel();
                (work.await, Some(Refusal::new(Code::PluginTimeout, "the sandbox did not end the call in time")))
            }
        };
        let (instance, result) = ended.map_err(|_| Refusal::broken())?;
        if let Some(refusal) = stop {
            return Err(refusal);
        }
        *lock(&slot.used) = Instant::now();
        match result {
            Ok(outcome) => {
                *held = Some(instance);
                Ok(outcome)
            }
            Err(error @ ClientError::Refused { .. }) => {
                *held = Some(instance);
                Err(unavailable(&error.to_string()))
            }
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }

    /// Has the apply runner put a proposal into the workspace, under an id that is applied once only.
    ///
    /// # Errors
    /// Why not, and whether it is certain that nothing was applied.
    pub async fn apply(&self, id: String, proposal: Proposal) -> Result<(), Unapplied> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || application::carry_out(&path, &id, &proposal))
            .await
            .map_err(|_| Unapplied { refusal: Refusal::broken(), certain: false })?
    }

    /// Has the apply runner finish or discard what a crash interrupted, and say what became of some applications.
    ///
    /// # Errors
    /// When the runner cannot be reached or its journal cannot be followed.
    pub async fn recover(&self, about: Vec<String>) -> Result<Recovery, Refusal> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || Instance::connect(&path)?.recover(&about))
            .await
            .map_err(|_| Refusal::broken())?
            .map_err(|error| unavailable(&error.to_string()))
    }

    /// Lets a session's instance go. A running call holds it until its end.
    pub fn close(&self, session: &str) {
        lock(&self.sessions).remove(session);
    }

    /// Lets all instances go.
    pub fn close_all(&self) {
        lock(&self.sessions).clear();
    }

    /// Lets go what nobody used for long; returns how many are left.
    pub fn evict(&self, now: Instant) -> usize {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, slot| {
            slot.instance.try_lock().is_err() || now.saturating_duration_since(*lock(&slot.used)) < IDLE
        });
        sessions.len()
    }

    /// Lets the instances go that were not used for longest, until there is room for one more. One that runs a
    /// call, or is about to, stays.
    fn make_room(&self) {
        let mut sessions = lock(&self.sessions);
        // The slot that the new one is for is among them.
        while sessions.len() > MOST {
            let idle = |slot: &Arc<Slot>| Arc::strong_count(slot) == 1 && slot.instance.try_lock().is_ok();
            let oldest = sessions
                .iter()
                .filter(|(_, slot)| idle(slot))
                .min_by_key(|(_, slot)| *lock(&slot.used))
                .map(|(session, _)| session.clone());
            let Some(session) = oldest else { return };
            sessions.remove(&session);
        }
    }

    fn slot(&self, session: &str) -> Arc<Slot> {
        let fresh = || {
            let instance = tokio::sync::Mutex::new(None);
            Arc::new(Slot { instance, bearer: Mutex::default(), used: Mutex::new(Instant::now()) })
        };
        lock(&self.sessions).entry(session.to_owned()).or_insert_with(fresh).clone()
    }

    async fn connect(&self, slot: &Slot) -> Result<Instance, Refusal> {
        *lock(&slot.bearer) = None;
        let path = self.sandbox.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut instance = Instance::connect(&path)?;
            let identity = instance.hello()?;
            let probe = instance.probe()?;
            Ok::<_, ClientError>((instance, identity, probe))
        })
        .await
        .map_err(|_| Refusal::broken())?;
        let (instance, identity, probe) = made.map_err(|error| unavailable(&error.to_string()))?;
        if probe.ready {
            *lock(&slot.bearer) = identity.map(|Identity { unit, invocation }| Bearer { unit, invocation });
            return Ok(instance);
        }
        let reason = probe.reason.unwrap_or_else(|| "it gives no reason".into());
        (self.on_refusal)(&reason);
        Err(unavailable(&format!("this machine cannot contain a call: {reason}")))
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::HandlerError, "the call was cancelled").in_stage(6)
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(Code::PluginUnavailable, why)
}

/// Nothing that holds a lock here can panic, so a poisoned one still guards a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(sessions: usize) -> Instances {
        let instances = Instances::new(PathBuf::new(), PathBuf::new(), |_| {});
        let start = Instant::now();
        for number in 0..sessions {
            let used = Mutex::new(start + Duration::from_secs(number as u64));
            let instance = tokio::sync::Mutex::new(None);
            let slot = Arc::new(Slot { instance, bearer: Mutex::default(), used });
            lock(&instances.sessions).insert(format!("s{number}"), slot);
        }
        instances
    }

    #[test]
    fn the_longest_idle_instances_make_room_and_busy_ones_stay() {
        let instances = instances(MOST + 2);
        let busy = instances.slot("s0");
        instances.make_room();
        let mut gone: Vec<_> =
            (0..MOST + 2).filter(|n| !lock(&instances.sessions).contains_key(&format!("s{n}"))).collect();
        gone.sort_unstable();
        assert_eq!(gone, [1, 2]);
        drop(busy);
    }

    #[test]
    fn busy_instances_alone_are_all_kept() {
        let instances = instances(MOST + 2);
        let busy: Vec<_> = (0..MOST + 2).map(|n| instances.slot(&format!("s{n}"))).collect();
        instances.make_room();
        assert_eq!(lock(&instances.sessions).len(), busy.len());
    }
}
