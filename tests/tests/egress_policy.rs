//! Who may reach what, and who decides it: the way out through the shipped daemons, asked by hand.

use std::net::IpAddr;

use serde_json::{Value, json};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::travel::{get, pass};
use testudo_tests::{Scene, ablated, text, wait};

/// A call's request as `policyd` sees it.
fn connection(destination: &str, listed: bool) -> Value {
    json!({
        "action": {
            "tool": "net.connect", "effect": "read-external", "phase": "call", "session": "main",
            "requester": {"kind": "daemon", "name": "agentd"}, "change_set": null,
            "arguments": {"destination": destination, "scheme": "https", "listed": listed},
        },
        "call": "c-1",
    })
}

fn scene(outside: &Outside, change: impl FnOnce(&mut testudo_appliance::Plan)) -> Scene {
    outside.answer("a.test", "/page", Answer::text("the page"));
    Scene::with(|plan| {
        outside.configure(plan);
        change(plan);
    })
}

fn status_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[test]
fn a_place_that_was_decided_with_the_call_is_reached_and_recorded_without_a_question() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let mut leave = scene.leave(&pass("c-1", &[&url]));
    let answer = scene.travel(&leave.ticket, &get(&url)).answer();
    assert!(status_line(&answer).contains("200") && answer.ends_with("the page"), "{answer}");
    let carried = leave.close();
    assert_eq!(carried["connections"], 1, "{carried}");
    assert_eq!(carried["hosts"], json!(["a.test"]));
    assert!(carried["received"].as_u64().unwrap() > 0 && carried["refused"] == 0, "{carried}");
    assert_eq!(scene.approvals().len(), 0);
    assert_eq!(scene.story("c-1"), ["egress.opened", "egress.closed"]);
    assert!(scene.recorded("egress.opened", |record| {
        record["detail"]["destination"] == format!("a.test:{}", outside.web.https)
            && record["detail"]["listed"] == true
            && record["decision"] == "allow"
    }));
}

#[test]
fn a_place_that_was_not_is_asked_about_once_and_reached_after_a_yes() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let leave = scene.leave(&pass("c-1", &[]));
    let first = scene.travel(&leave.ticket, &get(&url));
    let approval = scene.next_approval(&[]);
    assert_eq!(text(&approval, "tool"), "net.connect");
    assert_eq!(text(&approval, "call"), "c-1");
    assert_eq!(outside.received().len(), 0, "nothing was sent before the answer");
    assert_eq!(scene.log().iter().filter(|record| record["event"] == "egress.opened").count(), 0);
    let shown = approval["rendering"].to_string();
    for part in ["a.test", &outside.web.https.to_string(), "/page", "GET", "test.run", "c-1"] {
        assert!(shown.contains(part) || approval.to_string().contains(part), "{part} not in {shown}");
    }
    // The same once more: it waits for the same answer, and is no second question.
    let second = scene.travel(&leave.ticket, &get(&url));
    scene.approve(&approval);
    for travelling in [first, second] {
        let answer = travelling.answer();
        assert!(answer.ends_with("the page"), "{answer}");
    }
    let third = scene.travel(&leave.ticket, &get(&url)).answer();
    assert!(third.ends_with("the page"), "decided for this call: {third}");
    let asked = scene.log().iter().filter(|record| record["event"] == "approval.requested").count();
    assert_eq!(asked, 1);
    // Another path is another action.
    let other = scene.travel(&leave.ticket, &get(&outside.url("a.test", "/other")));
    let approval = scene.next_approval(&[&text(&approval, "id")]);
    let said = scene.ctl(&["deny", &text(&approval, "id"), "--reason", "not today"]);
    assert_eq!(said.status, 0, "{said:?}");
    let answer = other.answer();
    assert!(status_line(&answer).contains("403") && answer.contains("not today"), "{answer}");
    assert!(scene.recorded("egress.refused", |record| record["detail"]["reason"] == "denied"));
    // And a no holds for the call.
    let again = scene.travel(&leave.ticket, &get(&outside.url("a.test", "/other"))).answer();
    assert!(again.contains("not today"), "{again}");
    assert_eq!(outside.received().iter().filter(|request| request.target.contains("/other")).count(), 0);
}

#[test]
fn a_yes_of_one_call_is_none_for_another() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let leave = scene.leave(&pass("c-1", &[]));
    let first = scene.travel(&leave.ticket, &get(&url));
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    assert!(first.answer().ends_with("the page"));
    let other = scene.leave(&pass("c-2", &[]));
    let asked = scene.travel(&other.ticket, &get(&url));
    let next = scene.next_approval(&[&text(&approval, "id")]);
    assert_eq!(text(&next, "call"), "c-2");
    asked.give_up();
}

#[test]
fn a_question_that_nobody_waits_for_is_taken_back() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let mut leave = scene.leave(&pass("c-1", &[]));
    let asked = scene.travel(&leave.ticket, &get(&outside.url("a.test", "/page")));
    let _approval = scene.next_approval(&[]);
    leave.close();
    let answer = asked.answer();
    assert!(!answer.contains("the page"), "{answer}");
    wait("the withdrawal", || scene.approvals().is_empty().then_some(()));
    assert_eq!(outside.received().len(), 0);
}

