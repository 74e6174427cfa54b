//! A yes that holds for longer, and everything that it must not be stretched to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, ablated, repository, text, wait};

fn write(scene: &Scene, path: &str, content: &str) -> Value {
    scene.call("fs.write", &json!({ "path": path, "content": content }))
}

fn propose(scene: &Scene, path: &str, content: &str) -> (Started, Value) {
    let call = scene.call_start("fs.write", &json!({ "path": path, "content": content }));
    let approval = scene.next_approval(&[]);
    (call, approval)
}

/// A yes to writing `a.txt` that holds for so long.
fn lease(scene: &Scene, how_long: &str) -> Value {
    let (call, approval) = propose(scene, "a.txt", "one\n");
    let said = scene.ctl(&["approve", &text(&approval, "id"), "--for", how_long, "--json"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    said.json()[0].clone()
}

fn leases(scene: &Scene) -> Vec<Value> {
    scene.ctl(&["leases", "--json"]).json().as_array().expect("a list").clone()
}

/// The call asks a person; the answer is no.
fn asks(scene: &Scene, tool: &str, arguments: &Value, session: &str) {
    let call = scene.ctl_start(&["call", tool, &arguments.to_string(), "--session", session, "--json"]);
    let approval = scene.next_approval(&[]);
    assert_eq!((&approval["tool"], &approval["session"]), (&json!(tool), &json!(session)));
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
}

#[test]
fn a_lease_covers_the_file_that_was_shown_and_nothing_like_it() {
    let scene = Scene::start();
    let given = lease(&scene, "session");
    assert_eq!((&given["scope"], &given["lease"]), (&json!("session"), &json!("l-1")));
    let again = write(&scene, "a.txt", "two\n");
    assert_eq!((&again["verdict"], &again["error"]), (&json!("allow"), &json!(null)), "{again}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"two\n"[..]));
    for path in ["a.txt.sh", "a", "b.txt", "./a.txt", "*"] {
        asks(&scene, "fs.write", &json!({ "path": path, "content": "x" }), "cli");
    }
    asks(&scene, "shell.run", &json!({ "command": "echo three > a.txt" }), "cli");
    asks(&scene, "fs.write", &json!({ "path": "a.txt", "content": "x" }), "other");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"two\n"[..]));

    let scene = Scene::with(|plan| ablated(plan, "policyd", "lease-shape"));
    let _ = lease(&scene, "session");
    let other = write(&scene, "b.txt", "anything\n");
    assert_eq!(other["error"], json!(null), "without the shape one yes opens every file: {other}");
    assert!(scene.file("b.txt").is_some());
}

#[test]
fn a_command_may_be_run_again_and_change_what_was_shown() {
    let scene = Scene::start();
    scene.put("data", "1\n");
    let command = json!({ "command": "cp data copy; [ -e more ] && cp more extra || true" });
    let call = scene.call_start("shell.run", &command);
    let approval = scene.next_approval(&[]);
    assert_eq!(scene.ctl(&["approve", &text(&approval, "id"), "--for", "session"]).status, 0);
    assert_eq!(call.finish().status, 0);
    scene.put("data", "2\n");
    assert_eq!(scene.call("shell.run", &command)["error"], json!(null));
    assert_eq!(scene.file("copy").as_deref(), Some(&b"2\n"[..]));
    // The same command, and by now it would change something else too.
    scene.put("data", "3\n");
    scene.put("more", "x\n");
    asks(&scene, "shell.run", &command, "cli");
    assert_eq!(scene.file("extra"), None);
}

#[test]
fn a_lease_is_listed_revoked_and_survives_a_restart() {
    let scene = Scene::start();
    let _ = lease(&scene, "session");
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    let listed = leases(&scene);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["exactly"], json!({ "path": "a.txt" }));
    assert_eq!((&listed[0]["by"], &listed[0]["weight"]), (&json!("root"), &json!("reply")));
    assert_eq!(write(&scene, "a.txt", "two\n")["verdict"], "allow");
    assert_eq!(scene.ctl(&["revoke", "l-1"]).status, 0);
    assert!(leases(&scene).is_empty());
    assert!(scene.recorded("lease.revoked", |record| record["detail"]["lease"] == "l-1"));
    asks(&scene, "fs.write", &json!({ "path": "a.txt", "content": "three\n" }), "cli");
    for id in ["l-1", "l-2", "a-1", "l-x", ""] {
        assert_eq!(scene.ctl(&["revoke", id]).status, 1, "{id}");
    }
}

