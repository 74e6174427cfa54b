use super::*;
use serde_json::json;
use testudo::action::{Action, Judged};
use testudo::declaration::Declaration;
use testudo::flow::{Finding, Flow, Origin};
use testudo::identity::{Daemon, Principal};
use testudo::label::{Labels, Source};
use testudo::verdict::{Decision, Layer, Reason, Verdict};

use crate::controls::Controls;
use crate::ledger::{Asking, Ledger};
use crate::routing::Watch;

fn judged(arguments: serde_json::Value) -> Judged {
    let action = Action {
        tool: "mail.send".into(),
        arguments,
        effect: Effect::Message,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: None,
    };
    let roles = [("to", Role::Destination), ("body", Role::Content)];
    Judged {
        declaration: Declaration {
            effects: BTreeSet::from([Effect::Message]),
            arguments: roles.map(|(name, role)| (name.to_owned(), role)).into(),
            ..Declaration::default()
        },
        ..Judged::new(action, "c-1")
    }
}

fn entry(judged: &Judged, layer: Layer, approve_by: Weight) -> Entry {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    let decision = Decision {
        verdict: Verdict::Ask,
        layer,
        reasons: vec![Reason {
            rule: "confirm-outward".into(),
            verdict: Verdict::Ask,
            text: "this reaches beyond the workspace".into(),
        }],
        abstained: Vec::new(),
        digest: judged.action.digest().unwrap(),
        approve_by,
        approval: None,
        ttl_ms: None,
    };
    let warnings = destinations::warnings(judged, |name| ledger.familiar(name)).unwrap();
    let watch = Watch::default();
    let asking = Asking { asker: ":1.7", watch: &watch, warnings, now_ms: 0, ttl_ms: 300_000 };
    ledger.ask(judged, &decision, asking).unwrap().0
}

fn asked(judged: &Judged) -> Entry {
    entry(judged, Layer::Rules, Weight::Reply)
}

fn lines(approval: &Approval, heading: &str) -> Vec<String> {
    let section = approval.rendering.iter().find(|section| section.heading == heading);
    section.map(|section| section.lines.clone()).unwrap_or_default()
}

#[test]
fn everything_a_yes_is_about_is_said() {
    let mut judged = judged(json!({ "to": "bob@example.com", "body": "see you at 5" }));
    judged.flow = Flow {
        origins: [("to".to_owned(), Origin::Found), ("body".to_owned(), Origin::Made)].into(),
        sources: [("to".to_owned(), "the mail “Lunch” names it".to_owned())].into(),
        findings: vec![Finding { word: "x".into(), text: "the owner did not name bob".into() }],
    };
    judged.taint = Labels::of(Source::Mail);
    let shown = worded(&asked(&judged), Depth::Brief);
    assert_eq!(
        lines(&shown, "what"),
        [
            "mail.send wants to run (call · message)",
            "body \"see you at 5\" ← the model made it up",
            "to   \"bob@example.com\" ← the mail “Lunch” names it",
        ]
    );
    assert_eq!(lines(&shown, "sends"), ["a message to \"bob@example.com\", with the body above"]);
    assert_eq!(lines(&shown, "undo"), ["not at all: it cannot be taken back"]);
    assert_eq!(
        lines(&shown, "beware"),
        ["the owner did not name bob", "others could have written what this session has read: mail"]
    );
    assert_eq!(lines(&shown, "why"), ["confirm-outward: this reaches beyond the workspace"]);
    assert_eq!(lines(&shown, "who"), ["agentd in session main"]);
    assert_eq!(lines(&shown, "yes"), ["once, or for this session: mail.send with the same to may run again"]);
    assert!(!shown.cut && shown.seen.len() == SEEN);
}

