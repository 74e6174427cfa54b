//! Stage 5: the way to `policyd`, and the [`Permit`] that only a decision can make.

use std::time::Duration;

use testudo::action::{Action, Judged};
use testudo::approval::{Outcome, State};
use testudo::fault::{bus_error_text, is_peer_gone};
use testudo::limits::{self, REPLY};
use testudo::proxy::{Options, Policy1Proxy};
use testudo::refusal::{Code, Refusal};
use testudo::verdict::{Decision, Verdict};
use tokio::sync::watch;
use zbus::Connection;

use crate::controls::Controls;
use crate::running;

/// How often, and with which pause, a waiting call looks for a `policyd` that is being restarted.
const RETRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Leave to do exactly one action, once. Nothing else makes one, and doing the action consumes it.
#[derive(Debug)]
#[must_use = "a permit that is not used was asked for in vain"]
pub struct Permit {
    action: Action,
    verdict: Verdict,
    digest: String,
    approval: Option<String>,
}

impl Permit {
    /// The action that may be done: what runs is taken from here and from nowhere else.
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// What the policy said: allow, or ask with a person's yes.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The digest of the action.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The approval that was used up for it.
    pub fn approval(&self) -> Option<&str> {
        self.approval.as_deref()
    }
}

/// A refusal with the verdict that led to it, if it came to one.
pub type Refused = (Option<Verdict>, Refusal);

/// A client of `policyd`.
#[derive(Debug, Clone)]
pub struct Decider {
    policy: Policy1Proxy<'static>,
    controls: Controls,
}

impl Decider {
    /// A client on this connection; `policyd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection, controls: Controls) -> zbus::Result<Self> {
        Ok(Self { policy: Policy1Proxy::new(connection).await?, controls })
    }

    /// Has an action decided, waiting for a person if need be.
    ///
    /// # Errors
    /// `CONFIRMATION_*` as policy, a person or the clock says; a `policyd` that is not there is a refusal too.
    pub async fn decide(
        &self,
        judged: Judged,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Permit, Refused> {
        let digest = judged.action.digest().map_err(|_| (None, Refusal::broken()))?;
        if !self.controls.decide {
            return Ok(Permit { action: judged.action, verdict: Verdict::Allow, digest, approval: None });
        }
        let text = serde_json::to_string(&judged).map_err(|_| (None, Refusal::broken()))?;
        let answer =
            self.policy.decide(&text, Options::new()).await.map_err(|error| (None, unreachable(&error)))?;
        let decision: Decision =
            limits::parse(&answer, REPLY).map_err(|error| (None, unreadable(&error.to_string())))?;
        if decision.digest != digest {
            return Err((None, unreadable("it is about another action")));
        }
        let verdict = decision.verdict;
        match verdict {
            Verdict::Allow => Ok(Permit { action: judged.action, verdict, digest, approval: None }),
            Verdict::Deny => {
                let why: Vec<String> = decision
                    .reasons
                    .iter()
                    .filter(|reason| reason.verdict == Verdict::Deny)
                    .map(|reason| format!("{} ({})", reason.text, reason.rule))
                    .collect();
                let message = format!("policy denies {}: {}", judged.action.tool, why.join("; "));
                Err((Some(verdict), Refusal::new(Code::ConfirmationDenied, message)))
            }
            Verdict::Ask => {
                let approval =
                    decision.approval.ok_or_else(|| (Some(verdict), unreadable("it names no approval")))?;
                self.confirm(&approval, &digest, cancelled)
                    .await
                    .map_err(|refusal| (Some(verdict), refusal))?;
                Ok(Permit { action: judged.action, verdict, digest, approval: Some(approval) })
            }
        }
    }

    /// Waits for a person's yes and uses it up.
    async fn confirm(
        &self,
        approval: &str,
        digest: &str,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<(), Refusal> {
        let outcome = tokio::select! {
            outcome = self.wait(approval) => outcome?,
            () = running::ended(cancelled) => {
                // Left pending it would only mislead; a policyd that is gone lets it expire.
                let _ = self.policy.withdraw(approval).await;
                return Err(Refusal::new(Code::ConfirmationDenied, "the call was cancelled while it waited for approval"));
            }
        };
        let because = |text: &str| {
            let reason = outcome.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{text}{reason}")
        };
        match outcome.state {
            State::Approved => {}
            State::Denied => {
                return Err(Refusal::new(Code::ConfirmationDenied, because("a person denied it")));
            }
            State::Expired => {
                return Err(Refusal::new(Code::ConfirmationTimeout, because("the approval expired")));
            }
            State::Pending | State::Withdrawn | State::Redeemed => {
                return Err(Refusal::new(Code::ConfirmationDenied, because("the approval cannot be used")));
            }
        }
        if !self.controls.redeem {
            return Ok(());
        }
        // Not retried: if the answer was lost, the yes may be used up, and a second use would be one too many.
        self.policy.redeem(approval, digest).await.map_err(|error| {
            Refusal::new(
                Code::ConfirmationDenied,
                format!("the approval cannot be used: {}", bus_error_text(&error)),
            )
        })
    }

    /// The question outlives a restart of `policyd`, so its end is asked for again.
    async fn wait(&self, approval: &str) -> Result<Outcome, Refusal> {
        let mut tries = 0;
        loop {
            match self.policy.await_(approval).await {
                Ok(answer) => {
                    return limits::parse(&answer, REPLY).map_err(|error| unreadable(&error.to_string()));
                }
                Err(error) if is_peer_gone(&error) && tries < RETRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(unreachable(&error)),
            }
        }
    }
}

fn unreachable(error: &zbus::Error) -> Refusal {
    let text = format!("nothing can be decided now: {}", bus_error_text(error));
    Refusal::new(Code::PluginUnavailable, text).in_stage(5)
}

fn unreadable(why: &str) -> Refusal {
    Refusal::new(Code::PluginUnavailable, format!("the decision cannot be read: {why}")).in_stage(5)
}
