//! What two Testudo daemons must agree on, and nothing else.
//!
//! Layout, from the wire inwards:
//! * [`bus`], [`proxy`], [`recorder`], [`subscribers`], [`options`], [`fault`], [`identity`]: names, clients, streams, errors and callers on D-Bus;
//! * [`action`], [`verdict`], [`approval`], [`plan`], [`label`], [`change`]: the vocabulary of deciding;
//! * [`declaration`], [`observation`], [`flow`]: what tools are, what entered a session, and where arguments came from;
//! * [`extension`], [`frame`]: what `policyd` and the process of extension rules say, on a socket of their own;
//! * [`egress`]: what reaches out, where to, and by whose leave;
//! * [`refusal`], [`tool`], [`turn`], [`context`], [`model`], [`record`]: the JSON bodies that cross the bus;
//! * [`flood`]: refusals that are counted instead of recorded one by one;
//! * [`canonical`], [`limits`], [`quantity`]: how bytes are digested, bounded and counted;
//! * [`visible`]: what a person can see;
//! * [`command`]: what a line means that a person types, in every channel;
//! * [`config`], [`diagnostic`]: `testudo.toml`, and errors with a place and a caret;
//! * [`daemon`], [`journal`]: the life of a daemon under systemd.

pub mod action;
pub mod approval;
pub mod asking;
pub mod bus;
pub mod canonical;
pub mod change;
pub mod command;
pub mod config;
pub mod context;
pub mod daemon;
pub mod declaration;
pub mod diagnostic;
pub mod egress;
pub mod extension;
pub mod fault;
pub mod flood;
pub mod flow;
pub mod frame;
pub mod identity;
pub mod journal;
pub mod label;
pub mod latent;
pub mod limits;
pub mod model;
pub mod observation;
pub mod options;
pub mod plan;
pub mod polkit;
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

mod unique;
