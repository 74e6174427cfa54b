//! Both runners as they ship, started as their units would start them, driven over their socket.
#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

#[cfg(feature = "ablation")]
mod attacks;
mod calls;
mod changes;
mod copies;
mod endings;
mod groups;
mod inbox;
mod launch;
mod roots;
mod session;
mod streaming;
mod world;
