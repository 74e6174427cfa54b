//! What people keep in a session beside what they say: a model, pins, and a summary in the place of a turn.

use testudo::context::MOST_PINS;
use testudo::fault::Fault;

use super::{Session, State};
use crate::context::Pin;
use crate::conversation::Line;
use crate::speaker::Speaker;
use crate::stop::{self, StopSignal};
use crate::store::StoreError;
use crate::turn::Stop;

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

    /// Takes the place of a turn to sum the conversation up; whoever gets it gives it back with [`Session::compacted`].
    ///
    /// # Errors
    /// [`Fault::Busy`] while a turn runs or waits.
    pub fn compact(&self) -> Result<StopSignal, Fault> {
        let mut state = self.lock();
        if state.running.is_some() || !state.waiting.is_empty() || state.compacting.is_some() {
            let why = format!("something runs in session {}: wait for it, or stop it first", self.name);
            return Err(Fault::Busy(why));
        }
        let (stopper, signal) = stop::line();
        state.compacting = Some(stopper);
        Ok(signal)
    }

    /// It is summed up or will not be. True means that turns wait meanwhile: the caller must see to it that
    /// [`Session::next`] is called.
    #[must_use]
    pub fn compacted(&self) -> bool {
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