#[test]
fn the_ticket_of_an_ended_call_is_dead() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let mut leave = scene.leave(&pass("c-1", &[&url]));
    let ticket = leave.ticket.clone();
    assert!(scene.travel(&ticket, &get(&url)).answer().ends_with("the page"));
    leave.close();
    let dead = |why: &str, ticket: &str| {
        let answer = scene.travel(ticket, &get(&url)).answer();
        assert!(status_line(&answer).contains("407"), "{why}: {answer}");
    };
    dead("closed", &ticket);
    dead("made up", &"0".repeat(64));
    dead("none", "");
    // toold leaves the bus without a word.
    let leave = scene.leave(&pass("c-2", &[&url]));
    let ticket = leave.ticket.clone();
    drop(leave);
    wait("the end of the ticket", || {
        status_line(&scene.travel(&ticket, &get(&url)).answer()).contains("407").then_some(())
    });
    assert_eq!(outside.received().iter().filter(|request| request.target.contains("/page")).count(), 1);
}

#[test]
fn a_restart_of_egressd_forgets_tickets_and_keeps_its_sockets() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let leave = scene.leave(&pass("c-1", &[&url]));
    scene.appliance.kill9("egressd").unwrap();
    scene.appliance.wait_ready("egressd").unwrap();
    let answer = scene.travel(&leave.ticket, &get(&url)).answer();
    assert!(status_line(&answer).contains("407"), "{answer}");
    let leave = scene.leave(&pass("c-2", &[&url]));
    assert!(scene.travel(&leave.ticket, &get(&url)).answer().ends_with("the page"));
}

#[test]
fn without_tickets_anybody_of_the_calls_would_reach_out() {
    let outside = Outside::start();
    let scene = scene(&outside, |plan| ablated(plan, "egressd", "ticket"));
    let asked = scene.travel(&"0".repeat(64), &get(&outside.url("a.test", "/page")));
    let approval = scene.next_approval(&[]);
    scene.approve(&approval);
    assert!(asked.answer().ends_with("the page"), "the attack works without the control");
}

#[test]
fn without_decisions_everything_would_be_reached_unasked() {
    let outside = Outside::start();
    let scene = scene(&outside, |plan| ablated(plan, "egressd", "decide"));
    let leave = scene.leave(&pass("c-1", &[]));
    let answer = scene.travel(&leave.ticket, &get(&outside.url("a.test", "/page"))).answer();
    assert!(answer.ends_with("the page") && scene.approvals().is_empty(), "{answer}");
}

#[test]
fn nothing_leaves_that_cannot_be_recorded() {
    let outside = Outside::start();
    let url = outside.url("a.test", "/page");
    let shipped = scene(&outside, |_| {});
    let leave = shipped.leave(&pass("c-1", &[&url]));
    shipped.appliance.stop_unit("auditd").unwrap();
    let answer = shipped.travel(&leave.ticket, &get(&url)).answer();
    assert!(status_line(&answer).contains("503") && answer.contains("record"), "{answer}");
    assert_eq!(outside.received().len(), 0);
    drop((leave, shipped));

    let without = scene(&outside, |plan| ablated(plan, "egressd", "record"));
    let leave = without.leave(&pass("c-1", &[&url]));
    without.appliance.stop_unit("auditd").unwrap();
    let answer = without.travel(&leave.ticket, &get(&url)).answer();
    assert!(answer.ends_with("the page"), "{answer}");
}

#[test]
fn nothing_leaves_that_cannot_be_decided() {
    let outside = Outside::start();
    let scene = scene(&outside, |_| {});
    let url = outside.url("a.test", "/page");
    let leave = scene.leave(&pass("c-1", &[&url]));
    scene.appliance.stop_unit("policyd").unwrap();
    let answer = scene.travel(&leave.ticket, &get(&url)).answer();
    assert!(status_line(&answer).contains("503"), "{answer}");
    assert_eq!(outside.received().len(), 0);
}

