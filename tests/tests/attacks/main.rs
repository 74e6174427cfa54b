//! Attacks on approvals, numbered, all through the shipped daemons and all without effect.
//!
//! Each case is a name, what the attacker does, and what must be seen. `policies` of the deciding library have
//! tests of their own; this is about the way from a question to its effect.

mod answering;
mod arguments;
mod meanwhile;