#[test]
fn what_cannot_be_seen_is_written_out_everywhere() {
    let hostile = "a\u{202e}b\u{200b}c\u{1b}[2J\r\nd\u{2066}";
    let mut judged = judged(json!({ "to": hostile, hostile: hostile }));
    judged.action.tool = hostile.into();
    judged.action.session = hostile.into();
    judged.changes = vec![ChangeSummary {
        path: hostile.into(),
        kind: hostile.into(),
        size: 1,
        mode: None,
        sha256: None,
        target: Some(hostile.into()),
        ..ChangeSummary::default()
    }];
    judged.diff = Some(format!("+{hostile}\n"));
    judged.flow.findings = vec![Finding { word: "x".into(), text: hostile.into() }];
    judged.flow.sources = [("to".to_owned(), hostile.to_owned())].into();
    judged.hidden = Some(hostile.into());
    for depth in [Depth::Brief, Depth::Whole] {
        let shown = worded(&asked(&judged), depth);
        let all: Vec<&String> = shown.rendering.iter().flat_map(|section| &section.lines).collect();
        for line in all {
            assert!(line.chars().all(visible::is_visible), "{line:?}");
        }
    }
}

#[test]
fn a_value_cannot_forge_where_it_came_from() {
    let shown = worded(&asked(&judged(json!({ "to": "eve\" ← you said it", "x\" ← you": 1 }))), Depth::Brief);
    let what = lines(&shown, "what");
    assert_eq!(what[1], r#"to          "eve\" ← you said it""#);
    assert_eq!(what[2], r#""x\" ← you" 1"#);
}

#[test]
fn long_values_are_cut_and_only_the_whole_has_the_name_that_counts() {
    let long = "x".repeat(40_000);
    let entry =
        asked(&judged(json!({ "to": "bob@example.com", "body": format!("harmless\n{long}\nrm -rf /") })));
    let (brief, whole) = (worded(&entry, Depth::Brief), worded(&entry, Depth::Whole));
    assert!(brief.cut && !whole.cut);
    assert_ne!(brief.seen, whole.seen);
    let said = lines(&brief, "what").join("\n");
    assert!(said.contains("2 of 3 lines are not shown here; all of it is 40018 bytes, sha256 "), "{said}");
    assert!(!said.contains("rm -rf"));
    assert!(lines(&whole, "what").join("\n").contains("rm -rf /"));
}

#[test]
fn the_name_of_a_rendering_changes_with_every_line() {
    let base = worded(&asked(&judged(json!({ "to": "bob@example.com" }))), Depth::Brief);
    let again = worded(&asked(&judged(json!({ "to": "bob@example.com" }))), Depth::Brief);
    let other = worded(&asked(&judged(json!({ "to": "bob@example.org" }))), Depth::Brief);
    assert_eq!(base.seen, again.seen);
    assert_ne!(base.seen, other.seen);
}

#[test]
fn names_that_look_like_others_are_flagged() {
    for (name, said) in [
        ("b\u{43e}b@example.com", "mixes the letters of several scripts"),
        ("\u{430}\u{440}\u{440}\u{4cf}\u{435}.com", "looks like the Latin"),
        ("https://xn--80ak6aa92e.com/", "punycode"),
    ] {
        let beware =
            lines(&worded(&asked(&judged(json!({ "to": name }))), Depth::Brief), "beware").join("\n");
        assert!(beware.contains(said), "{name}: {beware}");
    }
    for name in ["bob@example.com", "jürgen@müller.de", "почта@пример.рф", "https://例え.jp/"]
    {
        let beware = lines(&worded(&asked(&judged(json!({ "to": name }))), Depth::Brief), "beware");
        assert_eq!(beware, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_name_that_looks_like_an_approved_one_is_flagged() {
    let familiar = |_: &str| Ok::<_, std::convert::Infallible>(Some("bill@corn.com".to_owned()));
    let said = destinations::warnings(&judged(json!({ "to": "bi11@com.com" })), familiar).unwrap();
    assert_eq!(
        said,
        ["\"bi11@com.com\" looks like \"bill@corn.com\", which was approved before, and is another"]
    );
}

#[test]
fn how_heavy_an_answer_it_wants_is_said() {
    let judged = judged(json!({ "to": "bob@example.com" }));
    for (weight, said) in [(Weight::Otp, "one-time code"), (Weight::Local, "at this machine")] {
        let shown = worded(&entry(&judged, Layer::Rules, weight), Depth::Brief);
        assert!(lines(&shown, "yes").join("\n").contains(said), "{shown:?}");
    }
    let shown = worded(&entry(&judged, Layer::Sentinel, Weight::Reply), Depth::Brief);
    assert_eq!(lines(&shown, "yes"), ["once only: what asks here asks each time"]);
    assert_eq!(shown.scopes, [Scope::Once]);
}
