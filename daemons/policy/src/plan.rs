//! A plan that was weighed: what a person is shown of it, and what a yes to it, in whole or in part, grants.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testudo::action::{Action, Bearer, Effect, Judged, Phase};
use testudo::approval::{Approval, State};
use testudo::canonical;
use testudo::plan::{MOST_STEPS, Plan, StepVerdict, foreseen};
use testudo::verdict::{Verdict, Weight};
use thiserror::Error;

/// The tool by which a plan is proposed.
pub const TOOL: &str = "request_approval";

/// Why a plan is none, or what was said about it grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Too few or too many steps.
    #[error("a plan has 1 to {MOST_STEPS} steps, not {0}")]
    Length(usize),
    /// The steps do not belong together.
    #[error("step {0} is of another session, requester or sandbox than the first, or not a call")]
    Mixed(usize),
    /// It has no sandbox.
    #[error("a plan needs a sandbox that is to run it")]
    Bearer,
    /// A step cannot be digested.
    #[error("step {0} cannot be digested")]
    Digest(usize),
    /// Not a selection of steps.
    #[error("cannot read `{0}` as steps: write 1-3, or 1,3, or -2 for all but the second")]
    Selection(String),
    /// It names a step that there is not.
    #[error("there is no step {0}: the plan has {1}")]
    NoStep(usize, usize),
    /// Nothing is left.
    #[error("no step is left: deny the plan instead")]
    Nothing,
    /// No person said yes to exactly this.
    #[error("approval {0} is no yes to this plan")]
    NotApproved(String),
}

/// A plan with what was found of each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighed {
    plan: Plan,
    found: Vec<StepVerdict>,
}

impl Weighed {
    /// A plan with the verdicts on its steps, in order.
    ///
    /// # Errors
    /// When it is no plan.
    pub fn new(plan: Plan, found: Vec<StepVerdict>) -> Result<Self, PlanError> {
        check(&plan)?;
        if plan.steps.len() != found.len() {
            return Err(PlanError::Length(found.len()));
        }
        Ok(Self { plan, found })
    }

    /// The strictest of all steps.
    pub fn verdict(&self) -> Verdict {
        self.found.iter().map(|step| step.verdict).max().unwrap_or(Verdict::Deny)
    }

    /// How heavy an answer the plan wants: as heavy as the heaviest of its questions.
    pub fn weight(&self) -> Weight {
        let asked = self.found.iter().filter(|step| step.verdict == Verdict::Ask);
        asked.map(|step| step.approve_by).max().unwrap_or_default()
    }

    /// What was found, in order.
    pub fn found(&self) -> &[StepVerdict] {
        &self.found
    }

    /// How many steps.
    pub const fn len(&self) -> usize {
        self.plan.steps.len()
    }

    /// Never: a plan has steps.
    pub const fn is_empty(&self) -> bool {
        self.plan.steps.is_empty()
    }

    /// The plan as a person is asked about it: an action of its own, that nothing runs. Its digest covers the digests
    /// of all steps in their order, what was found of them, and the words of the goal.
    ///
    /// # Errors
    /// When a step cannot be digested.
    pub fn question(&self) -> Result<Judged, PlanError> {
        let first = self.first()?;
        let steps: Vec<Value> = self.plan.steps.iter().zip(&self.found).enumerate().map(shown).collect();
        let text = canonical::text_of(&self.digests()?).map_err(|_| PlanError::Digest(0))?;
        let effects = self.plan.steps.iter().flat_map(|step| step.call.effects());
        let action = Action {
            tool: TOOL.to_owned(),
            arguments: json!({ "goal": self.plan.goal, "steps": steps }),
            effect: effects.max().unwrap_or(Effect::Destroy),
            phase: Phase::Plan,
            session: first.action.session.clone(),
            requester: first.action.requester.clone(),
            change_set: Some(canonical::digest("testudo.plan.v1", &text)),
        };
        let taint = first.taint.clone();
        Ok(Judged { taint, bearer: first.bearer.clone(), ..Judged::new(action, &self.plan.call) })
    }

    /// What the chosen steps grant, in the order in which it can be used. The approval must be a yes to this very plan.
    ///
    /// # Errors
    /// When it is not.
    pub fn grant(&self, approval: &Approval, chosen: &BTreeSet<usize>) -> Result<Vec<Granted>, PlanError> {
        if approval.state != State::Approved || !approval.matches(&self.question()?.action) {
            return Err(PlanError::NotApproved(approval.id.clone()));
        }
        let bearer = self.first()?.bearer.clone().ok_or(PlanError::Bearer)?;
        let mut granted = Vec::new();
        for (step, given) in (1..).zip(&self.plan.steps).filter(|(step, _)| chosen.contains(step)) {
            let tool = given.call.action.tool.clone();
            let digest = given.call.action.digest().map_err(|_| PlanError::Digest(step))?;
            let bearer = bearer.clone();
            granted.push(Granted { step, tool, digest, bearer, paths: Vec::new(), is_application: false });
            for application in &given.applications {
                let Some(digest) = foreseen(application) else { continue };
                granted.push(Granted {
                    step,
                    tool: application.action.tool.clone(),
                    digest,
                    bearer: self.first()?.bearer.clone().ok_or(PlanError::Bearer)?,
                    paths: application.changes.iter().map(|change| literal(&change.path)).collect(),
                    is_application: true,
                });
            }
        }
        Ok(granted)
    }

