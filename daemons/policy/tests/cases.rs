//! The twenty-six cases that the engine is specified by, one test each.
//!
//! B is the built-in layer, Y the rules of policy files, X an extension, T a token. Each test says its case first.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

mod scene;

use std::cell::Cell;
use std::collections::BTreeSet;

use scene::{apply, call, rules};
use serde_json::json;
use testudo::action::{Bearer, Judged, Phase};
use testudo::approval::Approval;
use testudo::diagnostic::Severity;
use testudo::extension::Opinion;
use testudo::plan::{Plan, Step, StepVerdict};
use testudo::verdict::{Decision, Layer, Reason, Verdict, Weight};
use testudo_policy::index::RuleSet;
use testudo_policy::plan::Weighed;
use testudo_policy::rule;
use testudo_policy::token::{Checks, Mint, Presented, Terms, Token};

use Verdict::{Allow, Ask, Deny};

const NOW: i64 = 1_000_000;

const ALLOW: &str = r#"
[[rule]]
name = "allow"
match = { tool = "fs.write" }
action = "allow"
"#;
const ASK: &str = r#"
[[rule]]
name = "ask"
match = { tool = "fs.write" }
action = "ask"
reason = "somebody should look"
"#;
const DENY: &str = r#"
[[rule]]
name = "deny"
match = { tool = "fs.write" }
action = "deny"
"#;
/// Asks about everything but what one of its exceptions names.
const ASK_EXCEPT: &str = r#"
[[rule]]
name = "ask-except"
match = { tool = "fs.write" }
except = [{ path = "tests/**" }, { path = "docs/**" }]
action = "ask"
"#;
const NEWCOMERS: &str = r#"
[[tag]]
name = "new-employee"
requester = "agentd"

[[rule]]
name = "look-at-newcomers"
match = { effect = "write", tag = "new-employee" }
except = { path = "src/tests/**" }
action = "ask"
"#;

/// An extension that says one thing and counts how often it was asked.
struct Extension {
    says: Option<Verdict>,
    asked: Cell<u32>,
}

impl Extension {
    fn saying(says: impl Into<Option<Verdict>>) -> Self {
        Self { says: says.into(), asked: Cell::new(0) }
    }

    fn ask(&self) -> Vec<Reason> {
        self.asked.set(self.asked.get() + 1);
        let reason = |verdict| Reason { rule: "extension".into(), verdict, text: String::new() };
        self.says.map(reason).into_iter().collect()
    }
}

/// What is decided about writing `src/a`, with neither token nor lease.
fn decided(rules: &RuleSet, extension: &Extension) -> Decision {
    scene::decide(&call("fs.write", "src/a"), false, rules, || extension.ask(), false)
}

/// The verdict of rules alone on writing a path.
fn verdict(text: &str, path: &str) -> Verdict {
    scene::decide(&call("fs.write", path), false, &rules(text), Vec::new, false).verdict
}

fn names(decision: &Decision) -> Vec<&str> {
    decision.reasons.iter().map(|reason| reason.rule.as_str()).collect()
}

/// A mint and a token for exactly this call, which a person approved as a plan of one step.
fn token(of: &Judged) -> (Mint, Token) {
    let found = StepVerdict { verdict: Ask, reasons: Vec::new(), approve_by: Weight::Reply };
    let step = Step { call: of.clone(), applications: Vec::new() };
    let plan = Plan { goal: "write it".into(), call: "c-1".into(), steps: vec![step] };
    let weighed = Weighed::new(plan, vec![found]).unwrap();
    let question = weighed.question().unwrap().action;
    let yes: Approval = serde_json::from_value(json!({
        "id": "a-1", "digest": question.digest().unwrap(), "session": question.session,
        "tool": question.tool, "arguments": question.arguments, "reasons": [], "requested_at": "",
        "expires_at": "", "phase": "plan", "effect": "write", "requester": question.requester,
        "call": "c-1", "changes": [], "diff": null, "approvable": true, "light": false,
        "state": "approved", "answer": null
    }))
    .unwrap();
    let mint = Mint::new([7; 32], Checks::ALL).unwrap();
    let granted = weighed.grant(&yes, &BTreeSet::from([1])).unwrap();
    let tokens = mint.issue(&granted, Terms::default(), || "t-1".into(), NOW).unwrap();
    (mint, tokens.into_iter().next().unwrap())
}

