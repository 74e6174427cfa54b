//! What two Testudo daemons must agree on, and nothing else.
//!
//! Layout, from the wire inwards:
//! * [`bus`], [`proxy`], [`recorder`], [`subscribers`], [`options`], [`fault`], [`identity`]: names, clients, streams, errors and callers on D-Bus;
//! * [`action`], [`verdict`], [`approval`], [`label`], [`change`]: the vocabulary of deciding;
//! * [`refusal`], [`tool`], [`turn`], [`model`], [`record`]: the JSON bodies that cross the bus;
//! * [`canonical`], [`limits`], [`quantity`]: how bytes are digested, bounded and counted;
//! * [`visible`]: what a person can see;
//! * [`config`], [`diagnostic`]: `testudo.toml`, and errors with a place and a caret;
//! * [`daemon`], [`journal`]: the life of a daemon under systemd.

pub mod action;
pub mod approval;
pub mod bus;
pub mod canonical;
pub mod change;
pub mod config;
pub mod daemon;
pub mod diagnostic;
pub mod fault;
pub mod identity;
pub mod journal;
pub mod label;
pub mod limits;
pub mod model;
pub mod options;
pub mod proxy;
pub mod quantity;
pub mod record;
pub mod recorder;
pub mod refusal;
pub mod subscribers;
pub mod tool;
pub mod turn;
pub mod verdict;
pub mod visible;
