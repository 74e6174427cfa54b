//! `policyd`: the policy decision point.
//!
//! Promise: for one action it says allow, ask or deny, the same whatever the order of the rules; what it cannot
//! judge it does not allow. A question to people is kept in the [`ledger`], bound to the digest of the exact
//! action, and its yes works once.
//!
//! [`rule`] and [`engine`] are pure; [`ledger`] is the store; [`desk`] joins them; [`service`] is the bus.

pub mod controls;
pub mod desk;
pub mod engine;
pub mod ledger;
pub mod pattern;
pub mod rule;
pub mod service;

mod builtin;
