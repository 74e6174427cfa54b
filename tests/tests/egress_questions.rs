//! How far an answer about a connection reaches, and how often one call may ask: through the shipped daemons.

use serde_json::Value;
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::travel::{Leave, Travelling, get, pass};
use testudo_tests::{Scene, text};

fn scene(outside: &Outside) -> Scene {
    for path in ["/page", "/other"] {
        outside.answer("a.test", path, Answer::text("the page"));
    }
    Scene::with(|plan| outside.configure(plan))
}

/// A request with a body.
fn send(method: &str, url: &str, body: &str) -> String {
    let head = get(url).replacen("GET", method, 1);
    let head = head.trim_end_matches("\r\n");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn asked(scene: &Scene) -> usize {
    scene.log().iter().filter(|record| record["event"] == "approval.requested").count()
}

fn refused(answer: &str, code: &str) -> bool {
    answer.lines().next().unwrap_or_default().contains(code)
}

fn shown(approval: &Value) -> String {
    approval["rendering"].to_string()
}

/// Something that is asked about, and its question.
fn question(scene: &Scene, leave: &Leave, request: &str) -> (Travelling, Value) {
    let known: Vec<String> = scene.approvals().iter().map(|approval| text(approval, "id")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    (scene.travel(&leave.ticket, request), scene.next_approval(&known))
}

#[test]
fn a_yes_for_the_session_to_a_look_is_for_looks_of_the_same_tool() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let leave = scene.leave(&pass("c-1", &[]));
    let (first, approval) = question(&scene, &leave, &get(&outside.url("a.test", "/page")));
    assert!(shown(&approval).contains("may run again, with any path"), "{approval}");
    assert_eq!(scene.ctl(&["approve", &text(&approval, "id"), "--for", "session"]).status, 0);
    assert!(first.answer().ends_with("the page"));
    let other = scene.travel(&leave.ticket, &get(&outside.url("a.test", "/other"))).answer();
    assert!(other.ends_with("the page") && asked(&scene) == 1, "{other}");
    let authority = format!("a.test:{}", outside.web.https);
    let tunnel = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    for (request, says) in [
        (tunnel, "not seen, in both directions"),
        (send("POST", &outside.url("a.test", "/page"), "data"), "not shown, 4 bytes"),
        (get(&outside.plain_url("a.test", "/page")), "http"),
    ] {
        let (asked, approval) = question(&scene, &leave, &request);
        let shown = shown(&approval);
        assert!(shown.contains(says) && !shown.contains("with any"), "{shown}");
        asked.give_up();
    }
    // And not for another tool of the same session.
    let mut of_another = pass("c-2", &[]);
    of_another["tool"] = "web.fetch".into();
    let leave = scene.leave(&of_another);
    let (asked, _approval) = question(&scene, &leave, &get(&outside.url("a.test", "/page")));
    asked.give_up();
}

#[test]
fn a_yes_to_something_sent_is_for_once_and_a_look_brings_nothing() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let leave = scene.leave(&pass("c-1", &[]));
    let url = outside.url("a.test", "/page");
    for (number, body) in ["one!", "two!"].into_iter().enumerate() {
        let (sent, approval) = question(&scene, &leave, &send("POST", &url, body));
        assert_eq!((asked(&scene), outside.received().len()), (number + 1, number));
        scene.approve(&approval);
        assert!(sent.answer().ends_with("the page"));
    }
    let answer = scene.travel(&leave.ticket, &send("GET", &url, "data")).answer();
    assert!(refused(&answer, "400") && answer.contains("has no body"), "{answer}");
    assert_eq!((asked(&scene), outside.received().len()), (2, 2));
}

#[test]
fn a_no_is_for_the_place_and_a_call_has_five_questions() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let leave = scene.leave(&pass("c-1", &[]));
    let (first, approval) = question(&scene, &leave, &get(&outside.url("a.test", "/page")));
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "not today"]).status, 0);
    assert!(first.answer().contains("not today"));
    for request in
        [get(&outside.url("a.test", "/other")), send("POST", &outside.url("a.test", "/page"), "data")]
    {
        let answer = scene.travel(&leave.ticket, &request).answer();
        assert!(refused(&answer, "403") && answer.contains("rest of this call"), "{answer}");
    }
    assert_eq!(asked(&scene), 1);
    for number in 0..4 {
        let (asked, _approval) =
            question(&scene, &leave, &get(&outside.url(&format!("h{number}.test"), "/page")));
        asked.give_up();
    }
    for host in ["x.test", "y.test"] {
        let answer = scene.travel(&leave.ticket, &get(&outside.url(host, "/page"))).answer();
        assert!(refused(&answer, "403") && answer.contains("5 questions"), "{answer}");
    }
    assert!(outside.received().is_empty());
    // Another call may ask again.
    let leave = scene.leave(&pass("c-2", &[]));
    let (asked, _approval) = question(&scene, &leave, &get(&outside.url("a.test", "/page")));
    asked.give_up();
}
