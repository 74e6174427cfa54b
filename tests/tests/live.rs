//! What a running command prints is seen while it runs, by who asked for it and by nobody else.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use testudo_tests::{Scene, text};

/// The events of a chat in which one thing is said.
fn chat(scene: &Scene, said: &str) -> Vec<Value> {
    let mut command = scene.appliance.testudoctl();
    command.args(["chat", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("testudoctl can be started");
    let mut input = child.stdin.take().expect("it is piped");
    writeln!(input, "{said}").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let lines = String::from_utf8(output.stdout).expect("it is text");
    lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn the_output_of_a_command_comes_while_it_runs() {
    let scene = Scene::start();
    let events = chat(&scene, "run `echo first; sleep 1; echo second >&2; sleep 1; echo third`");
    let kinds: Vec<String> = events.iter().map(|event| text(event, "event")).collect();
    let of = |kind: &str| kinds.iter().position(|known| known == kind);
    let live: Vec<&Value> = events.iter().filter(|event| event["event"] == "call-output").collect();
    assert!(live.len() >= 2, "in pieces, as it came: {events:?}");
    assert!(of("call-started") < of("call-output") && of("call-output") < of("call-finished"), "{kinds:?}");
    let heard: String = live.iter().map(|event| text(event, "text")).collect();
    assert!(heard.contains("first\n") && heard.contains("second\n"), "{heard}");
    let finished = events.iter().find(|event| event["event"] == "call-finished").expect("it ended");
    assert_eq!(live.iter().map(|event| text(event, "request")).next(), Some(text(finished, "request")));
}

#[test]
fn what_is_over_at_once_is_seen_once() {
    let scene = Scene::start();
    let events = chat(&scene, "run echo quick");
    assert!(events.iter().any(|event| event["event"] == "call-finished"), "{events:?}");
    assert!(!events.iter().any(|event| event["event"] == "call-output"), "{events:?}");
}
