//! Commands of the chat against the shipped daemons: each does what it says, and what does not exist is said so.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use testudo_tests::{Scene, text};

/// What a chat says in which these lines are typed.
fn chat(scene: &Scene, lines: &[&str]) -> String {
    let mut command = scene.appliance.testudoctl();
    let mut child = command
        .arg("chat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("testudoctl can be started");
    let mut input = child.stdin.take().expect("it is piped");
    for line in lines {
        writeln!(input, "{line}").expect("it reads");
    }
    drop(input);
    String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("it is text")
}

#[test]
fn commands_answer_from_the_daemons() {
    let scene = Scene::start();
    let said = chat(
        &scene,
        &[
            "echo hello",
            "/usage",
            "/model",
            "/model other",
            "/security",
            "/leases",
            "/resume",
            "/sessions",
            "/stpo",
        ],
    );
    for expected in [
        "in this session, rehearsal  2 requests",
        "in the record, last 24 h  2 answers",
        "● rehearsal (rehearsal, the configured one)",
        "there is no model \"other\": there is rehearsal",
        "controls   all on",
        "rules in plain language, none off here",
        "0 leases hold",
        " may reach out, 0 connections open",
        "No yes holds for longer than once.",
        "session main was not stopped",
        "there is no /stpo, did you mean /stop?",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in:\n{said}");
    }
}

#[test]
fn what_this_version_lacks_is_said_and_nothing_is_pretended() {
    let scene = Scene::start();
    let said = chat(&scene, &["/jobs", "/memory"]);
    assert!(said.contains("No job has run yet."), "{said}");
    assert!(said.contains("nothing is remembered beyond a session"), "{said}");
}

#[test]
fn what_is_vouched_for_is_said_to_the_judges_of_this_session_and_recorded() {
    let scene = Scene::start();
    let said = chat(&scene, &["/new garden", "/approve-context he is my son", "/approve-context"]);
    assert!(said.contains("the judges of session garden are shown it from now on"), "{said}");
    assert!(said.contains("what is it? /approve-context TEXT"), "{said}");
    let vouched: Vec<_> =
        scene.log().into_iter().filter(|record| record["event"] == "context.vouched").collect();
    let [record] = vouched.as_slice() else { panic!("not one record: {vouched:?}") };
    assert_eq!((&record["session"], &record["detail"]["by"]), (&json!("garden"), &json!("root")));
    assert_eq!((&record["detail"]["characters"], text(&record["detail"], "digest").len()), (&json!(12), 64));
    assert!(!record.to_string().contains("my son"), "the words are not in the record: {record}");
}

#[test]
fn a_new_session_takes_what_is_said_next() {
    let scene = Scene::start();
    let said = chat(&scene, &["echo one", "/new garden", "echo two", "/new main", "/sessions"]);
    assert!(said.contains("session garden begins with what you say next"), "{said}");
    assert!(said.contains("session main goes on here"), "{said}");
    for session in ["main", "garden"] {
        let line = said.lines().find(|line| line.starts_with(session)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains("   1 turns"), "{line}");
    }
}

#[test]
fn a_part_of_a_plan_is_approved_from_the_chat() {
    let scene = Scene::start();
    let write = |path: &str| json!({ "tool": "fs.write", "arguments": { "path": path, "content": "one\n" } });
    let call = scene.call_start(
        "request_approval",
        &json!({ "goal": "notes", "steps": [write("a.txt"), write("b.txt")] }),
    );
    let approval = scene.next_approval(&[]);
    let said = chat(&scene, &[&format!("/approve {}", text(&approval, "id")), "2"]);
    assert!(said.contains("approved"), "{said}");
    let answer = call.finish().json();
    let steps = &answer["result"]["content"]["steps"];
    assert_eq!(steps[0]["granted"], json!(false), "{answer}");
    assert_eq!(steps[1]["granted"], json!(true), "{answer}");
}
