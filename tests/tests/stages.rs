//! Each stage of a call refuses with its own code, stage and record, and only because its control is there.

use serde_json::{Value, json};
use testudo_appliance::Plan;
use testudo_tests::{Scene, ablated, text};

/// The error of a call, which has a record that says the same.
fn refusal(scene: &Scene, tool: &str, arguments: &Value) -> Value {
    let answer = scene.call(tool, arguments);
    let error = answer["error"].clone();
    assert!(
        scene.recorded("call.refused", |record| {
            record["call"] == answer["call"]
                && record["detail"]["code"] == error["code"]
                && record["detail"]["stage"] == error["stage"]
                && record["detail"]["message"] == error["message"]
        }),
        "{answer} is not in the record"
    );
    error
}

#[test]
fn stage_2_an_unknown_tool() {
    let error = refusal(&Scene::start(), "fs.erase", &json!({}));
    assert_eq!((&error["code"], &error["stage"]), (&json!("UNKNOWN_TOOL"), &json!(2)), "{error}");
    assert_eq!(error["retriable"], false);
}

#[test]
fn stage_3_wrong_arguments() {
    let more = json!({ "text": "hello", "more": 1 });
    let error = refusal(&Scene::start(), "echo", &more);
    assert_eq!((&error["code"], &error["stage"]), (&json!("VALIDATION_FAILED"), &json!(3)), "{error}");
    let error = refusal(&Scene::start(), "fs.read", &json!({ "path": 7 }));
    assert_eq!(error["field"], "/path", "{error}");

    let scene = Scene::with(|plan| ablated(plan, "toold", "validate"));
    let answer = scene.call("echo", &more);
    assert_eq!(answer["error"], json!(null), "without the control it runs: {answer}");
}

#[test]
fn stage_4_too_many_calls() {
    let slow = |plan: &mut Plan| {
        plan.set("toold", "burst", 3).set("toold", "calls_per_minute", 1);
    };
    let hello = json!({ "text": "hello" });
    let scene = Scene::with(slow);
    for _ in 0..3 {
        assert_eq!(scene.call("echo", &hello)["error"], json!(null));
    }
    let error = refusal(&scene, "echo", &hello);
    assert_eq!((&error["code"], &error["stage"]), (&json!("RATE_LIMITED"), &json!(4)), "{error}");
    assert_eq!(error["retriable"], true);
    let wait = error["retry_after"].as_f64().expect("seconds");
    assert!(wait > 0.0 && wait <= 60.0, "{error}");
    // Every session has its own.
    let other = scene.ctl(&["call", "echo", &hello.to_string(), "--session", "other", "--json"]);
    assert_eq!(other.status, 0, "{other:?}");

    let scene = Scene::with(|plan| {
        slow(plan);
        ablated(plan, "toold", "rate");
    });
    for _ in 0..5 {
        assert_eq!(scene.call("echo", &hello)["error"], json!(null), "without the control there is no end");
    }
}

#[test]
fn stage_5_denied_by_the_policy() {
    let hook = json!({ "path": ".git/hooks/post-commit", "content": "#!/bin/sh\n" });
    let scene = Scene::start();
    let error = refusal(&scene, "fs.write", &hook);
    assert_eq!((&error["code"], &error["stage"]), (&json!("CONFIRMATION_DENIED"), &json!(5)), "{error}");
    assert!(text(&error, "message").contains("keep-git-repositories"), "{error}");
    assert_eq!(scene.file(".git/hooks/post-commit"), None);
    assert!(!scene.recorded("approval.requested", |_| true), "nobody is asked what is denied anyway");

    let scene = Scene::with(|plan| ablated(plan, "toold", "decide"));
    assert_eq!(scene.call("fs.write", &hook)["error"], json!(null));
    assert!(scene.file(".git/hooks/post-commit").is_some());
}

#[test]
fn stage_5_what_no_rule_allows_is_denied() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let rules = folder.path().join("empty.toml");
    std::fs::write(&rules, "# No rule at all.\n").unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", [&rules]);
    });
    let error = refusal(&scene, "echo", &json!({ "text": "hello" }));
    assert_eq!((&error["code"], &error["stage"]), (&json!("CONFIRMATION_DENIED"), &json!(5)), "{error}");
}

#[test]
fn stage_4_a_caller_that_the_bus_let_through_by_mistake() {
    let scene = Scene::with(|plan| plan.bus_policy = testudo_appliance::BusPolicy::Open);
    for user in ["testudo-modeld", "nobody"] {
        let said =
            scene.as_user(user, "Tools1", "Invoke", &["s:x", "s:shell.run", r#"s:{"command":"true"}"#, "o:"]);
        let answer = said.json();
        assert_eq!(answer["error"]["code"], "UNAUTHORIZED", "{user}: {answer}");
        assert_eq!(answer["error"]["stage"], 4, "{user}: {answer}");
        assert!(scene.recorded("call.refused", |record| record["call"] == answer["call"]));
    }
}
