//! An allow becomes an ask or a denial, and nothing becomes an allow.

use serde_json::{Value, json};
use testudo_tests::{Scene, ablated, text};

use crate::model::FakeModel;
use crate::{RULES, Rules, asked, echo, spoke};

#[test]
fn an_allow_becomes_what_the_judge_says() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| rules.of(plan));
    let fine = echo(&scene, "a kind word");
    assert_eq!((&fine["verdict"], &fine["error"]), (&json!("allow"), &Value::Null), "{fine}");

    let denied = echo(&scene, "a forbidden word");
    assert_eq!(denied["verdict"], "deny", "{denied}");
    assert_eq!(denied["error"]["code"], "CONFIRMATION_DENIED");
    assert!(text(&denied["error"], "message").contains("forbidden words: the judge says"), "{denied}");

    assert!(spoke(&asked(&scene, "main", "a careful word")).contains(&"blocks".to_owned()));
    assert!(
        spoke(&asked(&scene, "main", "a tricky word")).contains(&"asks".to_owned()),
        "mode ask leaves the no to people"
    );

    let judged = |decision: &str| {
        scene.recorded("sentinel.judged", |record| {
            record["decision"] == decision && record["detail"]["rule"] == "blocks"
        })
    };
    assert!(judged("allow") && judged("deny") && judged("ask"), "{:?}", scene.log());
}

#[test]
fn without_the_sentinel_a_forbidden_word_passes() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| {
        rules.of(plan);
        ablated(plan, "policyd", "sentinel");
    });
    let said = echo(&scene, "a forbidden, tricky word for never");
    assert_eq!((&said["verdict"], &said["error"]), (&json!("allow"), &Value::Null), "{said}");
}

#[test]
fn a_judge_that_allows_everything_loosens_nothing() {
    const STRICT: &str = r#"
[[rule]]
name = "no-clock"
match = { tool = "time.now" }
action = "deny"
reason = "no clock"

[[rule]]
name = "ask-echo"
match = { tool = "echo" }
action = "ask"
reason = "ask first"

[[judge]]
id = "everything"
trigger = "always"
question = "Is it fine?"
mode = "block"
"#;
    let model = FakeModel::start();
    let rules = Rules::new(STRICT);
    let scene = Scene::with(|plan| {
        rules.of(plan);
        model.of(plan);
    });
    let denied = scene.call("time.now", &json!({}));
    assert_eq!(
        (&denied["verdict"], denied["error"]["code"].as_str()),
        (&json!("deny"), Some("CONFIRMATION_DENIED"))
    );
    assert_eq!(model.count(), 0, "a denial is not judged");

    let _ = asked(&scene, "main", "hello");
    assert_eq!(model.count(), 1, "a question of a rule is judged, and stays one");

    let change = json!({ "path": ".testudo/x", "kind": "add", "size": 1, "mode": 420, "sha256": null, "target": null });
    let action = json!({
        "tool": "fs.write", "arguments": { "path": ".testudo/x" }, "effect": "write", "phase": "apply", "session": "main",
        "requester": { "kind": "daemon", "name": "agentd" }, "change_set": "00",
    });
    let judged = json!({ "action": action, "call": "c-1", "changes": [change] });
    let builtin = scene.as_user("testudo-toold", "Policy1", "Decide", &[&format!("s:{judged}"), "o:"]).json();
    assert_eq!((&builtin["verdict"], &builtin["layer"]), (&json!("deny"), &json!("builtin")), "{builtin}");
    assert_eq!(model.count(), 1, "neither is what built-in rules deny");
}

#[test]
fn an_explanation_asks_no_model() {
    let model = FakeModel::start();
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| {
        rules.of(plan);
        model.of(plan);
    });
    let action = json!({
        "action": {
            "tool": "echo", "arguments": { "text": "forbidden" }, "effect": "read", "phase": "call", "session": "main",
            "requester": { "kind": "operator", "name": "root" }, "change_set": null,
        },
        "call": "c-1",
    });
    let said = scene.as_user("root", "Policy1", "Explain", &[&format!("s:{action}")]);
    assert_eq!(said.status, 0, "{said:?}");
    let explained = said.json();
    assert_eq!(explained["verdict"], "allow", "{explained}");
    let named = explained["reasons"].as_array().unwrap().iter().find(|reason| reason["rule"] == "sentinel");
    assert_eq!(named.unwrap()["text"], "would be asked by rules asks, blocks, fixed");
    assert_eq!(model.count(), 0);
}
