//! What an amendment may say, and what people are shown of it.

use super::text::{check, is_name, unified};
use super::*;
use crate::rules_file::shelf::Shelf;

fn in_force() -> InForce {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.toml");
    std::fs::write(&base, "[[rule]]\nname = \"base\"\naction = \"deny\"\nmatch = { tool = \"x\" }\n")
        .unwrap();
    let shelf = Shelf::open(&folder.path().join("policy")).unwrap();
    InForce::load(&[base], &shelf, Amendments::Add).unwrap().0
}

fn findings(text: &str, amendments: Amendments) -> String {
    match check("mine.toml", text, &in_force(), "mine", amendments) {
        Ok(_) => String::new(),
        Err(found) => found.to_string(),
    }
}

#[test]
fn a_name_is_no_path() {
    for name in ["mine", "0", "a-b-3", &"x".repeat(64)] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", "-a", "A", "a.toml", "../a", "a/b", ".a", "a_b", "ä", "a\n", &"x".repeat(65)] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn mistakes_have_their_places() {
    let rule =
        |name: &str| format!("[[rule]]\nname = \"{name}\"\naction = \"deny\"\nmatch = {{ tool = \"y\" }}\n");
    assert_eq!(findings(&rule("mine"), Amendments::Add), "");
    assert!(
        findings("[[rule]]\nnme = \"x\"\n", Amendments::Add).contains("mine.toml:2:1: unknown key `nme`")
    );
    assert!(
        findings(&rule("base"), Amendments::Add)
            .contains("mine.toml:2:8: another policy file has a rule `base`")
    );
    assert!(
        findings(&format!("# \u{202e}x\n{}", rule("mine")), Amendments::Add)
            .contains("mine.toml:1:3: nobody can see the character U+202E")
    );
}

#[test]
fn an_added_file_gives_no_tags_to_what_declared_rules_are_about() {
    let tag = "[[tag]]\nname = \"core\"\ntool = \"x\"\n";
    assert!(findings(tag, Amendments::Add).contains("mine.toml:1:1: an added file gives no tags"));
    assert_eq!(findings(tag, Amendments::Replace), "");
}

#[test]
fn the_question_names_the_text_what_it_was_compared_with_and_what_changes() {
    let report = Report {
        name: "mine".into(),
        digest: Some("d".into()),
        base: "b".into(),
        breaking: 6,
        loosening: 1,
        replayed: 9,
        phrase: Some("I break 6 decisions".into()),
        ..Report::default()
    };
    let by = Principal::Operator("root".into());
    let action = question(&report, by.clone());
    assert_eq!((action.tool.as_str(), action.effect), (TOOL, Effect::Configure));
    let texts: Vec<String> = reasons(&report).into_iter().map(|reason| reason.text).collect();
    assert!(texts[1].contains("1 of the last 9 decisions would get through more easily"), "{texts:?}");
    assert!(texts[3].ends_with("I break 6 decisions"), "{texts:?}");
    // Another text, or another state of the rules, is another action.
    let digest = |report: &Report| question(report, by.clone()).digest().unwrap();
    for other in [
        Report { digest: Some("e".into()), ..report.clone() },
        Report { base: "c".into(), ..report.clone() },
        Report { name: "other".into(), ..report.clone() },
        Report { phrase: None, ..report.clone() },
    ] {
        assert_ne!(digest(&other), digest(&report));
    }
}

#[test]
fn the_diff_is_whole() {
    let diff = unified("mine", Some("a\nb\n"), Some("a\nc\n"));
    assert!(diff.contains("--- a/policy/mine.toml\n+++ b/policy/mine.toml\n"), "{diff}");
    assert!(diff.contains("-b\n+c\n"), "{diff}");
    assert!(unified("mine", None, Some("x\n")).starts_with("--- /dev/null\n"));
    assert!(unified("mine", Some("x\n"), None).contains("+++ /dev/null\n"));
}

#[test]
fn no_session_can_have_the_name_of_the_policy() {
    // Sessions are named by letters, digits, `_` and `-`.
    assert!(SESSION.contains('.'));
}

#[test]
fn what_waits_ends_when_it_is_denied_or_wants_a_heavier_answer() {
    use super::exchange::outdated;
    use testudo::verdict::{Verdict, Weight};
    use testudo_policy::replay::Outcome;

    let after = |verdict, approve_by| Outcome { verdict, approve_by, reasons: Vec::new() };
    for (after, given, ends) in [
        (after(Verdict::Ask, Weight::Otp), Weight::Reply, true),
        (after(Verdict::Ask, Weight::Otp), Weight::Otp, false),
        (after(Verdict::Ask, Weight::Reply), Weight::Local, false),
        (after(Verdict::Allow, Weight::Otp), Weight::Reply, false),
        (after(Verdict::Deny, Weight::Reply), Weight::Local, true),
    ] {
        assert_eq!(outdated(&after, given).is_some(), ends, "{after:?} {given:?}");
    }
}
