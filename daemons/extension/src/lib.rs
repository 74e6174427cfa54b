//! The process that evaluates extension rules: WebAssembly components of the operator's, each with a say in decisions.
//!
//! Promise: a component sees one call and nothing else, and its opinion comes within its time, fuel and memory or is
//! *deny*. Whatever it does, this process has no bus, no network, no state and no other caller than `policyd`, which
//! takes its silence for *deny* too.
//!
//! [`component`] loads, [`evaluation`] runs one call through one component, [`service`] is the socket. What a
//! component must export is in `policies/extension.wit`; what `policyd` says is in [`testudo::extension`].

pub mod activation;
pub mod component;
pub mod evaluation;
pub mod service;

mod pulse;
mod world;
