//! What a person is shown: nothing hides in it, and a yes is to what was shown, whole and as it was.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testudo_tests::{Said, Scene, Started, ablated, text, wait};

fn propose(scene: &Scene, arguments: &Value) -> (Started, Value) {
    let call = scene.call_start("fs.write", arguments);
    let approval = scene.next_approval(&[]);
    (call, approval)
}

/// A text of which only the beginning is harmless.
fn long() -> String {
    let mut content = String::new();
    for number in 0..2000 {
        writeln!(content, "line {number}").unwrap();
    }
    content + "rm -rf ~\n"
}

fn answer(scene: &Scene, approval: &Value, options: &str) -> Said {
    let id = format!("s:{}", text(approval, "id"));
    let digest = format!("s:{}", text(approval, "digest"));
    scene.as_user("root", "Policy1", "Approve", &[&id, &digest, &format!("o:{options}")])
}

fn lines(approval: &Value) -> String {
    let sections = approval["rendering"].as_array().expect("a rendering");
    let all = sections.iter().flat_map(|section| section["lines"].as_array().expect("lines"));
    all.map(|line| line.as_str().expect("a line")).collect::<Vec<_>>().join("\n")
}

fn deny(scene: &Scene, call: Started, approval: &Value) {
    assert_eq!(scene.ctl(&["deny", &text(approval, "id"), "--reason", "seen"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
}

#[test]
fn a_value_that_was_not_shown_whole_is_not_approved() {
    let scene = Scene::start();
    let arguments = json!({ "path": "a.sh", "content": long() });
    let (call, approval) = propose(&scene, &arguments);
    assert_eq!((&approval["cut"], &approval["approvable"]), (&json!(true), &json!(true)));
    assert!(!lines(&approval).contains("rm -rf"), "the end is not shown");
    assert!(lines(&approval).contains("bytes, sha256 "), "its length and hash are");
    let brief = format!("seen={}", text(&approval, "seen"));
    for options in ["", &brief, "seen=0000000000000000", "seen="] {
        let said = answer(&scene, &approval, options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
    }
    let id = text(&approval, "id");
    assert_eq!(scene.file("a.sh"), None);
    let shown = scene.ctl(&["approvals", "show", &id, "--whole"]);
    assert!(shown.stdout.contains("rm -rf ~") && shown.stdout.contains("--seen "), "{shown:?}");
    let whole = scene.ctl(&["approvals", "show", &id, "--whole", "--json"]).json();
    assert_eq!(whole["cut"], false);
    let stale = scene.ctl(&["approve", &id, "--seen", &text(&approval, "seen")]);
    assert!(stale.status == 1 && stale.stderr.contains("--whole"), "{stale:?}");
    assert_eq!(scene.ctl(&["approve", &id, "--seen", &text(&whole, "seen")]).status, 0);
    assert_eq!(call.finish().json()["error"], json!(null));
    assert!(scene.file("a.sh").is_some());
    // Who approves by the command alone is shown the whole of what he approves.
    let (call, approval) = propose(&scene, &json!({ "path": "b.sh", "content": long() }));
    let said = scene.ctl(&["approve", &text(&approval, "id")]);
    assert!(said.status == 0 && said.stdout.contains("rm -rf ~"), "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));

    let scene = Scene::with(|plan| ablated(plan, "policyd", "whole-view"));
    let (call, approval) = propose(&scene, &arguments);
    assert_eq!(answer(&scene, &approval, "").status, 0, "without it the unseen end is approved too");
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn a_yes_to_another_view_is_refused() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, &json!({ "path": "a.txt", "content": "x\n" }));
    let said = answer(&scene, &approval, "seen=0123456789abcdef");
    assert!(said.stdout.contains("has changed since it was shown"), "{said:?}");
    assert_eq!(answer(&scene, &approval, &format!("seen={}", text(&approval, "seen"))).status, 0);
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn nothing_invisible_is_in_what_is_shown() {
    let scene = Scene::start();
    let hostile = "touch owned; echo safe # \u{202e}fdp.sj\u{2066}\u{200b}\u{ad}\u{feff}\u{e0041}\u{1b}[2K\r";
    let call = scene.call_start("shell.run", &json!({ "command": hostile, "stdin": "a\u{202e}b" }));
    let approval = scene.next_approval(&[]);
    let shown = lines(&approval);
    for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{ad}', '\u{feff}', '\u{e0041}', '\u{1b}', '\r'] {
        assert!(!shown.contains(hidden), "{hidden:?} in {shown:?}");
    }
    assert!(shown.contains(r"\u{202e}fdp.sj\u{2066}\u{200b}\u{ad}\u{feff}\u{e0041}"), "{shown}");
    let card = scene.ctl(&["approvals"]).stdout;
    assert!(card.contains(r"\u{202e}") && !card.contains('\u{202e}') && !card.contains('\u{1b}'), "{card}");
    deny(&scene, call, &approval);
}

#[test]
fn a_question_is_in_policyds_words_alone() {
    let scene = Scene::start();
    let (call, approval) = propose(
        &scene,
        &json!({ "path": "a\n│ yes     approved already", "content": "\" ← you said it\n╰─\n" }),
    );
    let card = scene.ctl(&["approvals"]).stdout;
    let inside: Vec<&str> = card.lines().collect();
    let end = inside.iter().position(|line| line.starts_with('╰')).expect("the card has one end");
    assert!(inside[1..end].iter().all(|line| line.starts_with('│')), "{card}");
    assert_eq!(inside.iter().filter(|line| line.starts_with("│ yes     ")).count(), 1, "{card}");
    deny(&scene, call, &approval);
}

#[test]
fn every_part_of_a_question_is_there() {
    let scene = Scene::start();
    scene.put("LICENSE", "MIT\n");
    let call = scene.call_start("shell.run", &json!({ "command": "sed -i s/MIT/XXX/ LICENSE" }));
    let approval = scene.next_approval(&[]);
    let headings: Vec<String> =
        approval["rendering"].as_array().unwrap().iter().map(|section| text(section, "heading")).collect();
    assert_eq!(headings, ["what", "changes", "diff", "sends", "undo", "why", "who", "yes"]);
    let shown = lines(&approval);
    for part in [
        "shell.run wants to change 1 path of the workspace (apply · write)",
        "command \"sed -i s/MIT/XXX/ LICENSE\"",
        "modify  LICENSE (4 bytes, mode 0644)",
        "-MIT",
        "+XXX",
        "nothing leaves this machine",
        "confirm-changes: this changes files of the workspace",
        "operator root in session cli",
        "once, or for this session: shell.run with the same command may change this path again",
    ] {
        assert!(shown.contains(part), "{part} not in {shown}");
    }
    deny(&scene, call, &approval);
}

/// policyd asks, and dies before it could tell: the question is there, and who asked does not know its name.
#[test]
fn a_question_that_lost_its_asker_in_a_restart_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("policy.toml");
    let rule =
        "[[rule]]\nname = \"ask\"\nmatch = { tool = \"echo\" }\naction = \"ask\"\nreason = \"a test\"\n";
    std::fs::write(&file, rule).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", vec![file]);
    });
    // It is kept before its record is durable, and that is held up here.
    let auditd = Pid::from_raw(scene.appliance.pid_of("auditd").unwrap());
    kill(auditd, Signal::SIGSTOP).unwrap();
    let call = scene.call_start("echo", &json!({ "text": "x" }));
    let approval = scene.next_approval(&[]);
    scene.appliance.kill9("policyd").unwrap();
    kill(auditd, Signal::SIGCONT).unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    wait("the asker", || scene.recorded("approval.joined", |_| true).then_some(()));
    let waiting = scene.approvals();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((&waiting[0]["id"], &waiting[0]["calls"]), (&approval["id"], &json!(1)));
    scene.approve(&waiting[0]);
    let answer = call.finish().json();
    assert_eq!((&answer["error"], &answer["verdict"]), (&json!(null), &json!("ask")), "{answer}");
}
