//! What an approval is good for, and every way in which it is good for nothing.

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, ablated, text};

fn propose(scene: &Scene) -> (Started, Value) {
    let call = scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "new\n" }));
    let approval = scene.next_approval(&[]);
    (call, approval)
}

fn id(approval: &Value) -> String {
    text(approval, "id")
}

#[test]
fn a_denial_is_final_and_names_its_reason() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    let denied = scene.ctl(&["deny", &id(&approval), "--reason", "not today"]);
    assert_eq!(denied.status, 0, "{denied:?}");
    let said = call.finish();
    assert_eq!(said.status, 1);
    let answer = said.json();
    assert_eq!(answer["verdict"], "ask");
    assert_eq!(answer["error"]["code"], "CONFIRMATION_DENIED");
    assert_eq!(answer["error"]["stage"], 5);
    assert_eq!(answer["error"]["retriable"], false);
    assert!(text(&answer["error"], "message").contains("not today"), "{answer}");
    assert_eq!(scene.file("a.txt"), None);
    assert!(scene.recorded("approval.answered", |record| record["decision"] == "denied"));
    assert!(scene.recorded("call.refused", |record| record["detail"]["code"] == "CONFIRMATION_DENIED"));
}

#[test]
fn silence_expires_into_a_denial() {
    let attack = |scene: &Scene| {
        let (call, approval) = propose(scene);
        // The clock of the appliance decides; the test only waits for what it says.
        testudo_tests::wait("the end of the approval", || {
            let waits = scene.approvals().iter().any(|other| other["id"] == approval["id"]);
            (!waits).then_some(true)
        });
        let yes = scene.ctl(&["approve", &id(&approval), "--digest", &text(&approval, "digest")]);
        (call.finish().json(), yes)
    };
    let scene = Scene::with(|plan| {
        plan.set("policyd", "approval_ttl", "300ms");
    });
    let (answer, yes) = attack(&scene);
    assert_eq!(answer["error"]["code"], "CONFIRMATION_TIMEOUT", "{answer}");
    assert_eq!(answer["error"]["retriable"], true);
    assert_eq!(yes.status, 1, "{yes:?}");
    assert_eq!(scene.file("a.txt"), None);
    assert!(scene.recorded("approval.expired", |_| true));
}

#[test]
fn without_the_expiry_a_late_yes_would_count() {
    let scene = Scene::with(|plan| {
        plan.set("policyd", "approval_ttl", "1ms");
        ablated(plan, "policyd", "expiry");
    });
    let (call, approval) = propose(&scene);
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], json!(null));
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"new\n"[..]));
}

#[test]
fn a_second_answer_changes_nothing() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    let (id, digest) = (id(&approval), text(&approval, "digest"));
    scene.approve(&approval);
    assert_eq!(call.finish().status, 0);
    for (member, arguments) in [
        ("Approve", [format!("s:{id}"), format!("s:{digest}"), "o:".into()]),
        ("Deny", [format!("s:{id}"), "s:changed my mind".into(), "o:".into()]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let again = scene.as_user("root", "Policy1", member, &arguments);
        assert_eq!(again.status, 1, "{again:?}");
        assert!(again.stdout.starts_with("org.testudo.Error.Denied"), "{again:?}");
        assert!(again.stdout.contains("redeemed already"), "{again:?}");
    }
    assert!(scene.recorded("approval.refused", |record| record["detail"]["approval"] == id));
    let applied = scene.log().iter().filter(|record| record["event"] == "change.applied").count();
    assert_eq!(applied, 1);
}

