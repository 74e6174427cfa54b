//! The main job: a person asks for a file, sees the diff, approves, and the record tells the story.

use serde_json::json;
use testudo_tests::{Scene, text};

#[test]
fn a_file_is_asked_for_shown_approved_written_and_recorded() {
    let scene = Scene::start();
    let turn = scene.ctl_start(&["send", "--wait", "--json", "write 'hi there' to notes/a.txt"]);

    let approval = scene.next_approval(&[]);
    assert_eq!(approval["tool"], "fs.write");
    assert_eq!(approval["arguments"]["path"], "notes/a.txt");
    assert_eq!(approval["phase"], "apply");
    assert!(text(&approval, "diff").contains("+hi there"), "{approval}");
    assert_eq!(approval["approvable"], true);
    assert_eq!(scene.file("notes/a.txt"), None, "nothing is written before the approval");
    scene.approve(&approval);

    let answer = turn.finish();
    assert_eq!(answer.status, 0, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["calls"][0]["tool"], "fs.write");
    assert_eq!(answer["calls"][0]["verdict"], "ask");
    assert_eq!(answer["calls"][0]["error"], json!(null));
    assert_eq!(scene.file("notes/a.txt").as_deref(), Some(&b"hi there"[..]));

    let call = text(&answer["calls"][0], "id");
    assert_eq!(
        scene.story(&call),
        [
            "call.decided",
            "approval.requested",
            "approval.answered",
            "approval.redeemed",
            "change.decided",
            "change.applied",
            "call.finished"
        ]
    );
    let verified = scene.ctl(&["audit", "verify", "--json"]);
    assert_eq!(verified.status, 0, "{verified:?}");
    assert_eq!(verified.json()["ok"], true);
    assert_eq!(verified.json()["first_bad"], json!(null));
}

#[test]
fn every_tool_works_from_plain_sentences() {
    let scene = Scene::start();
    scene.put("src/main.rs", "fn main() { /* needle */ }\n");
    for (sentence, tool, part) in [
        ("read src/main.rs", "fs.read", "needle"),
        ("list src", "fs.list", "main.rs"),
        ("does src/main.rs exist?", "fs.exists", "exist"),
        ("search for needle in src", "search.grep", "main.rs"),
        ("find files matching **/*.rs", "search.glob", "src/main.rs"),
        ("run echo $((6*7))", "shell.run", "42"),
        ("what time is it?", "time.now", "20"),
        ("say hello", "echo", "hello"),
    ] {
        let said = scene.ctl(&["send", "--wait", "--json", sentence]);
        assert_eq!(said.status, 0, "{sentence}: {said:?}");
        let answer = said.json();
        assert_eq!(answer["calls"][0]["tool"], tool, "{sentence}: {answer}");
        assert_eq!(answer["calls"][0]["error"], json!(null), "{sentence}: {answer}");
        assert!(text(&answer, "reply").contains(part), "{sentence}: {answer}");
    }
}

#[test]
fn one_message_can_have_several_steps() {
    let scene = Scene::start();
    scene.put("a.txt", "first\n");
    let said =
        scene.ctl(&["send", "--wait", "--json", "read a.txt, then run ls -la and then search for first"]);
    let answer = said.json();
    let tools: Vec<String> =
        answer["calls"].as_array().unwrap().iter().map(|call| text(call, "tool")).collect();
    assert_eq!(tools, ["fs.read", "shell.run", "search.grep"], "{answer}");
}

#[test]
fn what_a_command_writes_is_a_proposal_too() {
    let scene = Scene::start();
    scene.put("a.txt", "one\n");
    let call = scene
        .call_start("shell.run", &json!({ "command": "echo two >> a.txt; mkdir d; echo new > d/b.txt; ls" }));
    let approval = scene.next_approval(&[]);
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"one\n"[..]));
    let diff = text(&approval, "diff");
    for part in ["+two", "+new", "new directory d/"] {
        assert!(diff.contains(part), "{diff}");
    }
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["verdict"], "ask", "{answer}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"one\ntwo\n"[..]));
    assert_eq!(scene.file("d/b.txt").as_deref(), Some(&b"new\n"[..]));
}
