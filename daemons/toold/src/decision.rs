//! Stage 5: the way to `policyd`, and the [`Permit`] that only a decision can make.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use testudo::action::{Action, Bearer, Judged, Phase};
use testudo::approval::{Outcome, State};
use testudo::asking;
use testudo::fault::bus_error_text;
use testudo::label::Labels;
use testudo::limits::{self, REPLY};
use testudo::observation::Observation;
use testudo::plan::{Collected, Plan, Planned, foreseen};
use testudo::proxy::{Options, Policy1Proxy};
use testudo::refusal::{Code, Refusal};
use testudo::verdict::{Decision, Layer, Verdict};
use tokio::sync::watch;
use zbus::Connection;
use zbus::wire::Variant;

use crate::controls::Controls;
use crate::grants::Grants;
use crate::running;
use crate::security::Security;

/// How long an ended call waits for `policyd` to take its question back; it is taken back later all the same.
const WITHDRAWAL: Duration = Duration::from_millis(300);

/// Leave to do exactly one action, once. Nothing else makes one, and doing the action consumes it.
#[derive(Debug)]
#[must_use = "a permit that is not used was asked for in vain"]
pub struct Permit {
    action: Action,
    verdict: Verdict,
    digest: String,
    approval: Option<String>,
    approver: Option<String>,
    bearer: Option<Bearer>,
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

    /// Who gave that approval.
    pub fn approver(&self) -> Option<&str> {
        self.approver.as_deref()
    }

    /// The one sandbox that may do it, if it was granted ahead to that one.
    pub const fn bearer(&self) -> Option<&Bearer> {
        self.bearer.as_ref()
    }
}

/// Who watches a call, and so what becomes of its questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendance {
    /// No person watches: a question without an approver is parked.
    pub unattended: bool,
    /// The operator to whom its questions go.
    pub approver: Option<String>,
}

impl Attendance {
    fn options(&self) -> Options<'static> {
        let mut options = Options::new();
        if self.unattended {
            options.insert("unattended", Variant::from(true));
        }
        if let Some(approver) = &self.approver {
            options.insert("approver", Variant::from(approver.clone()));
        }
        options
    }
}

/// The answer to a plan that was not refused.
#[derive(Debug)]
pub struct Agreed {
    /// What was found of its steps.
    pub planned: Planned,
    /// What a person granted; nothing when nobody had to be asked.
    pub granted: Option<Collected>,
}

/// A refusal with the verdict that led to it, if it came to one.
pub type Refused = (Option<Verdict>, Refusal);

/// A client of `policyd`.
#[derive(Debug, Clone)]
pub struct Decider {
    policy: Policy1Proxy<'static>,
    controls: Controls,
    /// What people granted ahead.
    pub grants: Arc<Grants>,
    /// The rules of the workspaces of sessions.
    pub security: Arc<Security>,
}

