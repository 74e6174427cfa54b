//! The clock of the evaluations: a thread that ticks the engine's epoch while one of them runs, and sleeps otherwise.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo::extension::EVALUATION;
use wasmtime::Engine;

/// How often it ticks.
const TICK: Duration = Duration::from_millis(10);

/// Ticks until an evaluation that begins now is over its time. The first of them may come at once, so the time is
/// one tick shorter at most and never longer.
#[expect(clippy::cast_possible_truncation, reason = "ten")]
pub(crate) const TICKS: u64 = (EVALUATION.as_millis() / TICK.as_millis()) as u64;

/// The thread; it ends with this.
pub(crate) struct Pulse(Arc<Shared>);

/// Keeps it ticking.
pub(crate) struct Running<'p>(&'p Pulse);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    ended: bool,
}

impl Pulse {
    pub(crate) fn new(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("pulse".to_owned()).spawn(move || theirs.tick(&engine))?;
        Ok(Self(shared))
    }

    /// Ticks until what is returned is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.0.lock().running += 1;
        self.0.changed.notify_one();
        Running(self)
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        let mut due = Instant::now();
        loop {
            let mut state = self.lock();
            while state.running == 0 && !state.ended {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                due = Instant::now();
            }
            if state.ended {
                return;
            }
            drop(state);
            std::thread::sleep(TICK);
            // On a busy machine one sleep is several ticks long.
            while due.elapsed() >= TICK {
                due += TICK;
                engine.increment_epoch();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.lock().running -= 1;
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}
