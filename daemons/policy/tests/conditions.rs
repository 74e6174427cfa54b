//! What rules can match, and constrain, key by key.

mod scene;

use std::collections::BTreeMap;

use scene::{apply, call, rules};
use serde_json::json;
use testudo::action::{Effect, Judged};
use testudo::declaration::Role;
use testudo::flow::{Finding, Origin};
use testudo::identity::Principal;
use testudo::label::{Labels, Source};
use testudo::verdict::{Decision, Verdict, Weight};

use Verdict::{Allow, Ask, Deny};

/// What one rule with this action and this body says beside an allow of everything, or alone if it allows.
fn decided(action: &str, body: &str, judged: &Judged) -> Decision {
    let beside =
        if action == "allow" { "" } else { "[[rule]]\nname = \"all\"\nmatch = {}\naction = \"allow\"\n" };
    let text = format!("{beside}[[rule]]\nname = \"it\"\naction = \"{action}\"\n{body}\n");
    scene::decide(judged, false, &rules(&text), Vec::new, false)
}

fn verdict(action: &str, condition: &str, judged: &Judged) -> Verdict {
    decided(action, &format!("match = {{ {condition} }}"), judged).verdict
}

/// A call of a foreign tool that sends something to somebody.
fn message() -> Judged {
    let mut judged = call("mail.send", "");
    judged.action.arguments = json!({ "to": "eve@example.org", "body": "hello", "cc": "bob@example.org" });
    judged.action.effect = Effect::Message;
    judged.declaration.arguments = BTreeMap::from([
        ("to".into(), Role::Destination),
        ("cc".into(), Role::Destination),
        ("body".into(), Role::Content),
    ]);
    judged.flow.origins = BTreeMap::from([
        ("to".into(), Origin::Found),
        ("cc".into(), Origin::Said),
        ("body".into(), Origin::Made),
    ]);
    judged
}

#[test]
fn an_effect_that_restricts_is_one_of_all_and_one_that_permits_is_all_of_them() {
    let mut both = call("shop.offers", "");
    both.action.effect = Effect::Read;
    both.declaration.effects = [Effect::Read, Effect::Spend].into();
    for (action, condition, expected) in [
        ("allow", "effect = \"read\"", Deny),
        ("allow", "effect = [\"read\", \"spend\"]", Allow),
        ("ask", "effect = \"spend\"", Ask),
        ("deny", "effect = \"read\"", Deny),
        ("deny", "effect = \"destroy\"", Allow),
    ] {
        assert_eq!(verdict(action, condition, &both), expected, "{action} {condition}");
    }
    let exception = "match = { effect = \"spend\" }\nexcept = { effect = \"read\" }";
    assert_eq!(
        decided("ask", exception, &both).verdict,
        Ask,
        "an exception for reading is none for spending"
    );
}

#[test]
fn findings_are_matched_by_their_words() {
    let mut judged = message();
    let finding = |word: &str| Finding { word: word.into(), text: "because".into() };
    assert_eq!(verdict("ask", "flow = \"*\"", &judged), Allow, "nothing was found");
    judged.flow.findings = vec![finding("foreign"), finding("after-secret")];
    for (action, condition, expected) in [
        ("ask", "flow = \"after-secret\"", Ask),
        ("ask", "flow = [\"after-secret\", \"made-up\"]", Ask),
        ("ask", "flow = \"*\"", Ask),
        ("ask", "flow = \"made-up\"", Allow),
        ("allow", "flow = \"after-secret\"", Deny),
        ("allow", "flow = [\"after-secret\", \"foreign\"]", Allow),
    ] {
        assert_eq!(verdict(action, condition, &judged), expected, "{action} {condition}");
    }
}

#[test]
fn origins_are_matched_by_role_or_by_name() {
    let judged = message();
    for (action, condition, expected) in [
        ("ask", "origin = { destination = \"found\" }", Ask),
        ("ask", "origin = { destination = [\"found\", \"made\"] }", Ask),
        ("ask", "origin = { destination = \"made\" }", Allow),
        ("ask", "origin = { to = \"found\" }", Ask),
        ("ask", "origin = { cc = \"found\" }", Allow),
        ("ask", "origin = { amount = \"found\" }", Allow),
        ("ask", "origin = { destination = \"found\", content = \"said\" }", Allow),
        ("ask", "origin = { destination = \"found\", content = \"made\" }", Ask),
        ("ask", "origin = \"found\"", Ask),
        ("ask", "origin = [\"known\", \"designated\"]", Allow),
        ("allow", "origin = { destination = \"said\" }", Deny),
        ("allow", "origin = { destination = [\"said\", \"found\"] }", Allow),
        ("allow", "origin = { amount = \"said\" }", Deny),
    ] {
        assert_eq!(verdict(action, condition, &judged), expected, "{action} {condition}");
    }
}

