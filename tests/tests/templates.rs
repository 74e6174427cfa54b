//! Templates: which tool runs where, what holds for each kind whatever a call asks for, and whose an instance is.

use std::path::PathBuf;

use serde_json::{Value, json};
use testudo_sandbox::client::{ClientError, Instance};
use testudo_sandbox::protocol::{Builtin, Limits, Program, Run, Template};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::{Scene, repository, text, wait};

fn instances(scene: &Scene, template: Template) -> usize {
    scene.appliance.instances(&format!("sandbox-{template}")).expect("the supervisor answers").len()
}

/// A connection as `toold` has it, made past `toold`: what holds here holds whatever `toold` asks for.
fn connect(scene: &Scene, template: Template) -> Instance {
    let toold = scene.appliance.pid_of("toold").expect("it runs");
    let socket = format!("/proc/{toold}/root/run/testudo/sandbox/{template}.sock");
    Instance::connect(&PathBuf::from(socket)).expect("somebody listens")
}

fn shell(command: &str) -> Run {
    let argv = ["/bin/bash", "-c", command].map(str::to_owned).to_vec();
    Run { limits: Limits::most(), ..Run::new("a", Program::Exec { argv, cwd: None }) }
}

fn call_in(scene: &Scene, session: &str, tool: &str, arguments: &Value) -> Value {
    let call = scene.ctl_start(&["call", tool, &arguments.to_string(), "--session", session, "--json"]);
    call.finish().json()
}

#[test]
fn each_template_answers_at_its_socket_under_its_own_name() {
    let scene = Scene::start();
    for template in Template::ALL {
        let identity = connect(&scene, template).hello().unwrap().expect("the unit says its name");
        assert!(identity.unit.starts_with(&format!("testudo-sandbox-{template}@")), "{}", identity.unit);
    }
}

#[test]
fn a_unit_has_the_limits_of_its_template() {
    for template in Template::ALL {
        let path = format!("units/system/testudo-sandbox-{template}@.service.d/10-limits.conf");
        let limits = std::fs::read_to_string(repository().join(path)).unwrap();
        let value = |key: &str| {
            let prefix = format!("{key}=");
            limits.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
        };
        let ceiling = template.ceiling();
        let memory = match value("MemoryMax") {
            gigabytes if gigabytes.ends_with('G') => {
                gigabytes.trim_end_matches('G').parse::<u64>().unwrap() << 30
            }
            megabytes => megabytes.trim_end_matches('M').parse::<u64>().unwrap() << 20,
        };
        assert_eq!(memory, ceiling.memory_bytes, "{template}");
        assert_eq!(value("CPUQuota"), format!("{}%", template.cpu_percent()), "{template}");
        let tasks: u64 = value("TasksMax").parse().unwrap();
        assert!(tasks > ceiling.processes, "{template}: no room for its runner");
        let lifetime: u64 = value("RuntimeMaxSec").parse().unwrap();
        assert!(lifetime * 1000 >= ceiling.wall_ms, "{template}: a call may last longer than its instance");
    }
}

#[test]
fn each_tool_runs_in_its_template() {
    let scene = Scene::start();
    let answer = call_in(&scene, "s", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(
        [Template::Workshop, Template::CodeExecutor].map(|template| instances(&scene, template)),
        [1, 0]
    );
    let call = scene.ctl_start(&[
        "call",
        "code.run",
        &json!({ "language": "sh", "code": "echo $((6 * 7))" }).to_string(),
        "--session",
        "s",
        "--json",
    ]);
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["stdout"], "42\n", "{answer}");
    assert_eq!(
        [Template::Workshop, Template::CodeExecutor].map(|template| instances(&scene, template)),
        [1, 1]
    );
}