fn presented(judged: &Judged) -> Presented {
    Presented {
        bearer: judged.bearer.clone(),
        tool: judged.action.tool.clone(),
        digest: judged.action.digest().unwrap(),
        paths: vec!["src/a".into()],
    }
}

/// What is decided about writing `src/a` with a token in hand, at a time.
fn with_token(mint: &Mint, token: &Token, judged: &Judged, now: i64, rules: &RuleSet) -> Decision {
    let is_valid = mint.validate(token, &presented(judged), now);
    scene::decide(judged, is_valid, rules, Vec::new, false)
}

#[test]
fn case_01_no_rule_matches_and_it_is_denied() {
    let decision = decided(&rules(&ALLOW.replace("fs.write", "fs.other")), &Extension::saying(None));
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Default));
}

#[test]
fn case_02_only_rules_that_abstain_match_and_it_is_denied() {
    let text = ASK_EXCEPT.replace("tests/**", "src/**");
    let decision = decided(&rules(&text), &Extension::saying(None));
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Default));
    assert_eq!(decision.abstained, ["ask-except"]);
}

#[test]
fn case_03_an_allow_and_a_deny_in_either_order_are_a_deny() {
    for text in [[ALLOW, DENY].concat(), [DENY, ALLOW].concat()] {
        assert_eq!(verdict(&text, "src/a"), Deny);
    }
}

#[test]
fn case_04_an_allow_and_an_ask_are_an_ask() {
    for text in [[ALLOW, ASK].concat(), [ASK, ALLOW].concat()] {
        assert_eq!(verdict(&text, "src/a"), Ask);
    }
}

#[test]
fn case_05_an_allow_of_an_earlier_layer_does_not_end_it() {
    let extension = Extension::saying(Deny);
    let decision = decided(&rules(ALLOW), &extension);
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Extension));
    assert_eq!(extension.asked.get(), 1);
}

#[test]
fn case_06_a_rule_for_a_tag_stands_aside_below_its_exception() {
    assert_eq!(verdict(NEWCOMERS, "src/a"), Ask);
    assert_eq!(verdict(NEWCOMERS, "src/tests/unit/a"), Deny, "with no other allow");
    assert_eq!(verdict(&[NEWCOMERS, ALLOW].concat(), "src/tests/unit/a"), Allow);
}

#[test]
fn case_07_a_token_does_not_lift_a_builtin_denial() {
    let judged = call("fs.write", "/etc/testudo/policy.toml");
    let (mint, token) = token(&judged);
    let decision = with_token(&mint, &token, &judged, NOW, &rules(ALLOW));
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Builtin));
    assert!(!mint.validate(&token, &presented(&judged), NOW), "it was good, and is used up");
}

#[test]
fn case_08_a_valid_token_spares_rules_and_extensions() {
    let judged = call("fs.write", "src/a");
    let (mint, token) = token(&judged);
    let extension = Extension::saying(Deny);
    let is_valid = mint.validate(&token, &presented(&judged), NOW);
    let decision = scene::decide(&judged, is_valid, &rules(DENY), || extension.ask(), false);
    assert_eq!((decision.verdict, decision.layer), (Allow, Layer::Token));
    assert_eq!(extension.asked.get(), 0);
    assert_eq!(names(&decision), ["token"], "no rule was heard");
}

#[test]
fn case_09_a_token_past_its_time_is_as_none() {
    let judged = call("fs.write", "src/a");
    for (text, expected) in [(ALLOW, Allow), (ASK, Ask), (DENY, Deny), ("", Deny)] {
        let (mint, token) = token(&judged);
        let decision = with_token(&mint, &token, &judged, token.expires_ms + 1, &rules(text));
        assert_eq!(decision.verdict, expected, "{text}");
    }
}

