//! Between the question and the effect: whatever becomes of the workspace meanwhile, only what was shown is done.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

/// Asks for a write to `path`, lets `swap` happen, says yes, and gives the answer.
fn raced(scene: &Scene, path: &str, swap: impl FnOnce(&Path)) -> Value {
    let call = scene.call_start("fs.write", &json!({ "path": path, "content": "from the agent\n" }));
    let approval = scene.next_approval(&[]);
    swap(scene.appliance.workspace());
    scene.approve(&approval);
    call.finish().json()
}

fn refused(answer: &Value, name: &str) {
    assert!(!answer["error"].is_null(), "{name}: {answer}");
    assert!(answer["result"].is_null(), "{name}: {answer}");
}

#[test]
fn what_was_swapped_while_the_question_waited_is_not_written_through() {
    let scene = Scene::start();
    let outside = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o666)).unwrap();

    scene.put("link.txt", "old\n");
    let answer = raced(&scene, "link.txt", |workspace| {
        std::fs::remove_file(workspace.join("link.txt")).unwrap();
        symlink(&victim, workspace.join("link.txt")).unwrap();
    });
    refused(&answer, "a file became a link that leads out");

    scene.put("dir/file.txt", "old\n");
    let answer = raced(&scene, "dir/file.txt", |workspace| {
        std::fs::rename(workspace.join("dir"), workspace.join("away")).unwrap();
        symlink(outside.path(), workspace.join("dir")).unwrap();
        std::fs::write(outside.path().join("file.txt"), "old\n").unwrap();
    });
    refused(&answer, "a folder became a link that leads out");
    assert_eq!(std::fs::read_to_string(outside.path().join("file.txt")).unwrap(), "old\n");

    scene.put("kind.txt", "old\n");
    let answer = raced(&scene, "kind.txt", |workspace| {
        std::fs::remove_file(workspace.join("kind.txt")).unwrap();
        std::fs::create_dir(workspace.join("kind.txt")).unwrap();
    });
    refused(&answer, "a file became a folder");

    scene.put("gone.txt", "old\n");
    let answer = raced(&scene, "gone.txt", |workspace| {
        std::fs::remove_file(workspace.join("gone.txt")).unwrap();
    });
    refused(&answer, "the file went");
    assert_eq!(scene.file("gone.txt"), None);

    let answer = raced(&scene, "new.txt", |workspace| {
        std::fs::write(workspace.join("new.txt"), "somebody was faster\n").unwrap();
    });
    refused(&answer, "the new file is there already");
    assert_eq!(scene.file("new.txt").as_deref(), Some(&b"somebody was faster\n"[..]));

    scene.put("mode.txt", "old\n");
    let answer = raced(&scene, "mode.txt", |workspace| {
        let path = workspace.join("mode.txt");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
    refused(&answer, "it became a program");

    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}

/// A command is run once, before the question; the yes applies what it wrote and does not run it again.
#[test]
fn a_command_does_not_run_again_after_the_yes() {
    let scene = Scene::start();
    scene.put("input.txt", "first\n");
    let call = scene.call_start("shell.run", &json!({ "command": "cat input.txt > copy.txt" }));
    let approval = scene.next_approval(&[]);
    assert!(text(&approval, "diff").contains("+first"), "{approval}");
    scene.put("input.txt", "second\n");
    scene.approve(&approval);
    assert_eq!(call.finish().status, 0);
    assert_eq!(scene.file("copy.txt").as_deref(), Some(&b"first\n"[..]));
}
