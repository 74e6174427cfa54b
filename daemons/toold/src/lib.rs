//! `toold`: the policy enforcement point.
//!
//! Promise: a tool runs only after the six stages of [`pipeline`], what runs is exactly what was decided, what it
//! writes reaches the workspace only as a change set with a decision of its own, and every outcome is recorded.
//! `toold` itself can neither read nor write the workspace: all of that happens in the sandbox.
//!
//! Start at [`pipeline::Pipeline::invoke`]. [`catalogue`], [`validation`], [`rate`], [`foresight`] and [`proposal`] are
//! pure; [`decision`], [`grants`], [`chronicle`], [`instances`], [`given`], [`inbox`], [`inflight`], [`security`], [`switch`] and [`service`] are the shell.

pub mod catalogue;
pub mod chronicle;
pub mod controls;
pub mod decision;
mod destinations;
pub mod egress;
pub mod foresight;
pub mod given;
pub mod grants;
pub mod inbox;
pub mod inflight;
pub mod instances;
pub mod pipeline;
pub mod program;
pub mod proposal;
pub mod rate;
pub mod running;
pub mod security;
pub mod service;
mod settling;
pub mod switch;
pub mod telling;
pub mod validation;