#[test]
fn what_reaches_out_runs_in_templates_of_its_own() {
    let outside = Outside::start();
    outside.answer("page.test", "/", Answer::text("here"));
    let scene = Scene::with(|plan| outside.configure(plan));
    // A session's workshop is there in any case: it is where `toold` looks for the workspace's own rules.
    let counts = || {
        [Template::CodeExecutor, Template::IntegrationTest, Template::AiProvider]
            .map(|template| instances(&scene, template))
    };
    let answer = call_in(&scene, "s", "test.run", &json!({ "command": "true" }));
    assert_eq!(answer["result"]["content"]["exit"], 0, "{answer}");
    assert_eq!(counts(), [0, 1, 0]);
    let url = json!({ "url": outside.url("page.test", "/") }).to_string();
    let call = scene.ctl_start(&["call", "web.fetch", &url, "--session", "s", "--json"]);
    scene.approve(&scene.next_approval(&[]));
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["content"], "here", "{answer}");
    assert_eq!(counts(), [0, 1, 1]);
}

#[test]
fn a_second_session_has_instances_of_its_own_and_closing_one_leaves_the_other() {
    let scene = Scene::start();
    for (session, count) in [("a", 1), ("b", 2), ("a", 2)] {
        let answer = call_in(&scene, session, "fs.list", &json!({}));
        assert_eq!(answer["error"], Value::Null, "{answer}");
        assert_eq!(instances(&scene, Template::Workshop), count);
    }
    let closed = scene.as_user("root", "Tools1", "CloseSession", &["s:a"]);
    assert_eq!(closed.status, 0, "{closed:?}");
    wait("its end", || (instances(&scene, Template::Workshop) == 1).then_some(()));
}

#[test]
fn doctor_says_how_calls_are_contained_here() {
    let scene = Scene::start();
    let report = scene.ctl(&["doctor", "--json"]).json();
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["check"] == "isolation").expect("it is looked at");
    let detail = text(check, "detail");
    assert!(detail.starts_with("Landlock ABI ") && detail.ends_with("the workspace is overlaid"), "{detail}");
}

