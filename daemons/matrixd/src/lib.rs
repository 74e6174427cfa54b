//! Talks: carries what people say in Matrix rooms to the agent, and what it says and asks to them.
//!
//! Promises: nobody is heard who is not on a list; an answer to a question counts only from an owner's cross-signed
//! device, in the room and about the very message that was asked with; what is said to the agent is labelled with who
//! said it; nothing is lost by a restart, an absent homeserver or a full one.
//!
//! Layout, from the homeserver inwards: `account` is the Matrix account (login, trust, the loop that syncs) and
//! turns what comes into [`incoming`] and [`outgoing`] into what goes, through [`homeserver`], which tests replace.
//! `store` remembers what a restart must not forget, `outbox` sends until it is sent. `dispatcher` decides what
//! a message is: an answer (`approval`), a command (`commands`) or something to say (`conversation`). [`serving`] puts
//! them together.
#![recursion_limit = "256"]

pub mod account;
pub mod agent;
pub mod anchors;
pub mod approval;
pub mod authorship;
pub mod commands;
pub mod controls;
pub mod conversation;
pub mod dispatcher;
pub mod homeserver;
pub mod incoming;
pub mod letters;
pub mod outbox;
pub mod outgoing;
pub mod policy;
mod polkit;
pub mod service;
pub mod serving;
pub mod store;
mod told;
pub mod trust;
