//! Every pair of outcomes has the mark that people must see, and a report shows the dangerous ones first.

use serde_json::json;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::identity::{Daemon, Principal};
use testudo::verdict::{Verdict, Weight};

use super::report::{Made, Report};
use super::*;
use crate::rule::parse;

fn judged(tool: &str) -> Judged {
    let action = Action {
        tool: tool.into(),
        arguments: json!({ "text": "x" }),
        effect: Effect::Read,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: None,
    };
    Judged::new(action, format!("c-{tool}"))
}

/// `allow a`, `ask b otp`, … one rule a word pair.
fn set(lines: &[&str]) -> RuleSet {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let weight = words.get(2).map(|word| format!("approve_by = \"{word}\"\n")).unwrap_or_default();
        text.push_str(&format!(
            "[[rule]]\nname = \"r{index}\"\naction = \"{}\"\nmatch = {{ tool = \"{}\" }}\n{weight}",
            words[0], words[1]
        ));
    }
    RuleSet::new([parse("t", &text).unwrap().0])
}

#[test]
fn every_pair_of_outcomes_has_its_mark() {
    use Mark::{Breaking, Loosening, Tightening};
    let table: &[(&[&str], &[&str], Option<Mark>)] = &[
        (&["allow t"], &["allow t"], None),
        (&["allow t"], &["ask t"], Some(Tightening)),
        (&["allow t"], &["deny t"], Some(Breaking)),
        (&["allow t"], &[], Some(Breaking)),
        (&["ask t"], &["allow t"], Some(Loosening)),
        (&["ask t"], &["ask t"], None),
        (&["ask t"], &["deny t"], Some(Breaking)),
        (&["ask t otp"], &["ask t reply"], Some(Loosening)),
        (&["ask t reply"], &["ask t local"], Some(Tightening)),
        (&["deny t"], &["allow t"], Some(Loosening)),
        (&["deny t"], &["ask t"], Some(Loosening)),
        (&["deny t"], &["deny t"], None),
        (&["deny t"], &[], None),
        (&[], &["ask t"], Some(Loosening)),
    ];
    for (before, after, expected) in table {
        let change = compare(&set(before), &set(after), &judged("t"));
        assert_eq!(change.map(|change| change.mark), *expected, "{before:?} → {after:?}");
    }
}

#[test]
fn what_the_session_knew_then_is_what_is_weighed() {
    let mut tainted = judged("t");
    tainted.flow.findings = vec![testudo::flow::Finding { word: "unnamed".into(), text: "x".into() }];
    let rules = "[[rule]]\nname = \"a\"\naction = \"allow\"\nmatch = { tool = \"t\" }\n\
        [[rule]]\nname = \"b\"\naction = \"deny\"\nmatch = { flow = \"*\" }\n";
    let after = RuleSet::new([parse("t", rules).unwrap().0]);
    assert_eq!(compare(&set(&["allow t"]), &after, &judged("t")), None);
    let change = compare(&set(&["allow t"]), &after, &tainted).unwrap();
    assert_eq!((change.mark, change.after.verdict), (Mark::Breaking, Verdict::Deny));
    assert!(change.after.reasons.iter().any(|reason| reason.rule == "b"));
}

#[test]
fn no_rule_of_a_file_changes_what_a_built_in_rule_denies() {
    let mut unbound = judged("t");
    unbound.action.phase = Phase::Apply;
    assert_eq!(outcome(&set(&["allow t"]), &unbound).verdict, Verdict::Deny);
    assert_eq!(compare(&set(&["deny t"]), &set(&["allow t"]), &unbound), None);
}

#[test]
fn a_report_shows_what_loosens_first_and_counts_what_breaks() {
    let (before, after) =
        (set(&["allow a", "allow b", "ask c", "allow d"]), set(&["ask a", "deny b", "allow c", "allow d"]));
    let past = ["a", "b", "b", "c", "d"].map(judged);
    let mut report = Report::default();
    report.weigh(
        &before,
        &after,
        past.iter().map(|judged| Made { at: "then".into(), was: Verdict::Allow, judged }),
    );
    let shown: Vec<(&str, Mark)> =
        report.changed.iter().map(|changed| (changed.tool.as_str(), changed.change.mark)).collect();
    assert_eq!(
        shown,
        [("c", Mark::Loosening), ("b", Mark::Breaking), ("b", Mark::Breaking), ("a", Mark::Tightening)]
    );
    assert_eq!((report.replayed, report.loosening, report.breaking, report.tightening), (5, 1, 2, 1));
    assert_eq!(report.phrase, None);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["changed"][0]["mark"], "loosening", "{json}");
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}

#[test]
fn six_breaking_changes_want_a_phrase_and_five_do_not() {
    assert_eq!(phrase(0), None);
    assert_eq!(phrase(5), None);
    assert_eq!(phrase(6).as_deref(), Some("I break 6 decisions"));
    assert_eq!(phrase(100).as_deref(), Some("I break 100 decisions"));
}

#[test]
fn a_lighter_answer_matters_only_where_one_is_asked_for() {
    let outcome = |verdict, approve_by| Outcome { verdict, approve_by, reasons: Vec::new() };
    assert_eq!(mark(&outcome(Verdict::Deny, Weight::Otp), &outcome(Verdict::Deny, Weight::Reply)), None);
    assert_eq!(mark(&outcome(Verdict::Allow, Weight::Reply), &outcome(Verdict::Allow, Weight::Local)), None);
}
