//! The shipped policy against its cases, which are data beside it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::identity::{Daemon, Principal};
use testudo::label::Labels;
use testudo::verdict::Verdict;
use testudo_policyd::{engine, rule};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    tool: String,
    effect: Effect,
    phase: Phase,
    paths: Vec<String>,
    expect: Verdict,
}

fn judged(case: &Case) -> Judged {
    let applies = case.phase == Phase::Apply;
    let change = |path: &String| ChangeSummary {
        path: path.clone(),
        kind: "add".into(),
        size: 1,
        mode: Some(0o644),
        sha256: None,
        target: None,
    };
    Judged {
        action: Action {
            tool: case.tool.clone(),
            arguments: json!({ "path": case.paths.first() }),
            effect: case.effect,
            phase: case.phase,
            session: "main".into(),
            requester: Principal::Daemon(Daemon::Agentd),
            change_set: applies.then(|| "00".into()),
        },
        call: "c-1".into(),
        taint: Labels::default(),
        changes: if applies { case.paths.iter().map(change).collect() } else { Vec::new() },
        diff: None,
        hidden: None,
    }
}

#[test]
fn the_shipped_policy_says_what_its_cases_say() {
    let (rules, _) = rule::parse("default.toml", include_str!("../../../policies/default.toml")).unwrap();
    let cases: Cases = toml::from_str(include_str!("../../../policies/default.cases.toml")).unwrap();
    assert!(cases.case.len() >= 11);
    for case in &cases.case {
        let decision = engine::decide(&rules, &BTreeSet::new(), &judged(case), String::new());
        assert_eq!(decision.verdict, case.expect, "{}: {:?}", case.name, decision.reasons);
    }
    // Every rule is needed by some case: one that none speaks for could go unnoticed.
    for rule in &rules {
        let spoken = cases.case.iter().any(|case| {
            let decision = engine::decide(&rules, &BTreeSet::new(), &judged(case), String::new());
            decision.reasons.iter().any(|reason| reason.rule == rule.name)
        });
        assert!(spoken, "no case is about the rule {}", rule.name);
    }
}
