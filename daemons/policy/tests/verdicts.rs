//! Verdicts of a few rules on a few paths, as tables.

mod scene;

use scene::{apply, call, rules};
use serde_json::json;
use testudo::action::Judged;
use testudo::verdict::{Layer, Verdict};
use testudo_policy::index::RuleSet;

use Verdict::{Allow, Ask, Deny};

/// `allow t`, `deny t a/**`, `ask t a/** except a/tests/**` … one rule a line.
fn of_lines(lines: &[&str]) -> RuleSet {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let (line, except) = line.split_once(" except ").unwrap_or((line, ""));
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (action, tool, path) = (word(), word(), word());
        let path = if path.is_empty() { String::new() } else { format!(", path = \"{path}\"") };
        let except =
            if except.is_empty() { String::new() } else { format!("except = {{ path = \"{except}\" }}") };
        text.push_str(&format!(
            "[[rule]]\nname = \"r{index}\"\naction = \"{action}\"\nmatch = {{ tool = \"{tool}\"{path} }}\n{except}\n"
        ));
    }
    rules(&text)
}

fn verdict(lines: &[&str], judged: &Judged) -> Verdict {
    scene::decide(judged, false, &of_lines(lines), Vec::new, false).verdict
}

#[test]
fn the_strictest_rule_wins_and_silence_denies() {
    let call = call("t", "a/x");
    let table: &[(&[&str], Verdict)] = &[
        (&[], Deny),
        (&["allow other"], Deny),
        (&["allow t"], Allow),
        (&["allow t", "deny t"], Deny),
        (&["deny t", "allow t"], Deny),
        (&["allow t", "ask t"], Ask),
        (&["ask t a/** except a/x"], Deny),
        (&["ask t a/** except a/x", "allow t"], Allow),
        (&["ask t a/** except a/y"], Ask),
        (&["allow t b/**"], Deny),
        (&["allow t", "deny t b/**"], Allow),
    ];
    for (lines, expected) in table {
        assert_eq!(verdict(lines, &call), *expected, "{lines:?}");
    }
}

#[test]
fn one_path_is_enough_to_restrict_and_all_are_needed_to_permit() {
    let both = apply("t", &["docs/a", "secret/b"]);
    let table: &[(&[&str], Verdict)] = &[
        (&["allow t docs/**"], Deny),
        (&["allow t **"], Allow),
        (&["allow t", "deny t secret/**"], Deny),
        (&["allow t", "deny t /secret"], Deny),
        (&["ask t ** except docs/**"], Ask),
        (&["allow t ** except secret/**"], Deny),
        (&["allow t", "deny t x/../secret/**"], Allow),
    ];
    for (lines, expected) in table {
        assert_eq!(verdict(lines, &both), *expected, "{lines:?}");
    }
    let dodging = apply("t", &["docs/../secret/b"]);
    assert_eq!(verdict(&["allow t", "deny t secret/**"], &dodging), Deny);
}

#[test]
fn a_search_cannot_look_past_a_rule_for_what_lies_below() {
    let decided = |arguments: serde_json::Value, rule: &str| {
        let mut judged = call("search.grep", "");
        judged.action.arguments = arguments;
        verdict(&["allow search.grep", rule], &judged)
    };
    for rule in ["deny search.grep secret/**", "deny search.grep *.key", "deny search.grep /secret/"] {
        for arguments in [json!({}), json!({ "path": "." }), json!({ "path": "//workspace/secret/a.key" })] {
            assert_eq!(decided(arguments.clone(), rule), Deny, "{arguments} {rule}");
        }
    }
    assert_eq!(decided(json!({ "path": "src" }), "deny search.grep secret/**"), Allow);
}

#[test]
fn a_lease_answers_a_question_and_lifts_no_denial() {
    let judged = call("t", "a");
    for (lines, expected) in [
        (&["ask t"][..], (Allow, Layer::Lease)),
        (&["allow t"], (Allow, Layer::Rules)),
        (&["ask t", "deny t"], (Deny, Layer::Rules)),
        (&[], (Deny, Layer::Default)),
    ] {
        let decision = scene::decide(&judged, false, &of_lines(lines), Vec::new, true);
        assert_eq!((decision.verdict, decision.layer), expected, "{lines:?}");
    }
}

#[test]
fn a_decision_is_about_one_digest() {
    let judged = call("t", "a");
    let decision = scene::decide(&judged, false, &of_lines(&["ask t"]), Vec::new, false);
    assert_eq!(decision.digest, judged.action.digest().unwrap());
}
