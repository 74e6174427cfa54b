//! Using up the machine: processes, output, files, time.

use crate::attack::unharmed;
use serde_json::json;
use testudo_tests::{Scene, text};

#[test]
fn ten_gigabytes_of_output() {
    let scene = Scene::start();
    let before = scene.pids();
    let answer = scene.call(
        "shell.run",
        &json!({ "command": "echo x > left; head -c 10000000000 /dev/zero | tr '\\0' x" }),
    );
    assert_eq!(answer["result"]["truncated"], true, "{}", answer["error"]);
    assert_eq!(text(&answer["result"]["content"], "stdout").len(), 1024 * 1024);
    assert_eq!(answer["result"]["changes"], json!([]), "what was cut proposes nothing");
    unharmed(&scene, &before);
}

#[test]
fn a_call_that_is_late_is_an_error_that_says_so() {
    let scene = Scene::with(|plan| {
        plan.set("toold", "call_timeout", "2s");
    });
    let before = scene.pids();
    // The caller's own wish cannot reach beyond the appliance's limit.
    let late =
        json!({ "command": "echo x > left; trap '' TERM; while :; do :; done", "timeout_ms": 3_600_000 });
    let answer = scene.call("shell.run", &late);
    assert_eq!(answer["error"]["code"], "PLUGIN_TIMEOUT", "{answer}");
    assert_eq!(answer["error"]["stage"], 6);
    assert_eq!(answer["error"]["retriable"], true);
    assert_eq!(scene.file("left"), None);
    assert_eq!(scene.approvals(), Vec::<serde_json::Value>::new(), "what was cut proposes nothing");
    assert!(scene.recorded("call.refused", |record| record["detail"]["code"] == "PLUGIN_TIMEOUT"));
    unharmed(&scene, &before);
}
