//! Files that a trusted program would later run or believe: none comes into the workspace without a decision.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testudo_tests::attacks::table::Way;
use testudo_tests::attacks::{Attack, Control, Table, control};
use testudo_tests::{Scene, text, wait};

fn scene(missing: &[Control]) -> Scene {
    Scene::with(|plan| {
        assert!(control::take_out(plan, missing).is_none(), "no unit changes");
        plan.set("toold", "burst", 1000).set("toold", "calls_per_minute", 10_000);
    })
}

fn propose(scene: &Scene, attack: &Attack) -> testudo_tests::Started {
    let command = attack.command.as_deref().expect("a proposal is made by a command");
    let arguments = json!({ "command": command }).to_string();
    scene.ctl_start(&["call", "shell.run", &arguments, "--session", &attack.id, "--json"])
}

#[test]
fn nothing_that_is_run_later_is_written_without_a_decision() {
    let table = Table::read();
    let attacks: Vec<&Attack> = table.by(Way::Proposal).collect();
    let shipped = scene(&[]);
    for attack in &attacks {
        let path = attack.path.as_deref().expect("it wants a path");
        let call = propose(&shipped, attack);
        if attack.refused {
            let answer = call.finish().json();
            let message = text(&answer["error"], "message");
            assert!(message.starts_with("policy denies"), "{}: {answer}", attack.id);
            assert_eq!(shipped.approvals(), Vec::<Value>::new(), "{}: nobody was asked", attack.id);
        } else {
            let question =
                wait(&format!("a question about {}", attack.id), || shipped.approvals().into_iter().next());
            let shown = question["changes"].as_array().expect("changes").iter();
            let paths: Vec<String> = shown.map(|change| text(change, "path")).collect();
            assert!(paths.iter().any(|shown| shown == path), "{}: {paths:?}", attack.id);
            assert_eq!(shipped.file(path), None, "{}: it waits for the answer", attack.id);
            let denied = shipped.ctl(&["deny", &text(&question, "id"), "--reason", "a test"]);
            assert_eq!(denied.status, 0, "{denied:?}");
            assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED", "{}", attack.id);
        }
        assert_eq!(shipped.file(path), None, "{}", attack.id);
    }
    drop(shipped);
    let controls: Vec<Control> = attacks.iter().flat_map(|attack| attack.controls()).collect();
    assert!(controls.iter().all(|control| control.name() == "decide"), "one appliance shows them all");
    let open = scene(controls.get(..1).expect("there are some"));
    for attack in &attacks {
        let path = attack.path.as_deref().expect("it wants a path");
        let answer = propose(&open, attack).finish().json();
        assert_eq!(answer["error"], Value::Null, "{}: {answer}", attack.id);
        assert!(open.file(path).is_some(), "{}: written unasked", attack.id);
    }
    println!("{} proposals: all decided; all written without the decision", attacks.len());
}

/// A yes to a program is none to its running as somebody else.
#[test]
fn no_set_user_id_bit_comes_into_the_workspace() {
    let scene = scene(&[]);
    let table = Table::read();
    let attack = table.by(Way::Proposal).find(|attack| attack.id == "set-user-id-file").expect("it is there");
    let call = propose(&scene, attack);
    scene.approve(&scene.next_approval(&[]));
    assert_eq!(call.finish().status, 0);
    let mode = std::fs::metadata(scene.appliance.workspace().join("suid"))
        .expect("it was applied")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755, "{mode:o}");
}
