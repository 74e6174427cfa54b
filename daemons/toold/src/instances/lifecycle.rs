//! The life of one sandbox instance: a state machine without I/O. Time is passed in; what to do comes out.
//!
//! ```text
//!           Wanted            Answered             Begun
//!  Absent ─────────▶ Starting ────────▶ Ready ◀─────────────▶ Running
//!                       │                │ │▲      Ended        │ │▲
//!                       │                │ └┘ Froze, Thawed     │ └┘ Froze, Thawed
//!                       │ Failed,        │                      │
//!                       │ Released       │ Released,            │ Released, Overdue: the call is told
//!                       ▼                ▼ idle for too long    ▼ to end, and has a while for it
//!                    Cleaning ◀──────────┘                  Stopping
//!                     │    ▲                                    │
//!                     │    └────────────────────────────────────┘ Ended, or not in time
//!                     ▼ every step was tried
//!                    Gone
//! ```
//! An instance that is gone stays gone; the next one has a life of its own. Steps of cleaning are independent: each is
//! tried whatever became of the others, and doing one twice does no harm.

use std::time::{Duration, Instant};

/// How long a call that was told to end may take for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has asked for it.
    Absent,
    /// It was asked for and has not answered.
    Starting,
    /// It waits for a call.
    Ready,
    /// It runs a call.
    Running,
    /// Its call was told to end.
    Stopping,
    /// What is left of it is being removed.
    Cleaning,
    /// Nothing is left of it.
    Gone,
}

/// What happens to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A call is for it, or will be.
    Wanted,
    /// It is there and can contain calls.
    Answered,
    /// It is not there, or cannot.
    Failed,
    /// A call was handed to it.
    Begun,
    /// The call is over; `lost` when the instance is not to be trusted with another one.
    Ended {
        /// It hung up, or did not keep to the protocol.
        lost: bool,
    },
    /// Its call was to be over by now.
    Overdue,
    /// The service manager has frozen it.
    Froze,
    /// The service manager has thawed it.
    Thawed,
    /// Nobody needs it any more.
    Released,
    /// Time has passed.
    Tick,
    /// A step of cleaning was tried.
    Tried(Step, Outcome),
}

/// What is to be done. Each is asked for once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Connect to its socket: that starts it.
    Connect,
    /// Tell the running call to end.
    Cancel,
    /// Try a step of cleaning.
    Clean(Step),
}

/// One step of cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A frozen unit refuses to stop.
    Thaw,
    /// Close the connection: an instance that works ends with it, and its scratch with the instance.
    HangUp,
    /// Have the service manager stop the unit, for one that does not.
    Stop,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or there was nothing to do.
    Done,
    /// It could not be done.
    Failed,
    /// There is no service manager that could do it.
    Unavailable,
}

impl Step {
    /// As the record has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Thaw => "thaw",
            Self::HangUp => "hang up",
            Self::Stop => "stop",
        }
    }
}

impl Outcome {
    /// As the record has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One instance.
#[derive(Debug)]
pub struct Life {
    state: State,
    frozen: bool,
    /// It does not end by itself as far as we know, so the service manager is asked too.
    unruly: bool,
    /// Since when it waits, or was told to stop.
    since: Instant,
    idle: Duration,
    tried: Vec<(Step, Outcome)>,
    asked: Vec<Step>,
}

impl Life {
    /// One that nobody has asked for; it is let go when it waited for `idle`.
    pub fn new(idle: Duration, now: Instant) -> Self {
        Self {
            state: State::Absent,
            frozen: false,
            unruly: false,
            since: now,
            idle,
            tried: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Since when it is where it is.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Whether it could take a call now.
    pub fn is_usable(&self) -> bool {
        self.state == State::Ready && !self.frozen
    }

    /// The steps of cleaning with what became of them, in the order in which they were tried.
    pub fn tried(&self) -> &[(Step, Outcome)] {
        &self.tried
    }

    /// Whether its end is worth a record: not that of one which just was not needed any more.
    pub fn ended_badly(&self) -> bool {
        self.unruly || self.tried.iter().any(|(_, outcome)| *outcome == Outcome::Failed)
    }

    /// Takes an event; what cannot happen where it is changes nothing.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match (self.state, event) {
            (State::Absent, Event::Wanted) => {
                self.enter(State::Starting, now);
                vec![Effect::Connect]
            }
            (State::Absent, Event::Released) => {
                self.enter(State::Gone, now);
                Vec::new()
            }
            (State::Starting, Event::Answered) | (State::Running, Event::Ended { lost: false }) => {
                self.enter(State::Ready, now);
                Vec::new()
            }
            (State::Ready, Event::Begun) if !self.frozen => {
                self.enter(State::Running, now);
                Vec::new()
            }
            (State::Starting, Event::Failed | Event::Released)
            | (State::Ready, Event::Released)
            | (State::Stopping, Event::Ended { .. }) => self.clean(now),
            (State::Ready | State::Running, Event::Failed | Event::Ended { lost: true }) => {
                self.unruly = true;
                self.clean(now)
            }
            // Frozen it waits for a person and not for a call.
            (State::Ready, Event::Tick) if !self.frozen && self.waited(now) >= self.idle => self.clean(now),
            (State::Running, Event::Released | Event::Overdue) => {
                self.unruly |= event == Event::Overdue;
                self.enter(State::Stopping, now);
                // A frozen one does not hear that it is to end.
                let thaw = self.frozen.then_some(Effect::Clean(Step::Thaw));
                thaw.into_iter().chain([Effect::Cancel]).collect()
            }
            (State::Stopping, Event::Tick) if self.waited(now) >= PATIENCE => {
                self.unruly = true;
                self.clean(now)
            }
            (State::Starting | State::Ready | State::Running | State::Stopping, Event::Froze) => {
                self.frozen = true;
                Vec::new()
            }
            (State::Starting | State::Ready | State::Running | State::Stopping, Event::Thawed) => {
                self.frozen = false;
                self.since = if self.state == State::Ready { now } else { self.since };
                Vec::new()
            }
            (State::Stopping | State::Cleaning, Event::Tried(step, outcome)) => self.took(step, outcome, now),
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, state: State, now: Instant) {
        (self.state, self.since) = (state, now);
    }

    fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn clean(&mut self, now: Instant) -> Vec<Effect> {
        self.enter(State::Cleaning, now);
        self.asked = [
            self.frozen.then_some(Step::Thaw),
            Some(Step::HangUp),
            (self.frozen || self.unruly).then_some(Step::Stop),
        ]
        .into_iter()
        .flatten()
        .collect();
        self.asked.iter().copied().map(Effect::Clean).collect()
    }

    fn took(&mut self, step: Step, outcome: Outcome, now: Instant) -> Vec<Effect> {
        self.tried.push((step, outcome));
        if step == Step::Thaw && outcome == Outcome::Done {
            self.frozen = false;
        }
        if self.state == State::Cleaning {
            self.asked.retain(|asked| *asked != step);
            if self.asked.is_empty() {
                self.enter(State::Gone, now);
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
