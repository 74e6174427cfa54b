//! The binary as people and programs run it: exit statuses, and what stands where.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop the test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn testudoctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testudoctl"))
        .args(arguments)
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["approve"],
        &["approve", "a-1", "--for", "ever"],
        &["approve", "a-1", "a-2", "--digest", "00"],
        &["call", "echo"],
        &["call", "echo", "not json"],
        &["audit", "show", "x"],
    ] {
        let output = testudoctl(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "chat",
        "send",
        "call",
        "approvals",
        "approve",
        "deny",
        "status",
        "doctor",
        "man",
        "completions",
        "audit log",
        "audit show",
        "audit verify",
        "policy check",
        "policy explain",
        "policy test",
        "policy simulate",
        "policy replay",
        "policy update",
        "policy revert",
        "policy show",
        "config check",
        "session list",
        "session show",
        "file",
        "matrix status",
        "matrix rooms",
        "matrix recovery-key",
        "matrix rotate",
        "matrix recover",
        "matrix verify",
        "matrix dead-letters",
        "",
    ] {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let output = testudoctl(&arguments);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(out(&output).contains("Example: testudoctl"), "{command}: {}", out(&output));
    }
}

#[test]
fn without_a_bus_each_command_says_so_and_what_helps() {
    for arguments in [
        &["send", "hi"][..],
        &["call", "echo", "{}"],
        &["approvals"],
        &["approve", "a-1"],
        &["deny", "a-1"],
        &["audit", "verify"],
        &["status"],
        &["session", "list"],
        &["file", "main", "f-1"],
        &["chat"],
    ] {
        let output = testudoctl(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = err(&output);
        assert!(text.starts_with("testudoctl: cannot reach the bus: "), "{arguments:?}: {text}");
        assert!(text.contains("testudo.target"), "{arguments:?}: {text}");
    }
}

#[test]
fn with_json_a_failure_is_json_too() {
    let output = testudoctl(&["--json", "approvals"]);
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(value["error"]["message"].as_str().unwrap().starts_with("cannot reach the bus"), "{value}");
}

#[test]
fn doctor_fails_and_says_how_to_mend_it() {
    let output = testudoctl(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let checks = value["checks"].as_array().unwrap();
    let bus = checks.iter().find(|check| check["check"] == "bus").unwrap();
    assert_eq!(bus["outcome"], "fail");
    assert!(bus["fix"].as_str().unwrap().contains("./try"), "{bus}");
    assert_eq!(value["ok"], false);
}

#[test]
fn config_check_shows_all_mistakes_and_is_78() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("testudo.toml");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "[agentd]\nmax_turn = 3\n[toold]\nburst = \"x\"\n").unwrap();

    let output = testudoctl(&["config", "check", name]);
    assert_eq!(output.status.code(), Some(78));
    let text = err(&output);
    assert!(text.contains(":2:1: unknown key `max_turn`") && text.contains("\n  ^~~~~~~~"), "{text}");
    assert!(text.contains(":4:9: expected an integer"), "{text}");

    let output = testudoctl(&["--json", "config", "check", name]);
    assert_eq!(output.status.code(), Some(78));
    let value: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((value["ok"].as_bool(), value["findings"].as_array().map(Vec::len)), (Some(false), Some(2)));
    assert_eq!(value["findings"][1]["line"], 4);

    std::fs::write(&file, "[agentd]\nmax_turns = 3\n").unwrap();
    assert_eq!(testudoctl(&["config", "check", name]).status.code(), Some(0));
    assert_eq!(testudoctl(&["config", "check", "/nonexistent"]).status.code(), Some(1));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = testudoctl(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("approvals"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testudoctl"))
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

/// The shipped policy as a system is built with it: no daemon, no bus.
#[test]
fn policies_are_checked_and_tried_offline() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/default.toml");
    let shipped = shipped.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mistaken = put("mistaken.toml", "[[rule]]\nname = \"a\"\naction = \"alow\"\nmatch = {}\n");
    let mine =
        put("mine.toml", "[[rule]]\nname = \"quiet\"\naction = \"deny\"\nmatch = { tool = \"echo\" }\n");
    put(
        "mine.cases.toml",
        "[[case]]\nname = \"echo\"\ntool = \"echo\"\neffect = \"read\"\nphase = \"call\"\nexpect = \"allow\"\n",
    );
    for (arguments, status, expected) in [
        (&["policy", "check", shipped][..], 0, "default.toml: "),
        (
            &["policy", "check", shipped, &mistaken],
            78,
            "mistaken.toml:3:10: expected one of allow, ask, deny",
        ),
        (&["policy", "test", shipped], 0, " 0 wrong"),
        (&["policy", "test", &mistaken], 78, "mistaken.toml:3:10"),
        (&["policy", "test", shipped, &mine], 1, "mine.cases.toml:6:10"),
    ] {
        let output = testudoctl(arguments);
        let said = format!("{}{}", out(&output), err(&output));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// To bring it in step: `cargo run -p testudoctl -- man > docs/man/testudoctl.1`.
#[test]
fn the_man_page_in_the_repository_is_the_one_of_this_source() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/testudoctl.1");
    let kept = std::fs::read_to_string(file).unwrap();
    assert!(kept == out(&testudoctl(&["man"])), "docs/man/testudoctl.1 is not what `testudoctl man` writes");
}
