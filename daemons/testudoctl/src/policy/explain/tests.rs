//! An action in any of its spellings is weighed, and everything that spoke is shown.

use serde_json::json;
use testudo::flow::Origin;
use testudo::verdict::{Layer, Reason, Weight};

use super::*;

fn asked(text: &str) -> Result<Judged, Failure> {
    match parse(text).unwrap() {
        Given::Whole(judged) => Ok(*judged),
        Given::Asked(asked) => judged(*asked, None),
    }
}

#[test]
fn an_explanation_names_every_rule_and_origin() {
    let explanation = Explanation {
        decision: Decision {
            verdict: Verdict::Deny,
            layer: Layer::Rules,
            reasons: vec![Reason { rule: "keep".into(), verdict: Verdict::Deny, text: "why".into() }],
            abstained: vec!["other".into()],
            digest: "00".into(),
            approve_by: Weight::default(),
            ttl_ms: None,
            approval: None,
        },
        origins: BTreeMap::from([("to".into(), Origin::Found)]),
        findings: Vec::new(),
    };
    assert_eq!(
        explained(&explanation, Paint::new(false)),
        "deny (settled by: rules)\n  deny keep: why\n  other stood aside by its exception\n  to is found\n"
    );
}

#[test]
fn a_short_action_and_the_whole_one_are_both_taken() {
    let short =
        asked(r#"{"tool":"fs.write","effect":"write","phase":"apply","arguments":{"path":"a"}}"#).unwrap();
    assert_eq!(short.changes.len(), 1);
    assert_eq!(short.action.phase, Phase::Apply);
    let whole = serde_json::to_string(&short).unwrap();
    assert_eq!(asked(&whole).unwrap(), short);
    assert!(parse(r#"{"tool":"x","argument":{}}"#).is_err(), "a key with a slip is not passed over");
}

#[test]
fn without_toold_the_effect_must_be_said() {
    let failure = asked(r#"{"tool":"fs.write"}"#).unwrap_err();
    assert_eq!(failure.status(), crate::failure::EXIT_USAGE);
}

#[test]
fn files_decide_offline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, "[[rule]]\nname = \"a\"\naction = \"ask\"\nmatch = { tool = \"x\" }\n").unwrap();
    let judged = asked(&json!({ "tool": "x", "effect": "read" }).to_string()).unwrap();
    let explanation = by_files(std::slice::from_ref(&file), &judged).unwrap();
    assert_eq!((explanation.decision.verdict, explanation.decision.layer), (Verdict::Ask, Layer::Rules));
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["verdict"], "ask", "{json}");
    assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), explanation);
    std::fs::write(&file, "[[rule]]\n").unwrap();
    assert_eq!(by_files(&[file], &judged).unwrap_err().status(), crate::failure::EXIT_CONFIG);
}
