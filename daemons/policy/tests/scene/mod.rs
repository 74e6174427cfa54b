//! What the tests of deciding start from: a call, rules, and the way through the layers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may stop at the first surprise")]

use serde_json::json;
use testudo::action::{Action, Bearer, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::identity::{Daemon, Principal};
use testudo::verdict::{Decision, Layer, Reason};
use testudo_policy::engine::Hearing;
use testudo_policy::index::RuleSet;
use testudo_policy::rule;

/// A call of a tool that writes the file at `path`.
pub(crate) fn call(tool: &str, path: &str) -> Judged {
    let action = Action {
        tool: tool.into(),
        arguments: json!({ "path": path }),
        effect: Effect::Write,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: None,
    };
    let bearer = Bearer { unit: "testudo-sandbox-workshop@1.service".into(), invocation: "aa".into() };
    Judged { bearer: Some(bearer), ..Judged::new(action, "c-1") }
}

/// What that call proposed, about to be applied.
pub(crate) fn apply(tool: &str, paths: &[&str]) -> Judged {
    let mut judged = call(tool, paths.first().copied().unwrap_or_default());
    judged.action.phase = Phase::Apply;
    judged.action.change_set = Some("00".into());
    judged.changes = paths
        .iter()
        .map(|path| ChangeSummary {
            path: (*path).into(),
            kind: "add".into(),
            size: 0,
            mode: Some(0o644),
            sha256: None,
            target: None,
            ..ChangeSummary::default()
        })
        .collect();
    judged
}

/// The rules of one file, which must be right.
pub(crate) fn rules(text: &str) -> RuleSet {
    let (policy, _) = rule::parse("p.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    RuleSet::new([policy])
}

/// One layer after the other, as `policyd` asks them. The extension is only asked if it is its turn.
pub(crate) fn decide(
    judged: &Judged,
    token: bool,
    rules: &RuleSet,
    extension: impl FnOnce() -> Vec<Reason>,
    lease: bool,
) -> Decision {
    let heard = Hearing::open(judged, judged.action.digest().unwrap())
        .and_then(|hearing| hearing.token(token))
        .and_then(|hearing| hearing.rules(rules, judged))
        .and_then(|hearing| hearing.hear(Layer::Extension, extension()));
    match heard {
        Err(decision) => *decision,
        Ok(hearing) => hearing.lease(lease.then_some("l-1")).conclude(),
    }
}
