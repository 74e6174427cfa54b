//! The stop switch: whatever runs ends, whatever waits is taken back, and nothing starts until a person says so.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testudo_tests::{Scene, Started, ablated, text, wait};

/// How long a stop may take, from the command to the end of what ran.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A command that runs, seen from outside, and would do so for long.
fn sleeping(scene: &Scene, number: u32) -> (Started, String) {
    let length = format!("{number}{}", std::process::id());
    let call = scene.call_start("shell.run", &json!({ "command": format!("exec sleep {length}") }));
    wait("the command", || runs(&length).then_some(()));
    (call, length)
}

fn runs(length: &str) -> bool {
    let wanted = format!("sleep\0{length}\0");
    let processes = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    processes.into_iter().any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    })
}

/// Stops and waits until `is_over`; says how long both took.
fn stop(scene: &Scene, arguments: &[&str], mut is_over: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    let said = scene.ctl(&[&["stop"], arguments].concat());
    assert_eq!(said.status, 0, "{said:?}");
    wait("the end of what was stopped", || is_over().then_some(()));
    began.elapsed()
}

fn refused(scene: &Scene) -> Value {
    let answer = scene.call("time.now", &json!({}));
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["stage"]),
        (&json!("UNAUTHORIZED"), &json!(4)),
        "{answer}"
    );
    answer
}

#[test]
fn a_running_command_ends_at_once_with_everything_it_started() {
    let scene = Scene::start();
    let (call, length) = sleeping(&scene, 71);
    let took = stop(&scene, &["cli"], || !runs(&length));
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(call.finish().json()["error"]["code"], "HANDLER_ERROR");
    let answer = refused(&scene);
    assert!(text(&answer["error"], "message").contains("stopped by root"), "{answer}");
    assert!(scene.recorded("session.stopped", |record| record["detail"]["by"] == "root"
        && record["detail"]["ended"] == 1));
    let other = scene.ctl(&["call", "time.now", "{}", "--session", "other", "--json"]);
    assert_eq!(other.status, 0, "another session goes on: {other:?}");
    assert_eq!(scene.ctl(&["resume", "cli"]).status, 0);
    assert_eq!(scene.call("time.now", &json!({}))["error"], json!(null));
    assert!(scene.recorded("session.resumed", |_| true));
}

#[test]
fn a_question_that_waits_is_taken_back() {
    let scene = Scene::start();
    let call = scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    let approval = scene.next_approval(&[]);
    let took = stop(&scene, &["cli"], || scene.approvals().is_empty());
    // Every look at the list is a program of its own, so this is not measured to the second.
    assert!(took < 3 * AT_ONCE, "{took:?}");
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    let yes = scene.ctl(&["approve", &text(&approval, "id"), "--digest", &text(&approval, "digest")]);
    assert_eq!(yes.status, 1, "{yes:?}");
    assert_eq!(scene.file("a.txt"), None);
}

#[test]
fn a_burst_ends_and_nothing_of_it_comes_later() {
    let scene = Scene::start();
    let (first, length) = sleeping(&scene, 72);
    let burst: Vec<Started> = (0..6)
        .map(|n| {
            scene.call_start("shell.run", &json!({ "command": format!("sleep 0.3; echo {n} > burst-{n}") }))
        })
        .collect();
    let took = stop(&scene, &["--all"], || !runs(&length));
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(first.finish().status, 1);
    for call in burst {
        let answer = call.finish().json();
        assert!(
            matches!(
                answer["error"]["code"].as_str(),
                Some("HANDLER_ERROR" | "UNAUTHORIZED" | "CONFIRMATION_DENIED")
            ),
            "{answer}"
        );
    }
    assert!(scene.approvals().is_empty());
    assert_eq!(scene.ctl(&["resume", "cli"]).status, 0);
    refused(&scene);
    assert_eq!(scene.ctl(&["resume", "--all"]).status, 0);
    assert_eq!(scene.call("time.now", &json!({}))["error"], json!(null));
}

