//! One session: its conversation, the turns that wait, and the one that runs.
//!
//! Turns run one at a time, in the order in which they were sent. Everything here is immediate but
//! [`Session::wait`]; a turn is run by [`crate::runner`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use testudo::fault::Fault;
use testudo::turn::{End, Finished};
use tokio::sync::{oneshot, watch};

use crate::attendance::Attendance;
use crate::conversation::{Conversation, Line};
use crate::name::SessionName;
use crate::speaker::Speaker;
use crate::stop::{self, StopSignal, Stopper};
use crate::store::{SessionFile, Store, StoreError};
use crate::turn::Stop;
use crate::window::{self, Window};

mod keeping;

pub use keeping::Place;

/// The most turns that wait behind the one that runs.
const MOST_WAITING: usize = 16;

/// A turn that was sent and has not begun.
#[derive(Debug)]
pub struct Pending {
    /// Its id.
    pub turn: String,
    /// What the person said.
    pub text: String,
    /// Who said it.
    pub speaker: Speaker,
    /// Who watches.
    pub attendance: Attendance,
    /// Told when the turn has begun, or why it has not.
    pub begun: oneshot::Sender<Result<(), String>>,
}

/// What cancelling a turn met.
#[derive(Debug, PartialEq)]
pub enum Cancelled {
    /// It runs and will end at once.
    Running,
    /// It waited and is over.
    Waiting(Finished),
    /// It was over already.
    Over,
}

/// A session.
pub struct Session {
    name: SessionName,
    store: Store,
    state: Mutex<State>,
    /// Counts the turns that ended, so that those who wait look again.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    conversation: Conversation,
    file: Option<SessionFile>,
    waiting: VecDeque<Pending>,
    running: Option<(String, Stopper)>,
    /// Whether somebody takes turns out of `waiting`.
    has_worker: bool,
    /// While the conversation is summed up no turn begins.
    compacting: Option<Stopper>,
}

