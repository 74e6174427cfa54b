//! The workspace itself: nothing but decided proposals reaches it, and no path or link leads out of it.

use std::os::unix::fs::symlink;

use crate::attack::{Attack, control, scene_without, unharmed};
use serde_json::{Value, json};
use testudo_tests::{Scene, text};

/// Runs a command, says no to what it proposes, and gives the paths that it proposed.
fn refused(scene: &Scene, command: &str) -> Vec<String> {
    let call = scene.call_start("shell.run", &json!({ "command": command }));
    let approval = scene.next_approval(&[]);
    let denied = scene.ctl(&["deny", &text(&approval, "id"), "--reason", "a test"]);
    assert_eq!(denied.status, 0, "{denied:?}");
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    approval["changes"].as_array().expect("changes").iter().map(|change| text(change, "path")).collect()
}

#[test]
fn leaving_something_for_the_next_call() {
    let scene = Scene::start();
    let before = scene.pids();
    assert_eq!(refused(&scene, "echo secret > left; echo secret > /tmp/left"), ["left"]);
    let next = scene.shell("cat left /tmp/left");
    assert_eq!(next["stdout"], "", "{next}");
    unharmed(&scene, &before);

    let (scene, _units) = scene_without(&[control("scratch-isolation")], |_| {});
    refused(&scene, "echo secret > left");
    let next = scene.call_start("shell.run", &json!({ "command": "cat left" }));
    scene.approve(&scene.next_approval(&[]));
    let next = next.finish().json();
    assert_eq!(next["result"]["content"]["stdout"], "secret\n", "{next}");
}

#[test]
fn changing_the_workspace_without_a_decision() {
    let scene = Scene::start();
    refused(&scene, "echo x > direct");
    assert_eq!(scene.file("direct"), None);

    let written = |missing: &[&str]| {
        let controls: Vec<_> = missing.iter().map(|name| control(name)).collect();
        let (scene, _units) = scene_without(&controls, |_| {});
        scene.shell("echo x > direct");
        scene.file("direct")
    };
    assert_eq!(written(&["proposals"]), None, "the instance's unit shows it read-only");
    assert_eq!(
        written(&["proposals", "read-only-workspace"]).as_deref(),
        Some(&b"x\n"[..]),
        "nobody was asked"
    );
}

/// The machine's users are not the sandbox's, so which file was read can be told.
#[test]
fn reading_through_a_link_that_leads_out() {
    let link =
        |scene: &Scene| symlink("/etc/passwd", scene.appliance.workspace().join("link")).expect("a link");
    let scene = Scene::start();
    let before = scene.pids();
    link(&scene);
    let read = scene.call("fs.read", &json!({ "path": "link" }));
    assert!(!read.to_string().contains("root:"), "{read}");
    let found = scene.call("search.grep", &json!({ "pattern": "root:" }));
    assert!(!found.to_string().contains("x:0:0"), "{found}");
    let read = scene.shell("cat link");
    assert!(!read.to_string().contains("root:"), "{read}");
    unharmed(&scene, &before);

    let (scene, _units) = scene_without(&[control("own-root"), control("landlock")], |_| {});
    link(&scene);
    let read = scene.shell("cat link");
    assert!(text(&read, "stdout").contains("root:x:0:0"), "{read}");
}

#[test]
fn writing_through_a_link_that_leads_out() {
    let scene = Scene::start();
    symlink("/var/tmp/owned", scene.appliance.workspace().join("out")).expect("a link");
    let before = scene.pids();
    for arguments in [json!({ "path": "out", "content": "x" }), json!({ "path": "out/a", "content": "x" })] {
        let call = scene.call("fs.write", &arguments);
        assert_eq!(call["error"]["code"], "HANDLER_ERROR", "{call}");
    }
    assert!(!std::fs::exists("/var/tmp/owned").unwrap());
    unharmed(&scene, &before);
    Attack::new("ln -s /var/tmp/owned out; echo x > out && { rm out; @DONE; }").stopped_by(&[
        "own-root",
        "read-only-root",
        "landlock",
        "read-only-system",
    ]);
}

/// What cannot be proposed is named in the answer, and does not come.
fn dropped(scene: &Scene, command: &str) -> Value {
    let answer = scene.call("shell.run", &json!({ "command": command }));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(answer["result"]["changes"], json!([]), "{answer}");
    answer["result"]["content"]["dropped"].clone()
}

#[test]
fn proposing_a_link_that_leads_out() {
    let scene = Scene::start();
    let before = scene.pids();
    for target in ["/etc/passwd", "../../etc/passwd", "/"] {
        let said = dropped(&scene, &format!("ln -s {target} leak"));
        assert!(said.to_string().contains("leak"), "{target}: {said}");
        assert!(std::fs::symlink_metadata(scene.appliance.workspace().join("leak")).is_err(), "{target}");
    }
    unharmed(&scene, &before);

    let (scene, _units) = scene_without(&[control("proposals"), control("read-only-workspace")], |_| {});
    scene.shell("ln -s /etc/passwd leak");
    assert!(std::fs::symlink_metadata(scene.appliance.workspace().join("leak")).is_ok());
}

#[test]
fn proposing_a_device_or_a_pipe() {
    let scene = Scene::start();
    let said = dropped(&scene, "mkfifo pipe; mknod device c 1 3; perl -e 'exit'");
    assert!(said.to_string().contains("pipe"), "{said}");
}

#[test]
fn writing_what_belongs_to_the_apply_runner() {
    let scene = Scene::start();
    let said = dropped(&scene, "mkdir .testudo; echo x > .testudo/journal");
    assert!(said.to_string().contains(".testudo"), "{said}");
    // The same once the runner has made it.
    let call = scene.call_start("fs.write", &json!({ "path": "a", "content": "x" }));
    scene.approve(&scene.next_approval(&[]));
    assert_eq!(call.finish().status, 0);
    assert!(scene.appliance.workspace().join(".testudo").is_dir(), "the runner keeps its journal there");
    let said = scene.shell("ls -A .testudo; echo x > .testudo/journal && echo written");
    assert_eq!(said["stdout"], "", "{said}");
    let write = scene.call("fs.write", &json!({ "path": ".testudo/journal", "content": "x" }));
    assert_eq!(write["error"]["code"], "HANDLER_ERROR", "{write}");
}

#[test]
fn paths_that_lead_out() {
    let scene = Scene::start();
    let before = scene.pids();
    for path in [
        "../../etc/passwd",
        "a/../../b",
        "/etc/passwd",
        "/workspace/../etc/passwd",
        "..",
        "/proc/self/environ",
    ] {
        for (tool, more) in [
            ("fs.read", json!({})),
            ("fs.write", json!({ "content": "x" })),
            ("fs.list", json!({})),
            ("fs.exists", json!({})),
        ] {
            let mut arguments = more;
            arguments["path"] = path.into();
            let answer = scene.call(tool, &arguments);
            assert_eq!(answer["error"]["code"], "HANDLER_ERROR", "{tool} {path}: {answer}");
        }
    }
    let search = scene.call("search.grep", &json!({ "pattern": "root", "path": "../../etc" }));
    assert_eq!(search["error"]["code"], "HANDLER_ERROR", "{search}");
    let away = scene.call("shell.run", &json!({ "command": "true", "cwd": "/etc" }));
    assert_ne!(away["result"]["content"]["exit"], 0, "{away}");
    unharmed(&scene, &before);
}