#[test]
fn an_argument_that_nobody_knows_counts_as_the_worst() {
    let mut judged = message();
    judged.flow.origins.clear();
    assert_eq!(
        verdict("ask", "origin = { destination = \"made\" }", &judged),
        Ask,
        "no origin was found out"
    );
    judged = message();
    judged.action.arguments["x"] = "y".into();
    assert_eq!(verdict("ask", "origin = { destination = \"made\" }", &judged), Ask, "no role was declared");
    assert_eq!(verdict("allow", "origin = { destination = [\"said\", \"found\"] }", &judged), Deny);
}

#[test]
fn taint_is_matched_by_kind_or_exactly() {
    let mut judged = message();
    judged.taint = Labels {
        sources: [Source::Owner, Source::Web("Example.ORG.".into()), Source::Tool("x".into())].into(),
        private: false,
    };
    for (action, condition, expected) in [
        ("ask", "taint = \"web\"", Ask),
        ("ask", "taint = \"web:example.org\"", Ask),
        ("ask", "taint = \"web:other.org\"", Allow),
        ("ask", "taint = \"tool:x\"", Ask),
        ("ask", "taint = [\"mail\", \"tool\"]", Ask),
        ("ask", "taint = \"mail\"", Allow),
        ("allow", "taint = \"owner\"", Deny),
        ("allow", "taint = [\"owner\", \"web\", \"tool\"]", Allow),
    ] {
        assert_eq!(verdict(action, condition, &judged), expected, "{action} {condition}");
    }
}

#[test]
fn a_session_with_private_data_is_known() {
    let mut judged = message();
    assert_eq!(verdict("ask", "private = true", &judged), Allow);
    assert_eq!(verdict("allow", "private = false", &judged), Allow);
    judged.taint.private = true;
    assert_eq!(verdict("ask", "private = true", &judged), Ask);
    assert_eq!(verdict("allow", "private = false", &judged), Deny);
}

#[test]
fn untrusted_text_private_data_and_an_outward_effect_meet() {
    let condition = "effect = \"message\", private = true, taint = [\"web\", \"mail\"]";
    let mut judged = message();
    assert_eq!(verdict("ask", condition, &judged), Allow);
    judged.taint = Labels::of(Source::Web("example.org".into())).private();
    assert_eq!(verdict("ask", condition, &judged), Ask);
}

#[test]
fn tags_are_worn_by_tools_and_by_who_asks() {
    let tags = "[[tag]]\nname = \"core\"\ntool = [\"fs.write\", \"fs.read\"]\n\
                [[tag]]\nname = \"new-employee\"\nrequester = \"operator:eve\"\n\
                [[tag]]\nname = \"trusted\"\nrequester = \"operator\"\n";
    let verdict = |action: &str, tag: &str, judged: &Judged| {
        let all =
            if action == "allow" { "" } else { "[[rule]]\nname = \"all\"\nmatch = {}\naction = \"allow\"\n" };
        let text = format!(
            "{tags}{all}[[rule]]\nname = \"it\"\naction = \"{action}\"\nmatch = {{ tag = \"{tag}\" }}\n"
        );
        scene::decide(judged, false, &rules(&text), Vec::new, false).verdict
    };
    let by = |name: &str| Judged {
        action: testudo::action::Action {
            requester: Principal::Operator(name.into()),
            ..call("fs.write", "a").action
        },
        ..call("fs.write", "a")
    };
    assert_eq!(verdict("allow", "core", &call("fs.write", "a")), Allow);
    assert_eq!(verdict("allow", "core", &call("mcp.write", "a")), Deny);
    assert_eq!(verdict("ask", "third-party", &call("mcp.write", "a")), Ask, "what nobody tagged");
    assert_eq!(verdict("ask", "third-party", &call("fs.write", "a")), Allow);
    assert_eq!(verdict("ask", "new-employee", &by("eve")), Ask);
    assert_eq!(verdict("ask", "new-employee", &by("bob")), Allow);
    assert_eq!(verdict("allow", "trusted", &by("bob")), Deny, "the tool must be trusted too");
}

#[test]
fn a_person_is_matched_by_name() {
    let mut judged = call("fs.write", "a");
    assert_eq!(verdict("allow", "requester = \"agentd\"", &judged), Allow);
    judged.action.requester = Principal::Operator("eve".into());
    for (words, expected) in [
        ("\"operator\"", Allow),
        ("\"operator:eve\"", Allow),
        ("\"operator:bob\"", Deny),
        ("\"agentd\"", Deny),
    ] {
        assert_eq!(verdict("allow", &format!("requester = {words}"), &judged), expected, "{words}");
    }
}

