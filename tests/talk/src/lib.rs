//! People, a real homeserver and the shipped appliance talk with each other.
//!
//! [`synapse`] is the homeserver, [`human`] a person with the SDK's client and [`nio`] one with another. [`talk`] is the
//! appliance. The stories are told in `tests/`, each with a homeserver of its own; `harness` shows there that these are
//! real, and `without` which control it is that stops an attack. [`bench`] measures it.
#![recursion_limit = "256"]

pub mod bench;
pub mod clock;
pub mod front;
pub mod gap;
pub mod human;
pub mod model;
pub mod nio;
pub mod off;
pub mod synapse;
pub mod talk;
pub mod timeline;
pub mod verification;
