//! A plan is one question for many steps, and a yes to it is a yes to exactly these.

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, text, wait};

fn writing(path: &str, content: &str) -> Value {
    json!({ "tool": "fs.write", "arguments": { "path": path, "content": content } })
}

fn propose(scene: &Scene, steps: &[Value]) -> (Started, Value) {
    let call = scene.call_start("request_approval", &json!({ "goal": "tidy up", "steps": steps }));
    let approval = scene.next_approval(&[]);
    (call, approval)
}

/// A plan that a person approved, whole or in part.
fn granted(scene: &Scene, steps: &[Value], part: &[&str]) -> Value {
    let (call, approval) = propose(scene, steps);
    let id = text(&approval, "id");
    let said = scene.ctl(&[&["approve", id.as_str()], part].concat());
    assert_eq!(said.status, 0, "{said:?}");
    let answer = call.finish().json();
    assert_eq!(answer["error"], json!(null), "{answer}");
    answer
}

/// Makes the call of a step, which must need no further answer.
fn quietly(scene: &Scene, step: &Value) -> Value {
    let answer = scene.call(&text(step, "tool"), &step["arguments"]);
    assert_eq!(answer["error"], json!(null), "{answer}");
    assert_eq!(answer["verdict"], "allow", "{answer}");
    answer
}

/// Makes a call that must be asked about, and says no.
fn asked_afresh(scene: &Scene, step: &Value) {
    let call = scene.call_start(&text(step, "tool"), &step["arguments"]);
    let approval = scene.next_approval(&[]);
    assert_eq!(approval["tool"], step["tool"], "{approval}");
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id")]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
}

fn questions(scene: &Scene) -> usize {
    scene.log().iter().filter(|record| record["event"] == "approval.requested").count()
}

#[test]
fn one_yes_lets_every_step_happen_in_its_order() {
    let scene = Scene::start();
    let steps = [writing("notes/a.txt", "one\n"), writing("notes/b.txt", "two\n")];
    let (call, approval) = propose(&scene, &steps);
    assert_eq!((&approval["phase"], &approval["tool"]), (&json!("plan"), &json!("request_approval")));
    assert_eq!(approval["scopes"], json!(["once"]));
    let shown = approval["rendering"].to_string();
    for part in
        ["1. fs.write (ask)", "2. fs.write (ask)", "a yes covers: add notes/a.txt", "confirm-changes", "two"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(scene.file("notes/a.txt"), None);
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["verdict"], "ask");
    let content = &answer["result"]["content"];
    assert_eq!(content["steps"][1], json!({"step": 2, "verdict": "ask", "granted": true}));
    assert!(!answer.to_string().contains("signature"), "a token left toold: {answer}");

    for step in &steps {
        quietly(&scene, step);
    }
    assert_eq!(scene.file("notes/a.txt").as_deref(), Some(&b"one\n"[..]));
    assert_eq!(scene.file("notes/b.txt").as_deref(), Some(&b"two\n"[..]));
    assert_eq!(questions(&scene), 1);
    assert!(scene.recorded("plan.granted", |record| record["detail"]["approval"] == approval["id"]));
    let log = serde_json::to_string(&scene.log()).unwrap();
    assert!(!log.contains("signature"), "a token is in the record");
    // The yes was for once: the same write again is a question again.
    scene.put("notes/a.txt", "changed\n");
    asked_afresh(&scene, &steps[0]);
}

#[test]
fn nobody_is_asked_about_a_plan_that_needs_nobody() {
    let scene = Scene::start();
    let steps = json!([
        { "tool": "echo", "arguments": { "text": "hi" } },
        { "tool": "fs.list", "arguments": {} },
    ]);
    let answer = scene.call("request_approval", &json!({ "goal": "look around", "steps": steps }));
    assert_eq!(answer["verdict"], "allow", "{answer}");
    assert_eq!(answer["result"]["content"]["steps"][0]["granted"], true);
    assert_eq!(questions(&scene), 0);
}

#[test]
fn a_plan_with_a_step_that_is_denied_asks_nobody_and_names_it() {
    let scene = Scene::start();
    let steps = [writing("a.txt", "x"), writing(".testudo/journal", "x")];
    let answer = scene.call("request_approval", &json!({ "goal": "g", "steps": steps }));
    assert_eq!(answer["error"]["code"], "CONFIRMATION_DENIED", "{answer}");
    assert!(text(&answer["error"], "message").contains("step 2"), "{answer}");
    assert_eq!(questions(&scene), 0);
}

