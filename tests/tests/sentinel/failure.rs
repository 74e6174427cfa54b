//! A judge that cannot answer: asked about where a person is there, denied where none is, never allowed.

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

use crate::model::{ALLOW, FakeModel};
use crate::{Rules, asked, echo, echo_in};

const BLOCKS: &str = "[[judge]]\nid = \"blocks\"\ntrigger = { tool = \"echo\" }\nquestion = \"Is it fine?\"\nmode = \"block\"\n";

fn scene(model: &FakeModel) -> Scene {
    let rules = Rules::new(BLOCKS);
    Scene::with(|plan| {
        rules.of(plan);
        model.of(plan);
        plan.set("policyd", "judge_timeout", "500ms").set("agentd.unattended", "sessions", ["cron-*"]);
    })
}

fn reason(approval: &Value) -> String {
    let reasons = approval["reasons"].as_array().unwrap();
    text(reasons.iter().find(|reason| reason["rule"] == "blocks").unwrap(), "text")
}

/// Where no person is, the call is denied at once.
fn denied_unattended(scene: &Scene, said: &str) {
    let answer = echo_in(scene, "cron-mail", said).finish().json();
    assert_eq!(
        (&answer["verdict"], &answer["error"]["code"]),
        (&json!("deny"), &json!("CONFIRMATION_DENIED")),
        "{answer}"
    );
}

#[test]
fn a_judge_that_never_answers_is_too_late() {
    let model = FakeModel::start();
    let scene = scene(&model);
    model.says(|_| None);
    assert_eq!(reason(&asked(&scene, "main", "hello")), "the judge did not answer in time");
    denied_unattended(&scene, "hello");
    assert!(scene.recorded("sentinel.judged", |record| {
        record["decision"] == "failed" && text(&record["detail"], "failure").contains("in time")
    }));
}

#[test]
fn garbage_is_no_verdict() {
    let model = FakeModel::start();
    let scene = scene(&model);
    let garbage = [
        "",
        "allow",
        "{\"decision\":\"allow\"}",
        "{\"decision\":\"permit\",\"explanation\":\"\",\"risk\":\"low\"}",
    ];
    for (number, said) in garbage.into_iter().enumerate() {
        model.says(move |_| Some(said.to_owned()));
        let reason = reason(&asked(&scene, "main", &format!("hello {number}")));
        assert!(reason.contains("no verdict") || reason.contains("cannot be asked"), "{said}: {reason}");
    }
    model.says(|_| Some("yes".to_owned()));
    denied_unattended(&scene, "hello");
}

#[test]
fn nobody_there_and_killed_in_the_middle() {
    let model = FakeModel::start();
    let scene = scene(&model);
    model.says(|_| None);
    let call = echo_in(&scene, "main", "hello");
    testudo_tests::wait("the question to the model", || (model.count() > 0).then_some(()));
    scene.appliance.kill9("modeld").unwrap();
    let approval = scene.next_approval(&[]);
    assert!(reason(&approval).contains("the judge"), "{approval}");
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    assert_eq!(call.finish().status, 1);

    scene.appliance.wait_ready("modeld").unwrap();
    scene.appliance.stop_unit("modeld").unwrap();
    assert!(reason(&asked(&scene, "main", "hello")).contains("cannot be asked"));
    denied_unattended(&scene, "hello");
}

#[test]
fn after_five_failures_the_judge_rests_and_nothing_is_allowed_meanwhile() {
    let model = FakeModel::start();
    let scene = scene(&model);
    model.says(|_| Some("garbage".to_owned()));
    for number in 0..5 {
        let _ = asked(&scene, "main", &format!("{number}"));
    }
    assert_eq!(model.count(), 5);
    model.says(|_| Some(ALLOW.to_owned()));
    assert!(reason(&asked(&scene, "main", "one more")).contains("rests"));
    assert_eq!(model.count(), 5, "it is left alone");
    let rules = scene.ctl(&["rules", "main", "--json"]).json();
    assert_eq!((&rules["rests"], &rules["failed"]), (&json!(true), &json!(6)), "{rules}");

    let elsewhere = echo_in(&scene, "other", "hello").finish().json();
    assert_eq!(elsewhere["verdict"], "allow", "another session is judged: {elsewhere}");
}

#[test]
fn the_same_call_is_judged_once_until_something_matters() {
    let model = FakeModel::start();
    let scene = scene(&model);
    for _ in 0..3 {
        assert_eq!(echo(&scene, "hello")["verdict"], "allow");
    }
    assert_eq!(model.count(), 1);
    assert_eq!(echo(&scene, "hello!")["verdict"], "allow");
    assert_eq!(model.count(), 2);
    let message = json!({ "event": "message", "author": "owner", "text": "stop greeting" });
    let told =
        scene.as_user("testudo-agentd", "Policy1", "Observe", &["s:main", &format!("s:{message}"), "o:"]);
    assert_eq!(told.status, 0, "{told:?}");
    assert_eq!(echo(&scene, "hello")["verdict"], "allow");
    assert_eq!(model.count(), 3, "the owner's word may change the verdict");
}
