//! `policyd`: the policy decision point.
//!
//! Promise: for one action it says allow, ask or deny, the same whatever the order of the rules; what it cannot
//! judge it does not allow. A question to people is kept in the [`ledger`], bound to the digest of the exact
//! action, and its yes works once.
//!
//! The deciding itself is pure and lives in `testudo_policy`. [`ledger`] keeps the questions, [`rendering`] words
//! them, [`leases`] are answers that last, [`otp`] and [`polkit`] prove who answers. [`sessions`] keeps what
//! entered each session, [`extension`] asks the operator's components, [`sentinel`] a model, [`plans`] grant steps ahead, [`routing`] says where a
//! question goes, [`desk`] joins them, [`service`] is the bus.

pub mod amendment;
pub mod controls;
pub mod desk;
pub mod extension;
pub mod history;
pub mod leases;
pub mod ledger;
pub mod otp;
pub mod plans;
mod polkit;
pub mod rendering;
pub mod routing;
pub mod rules_file;
pub mod sentinel;
pub mod serve;
pub mod service;
pub mod sessions;

mod weighing;
