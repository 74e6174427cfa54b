//! What goes wrong on the way: servers that go, daemons that die, keys that change, floods.
#![recursion_limit = "256"]

mod answers;
mod away;
mod crowded;
mod keys;
mod limits;
mod resilience;
mod time;