#[test]
fn a_lease_ends_in_time() {
    let scene = Scene::start();
    let given = lease(&scene, "500ms");
    assert_eq!(given["scope"], "until");
    wait("the end of the lease", || leases(&scene).is_empty().then_some(()));
    asks(&scene, "fs.write", &json!({ "path": "a.txt", "content": "two\n" }), "cli");
    let (call, approval) = propose(&scene, "b.txt", "x\n");
    for how_long in ["0s", "169h", "5", "ever"] {
        let said = scene.ctl(&["approve", &text(&approval, "id"), "--for", how_long]);
        assert_ne!(said.status, 0, "{how_long}: {said:?}");
    }
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id")]).status, 0);
    assert_eq!(call.finish().status, 1);
}

#[test]
fn always_is_for_exactly_these_arguments_wherever() {
    let scene = Scene::start();
    let given = lease(&scene, "always");
    assert_eq!(given["scope"], "always");
    let arguments = json!({ "path": "a.txt", "content": "one\n" });
    scene.put("a.txt", "zero\n");
    let said = scene.ctl(&["call", "fs.write", &arguments.to_string(), "--session", "other", "--json"]);
    assert_eq!(said.json()["error"], json!(null), "{said:?}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"one\n"[..]));
    asks(&scene, "fs.write", &json!({ "path": "a.txt", "content": "two\n" }), "cli");
    asks(&scene, "fs.write", &json!({ "path": "a.txt", "content": "one\n", "mode": "append" }), "cli");
}

/// The shipped policy with more behind it, in force from now on.
fn exchange(scene: &Scene, file: &Path, change: impl Fn(String) -> String) {
    let policy = std::fs::read_to_string(repository().join("policies/default.toml")).unwrap();
    std::fs::write(file, change(policy)).unwrap();
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    assert_eq!(leases(scene).len(), 1, "the lease itself is still there");
}

#[test]
fn a_lease_lifts_no_denial_no_heavier_question_and_no_new_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("policy.toml");
    std::fs::copy(repository().join("policies/default.toml"), &file).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", vec![file.clone()]);
    });
    let _ = lease(&scene, "session");
    let arguments = json!({ "path": "a.txt", "content": "two\n" });
    let rule = |action: &str| {
        format!(
            "\n[[rule]]\nname = \"new\"\nmatch = {{ path = \"a.txt\", phase = \"apply\" }}\naction = \"{action}\"\nreason = \"a test\"\n"
        )
    };
    exchange(&scene, &file, |policy| policy + &rule("deny"));
    let denied = scene.call("fs.write", &arguments);
    assert_eq!(
        (&denied["verdict"], &denied["error"]["code"]),
        (&json!("deny"), &json!("CONFIRMATION_DENIED"))
    );
    assert!(scene.approvals().is_empty(), "nobody is even asked");
    exchange(&scene, &file, |policy| policy + &rule("ask"));
    asks(&scene, "fs.write", &arguments, "cli");
    let heavier = "name = \"confirm-changes\"\napprove_by = \"otp\"";
    exchange(&scene, &file, |policy| policy.replace("name = \"confirm-changes\"", heavier));
    asks(&scene, "fs.write", &arguments, "cli");
    exchange(&scene, &file, |policy| policy);
    assert_eq!(
        scene.call("fs.write", &arguments)["verdict"],
        "allow",
        "it was the rules that stood against it"
    );
}

#[test]
fn nobody_but_operators_sees_or_ends_leases() {
    let scene = Scene::with(|plan| plan.bus_policy = testudo_appliance::BusPolicy::Open);
    let _ = lease(&scene, "session");
    for user in ["testudo-agentd", "testudo-toold", "nobody"] {
        for (member, arguments) in [("Leases", &[][..]), ("Revoke", &["s:l-1", "o:"]), ("EnrolOtp", &[])] {
            let said = scene.as_user(user, "Policy1", member, arguments);
            assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{user} {member}: {said:?}");
        }
    }
    assert_eq!(leases(&scene).len(), 1);
}
