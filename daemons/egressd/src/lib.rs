//! Reaches out: the only process beside the Matrix client that has a network.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!("the feature `ablation` takes controls out: it is for debug builds of the harness only");

pub mod account;
pub mod activation;
pub mod address;
mod answer;
pub mod bounds;
pub mod chronicle;
mod chunks;
pub mod controls;
pub mod decision;
pub mod destination;
mod exchange;
pub mod fields;
pub mod gate;
pub mod gatekeeper;
pub mod greeting;
pub mod head;
mod hello;
pub mod listener;
mod needles;
pub mod neighbourhood;
mod pipe;
mod prefixed;
pub mod proxy;
mod redaction;
mod request;
pub mod resolver;
mod screen;
pub mod secret;
pub mod secrets;
pub mod service;
mod spelling;
mod splice;
pub mod tickets;
mod tunnel;
mod upload;
pub mod upstream;
