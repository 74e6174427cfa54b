//! What comes out for a call or a plan.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use testudo::flow::Origin;
use testudo::verdict::{Decision, Layer, Verdict};

/// One decision, as it is written.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What may happen.
    pub verdict: Verdict,
    /// Who settled it.
    pub layer: Layer,
    /// The rules that spoke.
    pub rules: Vec<String>,
    /// What they said, and what the information flow found.
    pub reasons: Vec<String>,
    /// Where each argument came from.
    pub origins: BTreeMap<String, Origin>,
}

/// One line of the output.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The call's or the plan's.
    pub id: Value,
    /// The decision; of a plan, the strictest of its steps.
    #[serde(flatten)]
    pub step: Step,
    /// The decisions of a plan's steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
}

impl Step {
    /// What a decision says, with the findings that the rules were given.
    pub(super) fn of(decision: &Decision, flow: &testudo::flow::Flow) -> Self {
        let mut reasons: Vec<String> = decision.reasons.iter().map(|reason| reason.text.clone()).collect();
        reasons.extend(flow.findings.iter().map(|finding| format!("{}: {}", finding.word, finding.text)));
        Self {
            verdict: decision.verdict,
            layer: decision.layer,
            rules: decision.reasons.iter().map(|reason| reason.rule.clone()).collect(),
            reasons,
            origins: flow.origins.clone(),
        }
    }

    /// A plan's: as strict as its strictest step.
    pub(super) fn of_all(steps: &[Self]) -> Self {
        let strictest = steps.iter().max_by_key(|step| step.verdict);
        let mut rules: Vec<String> = steps.iter().flat_map(|step| step.rules.clone()).collect();
        rules.sort();
        rules.dedup();
        Self {
            verdict: strictest.map_or(Verdict::Deny, |step| step.verdict),
            layer: strictest.map_or(Layer::Default, |step| step.layer),
            rules,
            reasons: steps
                .iter()
                .enumerate()
                .flat_map(|(at, step)| {
                    step.reasons.iter().map(move |reason| format!("step {}: {reason}", at + 1))
                })
                .collect(),
            origins: BTreeMap::new(),
        }
    }
}