impl Session {
    /// A session with what was found on the disk, or with nothing.
    pub fn new(name: SessionName, store: Store, conversation: Conversation) -> Self {
        let state = State { conversation, ..State::default() };
        Self { name, store, state: Mutex::new(state), ended: watch::channel(0).0 }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Adds a turn. True means that nobody works here: the caller must see to it that [`Session::next`] is called.
    ///
    /// # Errors
    /// [`Fault::Busy`] when too many wait.
    pub fn enqueue(&self, pending: Pending) -> Result<bool, Fault> {
        let mut state = self.lock();
        if state.waiting.len() >= MOST_WAITING {
            return Err(Fault::Busy(format!("{MOST_WAITING} turns wait in session {} already", self.name)));
        }
        state.waiting.push_back(pending);
        Ok(state.compacting.is_none() && !std::mem::replace(&mut state.has_worker, true))
    }

    /// The next turn to run, if one waits; otherwise the caller's work here is done.
    pub fn next(&self) -> Option<(Pending, StopSignal)> {
        let mut state = self.lock();
        let is_free = state.compacting.is_none();
        let Some(pending) = is_free.then(|| state.waiting.pop_front()).flatten() else {
            state.has_worker = false;
            drop(state);
            self.ended.send_modify(|count| *count += 1);
            return None;
        };
        let (stopper, signal) = stop::line();
        state.running = Some((pending.turn.clone(), stopper));
        Some((pending, signal))
    }

    /// Writes a line and takes it in. `now` is for the first line of a new file.
    ///
    /// # Errors
    /// When the disk does not take it; then nothing is changed.
    pub fn keep(&self, line: Line, now: &str) -> Result<(), StoreError> {
        self.keep_in(&mut self.lock(), line, now)
    }

    fn keep_in(&self, state: &mut State, line: Line, now: &str) -> Result<(), StoreError> {
        let State { file, conversation, .. } = state;
        let file = if let Some(file) = file {
            file
        } else {
            let (opened, first) = self.store.file(&self.name, now)?;
            if let Some(first) = first {
                conversation.take(first);
            }
            file.insert(opened)
        };
        file.append(&line)?;
        conversation.take(line);
        Ok(())
    }

    /// Waits until everything that was kept is on the disk.
    ///
    /// # Errors
    /// When the disk says that it is not.
    pub fn sync(&self) -> Result<(), StoreError> {
        let file = self.lock().file.as_ref().map(SessionFile::second_handle).transpose()?;
        file.map_or(Ok(()), |file| tokio::task::block_in_place(|| file.sync()))
    }

    /// What the model is shown now.
    pub fn window(&self) -> Window {
        let state = self.lock();
        let conversation = &state.conversation;
        window::window(&conversation.context().head(), conversation.uncovered(), window::BOUNDS)
    }

    /// Ends the running turn for everybody who waits. `is_kept` says that the conversation has its end already.
    pub fn finish(&self, finished: Finished, is_kept: bool) {
        let mut state = self.lock();
        state.running = None;
        if !is_kept {
            state.conversation.note(finished);
        }
        drop(state);
        self.ended.send_modify(|count| *count += 1);
    }

    /// Waits for a turn to end.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is none of this id, or it ended long ago.
    pub async fn wait(&self, turn: &str) -> Result<Finished, Fault> {
        let mut ended = self.ended.subscribe();
        loop {
            ended.mark_unchanged();
            if let Some(finished) = self.outcome(turn)? {
                return Ok(finished);
            }
            if ended.changed().await.is_err() {
                return Err(Fault::Unavailable("testudo-agentd stops".into()));
            }
        }
    }

    fn outcome(&self, turn: &str) -> Result<Option<Finished>, Fault> {
        let state = self.lock();
        if state.is_under_way(turn) {
            return Ok(None);
        }
        let finished = state.conversation.finished().rev().find(|finished| finished.turn == turn);
        finished.cloned().map(Some).ok_or_else(|| {
            Fault::NotFound(format!("session {} has no turn {turn}, or it ended long ago", self.name))
        })
    }

    /// Ends a turn that waits or runs.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is none of this id.
    pub fn cancel(&self, turn: &str) -> Result<Cancelled, Fault> {
        let mut state = self.lock();
        if let Some((running, stopper)) = &state.running
            && running == turn
        {
            stopper.stop(Stop::Cancelled);
            return Ok(Cancelled::Running);
        }
        let Some(at) = state.waiting.iter().position(|pending| pending.turn == turn) else {
            drop(state);
            return self.outcome(turn).map(|_| Cancelled::Over);
        };
        state.waiting.remove(at);
        let finished = self.unstarted(turn, End::Cancelled, "This turn was cancelled before it began.");
        state.conversation.note(finished.clone());
        drop(state);
        self.ended.send_modify(|count| *count += 1);
        Ok(Cancelled::Waiting(finished))
    }

    /// Ends all turns because the daemon stops, and waits until the running one has written its end.
    pub async fn drain(&self) {
        let mut ended = self.ended.subscribe();
        {
            let mut state = self.lock();
            for pending in std::mem::take(&mut state.waiting) {
                let why = "This turn did not begin because testudo-agentd stops.";
                state.conversation.note(self.unstarted(&pending.turn, End::Failed, why));
            }
            let running = state.running.as_ref().map(|(_, stopper)| stopper);
            if let Some(stopper) = running.or(state.compacting.as_ref()) {
                stopper.stop(Stop::Ending);
            }
        }
        self.ended.send_modify(|count| *count += 1);
        while self.lock().is_busy() && ended.changed().await.is_ok() {}
    }

    /// The turns that run or wait, in their order.
    pub fn under_way(&self) -> Vec<String> {
        let state = self.lock();
        let running = state.running.iter().map(|(turn, _)| turn.clone());
        running.chain(state.waiting.iter().map(|pending| pending.turn.clone())).collect()
    }

    /// Whether a turn runs now.
    pub fn is_running(&self) -> bool {
        self.lock().running.is_some()
    }

    /// The conversation as it is now.
    pub fn with_conversation<T>(&self, look: impl FnOnce(&Conversation) -> T) -> T {
        look(&self.lock().conversation)
    }

    /// The end of a turn that never began.
    pub fn unstarted(&self, turn: &str, end: End, reply: &str) -> Finished {
        let (session, turn, reply) = (self.name.to_string(), turn.to_owned(), reply.to_owned());
        Finished { session, turn, reply, calls: Vec::new(), end }
    }

    /// Nothing that holds the lock can panic, so a poisoned lock still guards a whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn is_busy(&self) -> bool {
        self.has_worker || self.compacting.is_some()
    }

    fn is_under_way(&self, turn: &str) -> bool {
        let is_running = self.running.as_ref().is_some_and(|(running, _)| running == turn);
        is_running || self.waiting.iter().any(|pending| pending.turn == turn)
    }
}

#[cfg(test)]
mod tests;