/// One bad address refuses the name, and no yes of a person lifts that.
#[test]
fn a_name_that_leads_to_this_machine_is_refused_whatever_is_answered() {
    let near: IpAddr = [127, 0, 0, 1].into();
    let far: IpAddr = [9, 9, 9, 9].into();
    for (control, reached) in [(None, false), (Some("private-addresses"), true)] {
        let outside = Outside::start();
        outside.name("near.example", &[&[near]]);
        outside.name("mixed.example", &[&[far, near]]);
        outside.answer("near.example", "/page", Answer::text("the page"));
        let scene = scene(&outside, |plan| {
            if let Some(control) = control {
                ablated(plan, "egressd", control);
            }
        });
        let url = |host: &str| format!("http://{host}:{}/page", outside.web.http);
        let leave = scene.leave(&pass("c-1", &[&url("near.example"), &url("mixed.example")]));
        let answer = scene.travel(&leave.ticket, &get(&url("near.example"))).answer();
        assert_eq!(answer.ends_with("the page"), reached, "{answer}");
        if !reached {
            assert!(status_line(&answer).contains("403") && answer.contains("this machine"), "{answer}");
            let mixed = scene.travel(&leave.ticket, &get(&url("mixed.example"))).answer();
            assert!(status_line(&mixed).contains("403") && mixed.contains("this machine"), "{mixed}");
            for literal in
                ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f.1"]
            {
                let asked = scene.travel(&leave.ticket, &get(&url(literal))).answer();
                let line = status_line(&asked);
                assert!(["400", "403", "502"].iter().any(|code| line.contains(code)), "{literal}: {asked}");
            }
            assert!(scene.approvals().is_empty(), "nobody is asked about what cannot be");
            assert!(scene.recorded("egress.refused", |record| record["detail"]["reason"] == "address"));
            assert!(outside.received().is_empty());
        }
    }
}

#[test]
fn egressd_cannot_decide_tools_and_toold_cannot_decide_connections() {
    let scene = Scene::start();
    let decide = |user: &str, judged: &Value| {
        scene.as_user(user, "Policy1", "Decide", &[&format!("s:{judged}"), "o:"]).stdout
    };
    let tool = json!({
        "action": {
            "tool": "fs.read", "effect": "read", "phase": "call", "session": "main",
            "requester": {"kind": "daemon", "name": "agentd"}, "change_set": null, "arguments": {"path": "a"},
        },
        "call": "c-1",
    });
    assert!(decide("testudo-toold", &tool).contains("\"allow\""));
    assert!(decide("testudo-egressd", &connection("a.example:443", true)).contains("\"allow\""));
    for (user, judged) in [("testudo-egressd", &tool), ("testudo-toold", &connection("a.example:443", true))]
    {
        let said = decide(user, judged);
        assert!(said.contains("org.testudo.Error.Denied"), "{user}: {said}");
    }
    let plan = json!({"steps": [{"call": connection("a.example:443", true)}]});
    let said = scene.as_user("testudo-toold", "Policy1", "Plan", &[&format!("s:{plan}"), "o:"]).stdout;
    assert!(said.contains("org.testudo.Error."), "{said}");
}

/// The yes to a tool call is not egressd's to use, nor the other way round.
#[test]
fn neither_can_use_or_take_back_what_the_other_was_granted() {
    for (shipped, control) in [(true, None), (false, Some("asker-matter"))] {
        let scene = Scene::with(|plan| {
            if let Some(control) = control {
                ablated(plan, "policyd", control);
            }
        });
        let writing = scene.call_start("fs.write", &json!({"path": "a.txt", "content": "x"}));
        let approval = scene.next_approval(&[]);
        let (id, digest) =
            (format!("s:{}", text(&approval, "id")), format!("s:{}", text(&approval, "digest")));
        let tried = [
            scene.as_user("testudo-egressd", "Policy1", "Withdraw", &[&id]),
            scene.as_user("testudo-egressd", "Policy1", "Redeem", &[&id, &digest]),
        ];
        let denied = |said: &str| said.contains("egressd may not ask about fs.write");
        assert_eq!(tried.iter().all(|said| denied(&said.stdout)), shipped, "{tried:?}");
        assert_eq!(scene.approvals().is_empty(), !shipped, "withdrawn only without the control");
        if shipped {
            scene.approve(&approval);
            assert_eq!(writing.finish().json()["error"], Value::Null);
            assert!(scene.recorded("approval.refused", |record| record.to_string().contains("egressd")));
        } else {
            writing.finish();
        }
    }
}

#[test]
fn the_operator_sees_who_reaches_out_and_never_a_secret_or_a_ticket() {
    let outside = Outside::start();
    let url = outside.url("a.test", "/stall");
    outside.answer(
        "a.test",
        "/stall",
        Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
    );
    let scene = scene(&outside, |plan| {
        outside.secret(plan, "key", &outside.url("a.test", "/"), "hush-hush-hush-hush");
    });
    let mut leave = scene.leave(&pass("c-1", &[&url]));
    let under_way = scene.travel(&leave.ticket, &get(&url));
    let seen = wait("the connection", || {
        let said = scene.ctl(&["egress"]).stdout;
        said.contains("→").then_some(said)
    });
    for part in ["c-1", "test.run", "session main", "a.test", "127.0.0.1", "key only to https://a.test", "●"]
    {
        assert!(seen.contains(part), "{part} not in\n{seen}");
    }
    let json = scene.ctl(&["egress", "--json"]);
    assert_eq!(json.json()["travellers"][0]["open"].as_array().unwrap().len(), 1, "{json:?}");
    for said in [&seen, &json.stdout] {
        assert!(!said.contains("hush") && !said.contains(&leave.ticket), "{said}");
    }
    let carried = leave.close();
    assert_eq!(carried["connections"], 1, "{carried}");
    assert!(!under_way.answer().contains("the page"));
    assert!(scene.recorded("egress.closed", |record| record["call"] == "c-1"));
}
