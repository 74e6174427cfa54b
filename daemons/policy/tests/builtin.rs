//! The built-in rules: each denies what it is for, with every rule, a token and a lease on the other side.

mod scene;

use std::collections::BTreeMap;

use scene::{apply, call, rules};
use serde_json::{Value, json};
use testudo::action::{Effect, Judged};
use testudo::declaration::Role;
use testudo::verdict::{Decision, Layer, Verdict};

/// A policy that allows everything.
const EVERYTHING: &str = "[[rule]]\nname = \"all\"\nmatch = {}\naction = \"allow\"\n";

/// What is decided with everything on the other side.
fn decided(judged: &Judged) -> Decision {
    scene::decide(judged, true, &rules(EVERYTHING), || unreachable!("a token spares it"), true)
}

fn denied_by(judged: &Judged, rule: &str, what: &str) {
    for token in [false, true] {
        for lease in [false, true] {
            let decision = scene::decide(judged, token, &rules(EVERYTHING), Vec::new, lease);
            assert_eq!((decision.verdict, decision.layer), (Verdict::Deny, Layer::Builtin), "{what}");
            let names: Vec<&str> = decision.reasons.iter().map(|reason| reason.rule.as_str()).collect();
            assert!(names.contains(&rule), "{what}: {names:?}");
        }
    }
}

fn allowed(judged: &Judged, what: &str) {
    assert_eq!(decided(judged).verdict, Verdict::Allow, "{what}: {:?}", decided(judged).reasons);
}

/// A foreign tool with one argument of this role.
fn with(effect: Effect, role: Option<Role>, value: impl Into<Value>) -> Judged {
    let mut judged = call("mcp.files", "");
    judged.action.effect = effect;
    judged.action.arguments = json!({ "target": value.into() });
    judged.declaration.arguments = role.map(|role| ("target".to_owned(), role)).into_iter().collect();
    judged
}

#[test]
fn protect_apply_journal() {
    for path in [".testudo/journal", "a/../.testudo/x", "/workspace/.testudo", ".testudo"] {
        denied_by(&apply("fs.write", &["fine", path]), "protect-apply-journal", path);
    }
    allowed(&apply("fs.write", &["a/.testudo", ".testudos"]), "names that only look like it");
}

#[test]
fn stay_in_workspace() {
    for path in ["../x", "/etc/passwd", "", "a/../../b", "/"] {
        denied_by(&apply("fs.write", &["fine", path]), "stay-in-workspace", path);
    }
    allowed(&apply("fs.write", &["a/../b", "/workspace/c"]), "inside");
}

#[test]
fn name_the_change_set() {
    let mut judged = apply("fs.write", &["a"]);
    judged.action.change_set = None;
    denied_by(&judged, "name-the-change-set", "an application of nothing in particular");
}

/// Every way to name a path, for a tool that writes.
fn no_tool_writes(rule: &str, path: &str) {
    let relative = format!("../../..{path}");
    let encoded = path.replace('/', "%2f");
    let spellings = [
        path.to_owned(),
        format!("/tmp/..{path}"),
        path.replace('/', "/./"),
        relative.clone(),
        encoded.clone(),
        encoded.replace('%', "%25"),
        format!("file://{path}"),
        format!("/proc/self/root{path}"),
        format!("{path}\0.txt"),
    ];
    for spelling in &spellings {
        for role in [Role::Path, Role::Selector, Role::Url, Role::Destination, Role::Label] {
            for effect in
                [Effect::Write, Effect::Configure, Effect::Destroy, Effect::Execute, Effect::Message]
            {
                let what = format!("{effect:?} {role:?} {spelling:?}");
                denied_by(&with(effect, Some(role), spelling.as_str()), rule, &what);
            }
        }
        denied_by(&with(Effect::Write, None, spelling.as_str()), rule, "undeclared");
        denied_by(
            &with(Effect::Write, None, json!(["fine", { "deep": [spelling] }])),
            rule,
            "inside of a list",
        );
        denied_by(&call("fs.write", spelling), rule, "our own tool");
        // What else it does makes it no better.
        let mut reads_too = with(Effect::Read, Some(Role::Path), spelling.as_str());
        reads_too.declaration.effects = [Effect::Read, Effect::Write].into();
        denied_by(&reads_too, rule, "a tool that also reads");
    }
    denied_by(&apply("shell.run", &[path]), rule, "a change");
    denied_by(&apply("shell.run", &[&relative]), rule, "a change that climbs");
}

/// Reading is the rules' to say, and saying the name is not touching the thing.
fn others_may_read_and_name(path: &str) {
    allowed(&with(Effect::Read, Some(Role::Path), path), "reading");
    allowed(&with(Effect::Write, Some(Role::Content), path), "text that only mentions it");
    allowed(&with(Effect::Execute, Some(Role::Command), format!("ls {path}")), "a contained command");
}