#[test]
fn it_works_while_the_other_daemons_hang_or_are_dead() {
    let scene = Scene::start();
    let (call, length) = sleeping(&scene, 73);
    let hung: Vec<Pid> = ["policyd", "modeld", "agentd"]
        .map(|daemon| Pid::from_raw(scene.appliance.pid_of(daemon).expect("it runs")))
        .to_vec();
    for pid in &hung {
        kill(*pid, Signal::SIGSTOP).unwrap();
    }
    let began = Instant::now();
    let stopping = scene.ctl_start(&["stop", "cli", "--json"]);
    wait("the end of the command", || (!runs(&length)).then_some(()));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let said = stopping.finish().json();
    assert_eq!((&said["ended"], &said["cancelled"]), (&json!(1), &json!(null)), "the agent hangs: {said}");
    refused(&scene);
    for pid in &hung {
        kill(*pid, Signal::SIGCONT).unwrap();
    }
    assert_eq!(call.finish().status, 1);
}

#[test]
fn a_call_that_waits_for_a_hanging_policy_ends_too() {
    let scene = Scene::start();
    let policyd = Pid::from_raw(scene.appliance.pid_of("policyd").expect("it runs"));
    kill(policyd, Signal::SIGSTOP).unwrap();
    let call = scene.call_start("shell.run", &json!({ "command": "echo x > never.txt" }));
    let ended = || {
        let said = scene.as_user("root", "Tools1", "Stop", &["s:cli", "o:"]);
        assert_eq!(said.status, 0, "{said:?}");
    };
    // The call is somewhere on its way to policyd; whichever comes first, it must end.
    ended();
    let answer = call.finish().json();
    kill(policyd, Signal::SIGCONT).unwrap();
    let ends = ["UNAUTHORIZED", "CONFIRMATION_DENIED", "HANDLER_ERROR"];
    assert!(answer["error"]["code"].as_str().is_some_and(|code| ends.contains(&code)), "{answer}");
    assert_eq!(scene.file("never.txt"), None);
    assert!(scene.approvals().is_empty());
}

#[test]
fn it_survives_a_restart_and_is_shown() {
    let scene = Scene::start();
    assert_eq!(scene.ctl(&["stop", "cli"]).status, 0);
    scene.appliance.restart_unit("toold").unwrap();
    refused(&scene);
    let stops = scene.ctl(&["stops", "--json"]).json();
    assert_eq!(stops["sessions"]["cli"]["by"], "root", "{stops}");
    let status = scene.ctl(&["status", "--json"]).json();
    assert_eq!(status["stops"]["sessions"]["cli"]["by"], "root", "{status}");
}

#[test]
fn the_agents_turn_ends_and_the_agent_cannot_lift_it() {
    let scene = Scene::start();
    let turn = scene.ctl_start(&["send", "--wait", "--json", "write 'x' to a.txt"]);
    let _ = scene.next_approval(&[]);
    let said = scene.ctl(&["stop", "main", "--json"]).json();
    // The call may end before the turn does, and then the model has had the last word; it can do nothing with it.
    assert!(said["cancelled"].is_boolean(), "the agent answers: {said}");
    let answer = turn.finish().json();
    assert_ne!(answer["calls"][0]["error"], json!(null), "{answer}");
    assert_eq!(scene.file("a.txt"), None);
    for (member, arguments) in [("Resume", &["s:main"][..]), ("Stop", &["s:main", "o:"]), ("Stops", &[])] {
        let tried = scene.as_user("testudo-agentd", "Tools1", member, arguments);
        assert!(tried.stdout.contains("AccessDenied"), "{member}: {tried:?}");
    }
    let sessions = scene.ctl(&["session", "list", "--json"]).json();
    assert_eq!(sessions[0]["stopped"]["by"], "root", "{sessions}");
    let again = scene.ctl(&["send", "--wait", "--json", "what time is it?"]).json();
    assert_eq!(again["calls"][0]["error"]["code"], "UNAUTHORIZED", "{again}");
}

#[test]
fn without_the_switch_a_stopped_session_goes_on() {
    let scene = Scene::with(|plan| ablated(plan, "toold", "stop"));
    assert_eq!(scene.ctl(&["stop", "cli"]).status, 0);
    assert_eq!(scene.call("time.now", &json!({}))["error"], json!(null));
}
