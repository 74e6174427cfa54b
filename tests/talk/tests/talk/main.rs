//! People, a real homeserver and the shipped appliance talk with each other.
//!
//! [`synapse`] is the homeserver, [`human`] a person with the SDK's client and [`nio`] one with another; `harness` shows
//! that these are real. [`talk`] is the appliance, and the stories are told in `story`, `trust`, `attacks`, `hostile`
//! and `resilience`; `without` shows for some attacks which control it is that stops them.
//! Each test has a homeserver of its own.
#![recursion_limit = "256"]

mod attacks;
mod gap;
mod harness;
mod hostile;
mod human;
mod model;
mod nio;
mod resilience;
mod story;
mod synapse;
mod talk;
mod timeline;
mod trust;
mod verification;
mod without;
