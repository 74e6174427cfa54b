//! Who answers, what, and when: every answer here is one that nobody should be able to give.

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, text};

fn propose(scene: &Scene, path: &str) -> (Started, Value) {
    let known: Vec<String> = scene.approvals().iter().map(|approval| text(approval, "id")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let call = scene.call_start("fs.write", &json!({ "path": path, "content": "new\n" }));
    let approval = scene.next_approval(&known);
    (call, approval)
}

fn approve_as(scene: &Scene, user: &str, id: &str, digest: &str, options: &str) -> String {
    let said = scene.as_user(
        user,
        "Policy1",
        "Approve",
        &[&format!("s:{id}"), &format!("s:{digest}"), &format!("o:{options}")],
    );
    assert_ne!(said.status, 0, "{user} {id} {digest} {options}: {said:?}");
    said.stdout
}

/// Denies what waits and wants the call to have had no effect.
fn without_effect(scene: &Scene, call: Started, approval: &Value, path: &str) {
    assert!(
        scene.approvals().iter().any(|waiting| waiting["id"] == approval["id"]),
        "the question is still open: {approval}"
    );
    assert_eq!(scene.ctl(&["deny", &text(approval, "id"), "--reason", "end"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    assert_eq!(scene.file(path), None);
}

#[test]
fn people_and_programs_who_are_no_operators() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, "a.txt");
    let (id, digest) = (text(&approval, "id"), text(&approval, "digest"));
    for user in
        ["nobody", "testudo-work", "testudo-agentd", "testudo-modeld", "testudo-policyd", "testudo-auditd"]
    {
        let said = approve_as(&scene, user, &id, &digest, "");
        assert!(said.contains("AccessDenied") || said.contains("Error.Denied"), "{user}: {said}");
    }
    without_effect(&scene, call, &approval, "a.txt");
}

#[test]
fn ids_and_digests_that_are_nearly_right() {
    let scene = Scene::start();
    let (first_call, first) = propose(&scene, "a.txt");
    let (second_call, second) = propose(&scene, "b.txt");
    let (id, digest) = (text(&first, "id"), text(&first, "digest"));
    let number = id.trim_start_matches("a-").to_owned();
    let ids = [
        format!("a-{number} "),
        format!(" a-{number}"),
        format!("A-{number}"),
        format!("a-0{number}"),
        format!("a-+{number}"),
        format!("a--{number}"),
        number.clone(),
        "a-99999999999999999999".into(),
        "a-1; DROP TABLE approval".into(),
        String::new(),
    ];
    for wrong in &ids {
        let _ = approve_as(&scene, "root", wrong, &digest, "");
    }
    let digests = [
        digest.to_uppercase(),
        digest.chars().take(63).collect(),
        format!("{digest} "),
        format!("{digest}0"),
        String::new(),
        "*".into(),
        text(&second, "digest"),
    ];
    for wrong in &digests {
        let said = approve_as(&scene, "root", &id, wrong, "");
        assert!(said.contains("another action"), "{wrong}: {said}");
    }
    without_effect(&scene, second_call, &second, "b.txt");
    without_effect(&scene, first_call, &first, "a.txt");
}

#[test]
fn options_that_would_widen_a_yes() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, "a.txt");
    let (id, digest) = (text(&approval, "id"), text(&approval, "digest"));
    for options in [
        "for=Session",
        "for=session ",
        "for=forever",
        "for=",
        "scope=session",
        "force=1",
        "by=root",
        "weight=local",
    ] {
        let said = approve_as(&scene, "root", &id, &digest, options);
        assert!(said.contains("InvalidArgument"), "{options}: {said}");
    }
    without_effect(&scene, call, &approval, "a.txt");
}

#[test]
fn an_answer_to_an_older_question_does_not_reach_the_newer_one() {
    let scene = Scene::start();
    let (call, old) = propose(&scene, "a.txt");
    assert_eq!(scene.ctl(&["deny", &text(&old, "id"), "--reason", "no"]).status, 0);
    assert_eq!(call.finish().status, 1);
    // The same action again is another question: the old id does not answer it, nor does the old id's yes.
    let (call, new) = propose(&scene, "a.txt");
    assert_ne!(old["id"], new["id"]);
    let said = approve_as(&scene, "root", &text(&old, "id"), &text(&new, "digest"), "");
    assert!(said.contains("denied already"), "{said}");
    without_effect(&scene, call, &new, "a.txt");
}

#[test]
fn an_answer_that_was_given_before_a_restart_works_once_and_not_again_after_it() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, "a.txt");
    scene.approve(&approval);
    assert_eq!(call.finish().status, 0);
    scene.appliance.kill9("policyd").unwrap();
    let (id, digest) = (text(&approval, "id"), text(&approval, "digest"));
    let redeemed = testudo_tests::wait("policyd", || {
        let said = scene.as_user(
            "testudo-toold",
            "Policy1",
            "Redeem",
            &[&format!("s:{id}"), &format!("s:{digest}")],
        );
        said.stdout.starts_with("org.testudo.Error").then_some(said.stdout)
    });
    assert!(redeemed.contains("redeemed already"), "{redeemed}");
    let said = approve_as(&scene, "root", &id, &digest, "");
    assert!(said.contains("redeemed already"), "{said}");
}

#[test]
fn two_answers_at_once_give_one_effect() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, "a.txt");
    let id = text(&approval, "id");
    let answers: Vec<Started> = (0..6)
        .map(|index| match index % 2 {
            0 => scene.ctl_start(&["approve", &id]),
            _ => scene.ctl_start(&["deny", &id, "--reason", "no"]),
        })
        .collect();
    let taken = answers.into_iter().map(Started::finish).filter(|said| said.status == 0).count();
    assert_eq!(taken, 1, "exactly one of six answers is taken");
    let answer = call.finish().json();
    assert_eq!(answer["error"].is_null(), scene.file("a.txt").is_some(), "{answer}");
}
