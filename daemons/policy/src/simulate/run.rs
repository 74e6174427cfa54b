//! The simulation itself: tools, the owner, one session, and the calls that wait for an approval or a result.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::declaration::Declaration;
use testudo::identity::{Daemon, Principal};
use testudo::observation::Observation;
use testudo::verdict::{Decision, Verdict};
use thiserror::Error;

use super::answer::{Answer, Step};
use super::event::{self, Event, Id, Planned};
use crate::engine::{self, Hearing};
use crate::index::RuleSet;
use crate::provenance::Session;

/// Why a line ends the simulation.
#[derive(Debug, Error)]
pub enum LineError {
    /// It is no JSON object of a known shape.
    #[error("cannot read the line: {0}")]
    Shape(#[from] serde_json::Error),
    /// It names a call that no line before it made.
    #[error("cannot find the call {0}: no line before made it")]
    NoCall(String),
    /// It calls what no line before declared.
    #[error("cannot call {0}: no line before declared it")]
    NoTool(String),
    /// Its arguments are not an object.
    #[error("cannot read the arguments of {0}: they are no JSON object")]
    Arguments(String),
}

/// What one line led to.
#[derive(Debug, Default)]
pub struct Reply {
    /// For a call or a plan.
    pub answer: Option<Answer>,
    /// What was odd about the line, and how it was taken.
    pub warnings: Vec<String>,
}

/// Tools, the owner and one session.
#[derive(Debug)]
pub struct Simulation {
    rules: RuleSet,
    tools: HashMap<String, Declaration>,
    owner: Vec<String>,
    session: Session,
    calls: HashMap<String, Made>,
    approved: VecDeque<Planned>,
}

/// A call or a plan that was decided.
#[derive(Debug)]
enum Made {
    Call { judged: Box<Judged>, runs: bool },
    Plan { calls: Vec<Planned>, runs: bool },
}

impl Simulation {
    /// A simulation under these rules.
    pub fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            tools: HashMap::new(),
            owner: Vec::new(),
            session: Session::default(),
            calls: HashMap::new(),
            approved: VecDeque::new(),
        }
    }

    /// Takes one line.
    ///
    /// # Errors
    /// When it has another shape than a line can have, or names what there is not.
    pub fn line(&mut self, line: &str) -> Result<Reply, LineError> {
        let mut reply = Reply::default();
        match serde_json::from_str(line)? {
            Event::Tool(tool) => {
                let (name, declaration) = tool.declare(&mut reply.warnings);
                self.tools.insert(name, declaration);
            }
            Event::Owner { identities } => {
                self.owner = identities;
                self.session.owned_by(&self.owner);
            }
            Event::Message { author, text } => self.session.observe(&Observation::Message { author, text }),
            Event::Call { id, tool, arguments, probe } => {
                let step = self.call(&id, tool, arguments, probe)?;
                reply.answer = Some(Answer { id: id.0, step, steps: None });
            }
            Event::Result { id, text, labels } => self.result(&id, text, &labels, &mut reply.warnings)?,
            Event::Plan { id, calls } => {
                let steps = self.plan(&id, &calls)?;
                reply.answer = Some(Answer { id: id.0, step: Step::of_all(&steps), steps: Some(steps) });
            }
            Event::Approve { id } => self.approve(&id, &mut reply.warnings)?,
            Event::Session {} => {
                self.session = Session::default();
                self.session.owned_by(&self.owner);
                self.calls.clear();
                self.approved.clear();
            }
        }
        Ok(reply)
    }

    fn call(&mut self, id: &Id, tool: String, arguments: Value, probe: bool) -> Result<Step, LineError> {
        let planned = Planned { tool, arguments };
        let token = self
            .approved
            .front()
            .is_some_and(|next| next.tool == planned.tool && next.arguments == planned.arguments);
        let judged = self.judged(id, &planned, &self.session)?;
        let decision = self.decide(&judged, token)?;
        let step = Step::of(&decision, &judged.flow);
        if probe {
            return Ok(step);
        }
        let runs = decision.verdict == Verdict::Allow;
        if runs {
            self.session.passed(&judged);
            if token {
                self.approved.pop_front();
            }
        }
        self.calls.insert(id.key(), Made::Call { judged: Box::new(judged), runs });
        Ok(step)
    }

    /// Every step is decided as if the ones before it had been let through; nothing of that stays.
    fn plan(&mut self, id: &Id, calls: &[Planned]) -> Result<Vec<Step>, LineError> {
        let mut ahead = self.session.clone();
        let mut steps = Vec::new();
        for planned in calls {
            let judged = self.judged(id, planned, &ahead)?;
            let decision = self.decide(&judged, false)?;
            ahead.passed(&judged);
            steps.push(Step::of(&decision, &judged.flow));
        }
        let allowed = !steps.is_empty() && steps.iter().all(|step| step.verdict == Verdict::Allow);
        self.calls.insert(id.key(), Made::Plan { calls: calls.to_vec(), runs: allowed });
        Ok(steps)
    }

    fn approve(&mut self, id: &Id, warnings: &mut Vec<String>) -> Result<(), LineError> {
        match self.calls.get_mut(&id.key()) {
            None => return Err(LineError::NoCall(id.key())),
            Some(Made::Call { runs: true, .. } | Made::Plan { runs: true, .. }) => {}
            Some(Made::Call { judged, runs }) => {
                *runs = true;
                self.session.passed(judged);
            }
            Some(Made::Plan { calls, runs }) => {
                *runs = true;
                if self.approved.is_empty() {
                    self.approved.extend(calls.iter().cloned());
                } else {
                    warnings
                        .push("another approved plan is not finished: this approval has no effect".into());
                }
            }
        }
        Ok(())
    }

    fn result(
        &mut self,
        id: &Id,
        text: String,
        words: &[String],
        warnings: &mut Vec<String>,
    ) -> Result<(), LineError> {
        let Some(Made::Call { judged, runs }) = self.calls.get(&id.key()) else {
            return Err(LineError::NoCall(id.key()));
        };
        if !runs {
            warnings.push(format!(
                "the call {} was neither allowed nor approved: its result is ignored",
                id.key()
            ));
            return Ok(());
        }
        let mut declaration = judged.declaration.clone();
        let (given, secret, _) = event::labels(words, warnings);
        let mut labels = declaration.labels.clone();
        labels.absorb(&given);
        declaration.secret |= secret;
        self.session.observe(&Observation::Result {
            call: judged.call.clone(),
            tool: judged.action.tool.clone(),
            declaration: Box::new(declaration),
            arguments: judged.action.arguments.clone(),
            content: Value::String(text),
            labels,
        });
        Ok(())
    }

    fn judged(&self, id: &Id, planned: &Planned, session: &Session) -> Result<Judged, LineError> {
        let declaration =
            self.tools.get(&planned.tool).ok_or_else(|| LineError::NoTool(planned.tool.clone()))?.clone();
        let arguments = match &planned.arguments {
            Value::Null => Value::Object(serde_json::Map::new()),
            Value::Object(_) => planned.arguments.clone(),
            _ => return Err(LineError::Arguments(id.key())),
        };
        let action = Action {
            tool: planned.tool.clone(),
            arguments,
            effect: declaration.effects.last().copied().unwrap_or(Effect::Destroy),
            phase: Phase::Call,
            session: "simulated".into(),
            requester: Principal::Daemon(Daemon::Agentd),
            change_set: None,
        };
        let judged = Judged { declaration, ..Judged::new(action, id.key()) };
        let flow = session.judge(&judged);
        Ok(Judged { taint: session.taint().clone(), flow, ..judged })
    }

    fn decide(&self, judged: &Judged, token: bool) -> Result<Decision, LineError> {
        let digest = judged.action.digest()?;
        if token {
            return Ok(match Hearing::open(judged, digest).and_then(|hearing| hearing.token(true)) {
                Ok(hearing) => hearing.conclude(),
                Err(decision) => *decision,
            });
        }
        Ok(engine::decide(&self.rules, judged, digest))
    }
}
