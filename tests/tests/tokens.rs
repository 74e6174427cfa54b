//! Tokens of approved plans: what they are bound to, and that each binding is what stops an attack.

use serde_json::{Value, json};
use testudo_tests::{Scene, ablated, text, wait};

fn writing(path: &str) -> Value {
    json!({ "path": path, "content": "x\n" })
}

/// A plan of two writes that a person approved.
fn granted(scene: &Scene) -> Value {
    let steps = ["a.txt", "b.txt"].map(|path| json!({ "tool": "fs.write", "arguments": writing(path) }));
    let call = scene.call_start("request_approval", &json!({ "goal": "g", "steps": steps }));
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], json!(null));
    approval
}

/// Whether a write goes through without a question. If one is asked, the answer is no.
fn goes_through(scene: &Scene, path: &str) -> bool {
    let call = scene.call_start("fs.write", &writing(path));
    let outcome = wait("a question or a file", || match scene.approvals().first() {
        Some(approval) => Some(Some(approval.clone())),
        None => scene.file(path).map(|_| None),
    });
    if let Some(approval) = &outcome {
        assert_eq!(scene.ctl(&["deny", &text(approval, "id")]).status, 0);
    }
    let _ = call.finish();
    outcome.is_none()
}

#[test]
fn a_step_out_of_turn_is_asked_about() {
    let attack = |scene: &Scene| {
        granted(scene);
        goes_through(scene, "b.txt")
    };
    assert!(!attack(&Scene::start()));
    let scene = Scene::with(|plan| ablated(plan, "policyd", "token-order"));
    assert!(attack(&scene), "without the order any step comes first");
}

/// The sandboxes that run now.
fn zygotes() -> Vec<i32> {
    let is_zygote = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"zygote")
    };
    let all = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_zygote).collect()
}

/// Whoever replaces the sandbox, by making it crash, gets one with another invocation.
#[test]
fn another_sandbox_is_asked_about() {
    let attack = |scene: &Scene, before: &[i32]| {
        granted(scene);
        for pid in zygotes().into_iter().filter(|pid| !before.contains(pid)) {
            // What it has prepared for its next call looks the same, and goes with it.
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        wait("its end", || zygotes().iter().all(|pid| before.contains(pid)).then_some(()));
        goes_through(scene, "a.txt")
    };
    let before = zygotes();
    let scene = Scene::start();
    assert!(!attack(&scene, &before));
    drop(scene);
    let before = zygotes();
    let scene = Scene::with(|plan| ablated(plan, "policyd", "token-binding"));
    assert!(attack(&scene, &before), "without the binding any sandbox will do");
}

#[test]
fn a_yes_to_a_plan_gives_its_tokens_once_and_to_toold_alone() {
    let scene = Scene::start();
    let steps = json!([{ "tool": "fs.write", "arguments": writing("a.txt") }]);
    let call = scene.call_start("request_approval", &json!({ "goal": "g", "steps": steps }));
    let approval = scene.next_approval(&[]);
    let id = format!("s:{}", text(&approval, "id"));
    let early = scene.as_user("testudo-toold", "Policy1", "Collect", &[&id]);
    assert!(early.stdout.starts_with("org.testudo.Error.Denied"), "before the answer: {early:?}");
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], json!(null));
    let again = scene.as_user("testudo-toold", "Policy1", "Collect", &[&id]);
    assert!(again.stdout.contains("redeemed already"), "{again:?}");
    for user in ["root", "testudo-agentd", "nobody"] {
        let said = scene.as_user(user, "Policy1", "Collect", &[&id]);
        assert!(said.stdout.contains("AccessDenied"), "{user}: {said:?}");
    }
}

#[test]
fn a_token_that_nobody_minted_is_no_token() {
    let scene = Scene::start();
    let action = json!({
        "action": {
            "tool": "fs.write", "arguments": writing("a.txt"), "effect": "write", "phase": "apply",
            "session": "main", "requester": { "kind": "daemon", "name": "agentd" }, "change_set": "00"
        },
        "call": "c-1", "changes": [], "diff": "x"
    });
    let forged = json!({
        "id": "x", "unit": "/", "invocation": "00", "tool": "fs.write", "digest": "00", "paths": [], "max_ops": 1,
        "expires_ms": i64::MAX, "nonce": 1, "signature": "0".repeat(64)
    });
    for token in [forged.to_string(), "nonsense".to_owned(), "{}".to_owned()] {
        // Options of this caller are cut at commas, so the token goes without them.
        let options = format!("o:token={}", token.replace(',', " "));
        let said = scene.as_user("testudo-toold", "Policy1", "Decide", &[&format!("s:{action}"), &options]);
        assert_eq!(said.json()["verdict"], "ask", "{said:?}");
    }
}
