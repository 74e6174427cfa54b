//! Sandbox instances: one connection for each session and template, made when it is first needed and kept warm.
//!
//! Calls of one session in one template follow each other on its instance. An instance is asked what the kernel offers
//! before its first call; one that cannot contain a call refuses it with the reason. What an instance may do when is
//! decided in [`lifecycle`]; here is only the doing.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo::action::Bearer;
use testudo::refusal::{Code, Refusal};
use testudo_sandbox::client::{ClientError, Instance, Outcome};
use testudo_sandbox::protocol::{Identity, Probe, Run, Template};
use tokio::sync::{mpsc, watch};

use crate::inbox::Inbox;
use crate::running;
use crate::telling::{self, Told};
use cleaning::Cleaner;
pub use cleaning::Ended;
pub use freezing::Held;
use freezing::Holds;
use lifecycle::{Event, State};
use slot::Slot;
use systemd::Systemd;

pub mod application;
mod cleaning;
mod delivery;
mod freezing;
pub mod lifecycle;
mod slot;
pub mod systemd;
#[cfg(test)]
mod tests;

/// As many instances are kept warm; each socket unit starts no more than 96, and those that end take a moment.
const MOST: usize = 48;
/// What the client grants a call beyond its own time limit before it hangs up.
const GRACE: Duration = Duration::from_secs(5);

/// The sandboxes of all sessions, and the runner that applies change sets.
pub struct Instances {
    sandboxes: PathBuf,
    apply: PathBuf,
    idle: Duration,
    inbox: Arc<Inbox>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    holds: Holds,
    cleaner: Cleaner,
    on_refusal: fn(&str),
}

/// Where instances are, and when they are let go.
pub struct Setting {
    /// The directory in which the sockets `TEMPLATE.sock` are.
    pub sandboxes: PathBuf,
    /// The socket of the runner that applies change sets.
    pub apply: PathBuf,
    /// An instance that nobody used for this long is let go.
    pub idle: Duration,
    /// What people sent into sessions.
    pub inbox: Arc<Inbox>,
    /// Hears when the kernel cannot contain calls.
    pub on_refusal: fn(&str),
}

/// Whose instance, and of which kind.
type Key = (String, Template);

impl Instances {
    /// Instances in this setting. The receiver gets those that did not end as they should.
    pub fn new(setting: Setting, systemd: Systemd) -> (Self, mpsc::UnboundedReceiver<Ended>) {
        let (ended, ends) = mpsc::unbounded_channel();
        let Setting { sandboxes, apply, idle, inbox, on_refusal } = setting;
        let cleaner = Cleaner { systemd, ended };
        let (slots, holds) = (Mutex::default(), Holds::default());
        (Self { sandboxes, apply, idle, inbox, slots, holds, cleaner, on_refusal }, ends)
    }

    /// Ends what a daemon before this one left behind, and says how many instances that were.
    pub async fn sweep(&self) -> usize {
        self.cleaner.sweep().await
    }

    /// Who would run the session's next call in a template, as far as there is an instance already.
    pub fn bearer(&self, session: &str, template: Template) -> Option<Bearer> {
        let slot = lock(&self.slots).get(&(session.to_owned(), template)).cloned()?;
        if let Ok(held) = slot.instance.try_lock()
            && held.as_ref().is_none_or(|instance| !instance.is_alive())
        {
            return None;
        }
        slot.bearer()
    }

    /// What a session's instances said of the way they contain calls here.
    pub fn containment(&self, session: &str) -> BTreeMap<Template, Probe> {
        let slots = lock(&self.slots);
        let of_session = slots.iter().filter(|(key, _)| key.0 == session);
        of_session.filter_map(|(key, slot)| Some((key.1, slot.probe()?))).collect()
    }

