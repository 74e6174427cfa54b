//! What a life asks for when it ends, done: each step is tried, whatever became of the others.

use std::time::Instant;

use testudo_sandbox::client::Instance;
use testudo_sandbox::protocol::Template;
use tokio::sync::mpsc;

use super::lifecycle::{Effect, Event, Outcome, Step};
use super::slot::Slot;
use super::systemd::{Systemd, Trouble};

/// An instance that did not end as it should, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub session: String,
    /// Its kind.
    pub template: Template,
    /// Its unit, where a service manager runs it.
    pub unit: Option<String>,
    /// What was tried, in this order.
    pub steps: Vec<(Step, Outcome)>,
}

/// Ends instances.
#[derive(Debug, Clone)]
pub(super) struct Cleaner {
    pub(super) systemd: Systemd,
    pub(super) ended: mpsc::UnboundedSender<Ended>,
}

impl Cleaner {
    /// Carries out what a life asked for. `held` is what is in the slot, if the caller is who holds it.
    pub(super) async fn carry_out(
        &self,
        slot: &Slot,
        mut held: Option<&mut Option<Instance>>,
        effects: Vec<Effect>,
    ) {
        for effect in effects {
            match effect {
                // Whoever wants one connects.
                Effect::Connect => {}
                Effect::Cancel => slot.hang_up(),
                Effect::Clean(step) => {
                    let outcome = match step {
                        Step::HangUp => {
                            slot.hang_up();
                            let _ = held.as_deref_mut().map(Option::take);
                            Outcome::Done
                        }
                        Step::Thaw | Step::Stop => self.manage(slot, step).await,
                    };
                    let _ = slot.on(Event::Tried(step, outcome), Instant::now());
                }
            }
        }
        if let Some(steps) = slot.bad_end() {
            let Slot { session, template, .. } = slot;
            let ended = Ended { session: session.clone(), template: *template, unit: slot.unit(), steps };
            // Nobody records any more when the daemon ends.
            let _ = self.ended.send(ended);
        }
    }

    async fn manage(&self, slot: &Slot, step: Step) -> Outcome {
        let Some(unit) = slot.unit() else { return Outcome::Unavailable };
        let result = match step {
            Step::Thaw => self.systemd.thaw(&unit).await,
            Step::Stop => self.systemd.stop(&unit).await,
            Step::HangUp => Ok(()),
        };
        match result {
            Ok(()) => Outcome::Done,
            Err(Trouble::Unavailable { .. }) => Outcome::Unavailable,
            Err(error) => {
                tracing::warn!("{error}");
                Outcome::Failed
            }
        }
    }

    /// Ends what a daemon before this one left behind: its connections are closed, so what still runs is frozen or
    /// hangs. Says how many.
    pub(super) async fn sweep(&self) -> usize {
        let Ok(orphans) = self.systemd.instances().await else { return 0 };
        for unit in &orphans {
            for result in [self.systemd.thaw(unit).await, self.systemd.stop(unit).await] {
                if let Err(error) = result {
                    tracing::warn!("an instance of an earlier life: {error}");
                }
            }
        }
        orphans.len()
    }
}
