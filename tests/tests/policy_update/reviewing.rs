//! What a person sees before a change, and what it takes.

use serde_json::{Value, json};
use testudo_tests::{ablated, text};

use crate::place::{Place, allow, deny};

#[test]
fn an_approved_change_is_in_force_recorded_and_can_be_taken_back() {
    let place = Place::start();
    place.echoes(2);
    let report = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(
        (&report["breaking"], &report["loosening"], &report["phrase"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    assert_eq!(report["changed"][0]["mark"], "breaking", "{report}");
    assert_eq!(report["changed"][0]["before"]["verdict"], "allow");
    let spoke = report["changed"][0]["after"]["reasons"].as_array().unwrap();
    assert!(spoke.iter().any(|reason| reason["rule"] == "quiet"), "{report}");
    assert_eq!(place.echo(), "allow", "nothing changes before a person said so");

    let question = place.question(&text(&report, "approval")).unwrap();
    assert_eq!((&question["tool"], &question["effect"]), (&json!("policy.update"), &json!("configure")));
    assert!(text(&question, "diff").contains("+name = \"quiet\""), "{question}");
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
    assert_eq!(place.origin("mine").as_deref(), Some("amended"));
    let events: Vec<String> = place.scene.log().iter().map(|record| text(record, "event")).collect();
    let at = |event: &str| {
        events.iter().position(|other| other == event).unwrap_or_else(|| panic!("{event}: {events:?}"))
    };
    assert!(
        at("approval.requested") < at("approval.answered") && at("approval.answered") < at("policy.amended")
    );

    place.restart();
    assert_eq!(place.echo(), "deny", "it outlives a restart");

    let back = place.scene.ctl(&["policy", "revert", "mine", "--json"]).json();
    assert_eq!((&back["loosening"], &back["digest"]), (&json!(5), &Value::Null), "{back}");
    assert_eq!(place.approve(&back, &[]).status, 0);
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
    let again = place.scene.ctl(&["policy", "revert", "mine", "--json"]).json();
    assert_eq!(place.approve(&again, &["--phrase", &text(&again, "phrase")]).status, 0, "{again}");
    assert_eq!(place.echo(), "deny", "what was taken back can be had again");
}

#[test]
fn waiting_for_the_answer_ends_with_it() {
    let place = Place::start();
    let file = place.file("mine", &deny("quiet", "echo"));
    for (answer, status, in_force) in [("deny", 1, false), ("approve", 0, true)] {
        let waiting = place.scene.ctl_start(&["policy", "update", &file, "--wait", "--json"]);
        let question = place.scene.next_approval(&[]);
        assert_eq!(place.scene.ctl(&[answer, &text(&question, "id")]).status, 0);
        let said = waiting.finish();
        assert_eq!(said.status, status, "{said:?}");
        assert_eq!(said.json()["in_force"], in_force, "{said:?}");
    }
}

#[test]
fn mistakes_have_places_and_change_nothing() {
    let place = Place::start();
    for (wrong, expected) in [
        (
            "[[rule]]\nname = \"a\"\naction = \"alow\"\nmatch = {}\n",
            "mine.toml:3:10: expected one of allow, ask, deny",
        ),
        ("[[rule\n", "mine.toml:1:"),
        (
            "[[rule]]\nname = \"base-echo\"\naction = \"deny\"\nmatch = { tool = \"x\" }\n",
            "mine.toml:2:8: another policy file has a rule",
        ),
        ("# a\u{202e}b\n", "mine.toml:1:4: nobody can see the character U+202E"),
    ] {
        let said = place.update("mine", wrong);
        assert_eq!(said.status, 78, "{said:?}");
        let report = said.json();
        assert_eq!((&report["ok"], &report["approval"]), (&json!(false), &Value::Null));
        assert!(text(&json!({ "f": report["findings"].to_string() }), "f").contains(expected), "{report}");
        let shown = place.scene.ctl(&["policy", "update", &place.file("mine", wrong)]);
        assert!(shown.stderr.contains(expected), "{shown:?}");
    }
    assert!(place.scene.approvals().is_empty());
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
    let same = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(place.approve(&same, &[]).status, 0);
    let again = place.update("mine", &deny("quiet", "echo"));
    assert!(again.status == 1 && again.stdout.contains("says exactly this already"), "{again:?}");
}

#[test]
fn six_broken_decisions_want_the_phrase_and_five_do_not() {
    let place = Place::start();
    place.echoes(5);
    let five = place.submit("five", &deny("quiet", "echo"));
    assert_eq!((&five["breaking"], &five["phrase"]), (&json!(5), &Value::Null));
    assert_eq!(place.approve(&five, &[]).status, 0);
    assert_eq!(place.echo(), "deny");

    let place = Place::start();
    place.echoes(6);
    let six = place.submit("six", &deny("quiet", "echo"));
    assert_eq!(six["phrase"], "I break 6 decisions");
    let shown = place.scene.ctl(&["approvals"]);
    for expected in ["policy.update", "+name = \"quiet\"", "a yes must type: I break 6 decisions"] {
        assert!(shown.stdout.contains(expected), "{expected}: {shown:?}");
    }
    for options in ["o:", "o:phrase=", "o:phrase=I break 5 decisions", "o:phrase=i break 6 decisions"] {
        let said = place.approve_as("root", &six, options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
        assert!(said.stdout.contains("I break 6 decisions"), "the person is told what to type: {said:?}");
    }
    assert_eq!(place.echo(), "allow");
    let said = place.approve(&six, &["--phrase", "I break 6 decisions"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(place.echo(), "deny");
}

/// What a room gives, straight on the bus.
fn from_a_room(place: &Place, report: &Value, options: &str) -> testudo_tests::Said {
    let question = place.question(&text(report, "approval")).unwrap();
    let options = format!("o:by=@ann:example.org,seen={},{options}", text(&question, "seen"));
    place.approve_as("testudo-matrixd", report, &options)
}

#[test]
fn a_room_gives_the_phrase_to_the_letter_in_words() {
    let place = Place::with(|plan| {
        plan.set("matrixd", "owners", ["@ann:example.org"]);
        plan.set("matrixd", "trust_homeserver", true);
    });
    place.echoes(6);
    let six = place.submit("six", &deny("quiet", "echo"));
    for options in [
        "answer=reply",
        "answer=reply,phrase=",
        "answer=reply,phrase=I break 5 decisions",
        "answer=reply,phrase=i break 6 decisions",
        "answer=reply,phrase=I  break 6 decisions",
        "answer=reply,phrase=I break 6 decisions.",
        "answer=reply,phrase=I bre\u{430}k 6 decisions",
        "answer=reaction",
        "answer=reaction,phrase=I break 6 decisions",
    ] {
        let said = from_a_room(&place, &six, options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
    }
    assert_eq!(place.echo(), "allow");
    let said = from_a_room(&place, &six, "answer=reply,phrase=I break 6 decisions");
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(place.echo(), "deny");
    assert!(
        place.scene.recorded("policy.amended", |record| record["detail"]["by"] == "matrix @ann:example.org")
    );
}

#[test]
fn a_phrase_that_nobody_asked_for_is_no_yes() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(report["phrase"], Value::Null);
    let said = place.approve_as("root", &report, "o:phrase=I break 6 decisions");
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    assert!(said.stdout.contains("wants no phrase"), "{said:?}");
    assert_eq!(place.echo(), "allow");
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn what_is_answered_at_the_machine_takes_no_phrase_from_a_room() {
    let place = Place::with(|plan| {
        plan.set("matrixd", "owners", ["@ann:example.org"]);
        plan.set("policyd", "amend_by", "local");
    });
    place.echoes(6);
    let six = place.submit("six", &deny("quiet", "echo"));
    for answer in ["reply", "local"] {
        let said = from_a_room(&place, &six, &format!("answer={answer},phrase=I break 6 decisions"));
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{answer}: {said:?}");
    }
    assert_eq!(place.echo(), "allow");
}

#[test]
fn without_the_phrase_anything_could_be_broken_in_passing() {
    let place = Place::with(|plan| ablated(plan, "policyd", "typed-phrase"));
    place.echoes(6);
    let report = place.submit("six", &deny("quiet", "echo"));
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn what_loosens_stands_first() {
    let place = Place::start();
    place.echoes(1);
    let refused = place.scene.call("time.now", &json!({}));
    assert_eq!(refused["verdict"], "deny");
    let report = place.submit("mine", &format!("{}{}", allow("clock", "time.now"), deny("quiet", "echo")));
    let marks: Vec<&Value> =
        report["changed"].as_array().unwrap().iter().map(|changed| &changed["mark"]).collect();
    assert_eq!(marks, ["loosening", "breaking"], "{report}");
    let question = place.question(&text(&report, "approval")).unwrap();
    assert!(
        question["reasons"].to_string().contains("1 of the last 2 decisions would get through more easily")
    );
    assert!(
        question["arguments"]["changed"][0]
            .as_str()
            .unwrap()
            .starts_with("loosening: deny → allow: time.now")
    );
    let file = place.file("mine", &allow("clock", "time.now"));
    let shown = place.scene.ctl(&["policy", "replay", &file]);
    assert!(shown.stdout.contains("loosening  deny → allow  time.now {}"), "{shown:?}");
}

#[test]
fn a_replay_has_no_effect_and_weighs_what_was_weighed_then() {
    let place = Place::start();
    place.echoes(1);
    let call = place.scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    let question = place.scene.next_approval(&[]);
    place.scene.approve(&question);
    assert_eq!(call.finish().status, 0);
    place.restart();
    let rules =
        "[[rule]]\nname = \"keep-a\"\naction = \"deny\"\nmatch = { phase = \"apply\", path = \"a.txt\" }\n";
    let said = place.scene.ctl(&["policy", "replay", &place.file("mine", rules), "--json"]);
    let report = said.json();
    assert_eq!((&report["replayed"], &report["breaking"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(report["changed"][0]["phase"], "apply");
    assert_eq!((&report["approval"], place.scene.approvals().len()), (&Value::Null, 0));
    assert_eq!(place.origin("mine"), None);
    assert!(!place.scene.recorded("policy.amended", |_| true));
}

#[test]
fn explain_says_over_the_bus_and_offline_what_would_be_decided() {
    let place = Place::start();
    let over_the_bus = place.scene.ctl(&["policy", "explain", "echo", r#"{"text":"x"}"#, "--json"]).json();
    assert_eq!(
        (&over_the_bus["verdict"], &over_the_bus["layer"]),
        (&json!("allow"), &json!("rules")),
        "{over_the_bus}"
    );
    assert!(over_the_bus["origins"].is_object(), "{over_the_bus}");
    let base = place.folder.path().join("base.toml").display().to_string();
    let offline = place
        .scene
        .ctl(&[
            "policy",
            "explain",
            "fs.write",
            r#"{"path":"kept/a"}"#,
            "--phase",
            "apply",
            "--effect",
            "write",
            "--policy",
            &base,
            "--json",
        ])
        .json();
    assert_eq!(offline["verdict"], "deny", "{offline}");
    assert_eq!(offline["reasons"].as_array().unwrap().len(), 2, "{offline}");
}
