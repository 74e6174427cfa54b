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
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::config::Toold;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::label::Labels;
use testudo::refusal::{Code, Refusal};
use testudo::tool::{Outcome, Output};
use testudo::verdict::Verdict;
use testudo_sandbox::changeset::Proposal;
use testudo_sandbox::protocol::Proposed;
use tokio::sync::watch;

use crate::chronicle::Chronicle;
use crate::controls::Controls;
use crate::decision::{Decider, Permit, Refused};
use crate::inflight::{Inflight, Journal};
use crate::instances::Instances;
use crate::program::{self, Plan};
use crate::proposal::{self, Shown};
use crate::rate::RateLimiter;
use crate::running::{Crowded, Running};
use crate::validation::{self, Tool};

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
    /// Calls under way, for people.
    pub running: Running,
    /// Calls under way, for a restart.
    pub inflight: Journal,
    /// Buckets.
    pub rate: Mutex<RateLimiter>,
    /// What is in force.
    pub controls: Controls,
}

/// Who asks for what: the result of stage 1.
pub(crate) struct Identity {
    pub(crate) requester: Principal,
    pub(crate) session: String,
    pub(crate) call: String,
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
        let known = self.known(request);
        if known.is_err() {
            // Nonsense costs as much as sense, so that it cannot fill the record for nothing.
            self.take_token(&identity.session)?;
        }
        let (tool, arguments) = known?;
        // Stage 4.
        self.authorise(identity)?;
        // Stage 5.
        let action = Action {
            tool: tool.spec.name.clone(),
            arguments,
            effect: tool.spec.effect,
            phase: Phase::Call,
            session: identity.session.clone(),
            requester: identity.requester.clone(),
            change_set: None,
        };
        let judged = Judged {
            action,
            call: identity.call.clone(),
            taint: Labels::default(),
            changes: Vec::new(),
            diff: None,
            hidden: None,
        };
        let permit = self.decide(judged, verdict, cancelled).await?;
        // Stage 6.
        let arguments = permit.action().arguments.clone();
        let (mut output, proposal) = self.run(identity, permit, cancelled).await?;
        if let Some(proposal) = proposal {
            let (proposal, shown) = proposal::show_aside(proposal, cancelled).await?;
            let digest = proposal.set.digest().map_err(|_| Refusal::broken())?;
            if !proposal.set.changes.is_empty() {
                let action = Action {
                    tool: tool.spec.name.clone(),
                    arguments,
                    effect: Effect::Write,
                    phase: Phase::Apply,
                    session: identity.session.clone(),
                    requester: identity.requester.clone(),
                    change_set: Some(digest),
                };
                let judged = Judged {
                    action,
                    call: identity.call.clone(),
                    taint: output.labels.clone(),
                    changes: shown.changes.clone(),
                    diff: Some(shown.diff.clone()),
                    hidden: shown.hidden.clone(),
                };
                let permit = self.decide(judged, verdict, cancelled).await?;
                self.apply(identity, permit, proposal, &shown).await?;
            }
            output.changes = shown.changes;
            output.diff = Some(shown.diff);
            if !shown.dropped.is_empty() {
                note(&mut output.content, "dropped", &json!(shown.dropped));
            }
        }
        Ok(output)
    }

    /// Stages 2 and 3: a tool of the catalogue, with arguments that it takes.
    fn known(&self, request: &Request<'_>) -> Result<(&Tool, Value), Refusal> {
        let tool = self.tools.iter().find(|tool| tool.spec.name == request.tool).ok_or_else(|| {
            let name: String = request.tool.chars().take(128).collect();
            Refusal::new(Code::UnknownTool, format!("there is no tool `{}`", name.escape_debug()))
        })?;
        let arguments = if self.controls.validate {
            tool.validate(request.arguments)?
        } else {
            validation::parse(request.arguments)?
        };
        Ok((tool, arguments))
    }

    /// Stage 4: only our agent and operators have tools, each session its bucket. A refusal takes no token.
    fn authorise(&self, identity: &Identity) -> Result<(), Refusal> {
        match &identity.requester {
            Principal::Daemon(Daemon::Agentd) | Principal::Operator(_) => {}
            other => return Err(Refusal::new(Code::Unauthorized, format!("{other} may not call tools"))),
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
        verdict: &mut Option<Verdict>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Permit, Refusal> {
        let decided = self.decider.decide(judged, cancelled).await;
        let said = match &decided {
            Ok(permit) => Some(permit.verdict()),
            Err((said, _)) => *said,
        };
        *verdict = match (*verdict, said) {
            (Some(before), Some(now)) => Some(before.stricter(now)),
            (before, now) => before.or(now),
        };
        decided.map_err(|(_, refusal): Refused| refusal)
    }

    /// Stage 6: records that the call is about to run, and runs what the permit names.
    async fn run(
        &self,
        identity: &Identity,
        permit: Permit,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<(Output, Option<Proposal>), Refusal> {
        let action = permit.action();
        let labels = program::labels(&action.tool);
        let plan = program::plan(&identity.call, action, &self.config)?;
        self.chronicle.permitted(identity, &permit, "call.decided").await?;
        let run = match plan {
            Plan::Here(function) => {
                let content = function(&action.arguments);
                return Ok((Output { content, labels, ..Output::default() }, None));
            }
            Plan::Contained(run) => run,
        };
        self.note_inflight(identity, &action.tool, Phase::Call, None)?;
        let outcome = self.instances.run(&identity.session, *run, cancelled).await?;
        let (mut content, truncated) = program::result(&action.tool, &outcome)?;
        if let Proposed::Refused { reason } = &outcome.done.changes {
            note(&mut content, "changes", &json!(format!("none of its changes can be proposed: {reason}")));
        }
        // What was cut in the middle has not finished its changes either.
        let proposal = if truncated && action.tool == "shell.run" {
            note(
                &mut content,
                "changes",
                &json!("it was killed at the output limit; its changes were dropped"),
            );
            None
        } else {
            outcome.proposal
        };
        Ok((Output { content, labels, truncated, changes: Vec::new(), diff: None }, proposal))
    }

    /// Stage 6 for a proposal: records the application, and has exactly what was decided applied, once.
    async fn apply(
        &self,
        identity: &Identity,
        permit: Permit,
        proposal: Proposal,
        shown: &Shown,
    ) -> Result<(), Refusal> {
        let action = permit.action();
        let decided = action.change_set.as_deref();
        if proposal.set.digest().ok().as_deref() != decided {
            return Err(Refusal::new(
                Code::ConfirmationDenied,
                "this is not the change set that was decided",
            ));
        }
        self.chronicle.permitted(identity, &permit, "change.decided").await?;
        let id = format!("ap-{}", uuid::Uuid::new_v4());
        self.note_inflight(identity, &action.tool, Phase::Apply, Some(&id))?;
        if let Err(unapplied) = self.instances.apply(id.clone(), proposal).await {
            if !unapplied.certain {
                self.inflight.keep(&identity.call, &id);
            }
            return Err(unapplied.refusal);
        }
        self.chronicle.applied(identity, action, &id, &shown.changes).await;
        Ok(())
    }

    fn note_inflight(
        &self,
        identity: &Identity,
        tool: &str,
        phase: Phase,
        application: Option<&str>,
    ) -> Result<(), Refusal> {
        let note = Inflight {
            call: identity.call.clone(),
            session: identity.session.clone(),
            tool: tool.to_owned(),
            phase,
            application: application.map(str::to_owned),
        };
        self.inflight.note(&note).map_err(|error| {
            Refusal::new(
                Code::PluginUnavailable,
                format!("cannot note the call in the state directory: {error}"),
            )
        })
    }
}

/// Stage 1: identity comes from the transport; the session's name must be one.
fn construct(request: &Request<'_>) -> Result<Identity, Refusal> {
    let unauthorized = |message: String| Refusal::new(Code::Unauthorized, message).in_stage(1);
    let name = request.session;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !(1..=64).contains(&name.len())
        || !plain
        || !name.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        return Err(unauthorized(
            "a session is named by 1 to 64 letters, digits, `_` and `-`, the first a letter or digit".into(),
        ));
    }
    let call = request.call.clone().unwrap_or_else(fresh_call);
    let plain = call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !(1..=64).contains(&call.len()) || !plain {
        return Err(unauthorized("a call is named by 1 to 64 letters, digits and `-`".into()));
    }
    Ok(Identity { requester: request.caller.principal.clone(), session: name.to_owned(), call })
}

fn fresh_call() -> String {
    format!("c-{}", uuid::Uuid::new_v4())
}

/// Adds a member to a result that is an object.
fn note(content: &mut Value, key: &str, value: &Value) {
    if let Some(members) = content.as_object_mut() {
        members.insert(key.to_owned(), value.clone());
    }
}
