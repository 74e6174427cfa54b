//! Proposals through the shipped daemons: what policy merges without a question, what it asks, and what it denies.

use serde_json::{Value, json};
use testudo_tests::{Scene, repository, text};

/// The shipped policy with the rules of the example in the place of `confirm-changes`.
fn merging() -> (Scene, tempfile::TempDir) {
    let read = |name: &str| std::fs::read_to_string(repository().join("policies").join(name)).unwrap();
    let shipped = read("default.toml");
    let start = shipped.find("[[rule]]\nname = \"confirm-changes\"").expect("the shipped rule");
    let end = start + shipped[start..].find("\n\n").expect("its end");
    let policy = format!("{}\n{}\n{}", &shipped[..start], read("examples/auto-merge.toml"), &shipped[end..]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("merging.toml");
    std::fs::write(&file, policy).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(place.path().to_owned());
        plan.set("policyd", "rules", vec![file]);
    });
    (scene, place)
}

#[test]
fn only_small_edits_of_notes_are_merged_without_a_question() {
    let (scene, _place) = merging();
    scene.put("notes/old.txt", "old\n");
    scene.put("src/main.txt", "code\n");
    let merged = scene.call("fs.write", &json!({ "path": "notes/a.txt", "content": "a note\n" }));
    assert_eq!((&merged["verdict"], &merged["error"]), (&json!("allow"), &Value::Null), "{merged}");
    assert_eq!(scene.file("notes/a.txt").unwrap(), b"a note\n");
    assert!(scene.approvals().is_empty());
    for command in [
        "seq 1 501 > notes/long",
        "rm notes/old.txt",
        "mv notes/old.txt notes/new.txt",
        "chmod 755 notes/old.txt",
        "ln -s a.txt notes/link",
        "echo x > notes/.hidden",
        "echo x > notes/a; echo x >> src/main.txt",
        "printf '\\377\\000' > notes/binary",
    ] {
        let call = scene.call_start("shell.run", &json!({ "command": command }));
        let approval = scene.next_approval(&[]);
        assert_eq!(text(&approval, "phase"), "apply", "{command}");
        assert_eq!(scene.ctl(&["deny", approval["id"].as_str().unwrap(), "--reason", "no"]).status, 0);
        assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED", "{command}");
    }
}

#[test]
fn a_repository_by_another_name_is_denied_and_what_runs_later_is_said_in_the_prompt() {
    let scene = Scene::start();
    let made = "mkdir -p stuff/objects stuff/refs stuff/hooks; echo 'ref: refs/heads/x' > stuff/HEAD; echo id > stuff/hooks/post-checkout";
    let said = scene.call("shell.run", &json!({ "command": made }));
    assert!(text(&said["error"], "message").contains("keep-bare-repositories"), "{said}");
    // Half of it was there before, and looks harmless.
    for path in ["half/HEAD", "half/objects/x", "half/refs/x"] {
        scene.put(path, "x\n");
    }
    let said = scene.call("fs.write", &json!({ "path": "half/config", "content": "[core]\n" }));
    assert!(text(&said["error"], "message").contains("keep-bare-repositories"), "{said}");

    let call = scene.call_start("fs.write", &json!({ "path": "sub/.envrc", "content": "id\n" }));
    let approval = scene.next_approval(&[]);
    assert!(text(&approval, "diff").contains("runs later: sub/.envrc: direnv runs it"), "{approval}");
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], Value::Null);
}

#[test]
fn a_rename_is_one_change_with_both_paths_and_conflicts_when_either_was_touched() {
    let scene = Scene::start();
    scene.put("a.txt", "one\ntwo\nthree\nfour\nfive\n");
    let command = json!({ "command": "sed s/five/six/ a.txt > b.txt; rm a.txt" });
    let call = scene.call_start("shell.run", &command);
    let approval = scene.next_approval(&[]);
    let diff = text(&approval, "diff");
    assert!(diff.contains("rename from a.txt\nrename to b.txt\n--- a/a.txt\n+++ b/b.txt\n"), "{diff}");
    assert!(diff.contains("-five\n+six\n"), "{diff}");
    scene.put("a.txt", "by hand\n");
    scene.approve(&approval);
    let said = call.finish().json();
    assert!(text(&said["error"], "message").contains("a.txt: it has changed meanwhile"), "{said}");
    assert_eq!((scene.file("a.txt").unwrap(), scene.file("b.txt")), (b"by hand\n".to_vec(), None));
}
