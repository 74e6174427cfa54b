//! What a person is asked is what would happen, and asking holds up nobody else.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testudo_tests::{Scene, Started, text};

/// A hundred times what a small call takes, and far less than comparing the hostile texts to the end would.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a person sees of the changes of a command; the answer is no.
fn diff_of(scene: &Scene, command: &str) -> String {
    let call = scene.call_start("shell.run", &json!({ "command": command }));
    let approval = scene.next_approval(&[]);
    assert_eq!(approval["approvable"], true, "{approval}");
    deny(scene, &approval);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    text(&approval, "diff")
}

fn deny(scene: &Scene, approval: &Value) {
    let said = scene.ctl(&["deny", &text(approval, "id"), "--reason", "seen"]);
    assert_eq!(said.status, 0, "{said:?}");
}

#[test]
fn no_trick_hides_what_comes() {
    let scene = Scene::start();
    scene.put("run.sh", "ls\n");
    scene.put("kept", "kept\n");
    symlink("kept", scene.appliance.workspace().join("link")).expect("a link can be made");
    let table: [(&str, &[&str]); 7] = [
        // A carriage return neither ends a line nor hides the rest of its own.
        (r"printf 'evil\r ls\r\nls\n' > run.sh", &["@@ -1 +1,2 @@\n+evil\r ls\r\n ls\n"]),
        // All of a file is new where a link was.
        (
            "rm link; printf 'evil\\n' > link",
            &["link link -> ", " goes\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+evil\n"],
        ),
        // A name stays on its line.
        (r#"ln -s "$(printf 'x\n+++ b/ok')" new"#, &["new link new -> \"x\\n+++ b/ok\"\n"]),
        (r#"echo x > "$(printf 'a\n+b')""#, &["+++ \"b/a\\n+b\"\n"]),
        // What a link replaces is said.
        (
            "rm kept; ln -s run.sh kept",
            &["file kept goes: 5 bytes, sha256 ", "\n-kept\n", "new link kept -> run.sh\n"],
        ),
        ("echo x > open; chmod 666 open", &["mode of open: 0666 (others can write to it)\n"]),
        ("echo x > new; mkfifo pipe", &["+x\n", "left out: pipe: "]),
    ];
    for (command, parts) in table {
        let diff = diff_of(&scene, command);
        for part in parts {
            assert!(diff.contains(part), "{command}: no {part:?} in {diff:?}");
        }
    }
}

#[test]
fn comparing_hostile_texts_freezes_nothing() {
    let scene = Scene::start();
    let numbers = |seed: u64| {
        let next = |number: &u64| Some(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed));
        let all =
            std::iter::successors(Some(seed), next).map(|number| format!("{}\n", (number >> 33) % 10_000));
        all.take(100_000).collect::<Vec<_>>().concat()
    };
    scene.put("log.txt", &numbers(7));
    let toold = scene.appliance.pid_of("toold").expect("it runs");
    // Two are beyond what is compared at all, the third is as hard to compare as one below that can be.
    let attacks: Vec<(&str, Started)> = [("one", 2_000_000), ("two", 2_000_000), ("three", 100_000)]
        .into_iter()
        .map(|(session, lines)| {
            let random = "BEGIN{srand(1); for(i=0;i<LINES;i++) print int(rand()*10000)}";
            let program = random.replace("LINES", &lines.to_string());
            let arguments = json!({ "command": format!("awk '{program}' > log.txt") }).to_string();
            (session, scene.ctl_start(&["call", "shell.run", &arguments, "--session", session, "--json"]))
        })
        .collect();
    let mut open: Vec<&str> = attacks.iter().map(|(session, _)| *session).collect();
    // Until all are before a person, a call of somebody else always has its answer, soon.
    testudo_tests::wait("the end of the comparisons", || {
        let asked = Instant::now();
        let answer = scene.call("time.now", &json!({}));
        assert_eq!(answer["error"], json!(null), "{answer}");
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
        for approval in scene.approvals() {
            assert_eq!(approval["approvable"], false, "{}", approval["session"]);
            deny(&scene, &approval);
            open.retain(|session| approval["session"] != *session);
        }
        open.is_empty().then_some(())
    });
    for (session, call) in attacks {
        assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED", "{session}");
    }
    assert_eq!(scene.appliance.pid_of("toold").ok(), Some(toold), "toold was not restarted");
}