/// A link in the workspace that leads there, however it is written.
fn no_change_links_to(rule: &str, path: &str) {
    for target in [path.to_owned(), format!("../../..{path}"), format!("./../..{path}")] {
        let mut judged = apply("shell.run", &["deep/link"]);
        judged.changes.iter_mut().for_each(|change| change.target = Some(target.clone()));
        denied_by(&judged, rule, &target);
    }
}

#[test]
fn protect_policy() {
    for path in ["/etc/testudo/testudo.toml", "/usr/share/testudo/policies/default.toml", "/etc/testudo"] {
        no_tool_writes("protect-policy", path);
        no_change_links_to("protect-policy", path);
        others_may_read_and_name(path);
    }
}

#[test]
fn protect_programs() {
    for path in [
        "/usr/lib/testudo/testudo-policyd",
        "/nix/store/abc-testudo/bin/testudoctl",
        "/usr/lib/systemd/system/testudo-policyd.service",
        "/etc/systemd/system/testudo-policyd.service.d/override.conf",
        "/usr/bin/testudoctl",
    ] {
        no_tool_writes("protect-programs", path);
        others_may_read_and_name(path);
    }
    let mut result = apply("shell.run", &["result"]);
    result.changes[0].target = Some("/nix/store/abc-hello".into());
    allowed(&result, "a link that a build makes");
}

#[test]
fn protect_record() {
    for path in ["/var/lib/testudo/auditd/log", "/var/log/journal/x/system.journal"] {
        no_tool_writes("protect-record", path);
        no_change_links_to("protect-record", path);
        others_may_read_and_name(path);
    }
}

#[test]
fn protect_state() {
    for path in ["/var/lib/testudo/policyd/approvals.db", "/run/testudo/sandbox.sock"] {
        no_tool_writes("protect-state", path);
        no_change_links_to("protect-state", path);
        others_may_read_and_name(path);
    }
    denied_by(&call("fs.write", "../policyd/approvals.db"), "protect-state", "beside the workspace on disk");
    allowed(&call("fs.write", "/var/lib/testudo/workspace/a"), "the workspace by its name on disk");
}

#[test]
fn protect_credentials() {
    let path = "/run/credentials/testudo-modeld.service/key";
    no_tool_writes("protect-credentials", path);
    no_change_links_to("protect-credentials", path);
    for effect in [Effect::Read, Effect::ReadExternal] {
        denied_by(&with(effect, Some(Role::Path), path), "protect-credentials", "not even read");
    }
    denied_by(
        &with(Effect::ReadExternal, Some(Role::Url), format!("file://{path}")),
        "protect-credentials",
        "fetched",
    );
    denied_by(&call("fs.read", path), "protect-credentials", "our own tool");
    no_tool_writes("protect-credentials", "/etc/credstore/key");
}

#[test]
fn protect_sessions() {
    for path in ["/var/lib/testudo/agentd/sessions/other.jsonl", "/run/scratch/other/upper/x"] {
        no_tool_writes("protect-sessions", path);
        no_change_links_to("protect-sessions", path);
    }
    denied_by(
        &call("fs.write", "../agentd/sessions/other.jsonl"),
        "protect-sessions",
        "from the workspace on disk",
    );
}

#[test]
fn what_contains_a_protected_place_is_not_destroyed_or_replaced() {
    for path in ["/", "/etc", "/var/lib", "/usr", "/%65tc"] {
        for effect in [Effect::Write, Effect::Configure, Effect::Destroy] {
            assert_eq!(
                decided(&with(effect, Some(Role::Path), path)).layer,
                Layer::Builtin,
                "{effect:?} {path}"
            );
        }
        allowed(&with(Effect::Read, Some(Role::Path), path), path);
        allowed(&with(Effect::Execute, Some(Role::Path), path), "a directory to start in");
        allowed(
            &with(Effect::Write, Some(Role::Selector), path),
            "an id of a service that has a root of its own",
        );
    }
}

#[test]
fn ordinary_paths_are_left_alone() {
    for path in [
        "a",
        "etc/testudo/x",
        "/workspace/a",
        "/workspace/usr/bin/x",
        "/home/me/.config",
        "/etc/testudos",
        "..",
    ] {
        for role in [Role::Path, Role::Selector] {
            allowed(&with(Effect::Write, Some(role), path), path);
        }
    }
}

#[test]
fn there_are_at_most_ten() {
    // One action that breaks every rule names all of them.
    let mut judged = apply("shell.run", &[".testudo/x", "../y", "a"]);
    judged.action.change_set = None;
    judged.changes[2].target = Some("/etc/testudo".into());
    judged.action.arguments = json!({ "all": [
        "/usr/bin/x", "/var/lib/testudo/auditd/log", "/run/testudo/x", "/run/credentials/x",
        "/var/lib/testudo/agentd/x",
    ] });
    judged.declaration.arguments = BTreeMap::new();
    let decision = decided(&judged);
    let names: Vec<&str> = decision.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    let guide = include_str!("../../../docs/policy/rules.md");
    for name in names {
        assert!(guide.contains(&format!("`{name}`")), "{name} is not in docs/policy/rules.md");
    }
}
