//! Deciding, pure: no I/O, no clock, no randomness. What is needed of the world is given.
//!
//! [`rule`] is what policy files say, [`engine`] weighs it, [`provenance`] knows what entered a session and where
//! the arguments of a call came from, [`simulate`] plays a trajectory. `policyd` gives it a bus and a memory,
//! `testudoctl` runs it on files.

pub mod cases;
mod change;
pub mod engine;
pub mod index;
pub mod judge;
pub mod pattern;
pub mod plan;
pub mod provenance;
pub mod replay;
pub mod rule;
pub mod simulate;
pub mod tag;
pub mod token;

mod builtin;
mod condition;
mod constraint;
mod matter;
mod outward;
mod patch;
mod place;
mod writer;