#[test]
fn case_10_all_reasons_of_all_asking_rules_are_in_the_answer() {
    let other = ASK.replace("\"ask\"\nmatch", "\"ask-too\"\nmatch").replace("somebody", "a second one");
    let decision = decided(&rules(&[ASK, &other].concat()), &Extension::saying(None));
    assert_eq!(decision.verdict, Ask);
    let texts: Vec<&str> = decision.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(texts, ["somebody should look", "a second one should look"]);
}

#[test]
fn case_11_after_a_denial_by_rules_no_extension_is_asked() {
    let extension = Extension::saying(Allow);
    let decision = decided(&rules(DENY), &extension);
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Rules));
    assert_eq!(extension.asked.get(), 0);
}

#[test]
fn case_12_a_tool_that_matches_without_its_path_does_not() {
    let text = ALLOW.replace("\"fs.write\" }", "\"fs.write\", path = \"docs/**\" }");
    assert_eq!(verdict(&text, "docs/a"), Allow);
    assert_eq!(verdict(&text, "src/a"), Deny);
    assert_eq!(verdict(&[&text, ALLOW].concat().replacen("\"allow\"", "\"docs\"", 1), "src/a"), Allow);
}

#[test]
fn case_13_an_exception_that_does_not_hold_leaves_an_ask() {
    let one = ASK_EXCEPT.replace(", { path = \"docs/**\" }", "");
    assert_eq!(verdict(&one, "src/a"), Ask);
}

#[test]
fn case_14_one_of_several_exceptions_is_enough() {
    for path in ["tests/a", "docs/a"] {
        let decision = scene::decide(&call("fs.write", path), false, &rules(ASK_EXCEPT), Vec::new, false);
        assert_eq!((decision.verdict, decision.abstained), (Deny, vec!["ask-except".to_owned()]), "{path}");
        assert_eq!(verdict(&[ASK_EXCEPT, ALLOW].concat(), path), Allow, "{path}");
    }
}

#[test]
fn case_15_when_none_of_several_exceptions_holds_it_asks() {
    assert_eq!(verdict(ASK_EXCEPT, "src/a"), Ask);
    assert_eq!(verdict(&[ASK_EXCEPT, ALLOW].concat(), "src/a"), Ask);
}

#[test]
fn case_16_several_allows_and_nothing_else_are_an_allow() {
    let other = ALLOW.replace("\"allow\"\nmatch", "\"allow-too\"\nmatch");
    let decision = decided(&rules(&[ALLOW, &other].concat()), &Extension::saying(None));
    assert_eq!((decision.verdict, names(&decision)), (Allow, vec!["allow", "allow-too"]));
}

#[test]
fn case_17_rules_and_extension_that_both_allow_are_an_allow() {
    let extension = Extension::saying(Allow);
    let decision = decided(&rules(ALLOW), &extension);
    assert_eq!((decision.verdict, names(&decision)), (Allow, vec!["allow", "extension"]));
    assert_eq!(extension.asked.get(), 1);
}

#[test]
fn case_18_where_no_builtin_rule_speaks_the_others_decide() {
    // The built-in rules cannot be taken out; for this action they are silent, which is the same.
    let decision = decided(&rules(ALLOW), &Extension::saying(None));
    assert_eq!((decision.verdict, decision.layer), (Allow, Layer::Rules));
    assert_eq!(decided(&rules(""), &Extension::saying(None)).verdict, Deny);
}

#[test]
fn case_19_an_empty_policy_denies_and_builtin_rules_still_speak() {
    let decision = decided(&rules(""), &Extension::saying(None));
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Default));
    let protected = call("fs.write", "/etc/testudo/policy.toml");
    let decision = scene::decide(&protected, false, &rules(""), Vec::new, false);
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Builtin));
}

#[test]
fn case_20_an_extension_that_crashes_denies() {
    // That it is started again, once, is shown where the process is: in `policyd` and `extension`.
    let crashed = Opinion::failed("extension", "its process ended in the middle of the call");
    let reason = Reason {
        rule: crashed.component.clone(),
        verdict: crashed.verdict().unwrap(),
        text: crashed.reason.clone(),
    };
    let judged = call("fs.write", "src/a");
    let decision = scene::decide(&judged, false, &rules(ALLOW), || vec![reason], true);
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Extension), "even with a lease");
}

