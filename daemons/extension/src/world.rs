//! `policies/extension.wit` as Rust, and the facts of a call as its records.

use testudo::action::{Effect, Phase};
use testudo::extension::{Facts, Stance};
use testudo::flow::Origin;

mod bindings {
    wasmtime::component::bindgen!({ path: "../../policies/extension.wit", world: "extension" });
}

pub(crate) use bindings::ExtensionPre;
use bindings::exports::testudo::extension::rules;
pub(crate) use rules::{Call, Opinion};

/// The interface that every component exports.
pub(crate) const RULES: &str = "testudo:extension/rules@1.0.0";

/// The facts as a component sees them.
pub(crate) fn call(facts: &Facts) -> Call {
    Call {
        tool: facts.tool.clone(),
        effects: facts.effects.iter().copied().map(effect).collect(),
        phase: match facts.phase {
            // Extensions are asked about the steps of a plan, not about the plan.
            Phase::Call | Phase::Plan => rules::Phase::Call,
            Phase::Apply => rules::Phase::Apply,
        },
        session: facts.session.clone(),
        requester: facts.requester.clone(),
        arguments: facts.arguments.clone(),
        origins: facts
            .origins
            .iter()
            .map(|(argument, from)| rules::Provenance { argument: argument.clone(), origin: origin(*from) })
            .collect(),
        taint: facts.taint.iter().cloned().collect(),
        findings: facts
            .findings
            .iter()
            .map(|finding| rules::Finding { word: finding.word.clone(), text: finding.text.clone() })
            .collect(),
        changes: facts
            .changes
            .iter()
            .map(|(path, kind)| rules::Change { path: path.clone(), kind: kind.clone() })
            .collect(),
    }
}

/// What a component said, in our words.
pub(crate) fn stance(opinion: Opinion) -> (Stance, String) {
    match opinion {
        Opinion::Pass => (Stance::Pass, String::new()),
        Opinion::Allow(reason) => (Stance::Allow, reason),
        Opinion::Ask(reason) => (Stance::Ask, reason),
        Opinion::Deny(reason) => (Stance::Deny, reason),
    }
}

const fn effect(effect: Effect) -> rules::Effect {
    match effect {
        Effect::Read => rules::Effect::Read,
        Effect::ReadExternal => rules::Effect::ReadExternal,
        Effect::Write => rules::Effect::Write,
        Effect::Execute => rules::Effect::Execute,
        Effect::Message => rules::Effect::Message,
        Effect::Spend => rules::Effect::Spend,
        Effect::Configure => rules::Effect::Configure,
        Effect::Destroy => rules::Effect::Destroy,
    }
}

const fn origin(origin: Origin) -> rules::Origin {
    match origin {
        Origin::Said => rules::Origin::Said,
        Origin::Designated => rules::Origin::Designated,
        Origin::Known => rules::Origin::Known,
        Origin::Found => rules::Origin::Found,
        Origin::Made => rules::Origin::Made,
    }
}
