//! Talks: carries what people say in Matrix rooms to the agent, and what it says and asks to them.
//!
//! Promises: nobody is heard who is not on a list; an answer to a question counts only from an owner's cross-signed
//! device, in the room and about the very message that was asked with; what is said to the agent is labelled with who
//! said it; nothing is lost by a restart, an absent homeserver or a full one.
//!
//! Layout, from the homeserver inwards: `account` is the Matrix account (login, trust, the loop that syncs) and
//! turns what comes into [`incoming`] and [`outgoing`] into what goes, through [`homeserver`], which tests replace.
//! `store` remembers what a restart must not forget, `outbox` sends until it is sent. `dispatcher` decides what
//! a message is: an answer (`approval`), a command (`commands`) or something to say (`conversation`).
#![recursion_limit = "256"]

pub mod authorship;
pub mod homeserver;
pub mod incoming;
pub mod outgoing;

use testudo::config::Config;
use testudo::daemon::{DaemonError, Lifecycle};

/// Serves people until the service manager stops it.
pub async fn serve(config: Config, lifecycle: Lifecycle) -> Result<(), DaemonError> {
    let _ = config;
    lifecycle.serve_until_stopped("Not talking to anybody yet.", || async { true }).await;
    Ok(())
}
