//! Sessions held still: on a person's word, and until he takes it back.
//!
//! A frozen session is noted as such, whatever instances it has: its calls are refused until it is thawed, or stopped and
//! resumed, and nothing else ends that. The service manager freezes the instances that are there. The clock of a call
//! that was frozen in the middle goes on: at its end the instance is thawed and the call killed, as it is when somebody
//! cancels it or stops the session, because a frozen unit hears no wish to end. No other call takes its place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use testudo::refusal::Refusal;
use testudo_sandbox::protocol::Template;

use super::lifecycle::{Event, State};
use super::slot::Slot;
use super::systemd::Trouble;
use super::{Instances, lock, unavailable};

/// The frozen sessions, each with whether it was stopped since.
pub(super) type Holds = Mutex<HashMap<String, bool>>;

/// What freezing a session came to. Its calls are refused in any case.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many instances are still.
    pub instances: u32,
    /// What goes on all the same, and why.
    pub running: Vec<String>,
}

impl Held {
    /// How many instances are still, if all are.
    ///
    /// # Errors
    /// [`Trouble::Running`].
    pub fn complete(self, session: &str) -> Result<u32, Trouble> {
        if self.running.is_empty() {
            return Ok(self.instances);
        }
        Err(Trouble::Running { session: session.to_owned(), why: self.running.join("; ") })
    }
}

impl Instances {
    /// Freezes a session, also one that has no instance yet: from here on its calls are refused.
    pub async fn freeze(&self, session: &str) -> Held {
        // First the word: a call either sees it, or is in an instance that is found now.
        lock(&self.holds).insert(session.to_owned(), false);
        let mut held = Held::default();
        for slot in self.slots_of(session) {
            let Some(unit) = slot.unit() else {
                // Of what has no unit only a program in a container goes on without a call's end in sight.
                if slot.template == Template::Container && slot.state() == State::Running {
                    held.running.push("a container of it runs on, which cannot be frozen".into());
                }
                continue;
            };
            match self.cleaner.systemd.freeze(&unit).await {
                Ok(()) => {
                    let _ = slot.on(Event::Froze, Instant::now());
                    held.instances += 1;
                }
                Err(trouble) => held.running.push(trouble.to_string()),
            }
        }
        held
    }

    /// Thaws all instances of a session, says how many that were, and lets it have calls again.
    ///
    /// # Errors
    /// When one of them could not be thawed; those before it are, and calls are refused still.
    pub async fn thaw(&self, session: &str) -> Result<u32, Trouble> {
        let mut thawed = 0;
        for slot in self.slots_of(session).into_iter().filter(|slot| slot.is_frozen()) {
            let Some(unit) = slot.unit() else { continue };
            self.cleaner.systemd.thaw(&unit).await?;
            let _ = slot.on(Event::Thawed, Instant::now());
            thawed += 1;
        }
        lock(&self.holds).remove(session);
        Ok(thawed)
    }

    /// A session was stopped, or all were: a freeze of theirs ends when they are resumed.
    pub fn note_stop(&self, session: Option<&str>) {
        let mut holds = lock(&self.holds);
        for (_, stopped) in holds.iter_mut().filter(|(whose, _)| session.is_none_or(|it| it == *whose)) {
            *stopped = true;
        }
    }

    /// A session was resumed, or all were.
    pub fn note_resume(&self, session: Option<&str>) {
        lock(&self.holds).retain(|whose, stopped| !*stopped || session.is_some_and(|it| it != whose));
    }

    /// Refuses what would run, be written, or wait for nobody knows how long, in a frozen session.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE`, with what lets the session go on.
    pub fn require_thawed(&self, session: &str) -> Result<(), Refusal> {
        if !lock(&self.holds).contains_key(session) {
            return Ok(());
        }
        Err(unavailable(&format!("session {session} is frozen: testudoctl thaw {session} lets it go on")))
    }

    fn slots_of(&self, session: &str) -> Vec<Arc<Slot>> {
        let slots = lock(&self.slots);
        slots.iter().filter(|((whose, _), _)| whose == session).map(|(_, slot)| slot.clone()).collect()
    }
}