#[test]
fn a_yes_for_another_digest_is_refused() {
    let attack = |scene: &Scene| {
        let (call, approval) = propose(scene);
        let other = "0".repeat(64);
        let arguments = [format!("s:{}", id(&approval)), format!("s:{other}"), "o:".to_owned()];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        (call, approval.clone(), scene.as_user("root", "Policy1", "Approve", &arguments))
    };
    let scene = Scene::start();
    let (call, approval, said) = attack(&scene);
    assert!(
        said.stdout.starts_with("org.testudo.Error.Denied: approval a-1 is for another action"),
        "{said:?}"
    );
    assert_eq!(scene.file("a.txt"), None);
    assert!(scene.recorded("approval.refused", |record| record["detail"]["by"] == "root"));
    assert_eq!(scene.ctl(&["deny", &id(&approval), "--reason", "done"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");

    let scene = Scene::with(|plan| ablated(plan, "policyd", "digest-binding"));
    let (call, _, said) = attack(&scene);
    assert_eq!(said.status, 0, "without the binding any digest is taken: {said:?}");
    assert_eq!(call.finish().status, 0);
}

#[test]
fn a_question_whose_asker_is_gone_leads_nowhere() {
    let action = json!({
        "action": {
            "tool": "fs.write", "arguments": { "path": "a", "content": "harmless" }, "effect": "write", "phase": "apply",
            "session": "main", "requester": { "kind": "daemon", "name": "agentd" }, "change_set": "00"
        },
        "call": "c-1", "changes": [], "diff": "harmless"
    });
    let scene = Scene::start();
    let decision =
        scene.as_user("testudo-toold", "Policy1", "Decide", &[&format!("s:{action}"), "o:"]).json();
    assert_eq!(decision["verdict"], "ask", "{decision}");
    let approval = text(&decision, "approval");
    testudo_tests::wait("the withdrawal", || {
        scene
            .recorded("approval.withdrawn", |record| record["detail"]["approval"] == approval)
            .then_some(true)
    });
    let digest = text(&decision, "digest");
    let yes = scene.as_user(
        "root",
        "Policy1",
        "Approve",
        &[&format!("s:{approval}"), &format!("s:{digest}"), "o:"],
    );
    assert!(yes.stdout.contains("withdrawn already"), "{yes:?}");
}

/// A taken-over `toold` has one action approved and wants leave to do another one with that yes.
#[test]
fn what_was_approved_is_what_may_run() {
    let attack = |binding: bool| {
        let scene = Scene::with(|plan| {
            // This toold runs without using its yes up, which leaves it for the attacker.
            ablated(plan, "toold", "redeem");
            if !binding {
                ablated(plan, "policyd", "digest-binding");
            }
        });
        let (call, approval) = propose(&scene);
        scene.approve(&approval);
        assert_eq!(call.finish().status, 0);
        let other = "f".repeat(64);
        let said = scene.as_user(
            "testudo-toold",
            "Policy1",
            "Redeem",
            &[&format!("s:{}", id(&approval)), &format!("s:{other}")],
        );
        let refused = scene.recorded("approval.refused", |record| record["detail"]["by"] == "toold");
        (said, refused)
    };
    let (said, refused) = attack(true);
    assert!(
        said.stdout.starts_with("org.testudo.Error.Denied: approval a-1 is for another action"),
        "{said:?}"
    );
    assert!(refused);
    let (said, _) = attack(false);
    assert_eq!(said.status, 0, "without the binding a yes is good for anything: {said:?}");
}

#[test]
fn an_approval_cannot_be_used_twice() {
    let attack = |scene: &Scene| {
        let (call, approval) = propose(scene);
        scene.approve(&approval);
        assert_eq!(call.finish().status, 0);
        let digest = text(&approval, "digest");
        scene.as_user(
            "testudo-toold",
            "Policy1",
            "Redeem",
            &[&format!("s:{}", id(&approval)), &format!("s:{digest}")],
        )
    };
    let scene = Scene::start();
    let said = attack(&scene);
    assert!(said.stdout.contains("redeemed already"), "{said:?}");
    assert!(scene.recorded("approval.refused", |record| record["detail"]["by"] == "toold"));

    let scene = Scene::with(|plan| ablated(plan, "policyd", "single-use"));
    assert_eq!(attack(&scene).status, 0, "without single use, a yes works for ever");
}

#[test]
fn no_daemon_can_approve() {
    let attack = |scene: &Scene, user: &str| {
        let (call, approval) = propose(scene);
        let arguments =
            [format!("s:{}", id(&approval)), format!("s:{}", text(&approval, "digest")), "o:".to_owned()];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = scene.as_user(user, "Policy1", "Approve", &arguments);
        if said.status != 0 {
            let _ = scene.ctl(&["deny", &id(&approval), "--reason", "end of the test"]);
        }
        (said, call.finish().json())
    };
    for user in ["testudo-agentd", "testudo-toold", "testudo-modeld", "testudo-auditd"] {
        // The bus refuses it …
        let (said, answer) = attack(&Scene::start(), user);
        assert!(said.stdout.contains("AccessDenied"), "{user}: {said:?}");
        assert_eq!(answer["error"]["code"], "CONFIRMATION_DENIED");
        // … and where the bus lets everything through, policyd does, with a record.
        let open = |plan: &mut testudo_appliance::Plan| plan.bus_policy = testudo_appliance::BusPolicy::Open;
        let scene = Scene::with(open);
        let (said, _) = attack(&scene, user);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{user}: {said:?}");
        assert!(scene.recorded("approval.refused", |record| {
            text(&record["detail"], "reason").contains("may not answer approvals")
        }));
    }
    // With both taken out, the agent approves itself: these two are what stops it.
    let scene = Scene::with(|plan| {
        plan.bus_policy = testudo_appliance::BusPolicy::Open;
        ablated(plan, "policyd", "approver-identity");
    });
    let (said, answer) = attack(&scene, "testudo-agentd");
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(answer["error"], json!(null));
}

#[test]
fn without_the_decision_a_write_needs_nobody() {
    let scene = Scene::with(|plan| ablated(plan, "toold", "decide"));
    let answer = scene.call("fs.write", &json!({ "path": "a.txt", "content": "unasked" }));
    assert_eq!(answer["error"], json!(null), "{answer}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"unasked"[..]));
}

#[test]
fn what_changed_meanwhile_is_a_conflict() {
    let scene = Scene::start();
    scene.put("a.txt", "old\n");
    let (call, approval) = propose(&scene);
    scene.put("a.txt", "edited by its owner\n");
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["error"]["code"], "HANDLER_ERROR", "{answer}");
    assert!(text(&answer["error"], "message").contains("changed meanwhile"), "{answer}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"edited by its owner\n"[..]));
}

#[test]
fn a_yes_for_the_session_covers_the_same_shape_there_and_no_other() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene);
    assert_eq!(scene.ctl(&["approve", &id(&approval), "--for", "session"]).status, 0);
    assert_eq!(call.finish().status, 0);
    let second = scene.call("fs.write", &json!({ "path": "a.txt", "content": "two" }));
    assert_eq!(second["verdict"], "allow", "{second}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"two"[..]));
    let asked = |tool: &str, arguments: Value, session: &str| {
        let call = scene.ctl_start(&["call", tool, &arguments.to_string(), "--session", session, "--json"]);
        let asked = scene.next_approval(&[]);
        assert_eq!((&asked["tool"], &asked["session"]), (&json!(tool), &json!(session)));
        assert_eq!(scene.ctl(&["deny", &id(&asked), "--reason", "no"]).status, 0);
        assert_eq!(call.finish().status, 1);
    };
    let session = text(&approval, "session");
    asked("fs.write", json!({ "path": "b.txt", "content": "two" }), &session);
    asked("shell.run", json!({ "command": "echo x > c.txt" }), &session);
    asked("fs.write", json!({ "path": "a.txt", "content": "x" }), "other");
}
