//! The six stages of a tool call. Every call, from every origin, goes through [`Pipeline::invoke`] and no other way.
//!
//! ```text
//!  1 construct   who asks, in which session       UNAUTHORIZED
//!  2 known       is there such a tool             UNKNOWN_TOOL
//!  3 validate    are these its arguments          VALIDATION_FAILED
//!  4 authorise   may he, and not too often        UNAUTHORIZED, RATE_LIMITED
//!  5 decide      policy, and a person if it asks  CONFIRMATION_TIMEOUT, CONFIRMATION_DENIED
//!  6 run         record, contain, propose; then 5 and 6 once more for the proposal
//! ```
//! A record is durable before what it is about takes effect, and every refusal is recorded too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use testudo::action::{Action, Bearer, Effect, Judged, Phase};
use testudo::config::Toold;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::observation::Observation;
use testudo::refusal::{Code, Refusal};
use testudo::tool::{Outcome, Output};
use testudo::verdict::Verdict;
use tokio::sync::watch;

use crate::catalogue;
use crate::chronicle::Chronicle;
use crate::controls::Controls;
use crate::decision::{Attendance, Decider, Permit, Refused};
use crate::egress::Egress;
use crate::given::Given;
use crate::inflight::Journal;
use crate::instances::Instances;
use crate::program;
use crate::proposal::{self, Shown};
use crate::rate::RateLimiter;
use crate::running::{self, Crowded, Running};
use crate::switch::Switch;
use crate::telling::Told;
use crate::validation::{self, Tool};

mod acting;
mod giving;
mod keeping;
mod planning;
mod reaching;
mod stopping;
mod undoing;
mod watching;

/// A call as it comes from the bus: nothing in it is believed but the caller.
pub struct Request<'r> {
    /// From the bus.
    pub caller: Caller,
    /// As given.
    pub session: &'r str,
    /// As given.
    pub tool: &'r str,
    /// As given, JSON.
    pub arguments: &'r str,
    /// An id that the caller wants the call to have.
    pub call: Option<String>,
    /// Who watches.
    pub attendance: Attendance,
    /// Who hears what it prints while it runs.
    pub told: Option<Told>,
}

/// Everything that a call needs.
pub struct Pipeline {
    /// The tools.
    pub tools: Vec<Tool>,
    /// Limits.
    pub config: Toold,
    /// The way to `policyd`.
    pub decider: Decider,
    /// The way to the record.
    pub chronicle: Chronicle,
    /// The way to the sandboxes.
    pub instances: Instances,
    /// The way to `egressd`.
    pub egress: Egress,
    /// Calls under way, for people.
    pub running: Running,
    /// Calls under way, for a restart.
    pub inflight: Journal,
    /// Files for people.
    pub given: Given,
    /// Buckets.
    pub rate: Mutex<RateLimiter>,
    /// What is stopped.
    pub switch: Switch,
    /// What is in force.
    pub controls: Controls,
}

/// Who asks for what: the result of stage 1.
pub(crate) struct Identity {
    pub(crate) requester: Principal,
    pub(crate) session: String,
    pub(crate) call: String,
    pub(crate) told: Option<Told>,
}

