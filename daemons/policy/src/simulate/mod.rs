//! Simulating: a whole trajectory through the real engine, labels included, without running anything.
//!
//! One JSON object a line goes in, one line comes out for each call or plan. Rules, built-in rules and information
//! flow are those of `policyd`; extensions, the sentinel and people are not asked. Start with [`Simulation::line`].
//!
//! Words that are not known count as the strictest there is and are warned about; a line that has another shape
//! than a line can have ends the simulation.

mod answer;
mod event;
mod run;
mod word;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Step};
pub use run::{LineError, Reply, Simulation};
