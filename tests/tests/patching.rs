//! `fs.patch` on the live path: asked about as the change that it makes, applied whole or not at all, and kept inside.

use serde_json::{Value, json};
use testudo_tests::{Scene, repository, text};

const DIFF: &str = "\
--- a/src/main.txt
+++ b/src/main.txt
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
--- /dev/null
+++ b/notes/new.txt
@@ -0,0 +1 @@
+new
";

fn scene() -> Scene {
    let scene = Scene::start();
    scene.put("src/main.txt", "one\ntwo\nthree\n");
    scene
}

fn refused(scene: &Scene, diff: &str) -> String {
    let answer = scene.call("fs.patch", &json!({ "diff": diff }));
    assert_eq!(answer["result"], Value::Null, "{answer}");
    assert!(scene.approvals().is_empty(), "there is nothing to ask about: {answer}");
    text(&answer["error"], "message")
}

#[test]
fn a_patch_is_shown_as_its_changes_and_applied_after_a_yes() {
    let scene = scene();
    let call = scene.call_start("fs.patch", &json!({ "diff": DIFF }));
    let approval = scene.next_approval(&[]);
    assert_eq!((&approval["tool"], &approval["phase"]), (&json!("fs.patch"), &json!("apply")), "{approval}");
    let shown: Vec<(String, String)> = approval["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| (text(change, "path"), text(change, "kind")))
        .collect();
    let path = |name: &str| shown.iter().any(|(path, _)| path == name);
    assert!(path("src/main.txt") && path("notes/new.txt"), "{shown:?}");
    assert!(approval.to_string().contains("zwei"), "{approval}");
    assert_eq!(scene.file("src/main.txt").as_deref(), Some(&b"one\ntwo\nthree\n"[..]), "not before the yes");
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(scene.file("src/main.txt").as_deref(), Some(&b"one\nzwei\nthree\n"[..]));
    assert_eq!(scene.file("notes/new.txt").as_deref(), Some(&b"new\n"[..]));
}

#[test]
fn a_no_leaves_everything_as_it_is() {
    let scene = scene();
    let call = scene.call_start("fs.patch", &json!({ "diff": DIFF }));
    let approval = scene.next_approval(&[]);
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    assert_eq!(scene.file("src/main.txt").as_deref(), Some(&b"one\ntwo\nthree\n"[..]));
    assert_eq!(scene.file("notes/new.txt"), None);
}

#[test]
fn a_hunk_that_does_not_fit_is_named_and_nothing_is_asked() {
    let scene = scene();
    // The second file fits; it is all or nothing.
    let message = refused(&scene, &DIFF.replace("-two", "-deux"));
    for part in ["src/main.txt", "hunk 1", "line 3 of the patch"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(scene.file("notes/new.txt"), None);
}

#[test]
fn what_is_not_of_the_workspace_s_files_is_refused() {
    let scene = scene();
    std::fs::create_dir(scene.appliance.workspace().join(".git")).unwrap();
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, scene.appliance.workspace().join(name)).unwrap();
    };
    link("src/main.txt", "link.txt");
    link("src", "folder");
    link("/etc", "out");
    let change =
        |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n");
    let create = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n");
    for (diff, why) in [
        (change("link.txt"), "a symlink is on the way"),
        (change("folder/main.txt"), "a symlink is on the way"),
        (create("out/x"), "a symlink is on the way"),
        (create(".git/hooks/pre-commit"), "what belongs to git is not for patches"),
        (create("sub/.git/config"), "what belongs to git is not for patches"),
        (create("../above"), "it contains \"..\""),
        (create("/etc/x"), "relative to the workspace"),
    ] {
        let message = refused(&scene, &diff);
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(scene.file("src/main.txt").as_deref(), Some(&b"one\ntwo\nthree\n"[..]));
    assert!(!scene.appliance.workspace().join(".git/hooks").exists());
}

#[test]
fn what_a_refused_patch_quotes_of_a_file_is_labelled_as_a_file_s() {
    let scene = scene();
    scene.put("key.txt", "the word is swordfish\n");
    let diff = "--- a/key.txt\n+++ b/key.txt\n@@ -1 +1 @@\n-x\n+y\n";
    assert!(refused(&scene, diff).contains("swordfish"));
    let url = json!({ "url": "https://page.test/swordfish" });
    let call = scene.call_start("web.fetch", &url);
    let approval = scene.next_approval(&[]);
    assert!(approval.to_string().contains("this session has read: file"), "{approval}");
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id")]).status, 0);
    call.finish();
}

/// Ways to name a file that the applying tool understands; `NAME` and its quoted form stand for the path.
const SPELLINGS: [&str; 8] = [
    "--- a/NAME\n+++ b/NAME\n@@ -1 +1 @@\n-old\n+new\n",
    "--- NAME\n+++ NAME\n@@ -1 +1 @@\n-old\n+new\n",
    "--- a/NAME\t2026-01-01 00:00:00\n+++ b/NAME\t2026-01-01 00:00:00\n@@ -1 +1 @@\n-old\n+new\n",
    "--- \"a/QUOTED\"\n+++ \"b/QUOTED\"\n@@ -1 +1 @@\n-old\n+new\n",
    "diff --git a/NAME b/NAME\nold mode 100644\nnew mode 100755\n",
    "diff --git a/NAME b/elsewhere\nsimilarity index 100%\nrename from NAME\nrename to elsewhere\n",
    "diff --git a/other b/NAME.new\nsimilarity index 100%\nrename from other\nrename to \"QUOTED.new\"\n",
    "said by somebody\n--- a/NAME\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n",
];

/// Policy reads the names of a diff on its own, before anything runs: whatever the tool would touch, a rule must see.
#[test]
fn however_a_diff_names_a_file_the_rule_about_it_speaks() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("guarded.toml");
    let shipped = std::fs::read_to_string(repository().join("policies/default.toml")).unwrap();
    let rule = "[[rule]]\nname = \"guard\"\nmatch = { tool = \"fs.patch\", phase = \"call\", path = \"secret/**\" }\n\
        action = \"deny\"\nreason = \"nobody touches it\"\n";
    std::fs::write(&file, format!("{shipped}\n{rule}")).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(place.path().to_owned());
        plan.set("policyd", "rules", vec![file]);
    });
    for path in ["secret/k", "public/k", "other"] {
        scene.put(path, "old\n");
    }
    let spell =
        |spelling: &str, name: &str, quoted: &str| spelling.replace("NAME", name).replace("QUOTED", quoted);
    for spelling in SPELLINGS {
        // The tool takes it: otherwise the denial below would show nothing.
        let call =
            scene.call_start("fs.patch", &json!({ "diff": spell(spelling, "public/k", "publi\\143/k") }));
        let approval = scene.next_approval(&[]);
        assert_eq!(approval["phase"], "apply", "{spelling}: {approval}");
        assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
        let _ = call.finish();
        let message = refused(&scene, &spell(spelling, "secret/k", "s\\145cret/k"));
        assert!(message.contains("nobody touches it"), "{spelling}: {message}");
    }
    assert_eq!(scene.file("secret/k").unwrap(), b"old\n");
}
