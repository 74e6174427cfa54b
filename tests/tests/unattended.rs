//! Sessions that nobody watches: their questions go to whom the owner named, or wait until somebody looks.

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

const SENTENCE: &str = "write 'hi there' to notes/a.txt";

fn send(scene: &Scene, options: &[&str]) -> Value {
    let said =
        scene.ctl(&[&["send", "--wait", "--json", "--session", "cron-mail"], options, &[SENTENCE]].concat());
    said.json()
}

/// The session as the list shows it.
fn listed(scene: &Scene) -> Value {
    let sessions = scene.ctl(&["session", "list", "--json"]).json();
    sessions.as_array().unwrap().iter().find(|session| session["session"] == "cron-mail").unwrap().clone()
}

#[test]
fn a_task_is_parked_until_somebody_answers_and_goes_on_then() {
    let scene = Scene::start();
    let answer = send(&scene, &["--unattended"]);
    assert_eq!(answer["end"], "blocked", "{answer}");
    let waiting = scene.approvals();
    let [approval] = waiting.as_slice() else { panic!("not one question: {waiting:?}") };
    assert_eq!((&approval["parked"], &approval["route"]), (&json!(true), &json!(null)), "{approval}");
    let id = text(approval, "id");
    assert!(text(&answer, "reply").contains(&id), "{answer}");
    assert_eq!(answer["calls"][0]["error"]["approval"], json!(id));
    assert_eq!(listed(&scene)["blocked"], true);

    // It waits on, whatever becomes of the daemons, and asking again is no second question.
    scene.appliance.restart_unit("toold").unwrap();
    scene.appliance.restart_unit("policyd").unwrap();
    assert_eq!(send(&scene, &["--unattended"])["end"], "blocked");
    assert_eq!(scene.approvals().len(), 1);
    assert_eq!(scene.file("notes/a.txt"), None);

    scene.approve(approval);
    let answer = send(&scene, &["--unattended"]);
    assert_eq!(answer["end"], "replied", "{answer}");
    assert_eq!(scene.file("notes/a.txt").as_deref(), Some(&b"hi there"[..]));
    assert_eq!(listed(&scene)["blocked"], false);
    // Once: what it allowed is a question again.
    scene.put("notes/a.txt", "changed");
    assert_eq!(send(&scene, &["--unattended"])["end"], "blocked");
}

#[test]
fn a_no_to_a_parked_question_is_final() {
    let scene = Scene::start();
    let blocked = send(&scene, &["--unattended"]);
    let id = text(&blocked["calls"][0]["error"], "approval");
    assert_eq!(scene.ctl(&["deny", &id, "--reason", "no"]).status, 0);
    assert!(scene.approvals().is_empty());
    assert_eq!(scene.file("notes/a.txt"), None);
}

#[test]
fn a_question_goes_to_the_approver_who_is_named() {
    let scene = Scene::with(|plan| {
        plan.set("agentd.unattended", "sessions", ["cron-*"]);
        plan.set("policyd", "approver", "ada");
    });
    for (options, route) in [(&[][..], "ada"), (&["--approver", "bob"], "bob")] {
        let turn = scene.ctl_start(
            &[&["send", "--wait", "--json", "--session", "cron-mail"], options, &[SENTENCE]].concat(),
        );
        let approval = scene.next_approval(&[]);
        assert_eq!((&approval["route"], &approval["parked"]), (&json!(route), &json!(false)), "{approval}");
        assert!(
            approval["rendering"].to_string().contains(&format!("to be answered by {route}")),
            "{approval}"
        );
        assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
        assert_eq!(turn.finish().json()["calls"][0]["error"]["code"], "CONFIRMATION_DENIED");
    }
}
