//! Trajectories as they are written, and what comes out.

use testudo::verdict::Verdict;

use super::{LineError, Reply, Simulation};
use crate::index::RuleSet;
use crate::rule;

const TOOLS: [&str; 2] = [
    r#"{"event":"tool","name":"send_mail","effects":["message"],"arguments":{"to":"destination","body":"content"},"labels":["mail"]}"#,
    r#"{"event":"tool","name":"list_mail","effects":["read"],"arguments":{},"labels":["mail","private"]}"#,
];
const ASKED: &str = r#"{"event":"message","author":"owner","text":"Send hello to ann@x.org"}"#;

fn simulation() -> Simulation {
    let (policy, _) = rule::parse("default.toml", include_str!("../../../../policies/default.toml")).unwrap();
    let mut simulation = Simulation::new(RuleSet::new([policy]));
    for line in TOOLS {
        let _ = simulation.line(line).unwrap();
    }
    simulation
}

fn send(id: u32, to: &str, more: &str) -> String {
    format!(
        r#"{{"event":"call","id":{id},"tool":"send_mail","arguments":{{"to":"{to}","body":"hello"}}{more}}}"#
    )
}

fn verdict(reply: &Reply) -> Verdict {
    reply.answer.as_ref().unwrap().step.verdict
}

#[test]
fn what_was_asked_for_passes_once_and_a_probe_is_forgotten() {
    let mut simulation = simulation();
    let _ = simulation.line(ASKED).unwrap();
    for (more, expected) in [
        (r#","probe":true"#, Verdict::Allow),
        ("", Verdict::Allow),
        ("", Verdict::Ask),
        (r#","probe":true"#, Verdict::Ask),
    ] {
        assert_eq!(verdict(&simulation.line(&send(1, "ann@x.org", more)).unwrap()), expected);
    }
}

#[test]
fn a_session_forgets_what_was_said_and_keeps_the_tools() {
    let mut simulation = simulation();
    let _ = simulation.line(ASKED).unwrap();
    let _ = simulation.line(r#"{"event":"session"}"#).unwrap();
    assert_eq!(verdict(&simulation.line(&send(1, "ann@x.org", "")).unwrap()), Verdict::Ask);
}

#[test]
fn the_result_of_a_call_that_was_not_made_is_ignored() {
    let mut simulation = simulation();
    let _ = simulation.line(&send(1, "ann@x.org", "")).unwrap();
    let result = r#"{"event":"result","id":1,"text":"sent"}"#;
    assert_eq!(simulation.line(result).unwrap().warnings.len(), 1);
    let _ = simulation.line(r#"{"event":"approve","id":1}"#).unwrap();
    assert_eq!(simulation.line(result).unwrap().warnings, [""; 0]);
}

#[test]
fn an_approved_plan_lets_its_steps_pass_in_their_order() {
    let mut simulation = simulation();
    let step = |to: &str| format!(r#"{{"tool":"send_mail","arguments":{{"to":"{to}","body":"hello"}}}}"#);
    let plan =
        format!(r#"{{"event":"plan","id":"p","calls":[{},{}]}}"#, step("bob@x.org"), step("eve@x.org"));
    let answer = simulation.line(&plan).unwrap().answer.unwrap();
    assert_eq!((answer.step.verdict, answer.steps.map(|steps| steps.len())), (Verdict::Ask, Some(2)));
    assert_eq!(
        verdict(&simulation.line(&send(1, "bob@x.org", "")).unwrap()),
        Verdict::Ask,
        "not yet approved"
    );
    let _ = simulation.line(r#"{"event":"approve","id":"p"}"#).unwrap();
    for (to, expected) in [
        ("eve@x.org", Verdict::Ask),
        ("bob@x.org", Verdict::Allow),
        ("eve@x.org", Verdict::Allow),
        ("eve@x.org", Verdict::Ask),
    ] {
        assert_eq!(verdict(&simulation.line(&send(2, to, "")).unwrap()), expected, "{to}");
    }
}

#[test]
fn words_are_taken_leniently_and_shapes_strictly() {
    let mut simulation = simulation();
    let odd = r#"{"event":"tool","name":"x","effects":["frob"],"arguments":{"a":"frob"},"labels":["frob"]}"#;
    assert_eq!(simulation.line(odd).unwrap().warnings.len(), 3);
    for line in [
        "{",
        "[]",
        r#"{"event":"nothing"}"#,
        r#"{"event":"session","more":1}"#,
        r#"{"event":"message","author":"nobody","text":""}"#,
        r#"{"event":"message","author":"owner","text":"a","text":"b"}"#,
    ] {
        assert!(matches!(simulation.line(line), Err(LineError::Shape(_))), "{line}");
    }
    let unknown = r#"{"event":"call","id":1,"tool":"none","arguments":{}}"#;
    assert!(matches!(simulation.line(unknown), Err(LineError::NoTool(_))));
    let early = r#"{"event":"result","id":9,"text":""}"#;
    assert!(matches!(simulation.line(early), Err(LineError::NoCall(_))));
    let list = r#"{"event":"call","id":1,"tool":"list_mail","arguments":[]}"#;
    assert!(matches!(simulation.line(list), Err(LineError::Arguments(_))));
}