#[test]
fn every_path_of_a_foreign_tool_is_looked_at() {
    let mut judged = call("mcp.copy", "");
    judged.action.arguments = json!({ "from": "docs/a", "to": ["docs/b", "secret/c"] });
    judged.declaration.arguments = BTreeMap::from([("from".into(), Role::Path), ("to".into(), Role::Path)]);
    assert_eq!(verdict("deny", "path = \"secret/**\"", &judged), Deny);
    assert_eq!(verdict("allow", "path = \"docs/**\"", &judged), Deny);
    assert_eq!(verdict("allow", "path = [\"docs/**\", \"secret/**\"]", &judged), Allow);
}

#[test]
fn a_constraint_that_is_not_met_silences_an_allow() {
    let small = apply("fs.write", &["a", "b"]);
    let mut large = small.clone();
    for change in &mut large.changes {
        change.size = 600;
    }
    let mut wordy = call("fs.write", "a");
    wordy.action.arguments["content"] = "x".repeat(2000).into();
    let mut free = call("shell.run", "");
    free.bearer = None;
    for (constraints, judged, expected) in [
        ("max_size = \"1KiB\"", &small, Allow),
        ("max_size = \"1KiB\"", &large, Deny),
        ("max_size = \"2KB\"", &large, Allow),
        ("max_size = \"2KB\"", &wordy, Deny),
        ("max_size = \"3000\"", &wordy, Allow),
        ("max_changes = 2", &small, Allow),
        ("max_changes = 1", &small, Deny),
        ("sandbox = \"standard\"", &wordy, Allow),
        ("sandbox = \"standard\"", &free, Deny),
        ("token = false", &small, Allow),
        ("token = true", &small, Deny),
    ] {
        let decision = decided("allow", &format!("match = {{}}\nconstraints = {{ {constraints} }}"), judged);
        assert_eq!(decision.verdict, expected, "{constraints}");
        let abstained: &[&str] = if expected == Deny { &["it"] } else { &[] };
        assert_eq!(decision.abstained, abstained, "{constraints}");
    }
}

#[test]
fn a_token_is_what_a_rule_with_token_waits_for() {
    let rules =
        rules("[[rule]]\nname = \"it\"\nmatch = {}\naction = \"allow\"\nconstraints = { token = true }\n");
    let judged = call("fs.write", "a");
    assert_eq!(scene::decide(&judged, false, &rules, Vec::new, false).verdict, Deny);
    assert_eq!(scene::decide(&judged, true, &rules, Vec::new, false).verdict, Allow);
}

#[test]
fn the_heaviest_approval_and_the_shortest_time_of_all_that_ask_count() {
    let one = |name: &str, more: &str| {
        format!("[[rule]]\nname = \"{name}\"\nmatch = {{}}\naction = \"ask\"\n{more}\n")
    };
    let light = one("light", "approve_by = \"reaction\"\nttl = \"10m\"");
    let plain = one("plain", "");
    let heavy = one("heavy", "approve_by = \"otp\"\nttl = \"90s\"");
    let judged = call("fs.write", "a");
    for (text, weight, ttl_ms) in [
        (light.clone(), Weight::Reaction, Some(600_000)),
        (plain.clone(), Weight::Reply, None),
        ([light.clone(), plain.clone()].concat(), Weight::Reply, Some(600_000)),
        ([heavy.clone(), light, plain].concat(), Weight::Otp, Some(90_000)),
        (heavy.replace("otp", "local"), Weight::Local, Some(90_000)),
    ] {
        let decision = scene::decide(&judged, false, &rules(&text), Vec::new, false);
        assert_eq!((decision.verdict, decision.approve_by, decision.ttl_ms), (Ask, weight, ttl_ms), "{text}");
    }
}

#[test]
fn a_patch_is_about_the_paths_of_its_diff_before_it_runs() {
    let patch = |diff: &str| {
        let mut judged = call("fs.patch", "");
        judged.action.arguments = json!({ "diff": diff });
        judged
    };
    let both = patch(
        "--- a/src/a\n+++ b/src/a\n@@ -1 +1 @@\n-x\n+y\n--- a/secrets/key\n+++ b/secrets/key\n@@ -1 +1 @@\n-x\n+y\n",
    );
    let moved = patch("diff --git a/notes b/src/b\nrename from ./src/../secrets/key\nrename to src/b\n");
    let unreadable = patch("--- \"a/\\q\"\n+++ b/src/a\n@@ -1 +1 @@\n-x\n+y\n");
    let plain = patch("--- a/src/a\n+++ b/src/a\n@@ -1 +1 @@\n-x\n+y\n");
    for (judged, forbidden, allowed) in
        [(&both, Deny, Deny), (&moved, Deny, Deny), (&unreadable, Deny, Deny), (&plain, Allow, Allow)]
    {
        assert_eq!(verdict("deny", "path = \"secrets/**\"", judged), forbidden, "{judged:?}");
        assert_eq!(verdict("allow", "path = \"src/**\"", judged), allowed, "{judged:?}");
    }
}