impl Decider {
    /// A client on this connection; `policyd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection, controls: Controls) -> zbus::Result<Self> {
        Ok(Self {
            policy: Policy1Proxy::new(connection).await?,
            controls,
            grants: Arc::default(),
            security: Arc::default(),
        })
    }

    /// Has an action decided, waiting for a person if need be.
    ///
    /// # Errors
    /// `CONFIRMATION_*` as policy, a person or the clock says; a `policyd` that is not there is a refusal too.
    pub async fn decide(
        &self,
        judged: Judged,
        attendance: &Attendance,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Permit, Refused> {
        let digest = judged.action.digest().map_err(|_| (None, Refusal::broken()))?;
        if !self.controls.decide {
            let action = judged.action;
            let verdict = Verdict::Allow;
            return Ok(Permit { action, verdict, digest, approval: None, approver: None, bearer: None });
        }
        let text = serde_json::to_string(&judged).map_err(|_| (None, Refusal::broken()))?;
        let session = &judged.action.session;
        let covered = match judged.action.phase {
            Phase::Apply => foreseen(&judged),
            Phase::Call | Phase::Plan => Some(digest.clone()),
        };
        let token = covered.and_then(|covered| self.grants.find(session, &covered));
        let mut options = attendance.options();
        self.security.tell(session, &mut options);
        if let Some(token) = &token {
            options.insert("token", Variant::from(token.token.clone()));
        }
        let policy = self.policy.clone();
        // A token is spent by being asked about, so such a question is not asked twice.
        let again = token.is_none();
        let deciding = async move { asking::decision(&policy, &text, options, again).await };
        let decision: Decision = self
            .unless_ended(deciding, |decision: &Decision| decision.approval.clone(), cancelled)
            .await
            .map_err(|refusal| (None, refusal))?;
        if decision.digest != digest {
            return Err((None, unreadable("it is about another action")));
        }
        let verdict = decision.verdict;
        match verdict {
            Verdict::Allow => {
                let mut bearer = None;
                if let Some(token) = token.filter(|_| decision.layer == Layer::Token) {
                    self.grants.spent(session, &token);
                    bearer.clone_from(&judged.bearer);
                }
                Ok(Permit { action: judged.action, verdict, digest, approval: None, approver: None, bearer })
            }
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
                let confirmed = async {
                    let by = self.answer(&approval, cancelled).await?;
                    self.redeem(&approval, &digest).await?;
                    Ok(by)
                };
                let approver = confirmed.await.map_err(|refusal| (Some(verdict), refusal))?;
                let action = judged.action;
                Ok(Permit { action, verdict, digest, approval: Some(approval), approver, bearer: None })
            }
        }
    }

    /// Tells `policyd` what entered a session, and answers with its labels.
    ///
    /// # Errors
    /// When it could not be told: then nobody may see it.
    pub async fn observe(&self, session: &str, observation: &Observation) -> Result<Labels, Refusal> {
        let text = serde_json::to_string(observation).map_err(|_| Refusal::broken())?;
        let answer = self.policy.observe(session, &text, Options::new()).await.map_err(|error| {
            let text =
                format!("the result is withheld, its labels cannot be kept: {}", bus_error_text(&error));
            Refusal::new(Code::PluginUnavailable, text).in_stage(6)
        })?;
        limits::parse(&answer, REPLY).map_err(|error| unreadable(&error.to_string()))
    }

    /// Has a plan judged, and a person asked about it if need be. What he grants is kept here.
    ///
    /// # Errors
    /// As [`Decider::decide`]; a plan of which a step would be denied is refused as a whole, with the step.
    pub async fn plan(
        &self,
        session: &str,
        plan: &Plan,
        attendance: &Attendance,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Agreed, Refused> {
        let text = serde_json::to_string(plan).map_err(|_| (None, Refusal::broken()))?;
        let (policy, mut options) = (self.policy.clone(), attendance.options());
        self.security.tell(session, &mut options);
        let planning = async move { policy.plan(&text, options).await };
        let planned: Planned = self
            .unless_ended(planning, |planned: &Planned| planned.approval.clone(), cancelled)
            .await
            .map_err(|refusal| (None, refusal))?;
        let verdict = planned.verdict;
        let refused = |refusal| (Some(verdict), refusal);
        match (verdict, &planned.approval) {
            (Verdict::Allow, _) => Ok(Agreed { planned, granted: None }),
            (Verdict::Deny, _) => Err(refused(denied(&planned))),
            (Verdict::Ask, None) => Err(refused(unreadable("it names no approval"))),
            (Verdict::Ask, Some(approval)) => {
                self.answer(approval, cancelled).await.map_err(refused)?;
                // Not retried, for the same reason as a redemption.
                let collected = self.policy.collect(approval).await;
                let text = collected.map_err(|error| refused(unusable(&error)))?;
                let granted: Collected =
                    limits::parse(&text, REPLY).map_err(|error| refused(unreadable(&error.to_string())))?;
                self.grants.keep(session, granted.tokens.clone());
                Ok(Agreed { planned, granted: Some(granted) })
            }
        }
    }

    /// The answer to a question that `policyd` puts to people, unless the call is ended before. A question that
    /// comes of it later is taken back then: nobody would act on a yes.
    async fn unless_ended<T: DeserializeOwned + Send + 'static>(
        &self,
        asking: impl Future<Output = zbus::Result<String>> + Send + 'static,
        question: impl FnOnce(&T) -> Option<String> + Send + 'static,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<T, Refusal> {
        let read = |text: String| -> Result<T, Refusal> {
            limits::parse(&text, REPLY).map_err(|error| unreadable(&error.to_string()))
        };
        let mut asking = tokio::spawn(asking);
        tokio::select! {
            answer = &mut asking => {
                let answer = answer.map_err(|_| Refusal::broken())?;
                read(answer.map_err(|error| unreachable(&error))?)
            }
            () = running::ended(cancelled) => {
                let policy = self.policy.clone();
                tokio::spawn(async move {
                    if let Ok(Ok(text)) = asking.await
                        && let Some(approval) = read(text).ok().as_ref().and_then(question)
                    {
                        let _ = policy.withdraw(&approval).await;
                    }
                });
                Err(Refusal::new(Code::ConfirmationDenied, "the call was cancelled before it was decided"))
            }
        }
    }

    /// Waits for a person's yes, and says whose it was.
    async fn answer(
        &self,
        approval: &str,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Option<String>, Refusal> {
        let outcome = tokio::select! {
            outcome = self.wait(approval) => outcome?,
            () = running::ended(cancelled) => {
                // Left pending it would only mislead; a policyd that is gone lets it expire.
                let (policy, approval) = (self.policy.clone(), approval.to_owned());
                let withdrawing = tokio::spawn(async move { policy.withdraw(&approval).await });
                let _ = tokio::time::timeout(WITHDRAWAL, withdrawing).await;
                return Err(Refusal::new(Code::ConfirmationDenied, "the call was cancelled while it waited for approval"));
            }
        };
        let because = |text: &str| {
            let reason = outcome.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{text}{reason}")
        };
        match outcome.state {
            State::Approved => Ok(outcome.by),
            State::Denied => Err(Refusal::new(Code::ConfirmationDenied, because("a person denied it"))),
            State::Expired => Err(Refusal::new(Code::ConfirmationTimeout, because("the approval expired"))),
            State::Pending => {
                let text =
                    format!("nobody watches this session, so it is parked: {approval} waits for an answer");
                Err(Refusal::new(Code::ConfirmationTimeout, text).parked_at(approval))
            }
            State::Withdrawn | State::Redeemed => {
                Err(Refusal::new(Code::ConfirmationDenied, because("the approval cannot be used")))
            }
        }
    }

    /// Uses a yes up, for exactly this action.
    async fn redeem(&self, approval: &str, digest: &str) -> Result<(), Refusal> {
        if !self.controls.redeem {
            return Ok(());
        }
        // Not retried: if the answer was lost, the yes may be used up, and a second use would be one too many.
        self.policy.redeem(approval, digest).await.map_err(|error| unusable(&error))
    }

    async fn wait(&self, approval: &str) -> Result<Outcome, Refusal> {
        let answer = asking::outcome(&self.policy, approval).await.map_err(|error| unreachable(&error))?;
        limits::parse(&answer, REPLY).map_err(|error| unreadable(&error.to_string()))
    }
}