#[test]
fn case_21_a_token_that_is_used_up_is_as_none() {
    let judged = call("fs.write", "src/a");
    let (mint, token) = token(&judged);
    let decision = |rules: &RuleSet| with_token(&mint, &token, &judged, NOW, rules);
    assert_eq!(decision(&rules(ASK)).layer, Layer::Token);
    let again = decision(&rules(ASK));
    assert_eq!((again.verdict, again.layer), (Ask, Layer::Rules));
}

#[test]
fn case_22_a_token_is_judged_by_the_time_at_which_the_decision_began() {
    let judged = call("fs.write", "src/a");
    let (mint, token) = token(&judged);
    // Time is an input that is read once, so however long it takes meanwhile changes nothing.
    assert_eq!(
        with_token(&mint, &token, &judged, token.expires_ms, &rules(ASK)).verdict,
        Ask,
        "equal is over"
    );
    let in_time = with_token(&mint, &token, &judged, token.expires_ms - 1, &rules(ASK));
    assert_eq!((in_time.verdict, in_time.layer), (Allow, Layer::Token));
}

#[test]
fn case_23_a_token_of_another_sandbox_is_as_none() {
    let (mint, token) = token(&call("fs.write", "src/a"));
    for other in [
        None,
        Some(Bearer { unit: "testudo-sandbox-workshop@2.service".into(), invocation: "aa".into() }),
        Some(Bearer { unit: "testudo-sandbox-workshop@1.service".into(), invocation: "bb".into() }),
    ] {
        let judged = Judged { bearer: other, ..call("fs.write", "src/a") };
        assert_eq!(with_token(&mint, &token, &judged, NOW, &rules(ASK)).verdict, Ask);
    }
    let its_own = with_token(&mint, &token, &call("fs.write", "src/a"), NOW, &rules(ASK));
    assert_eq!(its_own.layer, Layer::Token, "and none of the attempts used it up");
}

#[test]
fn case_24_a_tool_that_no_rule_knows_is_denied() {
    let unknown = call("fs.wriet", "src/a");
    let decision = scene::decide(&unknown, false, &rules(ALLOW), Vec::new, false);
    assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Default));
}

#[test]
fn case_25_an_empty_list_of_paths_matches_nothing_and_warns() {
    let text = "[[rule]]\nname = \"a\"\naction = \"allow\"\nmatch = { tool = \"fs.write\", path = [] }\n";
    let (policy, warnings) = rule::parse("p.toml", text).unwrap();
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "p.toml:4:37: warning: an empty `path` list matches nothing, so this condition never holds\n  match = { tool = \"fs.write\", path = [] }\n                                      ^~"
        ]
    );
    let rules = RuleSet::new([policy]);
    for judged in [call("fs.write", "src/a"), call("fs.write", ""), apply("fs.write", &["a"])] {
        assert_eq!(scene::decide(&judged, false, &rules, Vec::new, false).verdict, Deny);
    }
}

#[test]
fn case_26_an_exception_that_equals_the_match_silences_the_rule_and_warns() {
    // Keys and words in another order are the same condition.
    let text = r#"[[rule]]
name = "never"
action = "deny"
match = { tool = ["fs.write", "x"], phase = "call" }
except = [{ phase = ["call"], tool = ["x", "fs.write"] }]
"#;
    let (policy, warnings) = rule::parse("p.toml", text).unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!((warning.severity, warning.line, warning.column), (Severity::Warning, 5, 11));
    assert!(warning.message.contains("the same as the match"), "{warning}");
    assert_eq!(call("x", "").action.phase, Phase::Call);
    let decision = decided(&RuleSet::new([policy]), &Extension::saying(Allow));
    assert_eq!((decision.verdict, decision.abstained), (Allow, vec!["never".to_owned()]));
}