#[test]
fn steps_are_checked_as_their_calls_would_be() {
    let scene = Scene::start();
    let own = json!({ "tool": "request_approval", "arguments": { "goal": "g", "steps": [] } });
    for (step, code, field) in [
        (json!({ "tool": "fs.fly", "arguments": {} }), "UNKNOWN_TOOL", "/steps/1/tool"),
        (
            json!({ "tool": "fs.write", "arguments": { "path": 3, "content": "" } }),
            "VALIDATION_FAILED",
            "/steps/1/arguments/path",
        ),
        (own, "VALIDATION_FAILED", "/steps/1/tool"),
    ] {
        let steps = [writing("a.txt", "x"), step];
        let answer = scene.call("request_approval", &json!({ "goal": "g", "steps": steps }));
        assert_eq!(
            (&answer["error"]["code"], &answer["error"]["field"]),
            (&json!(code), &json!(field)),
            "{answer}"
        );
    }
    let many = vec![writing("a.txt", "x"); 21];
    let answer = scene.call("request_approval", &json!({ "goal": "g", "steps": many }));
    assert_eq!(answer["error"]["code"], "VALIDATION_FAILED", "{answer}");
}

#[test]
fn a_part_of_a_plan_is_granted_and_the_rest_is_asked_about() {
    let scene = Scene::start();
    let steps = [writing("a.txt", "a"), writing("b.txt", "b"), writing("c.txt", "c")];
    let answer = granted(&scene, &steps, &["--steps", "-2"]);
    let given: Vec<&Value> = answer["result"]["content"]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["granted"])
        .collect();
    assert_eq!(given, [true, false, true]);
    quietly(&scene, &steps[0]);
    asked_afresh(&scene, &steps[1]);
    quietly(&scene, &steps[2]);
    assert_eq!(scene.file("b.txt"), None);
}

#[test]
fn steps_that_a_plan_does_not_have_cannot_be_granted() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, &[writing("a.txt", "a")]);
    let id = text(&approval, "id");
    for wrong in ["2", "0", "all", "1-9"] {
        assert_eq!(scene.ctl(&["approve", &id, "--steps", wrong]).status, 1, "{wrong}");
    }
    assert_eq!(scene.ctl(&["approve", &id, "--for", "session"]).status, 1, "a plan is for once");
    assert_eq!(scene.ctl(&["deny", &id, "--reason", "no"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    asked_afresh(&scene, &writing("a.txt", "a"));
}

#[test]
fn every_deviation_is_asked_about() {
    let scene = Scene::start();
    let steps = [writing("a.txt", "a"), writing("b.txt", "b")];
    granted(&scene, &steps, &[]);
    // Other content, another path, out of turn.
    asked_afresh(&scene, &writing("a.txt", "A"));
    asked_afresh(&scene, &writing("c.txt", "a"));
    asked_afresh(&scene, &steps[1]);
    // Another session.
    let arguments = steps[0]["arguments"].to_string();
    let other = scene.ctl_start(&["call", "fs.write", &arguments, "--session", "other", "--json"]);
    let approval = scene.next_approval(&[]);
    assert_eq!(approval["session"], "other");
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id")]).status, 0);
    assert_eq!(other.finish().status, 1);
    // None of that used the plan up.
    quietly(&scene, &steps[0]);
    quietly(&scene, &steps[1]);
}

#[test]
fn what_a_plan_did_not_say_is_asked_about_when_it_is_known() {
    let scene = Scene::start();
    scene.put("there.txt", "precious\n");
    let unsaid = writing("there.txt", "gone\n");
    let command = json!({ "tool": "shell.run", "arguments": { "command": "echo x > made.txt" } });
    granted(&scene, &[unsaid.clone(), command.clone(), writing("new.txt", "n")], &[]);
    // The plan did not say that a file would be replaced, nor what the command would change.
    asked_afresh(&scene, &unsaid);
    asked_afresh(&scene, &command);
    quietly(&scene, &writing("new.txt", "n"));
    assert_eq!(scene.file("there.txt").as_deref(), Some(&b"precious\n"[..]));

    let mut said = unsaid;
    said["arguments"]["mode"] = json!("overwrite");
    let before = questions(&scene);
    granted(&scene, std::slice::from_ref(&said), &[]);
    quietly(&scene, &said);
    assert_eq!(questions(&scene), before + 1);
    assert_eq!(scene.file("there.txt").as_deref(), Some(&b"gone\n"[..]));
}

#[test]
fn a_plan_outlives_a_restart_before_its_answer_and_its_tokens_end_with_one_after() {
    let scene = Scene::start();
    let steps = [writing("a.txt", "a"), writing("b.txt", "b")];
    let (call, approval) = propose(&scene, &steps);
    scene.appliance.restart_unit("policyd").unwrap();
    wait("the question", || (!scene.approvals().is_empty()).then_some(()));
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], json!(null));
    quietly(&scene, &steps[0]);
    scene.appliance.restart_unit("policyd").unwrap();
    asked_afresh(&scene, &steps[1]);
}