    fn first(&self) -> Result<&Judged, PlanError> {
        self.plan.steps.first().map(|step| &step.call).ok_or(PlanError::Length(0))
    }

    /// The digests of all steps and of the ways in which they may be applied.
    fn digests(&self) -> Result<Vec<Vec<String>>, PlanError> {
        let of_step = |(number, step): (usize, &testudo::plan::Step)| {
            let call = step.call.action.digest().map_err(|_| PlanError::Digest(number))?;
            let applications = step.applications.iter().filter_map(foreseen);
            Ok([call].into_iter().chain(applications).collect())
        };
        (1..).zip(&self.plan.steps).map(of_step).collect()
    }
}

/// A step that a person approved; nothing but [`Weighed::grant`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    step: usize,
    tool: String,
    digest: String,
    bearer: Bearer,
    paths: Vec<String>,
    is_application: bool,
}

impl Granted {
    /// Its number, from 1.
    pub const fn step(&self) -> usize {
        self.step
    }

    /// The tool.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The digest of the one action.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The sandbox.
    pub const fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// Globs of which every path must match one.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Whether it is for applying what the step's call proposed.
    pub const fn is_application(&self) -> bool {
        self.is_application
    }
}

/// Reads which of `count` steps are meant: `1-3`, `1,3`, or struck ones, `-2`; nothing means all.
///
/// # Errors
/// When it cannot be read, names a step that there is not, or leaves none.
pub fn select(text: &str, count: usize) -> Result<BTreeSet<usize>, PlanError> {
    let wrong = || PlanError::Selection(text.chars().take(80).collect());
    let number = |text: &str| -> Result<usize, PlanError> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        if (1..=count).contains(&number) { Ok(number) } else { Err(PlanError::NoStep(number, count)) }
    };
    let (mut named, mut struck) = (BTreeSet::new(), BTreeSet::new());
    for item in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (set, item) = match item.strip_prefix('-') {
            Some(item) => (&mut struck, item),
            None => (&mut named, item),
        };
        let (from, to) = item.split_once('-').unwrap_or((item, item));
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return Err(wrong());
        }
        set.extend(from..=to);
    }
    if named.is_empty() {
        named = (1..=count).collect();
    }
    let chosen: BTreeSet<usize> = named.difference(&struck).copied().collect();
    if chosen.is_empty() { Err(PlanError::Nothing) } else { Ok(chosen) }
}

fn check(plan: &Plan) -> Result<(), PlanError> {
    if !(1..=MOST_STEPS).contains(&plan.steps.len()) {
        return Err(PlanError::Length(plan.steps.len()));
    }
    let Some(first) = plan.steps.first().map(|step| &step.call) else { return Err(PlanError::Length(0)) };
    if first.bearer.is_none() {
        return Err(PlanError::Bearer);
    }
    for (number, step) in (1..).zip(&plan.steps) {
        let belongs = |judged: &Judged, phase: Phase| {
            judged.action.session == first.action.session
                && judged.action.requester == first.action.requester
                && judged.bearer == first.bearer
                && judged.action.phase == phase
        };
        let applies = |judged: &Judged| {
            belongs(judged, Phase::Apply)
                && judged.action.tool == step.call.action.tool
                && judged.action.arguments == step.call.action.arguments
                && foreseen(judged).is_some()
        };
        if !belongs(&step.call, Phase::Call) || !step.applications.iter().all(applies) {
            return Err(PlanError::Mixed(number));
        }
    }
    Ok(())
}

/// A step as a person reads it.
fn shown((index, (step, found)): (usize, (&testudo::plan::Step, &StepVerdict))) -> Value {
    let reasons: Vec<String> =
        found.reasons.iter().map(|reason| format!("{} ({})", reason.text, reason.rule)).collect();
    let kinds = step.applications.iter().flat_map(|judged| &judged.changes);
    let mut covers: BTreeSet<String> =
        kinds.map(|change| format!("{} {}", change.kind, change.path)).collect();
    if covers.is_empty() && step.call.action.effect != Effect::Read {
        covers.insert("nothing: what it changes is asked about when it is known".to_owned());
    }
    json!({
        "step": index + 1,
        "tool": step.call.action.tool,
        "arguments": step.call.action.arguments,
        "verdict": found.verdict.word(),
        "reasons": reasons,
        "applies": covers,
    })
}

/// A glob that matches one path.
fn literal(path: &str) -> String {
    globset::escape(path)
}

#[cfg(test)]
pub(crate) mod tests;
