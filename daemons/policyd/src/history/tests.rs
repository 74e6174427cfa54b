//! At least the last hundred decisions come back exactly as they were weighed, within bounds.

use serde_json::json;
use testudo::action::{Action, Effect, Phase};
use testudo::flow::{Finding, Flow, Origin};
use testudo::identity::{Daemon, Principal};
use testudo::label::{Labels, Source};
use testudo::verdict::{Layer, Weight};

use super::*;

fn store() -> (tempfile::TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&folder.path().join("history.db")).unwrap();
    (folder, history)
}

fn judged(call: &str, text: &str) -> Judged {
    let action = Action {
        tool: "fs.write".into(),
        arguments: json!({ "content": text }),
        effect: Effect::Write,
        phase: Phase::Apply,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: Some("00".into()),
    };
    let mut judged = Judged::new(action, call);
    judged.taint = Labels::of(Source::Stranger);
    judged.flow = Flow {
        origins: [("content".to_owned(), Origin::Found)].into(),
        findings: vec![Finding { word: "unnamed".into(), text: "x".into() }],
        ..Flow::default()
    };
    judged
}

fn decision(verdict: Verdict, approval: Option<&str>) -> Decision {
    Decision {
        verdict,
        layer: Layer::Rules,
        reasons: Vec::new(),
        abstained: Vec::new(),
        digest: "00".into(),
        approve_by: Weight::default(),
        ttl_ms: None,
        approval: approval.map(str::to_owned),
    }
}

#[test]
fn a_decision_comes_back_as_it_was_weighed_without_its_diff() {
    let (folder, history) = store();
    let mut weighed = judged("c-1", "x");
    weighed.diff = Some("long".into());
    history.keep(&weighed, &decision(Verdict::Ask, Some("a-1")), 7).unwrap();
    weighed.diff = None;
    let reopened = History::open(&folder.path().join("history.db")).unwrap();
    let latest = reopened.latest().unwrap();
    assert_eq!(latest.decisions, [Past { at_ms: 7, verdict: Verdict::Ask, judged: weighed.clone() }]);
    assert_eq!(reopened.behind("a-1").unwrap(), Some(weighed));
    assert_eq!(reopened.behind("a-2").unwrap(), None);
}

#[test]
fn the_last_hundred_are_replayed_and_old_ones_go() {
    let (_folder, history) = store();
    for number in 0..400 {
        history.keep(&judged(&format!("c-{number}"), "x"), &decision(Verdict::Allow, None), number).unwrap();
        let expected = usize::try_from(number + 1).unwrap().min(REPLAYED);
        assert_eq!(history.latest().unwrap().decisions.len(), expected, "after {number}");
    }
    assert_eq!(history.latest().unwrap().decisions[0].judged.call, "c-399");
    let kept: i64 = history.lock().query_row("SELECT count(*) FROM decision", [], |row| row.get(0)).unwrap();
    assert!(kept <= KEPT + PRUNED_EVERY, "{kept}");
}

#[test]
fn what_is_behind_a_question_outlives_what_was_merely_allowed() {
    let (_folder, history) = store();
    history.keep(&judged("c-asked", "x"), &decision(Verdict::Ask, Some("a-1")), 0).unwrap();
    for number in 0..300 {
        history.keep(&judged("c", "x"), &decision(Verdict::Allow, None), number).unwrap();
    }
    assert_eq!(history.behind("a-1").unwrap().unwrap().call, "c-asked");
}

#[test]
fn what_is_too_long_is_counted_and_not_kept() {
    let (_folder, history) = store();
    history.keep(&judged("c-1", &"x".repeat(MOST_BYTES)), &decision(Verdict::Ask, Some("a-1")), 0).unwrap();
    let latest = history.latest().unwrap();
    assert_eq!((latest.decisions.len(), latest.left_out), (0, 1));
    assert_eq!(history.behind("a-1").unwrap(), None);
}

#[test]
fn a_history_that_cannot_be_read_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    std::fs::write(&path, "not a database, and long enough to be looked at as if it were one".repeat(40))
        .unwrap();
    let (history, lost) = History::open_or_begin(&path).unwrap();
    assert!(lost.unwrap().contains("begins anew"));
    assert_eq!(history.latest().unwrap(), Latest::default());
    assert!(folder.path().join("history.damaged").exists());
    drop(history);
    assert_eq!(History::open_or_begin(&path).unwrap().1, None);
}

#[test]
fn other_rules_than_before_are_noticed() {
    let (_folder, history) = store();
    assert!(!history.decide_by("one").unwrap(), "there was nothing before");
    assert!(!history.decide_by("one").unwrap());
    assert!(history.decide_by("two").unwrap());
}
