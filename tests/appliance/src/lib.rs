//! A whole appliance on any Linux: the shipped daemons and units on a private bus, under a supervisor that plays systemd.
//!
//! ```text
//!  caller ──lifeline──▶ guardian ──fork──▶ init = PID 1 of its own mount, PID, IPC and UTS namespaces
//!  (Appliance)          sees the caller's    ├─ dbus-daemon with the shipped bus policy
//!                       death, sweeps up     ├─ testudo-auditd, testudo-policyd, … as their own users
//!                                            └─ testudo-sandbox, one for each connection
//! ```
//! Nothing is installed on the machine: users, groups and paths exist in the private namespaces alone, and everything
//! is gone when the caller is, even when it was killed. Needs root. Start with [`Appliance::start`] and [`Plan`].

mod account;
mod answer;
mod appliance;
mod bus;
mod child;
mod clone;
mod control;
mod environment;
mod error;
mod filesystem;
mod guardian;
mod idmap;
mod ini;
mod init;
mod layout;
mod loopback;
mod mounts;
mod name;
mod notify;
mod operation;
mod peer;
mod plan;
mod service;
mod settings;
mod socket;
mod span;
mod supervisor;
mod trigger;
mod unit;

pub use appliance::Appliance;
pub use control::{State, UnitStatus};
pub use error::ApplianceError;
pub use guardian::run as run_guardian;
pub use plan::{BusPolicy, Human, Plan};
