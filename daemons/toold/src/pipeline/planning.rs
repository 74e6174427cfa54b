//! The tool `request_approval`: several steps, one question, and no step run by it.
//!
//! Every step is checked as its call would be, so that a person is only asked about calls that can be made. What he
//! grants never reaches the model: it learns which steps were granted, and makes the calls.

use serde_json::{Value, json};
use testudo::action::Judged;
use testudo::label::{Labels, Source};
use testudo::plan::{Plan, Step};
use testudo::refusal::{Code, Refusal};
use testudo::tool::Output;
use testudo::verdict::Verdict;
use tokio::sync::watch;

use super::{Identity, Pipeline, call_of, tighten};
use crate::catalogue;
use crate::decision::{Agreed, Attendance};
use crate::foresight;
use crate::program;

impl Pipeline {
    /// Stage 5 of a plan; there is no stage 6.
    pub(super) async fn propose(
        &self,
        identity: &Identity,
        arguments: &Value,
        attendance: &Attendance,
        verdict: &mut Option<Verdict>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Output, Refusal> {
        let mut calls = self.steps(identity, arguments)?;
        for call in &mut calls {
            let template = program::template(&call.action.tool);
            call.bearer = Some(self.instances.prepare(&identity.session, template, cancelled).await?);
        }
        let step = |call: Judged| Step { applications: foresight::applications(&call), call };
        let plan = Plan {
            goal: arguments.get("goal").and_then(Value::as_str).unwrap_or_default().to_owned(),
            call: identity.call.clone(),
            steps: calls.into_iter().map(step).collect(),
        };
        match self.decider.plan(&identity.session, &plan, attendance, cancelled).await {
            Ok(agreed) => {
                tighten(verdict, Some(agreed.planned.verdict));
                let content = told(&agreed);
                Ok(Output { content, labels: Labels::of(Source::System), ..Output::default() })
            }
            Err((said, refusal)) => {
                tighten(verdict, said);
                Err(refusal)
            }
        }
    }

    /// Stages 2 and 3 of every step.
    fn steps(&self, identity: &Identity, arguments: &Value) -> Result<Vec<Judged>, Refusal> {
        let steps = arguments.get("steps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let check = |(index, step): (usize, &Value)| {
            let name = step.get("tool").and_then(Value::as_str).unwrap_or_default();
            let given = step.get("arguments").unwrap_or(&Value::Null).to_string();
            if name == catalogue::PLAN {
                let text = "a plan cannot be a step of a plan";
                return Err(Refusal::new(Code::ValidationFailed, text).at(format!("/steps/{index}/tool")));
            }
            let (tool, arguments) = self.known(name, &given).map_err(|refusal| {
                let field = match (refusal.code, &refusal.field) {
                    (Code::UnknownTool, _) => format!("/steps/{index}/tool"),
                    (_, field) => format!("/steps/{index}/arguments{}", field.as_deref().unwrap_or_default()),
                };
                refusal.at(field)
            })?;
            Ok(call_of(identity, tool, arguments))
        };
        steps.iter().enumerate().map(check).collect()
    }
}

/// What the model learns of the answer: which steps were granted, and no token.
fn told(agreed: &Agreed) -> Value {
    let granted = agreed.granted.as_ref();
    let steps: Vec<Value> = (1..)
        .zip(&agreed.planned.steps)
        .map(|(number, step)| {
            let is_granted = granted.is_none_or(|granted| granted.granted.contains(&number));
            json!({ "step": number, "verdict": step.verdict.word(), "granted": is_granted })
        })
        .collect();
    json!({
        "verdict": agreed.planned.verdict.word(),
        "steps": steps,
        "expires_at": granted.map(|granted| granted.expires_at.as_str()),
        "next": "make the granted calls now, in this order and with exactly these arguments",
    })
}
