//! What people keep in a session beside what they say: a model, pins, and a summary in the place of a turn.

use std::sync::Arc;

use testudo::context::MOST_PINS;
use testudo::fault::Fault;

use super::{Session, State};
use crate::context::Pin;
use crate::conversation::Line;
use crate::speaker::Speaker;
use crate::stop::{self, StopSignal};
use crate::store::StoreError;
use crate::turn::Stop;

/// The place of a turn, in which the conversation is summed up meanwhile. It is given back when this is dropped, whatever
/// became of the work: a panic or a task that is ended must not keep the session from ever beginning a turn again.
#[must_use = "it is given back at once"]
pub struct Place {
    session: Arc<Session>,
    stop: StopSignal,
    resume: Option<Resume>,
}

/// Sees to it that [`Session::next`] is called.
type Resume = Box<dyn FnOnce(Arc<Session>) + Send>;

impl Place {
    /// Where it is noticed that the work is to end.
    pub const fn stop(&self) -> &StopSignal {
        &self.stop
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.session.compacted()
            && let Some(resume) = self.resume.take()
        {
            resume(Arc::clone(&self.session));
        }
    }
}

impl Session {
    /// The model that was chosen here.
    pub fn model(&self) -> Option<String> {
        self.lock().conversation.context().model.clone()
    }

    /// Whether something more can be pinned.
    ///
    /// # Errors
    /// [`Fault::Busy`] when there is too much.
    pub fn can_pin(&self) -> Result<(), Fault> {
        self.lock().can_pin(self.name())
    }

    /// Pins something and gives its number.
    ///
    /// # Errors
    /// [`Fault::Busy`] when there is too much already, [`Fault::Internal`] when the disk does not take it.
    pub fn pin(&self, speaker: &Speaker, text: &str, now: &str) -> Result<u32, Fault> {
        let mut state = self.lock();
        state.can_pin(self.name())?;
        let number = state.conversation.context().next_pin();
        let line = Line::Pinned { pin: Pin::by(speaker, text, number, now) };
        self.keep_in(&mut state, line, now).map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(number)
    }

    /// Whether there is a pin of this number.
    pub fn has_pin(&self, number: u32) -> bool {
        self.with_conversation(|conversation| {
            conversation.context().pins.iter().any(|pin| pin.number == number)
        })
    }

    /// Takes the place of a turn to sum the conversation up, until what is given is dropped. Where turns wait then, `resume`
    /// must see to it that [`Session::next`] is called.
    ///
    /// # Errors
    /// [`Fault::Busy`] while a turn runs or waits.
    pub fn compact(
        self: &Arc<Self>,
        resume: impl FnOnce(Arc<Self>) + Send + 'static,
    ) -> Result<Place, Fault> {
        let mut state = self.lock();
        if state.running.is_some() || !state.waiting.is_empty() || state.compacting.is_some() {
            let why = format!("something runs in session {}: wait for it, or stop it first", self.name);
            return Err(Fault::Busy(why));
        }
        let (stopper, stop) = stop::line();
        state.compacting = Some(stopper);
        drop(state);
        Ok(Place { session: Arc::clone(self), stop, resume: Some(Box::new(resume)) })
    }

    /// It is summed up or will not be. True means that turns wait meanwhile, and that nobody works here.
    fn compacted(&self) -> bool {
        let mut state = self.lock();
        state.compacting = None;
        let is_needed = !state.waiting.is_empty() && !std::mem::replace(&mut state.has_worker, true);
        drop(state);
        self.ended.send_modify(|count| *count += 1);
        is_needed
    }

    /// Ends summing up; false when that is not done now.
    pub fn cancel_compaction(&self) -> bool {
        self.lock().compacting.as_ref().inspect(|stopper| stopper.stop(Stop::Cancelled)).is_some()
    }

    /// Writes a line, takes it in, and waits until it is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn keep_for_good(&self, line: Line, now: &str) -> Result<(), StoreError> {
        self.keep(line, now)?;
        self.sync()
    }
}

impl State {
    fn can_pin(&self, session: &str) -> Result<(), Fault> {
        if self.conversation.context().pins.len() < MOST_PINS {
            return Ok(());
        }
        Err(Fault::Busy(format!("{MOST_PINS} things are pinned in session {session}, and more cannot be")))
    }
}
