//! The way back, through the shipped daemons: what was applied is undone exactly, as a decided change of its own.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

/// Every kind of change: contents, modes, links, folders, a rename, and what is no text.
const WORK: &str = "mkdir -p new/deep; echo fresh > new/deep/file; rm -r old; mv moves new/moved; chmod 755 script; \
    ln -sf script link; printf '\\377\\000\\001' > binary; echo after > edited; rm gone; mkdir empty; rmdir hollow";

/// Path, permissions and content of everything in a workspace, but for the runner's own folder.
fn state(workspace: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let (mut state, mut folders) = (Vec::new(), vec![workspace.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(workspace).unwrap().to_string_lossy().into_owned();
            let about = std::fs::symlink_metadata(&path).unwrap();
            let content = if about.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if about.is_dir() {
                if name == ".testudo" {
                    continue;
                }
                folders.push(path);
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            let mode = if about.is_symlink() { 0 } else { about.permissions().mode() };
            state.push((name, mode, content));
        }
    }
    state.sort();
    state
}

fn scene() -> Scene {
    let scene = Scene::start();
    for (path, content) in [
        ("old/inner/file", "in a folder\n"),
        ("moves", "as it is\n"),
        ("script", "#!/bin/sh\n"),
        ("binary", "\u{1}\u{2}"),
        ("edited", "before\n"),
        ("gone", "old\n"),
        ("hollow/x", "x\n"),
    ] {
        scene.put(path, content);
    }
    let workspace = scene.appliance.workspace();
    std::fs::remove_file(workspace.join("hollow/x")).unwrap();
    let owner = std::fs::metadata(workspace).unwrap();
    for folder in ["old", "old/inner", "hollow"] {
        std::os::unix::fs::chown(workspace.join(folder), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    std::os::unix::fs::symlink("edited", workspace.join("link")).unwrap();
    std::os::unix::fs::lchown(workspace.join("link"), Some(owner.uid()), Some(owner.gid())).unwrap();
    scene
}

/// Approves whatever a started command asks, and gives what it said.
fn with_a_yes(scene: &Scene, started: testudo_tests::Started) -> Value {
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    started.finish().json()
}

fn history(scene: &Scene) -> Vec<Value> {
    let said = scene.ctl(&["history", "--json"]);
    said.json().as_array().unwrap_or_else(|| panic!("{said:?}")).clone()
}

#[test]
fn what_was_applied_is_undone_exactly_and_the_undoing_is_undone_too() {
    let scene = scene();
    let before = state(scene.appliance.workspace());
    let call = with_a_yes(&scene, scene.call_start("shell.run", &json!({ "command": WORK })));
    assert_eq!(call["error"], Value::Null, "{call}");
    let kinds: Vec<String> =
        call["result"]["changes"].as_array().unwrap().iter().map(|change| text(change, "kind")).collect();
    for kind in ["add", "modify", "delete", "mkdir", "rmdir", "symlink", "mode", "rename"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} in {kinds:?}");
    }
    let done = state(scene.appliance.workspace());
    assert_ne!(done, before);
    let first = history(&scene);
    assert_eq!((first.len(), text(&first[0], "tool").as_str()), (1, "shell.run"), "{first:?}");
    assert_eq!(first[0]["call"], call["call"]);
    assert_eq!(first[0]["approver"], "root", "{first:?}");

    let undone = with_a_yes(&scene, scene.ctl_start(&["undo", "--json"]));
    assert_eq!(undone["error"], Value::Null, "{undone}");
    assert_eq!(state(scene.appliance.workspace()), before);
    let undoing = text(&undone["result"]["content"], "application");
    let redone = with_a_yes(&scene, scene.ctl_start(&["undo", &undoing, "--json"]));
    assert_eq!(redone["error"], Value::Null, "{redone}");
    assert_eq!(state(scene.appliance.workspace()), done);

    // By the id of its call, and again refused once it is done.
    let by_call = text(&call, "call");
    with_a_yes(&scene, scene.ctl_start(&["undo", &by_call, "--json"]));
    assert_eq!(state(scene.appliance.workspace()), before);
    let again = scene.ctl(&["undo", &by_call, "--json"]).json();
    assert!(text(&again["error"], "message").contains("was done already"), "{again}");
    assert_eq!(history(&scene).len(), 4);
    let applied = scene.log().into_iter().filter(|record| record["event"] == "change.applied").count();
    assert_eq!(applied, 4, "each is in the record");
    assert_eq!(scene.ctl(&["audit", "verify"]).status, 0);
}

#[test]
fn a_no_leaves_everything_and_what_was_touched_since_is_not_undone() {
    let scene = scene();
    with_a_yes(&scene, scene.call_start("fs.write", &json!({ "path": "edited", "content": "after\n" })));
    let undoing = scene.ctl_start(&["undo", "--json"]);
    let approval = scene.next_approval(&[]);
    assert_eq!((text(&approval, "tool").as_str(), text(&approval, "phase").as_str()), ("undo", "apply"));
    assert!(text(&approval, "diff").contains("-after\n+before\n"), "{approval}");
    assert_eq!(scene.ctl(&["deny", approval["id"].as_str().unwrap(), "--reason", "no"]).status, 0);
    assert_eq!(undoing.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    assert_eq!(scene.file("edited").unwrap(), b"after\n");

    scene.put("edited", "by hand\n");
    let said = scene.ctl(&["undo", "--json"]).json();
    assert!(text(&said["error"], "message").contains("edited: it has changed meanwhile"), "{said}");
    assert_eq!(scene.file("edited").unwrap(), b"by hand\n");
    assert_eq!(history(&scene).len(), 1);
}

#[test]
fn an_agent_can_neither_undo_nor_see_that_it_could() {
    let scene = Scene::start();
    let agent =
        |member: &str, arguments: &[&str]| scene.as_user("testudo-agentd", "Tools1", member, arguments);
    assert!(agent("Undo", &["s:", "o:"]).stdout.contains("AccessDenied"));
    assert!(agent("History", &["u:1"]).stdout.contains("AccessDenied"));
    assert!(!agent("Catalogue", &[]).stdout.contains("\"undo\""));
    let said = agent("Invoke", &["s:main", "s:undo", "s:{}", "o:"]).stdout;
    assert!(said.contains("UNAUTHORIZED"), "{said}");
}
