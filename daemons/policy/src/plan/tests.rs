use super::*;
use testudo::change::ChangeSummary;
use testudo::identity::{Daemon, Principal};
use testudo::plan::Step;
use testudo::verdict::Reason;

pub(crate) fn bearer() -> Bearer {
    Bearer { unit: "testudo-sandbox-workshop@1.service".into(), invocation: "aa".into() }
}

fn judged(tool: &str, arguments: Value, phase: Phase) -> Judged {
    let action = Action {
        tool: tool.into(),
        arguments,
        effect: Effect::Write,
        phase,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: (phase == Phase::Apply).then(|| "foreseen".into()),
    };
    Judged { bearer: Some(bearer()), ..Judged::new(action, "c-1") }
}

/// A step that writes a new file.
pub(crate) fn writing(path: &str) -> Step {
    let arguments = json!({ "path": path, "content": "x" });
    let change = ChangeSummary {
        path: path.into(),
        kind: "add".into(),
        size: 1,
        mode: Some(0o644),
        sha256: Some("00".into()),
        target: None,
        ..ChangeSummary::default()
    };
    let mut application = judged("fs.write", arguments.clone(), Phase::Apply);
    application.changes = vec![change];
    Step { call: judged("fs.write", arguments, Phase::Call), applications: vec![application] }
}

/// A step that is a call and nothing else.
pub(crate) fn calling(text: &str) -> Step {
    Step { call: judged("echo", json!({ "text": text }), Phase::Call), applications: Vec::new() }
}

fn found(verdict: Verdict) -> StepVerdict {
    let reasons = vec![Reason { rule: "r".into(), verdict, text: "because".into() }];
    StepVerdict { verdict, reasons, approve_by: Weight::Reply }
}

fn weighed(steps: Vec<Step>) -> Weighed {
    let found = steps.iter().map(|_| found(Verdict::Ask)).collect();
    Weighed::new(Plan { goal: "tidy".into(), call: "c-1".into(), steps }, found).unwrap()
}

fn approval(weighed: &Weighed, state: State) -> Approval {
    let question = weighed.question().unwrap();
    let action = &question.action;
    serde_json::from_value(json!({
        "id": "a-1", "digest": action.digest().unwrap(), "session": action.session, "tool": action.tool,
        "arguments": action.arguments, "reasons": [], "requested_at": "", "expires_at": "", "phase": "plan",
        "effect": "write", "requester": action.requester, "call": "c-1", "changes": [], "diff": null,
        "approvable": true, "light": false, "state": state, "answer": null
    }))
    .unwrap()
}

/// What a yes to all of these steps grants.
pub(crate) fn granted(steps: Vec<Step>) -> Vec<Granted> {
    let weighed = weighed(steps);
    let all = (1..=weighed.len()).collect();
    weighed.grant(&approval(&weighed, State::Approved), &all).unwrap()
}

#[test]
fn steps_are_chosen_by_ranges_lists_and_strikes() {
    let chosen = |text: &str| select(text, 5).map(|set| set.into_iter().collect::<Vec<_>>());
    for (text, expected) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("1-3", vec![1, 2, 3]),
        ("1,3", vec![1, 3]),
        ("5, 1-2", vec![1, 2, 5]),
        ("-2", vec![1, 3, 4, 5]),
        ("-2-4", vec![1, 5]),
        ("1-4,-2", vec![1, 3, 4]),
    ] {
        assert_eq!(chosen(text).unwrap(), expected, "{text}");
    }
    assert_eq!(chosen("6"), Err(PlanError::NoStep(6, 5)));
    assert_eq!(chosen("0"), Err(PlanError::NoStep(0, 5)));
    assert_eq!(chosen("1,-1"), Err(PlanError::Nothing));
    for wrong in ["all", "1;2", "3-1", "1--2", "+1", "1,", "٣", "1 2", "99999999999999999999"] {
        assert_eq!(chosen(wrong), Err(PlanError::Selection(wrong.into())), "{wrong}");
    }
}

#[test]
fn only_a_yes_to_this_very_plan_grants() {
    let plan = weighed(vec![calling("a"), calling("b")]);
    let all = BTreeSet::from([1, 2]);
    assert_eq!(plan.grant(&approval(&plan, State::Approved), &all).unwrap().len(), 2);
    for state in [State::Pending, State::Denied, State::Expired, State::Withdrawn, State::Redeemed] {
        let answer = approval(&plan, state);
        assert_eq!(plan.grant(&answer, &all), Err(PlanError::NotApproved("a-1".into())), "{state:?}");
    }
    for other in [
        weighed(vec![calling("b"), calling("a")]),
        weighed(vec![calling("a")]),
        weighed(vec![calling("a"), calling("c")]),
        weighed(vec![calling("a"), calling("b"), calling("b")]),
    ] {
        let answer = approval(&other, State::Approved);
        assert_eq!(plan.grant(&answer, &all), Err(PlanError::NotApproved("a-1".into())));
    }
}

#[test]
fn a_part_grants_that_part() {
    let plan = weighed(vec![calling("a"), writing("b"), calling("c")]);
    let granted = plan.grant(&approval(&plan, State::Approved), &BTreeSet::from([2, 3])).unwrap();
    let steps: Vec<_> = granted.iter().map(|granted| (granted.step(), granted.is_application())).collect();
    assert_eq!(steps, [(2, false), (2, true), (3, false)]);
}

#[test]
fn the_question_shows_every_step_with_its_verdict_and_reasons() {
    let question = weighed(vec![writing("notes/a"), calling("x")]).question().unwrap();
    let arguments = &question.action.arguments;
    assert_eq!(arguments["goal"], "tidy");
    assert_eq!(arguments["steps"][0]["step"], 1);
    assert_eq!(arguments["steps"][0]["arguments"]["path"], "notes/a");
    assert_eq!(arguments["steps"][0]["reasons"], json!(["because (r)"]));
    assert_eq!(arguments["steps"][0]["applies"], json!(["add notes/a"]));
    assert_eq!(arguments["steps"][1]["verdict"], "ask");
    assert_eq!(question.action.phase, Phase::Plan);
}

#[test]
fn steps_that_do_not_belong_together_are_no_plan() {
    type Change = fn(&mut Judged);
    let changes: [Change; 5] = [
        |judged| judged.action.session.push('x'),
        |judged| judged.action.requester = Principal::Operator("root".into()),
        |judged| judged.bearer = None,
        |judged| judged.bearer.as_mut().unwrap().invocation.push('b'),
        |judged| judged.action.phase = Phase::Apply,
    ];
    let plan = |steps: Vec<Step>| {
        let found = steps.iter().map(|_| found(Verdict::Ask)).collect();
        Weighed::new(Plan { goal: String::new(), call: "c".into(), steps }, found)
    };
    for change in changes {
        let mut step = calling("b");
        change(&mut step.call);
        assert_eq!(plan(vec![calling("a"), step]), Err(PlanError::Mixed(2)));
    }
    let mut smuggled = writing("a");
    smuggled.applications[0].action.arguments = json!({ "path": "b" });
    assert_eq!(plan(vec![smuggled]), Err(PlanError::Mixed(1)));
    assert_eq!(plan(vec![]), Err(PlanError::Length(0)));
    assert_eq!(plan(vec![calling("a"); 21]), Err(PlanError::Length(21)));
}