/// Which steps of a plan would be denied, and why.
fn denied(planned: &Planned) -> Refusal {
    let why: Vec<String> = (1..)
        .zip(&planned.steps)
        .filter(|(_, step)| step.verdict == Verdict::Deny)
        .map(|(number, step)| {
            let reasons = step.reasons.iter().filter(|reason| reason.verdict == Verdict::Deny);
            let reasons: Vec<_> =
                reasons.map(|reason| format!("{} ({})", reason.text, reason.rule)).collect();
            format!("step {number}: {}", reasons.join("; "))
        })
        .collect();
    let message = format!("policy would deny a part of this plan, so nobody was asked: {}", why.join(". "));
    Refusal::new(Code::ConfirmationDenied, message)
}

fn unusable(error: &zbus::Error) -> Refusal {
    let text = format!("the approval cannot be used: {}", bus_error_text(error));
    Refusal::new(Code::ConfirmationDenied, text)
}

fn unreachable(error: &zbus::Error) -> Refusal {
    let text = format!("nothing can be decided now: {}", bus_error_text(error));
    Refusal::new(Code::PluginUnavailable, text).in_stage(5)
}

fn unreadable(why: &str) -> Refusal {
    Refusal::new(Code::PluginUnavailable, format!("the decision cannot be read: {why}")).in_stage(5)
}