#[test]
fn an_instance_is_there_before_the_first_call_but_not_for_a_stopped_session() {
    let scene = Scene::start();
    assert_eq!(scene.ctl(&["stop", "stopped"]).status, 0);
    for session in ["s:stopped", "s:ahead"] {
        let said = scene.as_user("testudo-agentd", "Tools1", "Prepare", &[session]);
        assert_eq!(said.status, 0, "{said:?}");
    }
    wait("an instance", || (instances(&scene, Template::Workshop) > 0).then_some(()));
    assert_eq!(instances(&scene, Template::Workshop), 1);
    let answer = call_in(&scene, "ahead", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(instances(&scene, Template::Workshop), 1, "the call used the one that was there");
}

#[test]
fn a_call_gets_no_more_processes_than_its_template_has_whatever_it_asks_for() {
    let scene = Scene::start();
    let outcome = connect(&scene, Template::CodeExecutor).run(&shell("ulimit -u")).unwrap();
    let processes: u64 = String::from_utf8(outcome.stdout).unwrap().trim().parse().unwrap();
    // One more than may be asked for, for the first process of the call.
    assert!(processes <= Template::CodeExecutor.ceiling().processes + 1, "{processes}");
    assert!(Limits::most().processes > Template::CodeExecutor.ceiling().processes, "asked for more");
}

#[test]
fn a_judgement_ends_after_a_tenth_of_a_second_whatever_it_asks_for() {
    let scene = Scene::start();
    let page = "a line that has nothing to say\n".repeat(32 * 1024);
    for number in 0..48 {
        scene.put(&format!("pages/{number}.txt"), &page);
    }
    let grep = Builtin::Grep { pattern: "(a|b|c)+q$".into(), path: None, glob: None, max: None };
    let run = Run { limits: Limits::most(), ..Run::new("a", Program::Builtin(grep)) };
    let here = connect(&scene, Template::PolicySandbox).run(&run).unwrap();
    assert!(here.done.timed_out, "{:?}", here.done);
    assert!(here.done.duration_us >= 100_000, "{:?}", here.done);
    let elsewhere = connect(&scene, Template::Workshop).run(&run).unwrap();
    assert!(!elsewhere.done.timed_out, "the control: it ends by itself where it may");
    assert!(here.done.duration_us < elsewhere.done.duration_us);
}

#[test]
fn what_runs_no_program_runs_none() {
    let scene = Scene::start();
    for template in [Template::PolicySandbox, Template::AiProvider] {
        let refused = connect(&scene, template).run(&shell("true")).unwrap_err();
        assert!(matches!(refused, ClientError::Refused { .. }), "{template}: {refused}");
    }
    assert_eq!(connect(&scene, Template::CodeExecutor).run(&shell("true")).unwrap().done.exit, Some(0));
}

#[test]
fn where_no_service_manager_freezes_it_is_said_so() {
    let scene = Scene::start();
    let none = scene.ctl(&["freeze", "s", "--json"]).json();
    assert_eq!(none["frozen"], 0, "a session without a sandbox");
    assert_eq!(scene.ctl(&["thaw", "s"]).status, 0);
    let answer = call_in(&scene, "s", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    let said = scene.ctl(&["freeze", "s"]);
    assert_ne!(said.status, 0);
    assert!(said.stderr.contains("no service manager") && said.stderr.contains("refused until"), "{said:?}");
    assert_eq!(scene.ctl(&["thaw", "s"]).status, 0);
    let answer = call_in(&scene, "s", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "it goes on: {answer}");
}

#[test]
fn a_frozen_session_takes_no_call_until_a_person_thaws_it_or_stops_and_resumes_it() {
    let scene = Scene::start();
    let refused = || {
        for (tool, arguments) in
            [("fs.list", json!({})), ("code.run", json!({ "language": "sh", "code": "id" }))]
        {
            let answer = call_in(&scene, "s", tool, &arguments);
            let message = text(&answer["error"], "message");
            assert!(message.contains("testudoctl thaw s"), "{answer}");
        }
        assert_eq!(instances(&scene, Template::Workshop), 0, "nothing is started for it");
    };
    let taken = || assert_eq!(call_in(&scene, "s", "fs.list", &json!({}))["error"], Value::Null);
    assert_eq!(scene.ctl(&["freeze", "s"]).status, 0);
    refused();
    let closed = scene.as_user("root", "Tools1", "CloseSession", &["s:s"]);
    assert_eq!(closed.status, 0, "{closed:?}");
    assert_eq!(scene.ctl(&["resume", "s"]).status, 0);
    refused();
    for words in [["stop", "s"], ["resume", "s"]] {
        assert_eq!(scene.ctl(&words).status, 0);
    }
    taken();
}

#[test]
fn what_is_approved_after_its_session_was_frozen_is_not_written() {
    let scene = Scene::start();
    for (freeze, written) in [(true, None), (false, Some(b"x".to_vec()))] {
        let arguments = json!({ "path": "late.txt", "content": "x" }).to_string();
        let call = scene.ctl_start(&["call", "fs.write", &arguments, "--session", "s", "--json"]);
        let question = scene.next_approval(&[]);
        if freeze {
            // Nobody can hold its sandbox still here; the word is noted all the same.
            let _ = scene.ctl(&["freeze", "s"]);
        }
        scene.approve(&question);
        let answer = call.finish().json();
        assert_eq!(text(&answer["error"], "message").contains("testudoctl thaw s"), freeze, "{answer}");
        assert_eq!(scene.file("late.txt"), written);
        assert_eq!(scene.ctl(&["thaw", "s"]).status, 0);
    }
}

#[test]
fn the_rules_of_the_workspace_are_read_where_no_program_runs() {
    let scene = Scene::start();
    assert_eq!(instances(&scene, Template::PolicySandbox), 0);
    let answer = call_in(&scene, "s", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(instances(&scene, Template::PolicySandbox), 1);
}

#[test]
fn an_instance_that_was_lost_is_in_the_record_with_the_steps_of_its_cleaning() {
    let scene = Scene::start();
    call_in(&scene, "s", "fs.list", &json!({}));
    scene.appliance.signal_instances("sandbox-workshop", nix::sys::signal::Signal::SIGKILL).unwrap();
    wait("its end", || (instances(&scene, Template::Workshop) == 0).then_some(()));
    let answer = call_in(&scene, "s", "fs.list", &json!({}));
    assert_eq!(answer["error"], Value::Null, "another one takes the call: {answer}");
    let record =
        wait("the record", || scene.log().into_iter().find(|record| record["event"] == "sandbox.ended"));
    assert_eq!(text(&record, "session"), "s");
    let record = record.to_string();
    assert!(record.contains("hang up") && record.contains("workshop"), "{record}");
}
