//! One call judged by one component, in a store of its own that nothing survives.

use testudo::extension::{EVALUATION, Facts, MOST_REASON, Opinion};
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, Trap};

use crate::component::{Components, Loaded};
use crate::pulse::TICKS;
use crate::world;

/// Most bytes of memory of one evaluation.
pub const MEMORY: usize = 16 * 1024 * 1024;

/// The fuel of one evaluation: about one unit for each instruction. Reached before the time is on most machines, so
/// that an endless loop ends at the same place every time.
pub const FUEL: u64 = 20_000_000;

/// Most entries of all tables of one evaluation.
const TABLE: usize = 10_000;

impl Components {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// What the component at `index` says to a call; none when there is no such component. Blocks for up to
    /// [`EVALUATION`].
    pub fn evaluate(&self, index: usize, facts: &Facts) -> Option<Opinion> {
        let loaded = self.all.get(index)?;
        let name = &loaded.component.name;
        Some(match self.ask(loaded, facts) {
            Ok(opinion) => {
                let (stance, reason) = world::stance(opinion);
                Opinion {
                    component: name.clone(),
                    stance,
                    reason: reason.chars().take(MOST_REASON).collect(),
                }
            }
            Err(error) => Opinion::failed(name, &complaint(&error)),
        })
    }

    /// Instantiates a component, which finds what compiling it does not: functions of other types, and a start
    /// that fails.
    pub(crate) fn attempt(&self, loaded: &Loaded) -> wasmtime::Result<()> {
        let _ticking = self.pulse.run();
        loaded.pre.instantiate(self.store()?).map(drop)
    }

    fn ask(&self, loaded: &Loaded, facts: &Facts) -> wasmtime::Result<world::Opinion> {
        let _ticking = self.pulse.run();
        let mut store = self.store()?;
        let instance = loaded.pre.instantiate(&mut store)?;
        instance.testudo_extension_rules().call_evaluate(&mut store, &world::call(facts))
    }

    /// A store for one evaluation, whose time begins now.
    fn store(&self) -> wasmtime::Result<Store<StoreLimits>> {
        let mut store = Store::new(&self.engine, limits());
        store.limiter(|limits| limits);
        store.set_epoch_deadline(TICKS);
        store.epoch_deadline_trap();
        store.set_fuel(FUEL)?;
        Ok(store)
    }
}

fn limits() -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(MEMORY)
        .table_elements(TABLE)
        .memories(4)
        .instances(16)
        .tables(16)
        // A component that is told "no" may go on with half an answer; one that traps has none.
        .trap_on_grow_failure(true)
        .build()
}

/// Why there is no opinion, in a sentence for people.
fn complaint(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("used up its {FUEL} units of fuel without an opinion"),
        Some(Trap::Interrupt) => format!("took longer than {} ms", EVALUATION.as_millis()),
        Some(trap) => format!("failed: {trap}"),
        None => format!("failed: {:.300}", format!("{error:#}")),
    }
}
