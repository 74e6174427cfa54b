//! Identical calls share one question; what each of them may do with the yes is counted.

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, ablated, text, wait};

/// Two identical calls that wait for the same answer.
fn two(scene: &Scene) -> ([Started; 2], Value) {
    let arguments = json!({ "text": "the same" });
    let first = scene.call_start("echo", &arguments);
    let approval = scene.next_approval(&[]);
    let second = scene.call_start("echo", &arguments);
    let shared = wait("the second call", || {
        let waiting = scene.approvals();
        assert_eq!(waiting.len(), 1, "one question: {waiting:?}");
        waiting.into_iter().find(|approval| approval["calls"] == 2)
    });
    assert_eq!(shared["id"], approval["id"]);
    ([first, second], shared)
}

fn scene(without: Option<&str>) -> (tempfile::TempDir, Scene) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("policy.toml");
    let rule =
        "[[rule]]\nname = \"ask\"\nmatch = { tool = \"echo\" }\naction = \"ask\"\nreason = \"a test\"\n";
    std::fs::write(&file, rule).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", vec![file]);
        if let Some(control) = without {
            ablated(plan, "policyd", control);
        }
    });
    (folder, scene)
}

fn redeem(scene: &Scene, approval: &Value) -> testudo_tests::Said {
    let arguments = [format!("s:{}", text(approval, "id")), format!("s:{}", text(approval, "digest"))];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    scene.as_user("testudo-toold", "Policy1", "Redeem", &arguments)
}

#[test]
fn one_yes_is_one_use_for_each_call_that_waited_and_no_more() {
    let (_folder, scene) = scene(None);
    let (calls, approval) = two(&scene);
    let who = approval["rendering"].to_string();
    assert!(who.contains("2 identical calls wait: a yes lets each of them happen once"), "{who}");
    scene.approve(&approval);
    for call in calls {
        assert_eq!(call.finish().json()["error"], json!(null));
    }
    let third = redeem(&scene, &approval);
    assert!(third.stdout.contains("redeemed already"), "{third:?}");
    let used = scene.log().iter().filter(|record| record["event"] == "approval.redeemed").count();
    assert_eq!(used, 2);

    let (_folder, scene) = self::scene(Some("single-use"));
    let (calls, approval) = two(&scene);
    scene.approve(&approval);
    for call in calls {
        assert_eq!(call.finish().json()["error"], json!(null));
    }
    assert_eq!(redeem(&scene, &approval).status, 0, "without the count there is no end to it");
}

#[test]
fn a_yes_to_one_call_is_not_taken_when_two_wait() {
    let (_folder, scene) = scene(None);
    let arguments = json!({ "text": "the same" });
    let first = scene.call_start("echo", &arguments);
    let shown = scene.next_approval(&[]);
    let second = scene.call_start("echo", &arguments);
    wait("the second call", || (scene.approvals()[0]["calls"] == 2).then_some(()));
    let said = scene.ctl(&["approve", &text(&shown, "id"), "--seen", &text(&shown, "seen")]);
    assert!(said.status == 1 && said.stderr.contains("has changed since it was shown"), "{said:?}");
    assert_eq!(scene.ctl(&["deny", &text(&shown, "id"), "--reason", "no"]).status, 0);
    for call in [first, second] {
        assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    }
}

#[test]
fn who_comes_after_the_yes_asks_anew() {
    let (_folder, scene) = scene(None);
    let arguments = json!({ "text": "the same" });
    let first = scene.call_start("echo", &arguments);
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    assert_eq!(first.finish().json()["error"], json!(null));
    let second = scene.call_start("echo", &arguments);
    let again = scene.next_approval(&[&text(&approval, "id")]);
    assert_ne!(again["id"], approval["id"]);
    assert_eq!(scene.ctl(&["deny", &text(&again, "id"), "--reason", "no"]).status, 0);
    assert_eq!(second.finish().status, 1);
}