    /// Sees to it that there is an instance, so that leave can be given to it, or that the next call finds it warm.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE`, also for an instance that nobody gave an identity and in a frozen session;
    /// `HANDLER_ERROR` when cancelled.
    pub async fn prepare(
        &self,
        session: &str,
        template: Template,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Bearer, Refusal> {
        self.require_thawed(session)?;
        if let Some(bearer) = self.bearer(session, template) {
            return Ok(bearer);
        }
        let slot = self.slot(session, template);
        let ready = async {
            let mut held = slot.instance.lock().await;
            self.require_thawed(session)?;
            self.make_ready(&slot, &mut held).await
        };
        tokio::select! {
            ready = ready => ready?,
            () = running::ended(cancelled) => return Err(stopped()),
        }
        slot.bearer().ok_or_else(|| unavailable("the sandbox has no identity that leave could be given to"))
    }

    /// Runs a call in its session's instance of a template; in that of `bearer` and no other, if one is named.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE`, `PLUGIN_TIMEOUT`, or `HANDLER_ERROR` when it was cancelled.
    pub async fn run(
        &self,
        session: &str,
        template: Template,
        run: Run,
        bearer: Option<&Bearer>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Outcome, Refusal> {
        self.run_told(session, template, (run, None), bearer, cancelled).await
    }

    /// As [`Self::run`], and what the call prints is told while it runs, if somebody listens.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_told(
        &self,
        session: &str,
        template: Template,
        (run, told): (Run, Option<Told>),
        bearer: Option<&Bearer>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Outcome, Refusal> {
        self.require_thawed(session)?;
        let slot = self.slot(session, template);
        let mut held = tokio::select! {
            held = slot.instance.lock() => held,
            () = running::ended(cancelled) => return Err(stopped()),
        };
        // The session may have been frozen while this waited for the call before it, or for the instance. From here on
        // freezing finds the instance, and with it the call.
        self.require_thawed(session)?;
        self.make_ready(&slot, &mut held).await?;
        self.deliver(&slot, &mut held).await?;
        self.require_thawed(session)?;
        if bearer.is_some_and(|bearer| slot.bearer().as_ref() != Some(bearer)) {
            return Err(unavailable("the sandbox that this was allowed to is gone"));
        }
        if *cancelled.borrow() {
            return Err(stopped());
        }
        let mut instance = held.take().ok_or_else(Refusal::broken)?;
        let deadline = Duration::from_millis(run.limits.wall_ms) + GRACE;
        let _ = slot.on(Event::Begun, Instant::now());
        let mut work = tokio::task::spawn_blocking(move || {
            let run = Run { stream: told.is_some(), ..run };
            let mut told = told;
            let result = instance.run_with(&run, &mut |piece| telling::say(&mut told, piece));
            (instance, result)
        });
        let (ended, stop) = tokio::select! {
            // What was cancelled says so, also when its sandbox is gone by now.
            biased;
            () = running::ended(cancelled) => {
                self.tell(&slot, &mut held, Event::Released).await;
                (work.await, Some(stopped()))
            }
            ended = &mut work => (ended, None),
            // The clock of a frozen call goes on: it is thawed now, and ended.
            () = tokio::time::sleep(deadline) => {
                self.tell(&slot, &mut held, Event::Overdue).await;
                (work.await, Some(Refusal::new(Code::PluginTimeout, "the sandbox did not end the call in time")))
            }
        };
        let result = match ended {
            Ok((instance, result)) if stop.is_none() && !matches!(&result, Err(error) if is_fatal(error)) => {
                *held = Some(instance);
                self.tell(&slot, &mut held, Event::Ended { lost: false }).await;
                result
            }
            ended => {
                self.tell(&slot, &mut held, Event::Ended { lost: true }).await;
                ended.map_err(|_| Refusal::broken())?.1
            }
        };
        match stop {
            Some(refusal) => Err(refusal),
            None => result.map_err(|error| unavailable(&error.to_string())),
        }
    }

    /// Lets a session's instances go. A running call is told to end.
    pub fn close(&self, session: &str) {
        self.let_go(|key| key.0 == session);
    }

    /// Lets all instances go.
    pub fn close_all(&self) {
        self.let_go(|_| true);
    }

    /// Lets go what nobody used for long; returns how many are left.
    pub async fn evict(&self, now: Instant) -> usize {
        let known: Vec<(Key, Arc<Slot>)> =
            lock(&self.slots).iter().map(|(key, slot)| (key.clone(), slot.clone())).collect();
        for (key, slot) in known {
            let Ok(mut held) = slot.instance.try_lock() else { continue };
            let effects = slot.on(Event::Tick, now);
            self.cleaner.carry_out(&slot, Some(&mut held), effects).await;
            let waited = now.saturating_duration_since(slot.since()) >= self.idle;
            if slot.state() == State::Gone || (slot.state() == State::Absent && waited) {
                let mut slots = lock(&self.slots);
                // Whoever has just come for it keeps it: the table's, the list's and its own.
                if slots.get(&key).is_some_and(|slot| Arc::strong_count(slot) == 2) {
                    slots.remove(&key);
                }
            }
        }
        lock(&self.slots).len()
    }

    /// Takes places out of the table; what is in them ends.
    fn let_go(&self, which: impl Fn(&Key) -> bool) {
        let gone: Vec<Arc<Slot>> =
            lock(&self.slots).extract_if(|key, _| which(key)).map(|(_, slot)| slot).collect();
        for slot in gone {
            self.release(slot);
        }
    }

    fn release(&self, slot: Arc<Slot>) {
        let effects = slot.on(Event::Released, Instant::now());
        if effects.is_empty() {
            return;
        }
        let cleaner = self.cleaner.clone();
        tokio::spawn(async move { cleaner.carry_out(&slot, None, effects).await });
    }

    /// Lets the instances go that were not used for longest, until there is room for one more. One that runs a
    /// call, or is about to, stays.
    fn make_room(&self) {
        let mut slots = lock(&self.slots);
        // The slot that the new one is for is among them.
        while slots.len() > MOST {
            let idle = |slot: &Arc<Slot>| {
                Arc::strong_count(slot) == 1 && !slot.is_frozen() && slot.instance.try_lock().is_ok()
            };
            let oldest = slots
                .iter()
                .filter(|(_, slot)| idle(slot))
                .min_by_key(|(_, slot)| slot.since())
                .map(|(key, _)| key.clone());
            let Some(slot) = oldest.and_then(|key| slots.remove(&key)) else { return };
            self.release(slot);
        }
    }

    fn slot(&self, session: &str, template: Template) -> Arc<Slot> {
        let fresh = || Arc::new(Slot::new(session, template, self.idle, Instant::now()));
        lock(&self.slots).entry((session.to_owned(), template)).or_insert_with(fresh).clone()
    }

    /// Tells a life what happened, and does what it asks for.
    async fn tell(&self, slot: &Slot, held: &mut Option<Instance>, event: Event) {
        let effects = slot.on(event, Instant::now());
        self.cleaner.carry_out(slot, Some(held), effects).await;
    }

    /// Sees to it that there is a living instance in a slot that the caller holds.
    async fn make_ready(&self, slot: &Slot, held: &mut Option<Instance>) -> Result<(), Refusal> {
        if held.as_ref().is_some_and(Instance::is_alive) {
            return Ok(());
        }
        if held.is_some() {
            self.tell(slot, held, Event::Failed).await;
        }
        self.make_room();
        slot.renew(Instant::now());
        self.tell(slot, held, Event::Wanted).await;
        match self.connect(slot).await {
            Ok(instance) => {
                *held = Some(instance);
                self.tell(slot, held, Event::Answered).await;
                Ok(())
            }
            Err(refusal) => {
                self.tell(slot, held, Event::Failed).await;
                Err(refusal)
            }
        }
    }

    async fn connect(&self, slot: &Slot) -> Result<Instance, Refusal> {
        slot.is(None, None);
        slot.said(None);
        let path = self.sandboxes.join(format!("{}.sock", slot.template));
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
            let canceller = instance.canceller().map_err(|error| unavailable(&error.to_string()))?;
            let bearer = identity.map(|Identity { unit, invocation }| Bearer { unit, invocation });
            slot.is(bearer, Some(canceller));
            slot.said(Some(probe));
            return Ok(instance);
        }
        let reason = probe.reason.unwrap_or_else(|| "it gives no reason".into());
        (self.on_refusal)(&reason);
        Err(unavailable(&format!("this machine cannot contain a call: {reason}")))
    }
}

/// Whether an instance cannot be used any more after this.
fn is_fatal(error: &ClientError) -> bool {
    !matches!(error, ClientError::Refused { .. })
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
