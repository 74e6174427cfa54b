//! Asking `policyd` through its restarts: a question that it kept is found again, and one that it lost is asked anew.
//!
//! Whoever asks again says all that was said before, and joins the question that is there already. Using a yes up is
//! not among this: it must never be tried twice.

use std::time::Duration;

use zbus::Result;

use crate::fault::is_peer_gone;
use crate::proxy::{Options, Policy1Proxy};

/// How often, and with which pause, whoever waits looks for a `policyd` that is being restarted.
const RETRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// The decision about an action. `again`: it may be asked twice, when the answer to the first was lost.
///
/// # Errors
/// When nobody answers for long, or `policyd` refuses to.
pub async fn decision(
    policy: &Policy1Proxy<'_>,
    action: &str,
    options: Options<'_>,
    again: bool,
) -> Result<String> {
    let ask = || policy.decide(action, options.clone());
    let mut answer = ask().await;
    // It went away in the middle, perhaps after it asked a person.
    let mut tries = if again && answer.as_ref().is_err_and(is_reply_lost) { RETRIES } else { 0 };
    while tries > 0 && answer.as_ref().is_err_and(is_peer_gone) {
        tries -= 1;
        tokio::time::sleep(PAUSE).await;
        answer = ask().await;
    }
    answer
}

/// How a question ended. It outlives a restart of `policyd`, so its end is asked for again.
///
/// # Errors
/// As [`decision`].
pub async fn outcome(policy: &Policy1Proxy<'_>, approval: &str) -> Result<String> {
    let mut tries = 0;
    loop {
        match policy.await_(approval).await {
            Err(error) if is_peer_gone(&error) && tries < RETRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// Whether the peer left between the question and its answer.
fn is_reply_lost(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(name, _, _) => name.as_str() == "org.freedesktop.DBus.Error.NoReply",
        zbus::Error::FDO(error) => matches!(**error, zbus::fdo::Error::NoReply(_)),
        _ => false,
    }
}
