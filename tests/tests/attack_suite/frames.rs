//! A taken-over sandbox in place of the real one: what it answers is refused, and `toold` stays what it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testudo_tests::attacks::table::Way;
use testudo_tests::attacks::{Attack, Table};
use testudo_tests::{Scene, text};

/// The most that `toold` may take in between: its unit has a limit of memory, and a false claim must not reach it.
const MOST_MEMORY_KIB: u64 = 200 * 1024;
/// A call that never answers ends by its own limit and a little.
const LONGEST: Duration = Duration::from_secs(10);

fn hostile() -> Scene {
    Scene::with(|plan| {
        let program = plan.bin_dir.join("testudo-hostile");
        plan.binaries.insert("sandbox".to_owned(), program);
        plan.set("toold", "burst", 1000).set("toold", "calls_per_minute", 10_000);
    })
}

fn call(scene: &Scene, session: &str, command: &str, timeout_ms: Option<u64>) -> Value {
    let mut arguments = json!({ "command": command });
    if let Some(limit) = timeout_ms {
        arguments["timeout_ms"] = limit.into();
    }
    scene
        .ctl_start(&["call", "shell.run", &arguments.to_string(), "--session", session, "--json"])
        .finish()
        .json()
}

fn status(scene: &Scene, key: &str) -> u64 {
    let pid = scene.appliance.pid_of("toold").expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel says so");
    line.split_whitespace().find_map(|word| word.parse().ok()).expect("a number")
}

fn descriptors(scene: &Scene) -> usize {
    let pid = scene.appliance.pid_of("toold").expect("it runs");
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

#[test]
fn nothing_that_a_taken_over_sandbox_says_is_believed() {
    let scene = hostile();
    let before = scene.pids();
    let toold = scene.appliance.pid_of("toold").expect("it runs");
    let honest = call(&scene, "honest", "say hello", None);
    assert_eq!(honest["result"]["content"]["stdout"], "hello", "{honest}");
    let open = descriptors(&scene);
    let table = Table::read();
    let attacks: Vec<&Attack> = table.by(Way::Frame).collect();
    let mut failures = Vec::new();
    for attack in &attacks {
        // From now on the peak is counted anew.
        std::fs::write(format!("/proc/{toold}/clear_refs"), "5").expect("root may");
        let began = Instant::now();
        let answer = call(&scene, &attack.id, &format!("attack {}", attack.id), attack.timeout_ms);
        let took = began.elapsed();
        // The first of two answers is an honest one.
        let first_is_honest = attack.id == "frame-two-answers";
        if answer["error"].is_null() != first_is_honest {
            failures.push(format!("{}: believed: {answer}", attack.id));
        }
        if took > LONGEST {
            failures.push(format!("{}: took {took:?}", attack.id));
        }
        if scene.appliance.pid_of("toold").ok() != Some(toold) {
            failures.push(format!("{}: toold ended: {answer}", attack.id));
            break;
        }
        let peak = status(&scene, "VmHWM:");
        if peak > MOST_MEMORY_KIB {
            failures.push(format!("{}: toold took {peak} KiB", attack.id));
        }
        // The same session goes on, with a new sandbox if the old one broke the rules.
        let next = call(&scene, &attack.id, "say hello", None);
        if next["result"]["content"]["stdout"] != "hello" {
            failures.push(format!("{}: afterwards: {next}", attack.id));
        }
        let closed = scene.as_user("root", "Tools1", "CloseSession", &[&format!("s:{}", attack.id)]);
        assert_eq!(closed.status, 0, "{closed:?}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(scene.pids(), before, "no daemon was restarted");
    assert!(descriptors(&scene) <= open + 4, "{} descriptors are open, {open} were", descriptors(&scene));
    assert_eq!(scene.approvals(), Vec::<Value>::new(), "nobody was asked to believe it");
    let left = std::fs::read_dir(scene.appliance.workspace()).expect("it is there").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != ".testudo").collect();
    assert!(left.is_empty(), "{left:?}");
    println!("{} false answers: none believed", attacks.len());
}

/// What it says goes to people and models: it is said as text, and a terminal is not moved by it.
#[test]
fn a_taken_over_sandbox_is_quoted_not_obeyed() {
    let scene = hostile();
    let answer = call(&scene, "s", "attack frame-other-call", None);
    assert!(!text(&answer["error"], "message").contains('\x1b'), "{answer}");
}
