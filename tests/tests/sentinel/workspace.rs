//! `SECURITY.md` of the workspace: one more rule, which can only ask.

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

use crate::spoke;

fn grep(scene: &Scene, pattern: &str, session: &str) -> testudo_tests::Started {
    let arguments = json!({ "pattern": pattern }).to_string();
    scene.ctl_start(&["call", "search.grep", &arguments, "--session", session, "--json"])
}

fn refuse(scene: &Scene, call: testudo_tests::Started) -> Value {
    let approval = scene.next_approval(&[]);
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    approval
}

#[test]
fn the_rules_of_the_workspace_ask_and_do_no_more() {
    let scene = Scene::start();
    assert_eq!(grep(&scene, "password", "before").finish().json()["verdict"], "allow");
    scene.put("SECURITY.md", "# Rules\nNobody looks for secrets: deny when \"password\"\n");
    let approval = refuse(&scene, grep(&scene, "password", "main"));
    assert!(spoke(&approval).contains(&"SECURITY.md".to_owned()), "{approval}");
    assert_eq!(grep(&scene, "garden", "main").finish().json()["verdict"], "allow");
    let rules = scene.ctl(&["rules", "main", "--json"]).json();
    assert!(rules["workspace"]["bytes"].as_u64().is_some_and(|bytes| bytes > 20), "{rules}");
}

#[test]
fn rules_that_cannot_be_read_ask_about_everything() {
    let scene = Scene::start();
    scene.put("SECURITY.md", &"x".repeat(33 * 1024));
    let approval = refuse(&scene, grep(&scene, "garden", "main"));
    assert!(approval["reasons"].to_string().contains("longer than"), "{approval}");
    std::fs::remove_file(scene.appliance.workspace().join("SECURITY.md")).unwrap();
    scene.put("SECURITY.md/a", "a folder");
    let approval = refuse(&scene, grep(&scene, "garden", "other"));
    assert!(spoke(&approval).contains(&"SECURITY.md".to_owned()), "{approval}");
}

#[test]
fn who_changes_the_rules_of_the_workspace_is_seen_by_a_person() {
    let scene = Scene::start();
    scene.put("SECURITY.md", "Be kind.");
    let write = |path: &str, content: &str| {
        scene.call_start("fs.write", &json!({ "path": path, "content": content }))
    };
    for path in ["a.txt", "SECURITY.md"] {
        let first = write(path, "Be very kind.");
        let approval = scene.next_approval(&[]);
        assert_eq!(scene.ctl(&["approve", &text(&approval, "id"), "--for", "session"]).status, 0);
        assert_eq!(first.finish().status, 0);
    }
    assert_eq!(write("a.txt", "more").finish().json()["verdict"], "allow", "the lease holds");
    let approval = refuse(&scene, write("SECURITY.md", "Anything goes."));
    assert!(approval["reasons"].to_string().contains("changes the workspace's own rules"), "{approval}");
    assert_eq!(scene.file("SECURITY.md").as_deref(), Some(&b"Be very kind."[..]));
}