impl Pipeline {
    /// Carries a call through the six stages. It always ends in an outcome, and the outcome is recorded.
    pub async fn invoke(self: &Arc<Self>, request: Request<'_>) -> Outcome {
        let began = Instant::now();
        let mut verdict = None;
        // Stage 1.
        let (call, session, result) = match construct(&request) {
            Err(refusal) => {
                let refusal = self.take_token("").err().unwrap_or(refusal);
                (fresh_call(), String::new(), Err(refusal))
            }
            Ok(identity) => {
                let result = self.entered(&identity, &request, &mut verdict).await;
                (identity.call, identity.session, result)
            }
        };
        let tool = request.tool.chars().take(128).collect();
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (result, error) = match result {
            Ok(output) => (Some(output), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let outcome = Outcome { call, tool, verdict, duration_ms, result, error };
        self.chronicle.ended(&session, &outcome).await;
        outcome
    }

    /// Stages 2 to 6 of a call that is entered among the running ones, so that it can be ended.
    async fn entered(
        &self,
        identity: &Identity,
        request: &Request<'_>,
        verdict: &mut Option<Verdict>,
    ) -> Result<Output, Refusal> {
        let entered = self.running.enter(&identity.call, &identity.session, &request.caller.connection);
        let mut cancelled = entered.map_err(|crowded| match crowded {
            Crowded::Duplicate => {
                Refusal::new(Code::Unauthorized, "a call with this id runs already").in_stage(1)
            }
            Crowded::Full => Refusal::new(Code::RateLimited, "too many calls run now").after(1.0),
        })?;
        let result = self.stages(identity, request, verdict, &mut cancelled).await;
        self.inflight.clear(&identity.call);
        self.running.leave(&identity.call);
        result
    }

    /// Stages 2 to 6.
    async fn stages(
        &self,
        identity: &Identity,
        request: &Request<'_>,
        verdict: &mut Option<Verdict>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Output, Refusal> {
        // Stages 2 and 3.
        let known = self.known(request.tool, request.arguments);
        if known.is_err() {
            // Nonsense costs as much as sense, so that it cannot fill the record for nothing.
            self.take_token(&identity.session)?;
        }
        let (tool, arguments) = known?;
        // Stage 4.
        self.authorise(identity)?;
        // Stage 5.
        if program::is_contained(&tool.spec.name) {
            self.look_at_security(identity, cancelled).await?;
        }
        let attendance = &request.attendance;
        if tool.spec.name == catalogue::PLAN {
            let output = self.propose(identity, &arguments, attendance, verdict, cancelled).await?;
            return self.observed(identity, tool, arguments, output, cancelled).await;
        }
        if tool.spec.name == catalogue::UNDO {
            return self.undo(identity, tool, &arguments, attendance, verdict, cancelled).await;
        }
        let judged = Judged { bearer: self.bearer(identity, tool), ..call_of(identity, tool, arguments) };
        let permit = self.decide(judged, attendance, verdict, cancelled).await?;
        // Stage 6.
        let arguments = permit.action().arguments.clone();
        let (mut output, proposal) = self.run(identity, permit, attendance, cancelled).await?;
        let Some(proposal) = proposal else {
            return self.observed(identity, tool, arguments, output, cancelled).await;
        };
        let (proposal, shown) = proposal::show_aside(proposal, cancelled).await?;
        if !shown.dropped.is_empty() {
            note(&mut output.content, "dropped", &json!(shown.dropped));
        }
        // What it read labels what it writes, so its result is told before its changes are decided.
        let output = self.observed(identity, tool, arguments.clone(), output, cancelled).await?;
        if !proposal.set.changes.is_empty() {
            let digest = proposal.set.digest().map_err(|_| Refusal::broken())?;
            let judged = self.proposed(identity, tool, arguments, digest, &shown);
            let permit = self.decide(judged, attendance, verdict, cancelled).await?;
            self.apply(identity, permit, proposal, &shown, None, cancelled).await?;
        }
        Ok(Output { changes: shown.changes, diff: Some(shown.diff), ..output })
    }

    /// The application of a proposal as it is judged.
    fn proposed(
        &self,
        identity: &Identity,
        tool: &Tool,
        arguments: Value,
        digest: String,
        shown: &Shown,
    ) -> Judged {
        let action = Action {
            effect: Effect::Write,
            phase: Phase::Apply,
            change_set: Some(digest),
            ..call_of(identity, tool, arguments).action
        };
        Judged {
            declaration: tool.spec.declaration.clone(),
            bearer: self.bearer(identity, tool),
            changes: shown.changes.clone(),
            diff: Some(shown.diff.clone()),
            hidden: shown.hidden.clone(),
            ..Judged::new(action, &identity.call)
        }
    }

    /// Who would run a call, as far as there is an instance already.
    fn bearer(&self, identity: &Identity, tool: &Tool) -> Option<Bearer> {
        self.instances.bearer(&identity.session, program::template(&tool.spec.name))
    }

    /// What came back is the session's from here on, with its labels; nobody has seen it before.
    async fn observed(
        &self,
        identity: &Identity,
        tool: &Tool,
        arguments: Value,
        output: Output,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Output, Refusal> {
        let observation = Observation::Result {
            call: identity.call.clone(),
            tool: tool.spec.name.clone(),
            declaration: Box::new(tool.spec.declaration.clone()),
            arguments,
            content: output.content.clone(),
            labels: output.labels.clone(),
        };
        tokio::select! {
            labels = self.decider.observe(&identity.session, &observation) => Ok(Output { labels: labels?, ..output }),
            () = running::ended(cancelled) => {
                let text = "the call was cancelled; its result is withheld";
                Err(Refusal::new(Code::HandlerError, text).in_stage(6))
            }
        }
    }

    /// Stages 2 and 3: a tool of the catalogue, with arguments that it takes.
    fn known(&self, tool: &str, arguments: &str) -> Result<(&Tool, Value), Refusal> {
        let tool = self.tools.iter().find(|known| known.spec.name == tool).ok_or_else(|| {
            let name: String = tool.chars().take(128).collect();
            Refusal::new(Code::UnknownTool, format!("there is no tool `{}`", name.escape_debug()))
        })?;
        let arguments =
            if self.controls.validate { tool.validate(arguments)? } else { validation::parse(arguments)? };
        Ok((tool, arguments))
    }

    /// Stage 4: only our agent and operators have tools, nothing that was stopped goes on, and each session has its
    /// bucket. A refusal takes no token.
    fn authorise(&self, identity: &Identity) -> Result<(), Refusal> {
        match &identity.requester {
            Principal::Daemon(Daemon::Agentd) | Principal::Operator(_) => {}
            other => return Err(Refusal::new(Code::Unauthorized, format!("{other} may not call tools"))),
        }
        if self.controls.stop {
            self.switch.admit(&identity.session)?;
        }
        self.take_token(&identity.session)
    }

    fn take_token(&self, session: &str) -> Result<(), Refusal> {
        if !self.controls.rate {
            return Ok(());
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(session, Instant::now()).map_err(|wait| {
            let seconds = (wait.as_secs_f64() * 1000.0).ceil() / 1000.0;
            Refusal::new(Code::RateLimited, format!("session {session} calls too often")).after(seconds)
        })
    }

    async fn decide(
        &self,
        judged: Judged,
        attendance: &Attendance,
        verdict: &mut Option<Verdict>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Permit, Refusal> {
        let decided = self.decider.decide(judged, attendance, cancelled).await;
        let said = match &decided {
            Ok(permit) => Some(permit.verdict()),
            Err((said, _)) => *said,
        };
        tighten(verdict, said);
        decided.map_err(|(_, refusal): Refused| refusal)
    }
}

/// Whether this can be the name of a session.
pub(crate) fn is_session(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    (1..=64).contains(&name.len()) && plain && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Stage 1: identity comes from the transport; the session's name must be one.
fn construct(request: &Request<'_>) -> Result<Identity, Refusal> {
    let unauthorized = |message: String| Refusal::new(Code::Unauthorized, message).in_stage(1);
    let name = request.session;
    if !is_session(name) {
        return Err(unauthorized(
            "a session is named by 1 to 64 letters, digits, `_` and `-`, the first a letter or digit".into(),
        ));
    }
    let call = request.call.clone().unwrap_or_else(fresh_call);
    let plain = call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !(1..=64).contains(&call.len()) || !plain {
        return Err(unauthorized("a call is named by 1 to 64 letters, digits and `-`".into()));
    }
    let (requester, session) = (request.caller.principal.clone(), name.to_owned());
    Ok(Identity { requester, session, call, told: request.told.clone() })
}

/// The call as it is judged.
fn call_of(identity: &Identity, tool: &Tool, arguments: Value) -> Judged {
    let action = Action {
        tool: tool.spec.name.clone(),
        arguments,
        effect: tool.spec.effect,
        phase: Phase::Call,
        session: identity.session.clone(),
        requester: identity.requester.clone(),
        change_set: None,
    };
    Judged { declaration: tool.spec.declaration.clone(), ..Judged::new(action, &identity.call) }
}

/// Of several verdicts on one call the strictest is its verdict.
fn tighten(verdict: &mut Option<Verdict>, said: Option<Verdict>) {
    *verdict = match (*verdict, said) {
        (Some(before), Some(now)) => Some(before.stricter(now)),
        (before, now) => before.or(now),
    };
}

/// Whether nobody ended the call while it waited for something else.
fn going_on(cancelled: &watch::Receiver<bool>) -> Result<(), Refusal> {
    if *cancelled.borrow() {
        return Err(Refusal::new(Code::HandlerError, "the call was cancelled").in_stage(6));
    }
    Ok(())
}

/// An id for a call whose caller gave none.
pub(crate) fn fresh_call() -> String {
    format!("c-{}", uuid::Uuid::new_v4())
}

/// Adds a member to a result that is an object.
fn note(content: &mut Value, key: &str, value: &Value) {
    if let Some(members) = content.as_object_mut() {
        members.insert(key.to_owned(), value.clone());
    }
}
