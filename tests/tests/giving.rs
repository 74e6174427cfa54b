//! Files that the agent gives to people, through the shipped daemons: what was named and nothing else, as it was then, to
//! whoever the session belongs to.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use testudo_sandbox::changeset::sha256;
use testudo_tests::{Said, Scene, repository, text};

const MATRIXD: &str = "testudo-matrixd";
const MIB: u64 = 1 << 20;

/// Has the agent give a file in the main session; the fact of it.
fn give(scene: &Scene, path: &str) -> Value {
    let said = scene.ctl(&["send", "--wait", "--json", &format!("call chat.file {{\"path\":\"{path}\"}}")]);
    assert_eq!(said.status, 0, "{said:?}");
    let call = said.json()["calls"][0].clone();
    assert_eq!(call["error"], json!(null), "{call}");
    assert_eq!(call["verdict"], "allow", "{call}");
    call["files"][0].clone()
}

/// Saves a file of the main session.
fn save(scene: &Scene, file: &Value, path: &std::path::Path) -> Said {
    scene.ctl(&["file", "main", &text(file, "id"), "--output", path.to_str().unwrap(), "--json"])
}

fn fetch(scene: &Scene, user: &str, interface: &str, session: &str, file: &Value) -> Said {
    let (session, file) = (format!("s:{session}"), format!("s:{}", text(file, "id")));
    scene.as_user(user, interface, "Fetch", &[&session, &file])
}

/// A number that the kernel has about toold, in KiB.
fn of_toold(scene: &Scene, key: &str) -> u64 {
    let toold = scene.appliance.pid_of("toold").unwrap();
    let status = std::fs::read_to_string(format!("/proc/{toold}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

fn is_not_found(said: &Said) -> bool {
    said.stdout.starts_with("org.testudo.Error.NotFound")
}

#[test]
fn a_file_is_given_as_it_was_at_the_call_and_saved_once() {
    let (scene, place) = (Scene::start(), tempfile::tempdir().unwrap());
    let was = "a secret of the owner\n".repeat(50_000);
    scene.put("out/report.csv", &was);
    let file = give(&scene, "out/report.csv");
    assert_eq!(
        (&file["name"], &file["mime"], &file["size"], &file["sha256"]),
        (&json!("report.csv"), &json!("text/csv"), &json!(was.len()), &json!(sha256(was.as_bytes())))
    );
    scene.put("out/report.csv", "something else\n");
    let path = place.path().join("saved.csv");
    let said = save(&scene, &file, &path);
    assert_eq!((said.status, &said.json()["size"]), (0, &json!(was.len())), "{said:?}");
    assert_eq!(std::fs::read(&path).unwrap(), was.as_bytes());
    std::fs::write(&path, "mine").unwrap();
    let again = save(&scene, &file, &path);
    assert!(again.status == 1 && again.stdout.contains("already"), "{again:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");

    // The model was told of it, and nothing of what is in it; the record says what was given, and who fetched it.
    let shown = scene.ctl(&["session", "show", "main", "--json"]);
    assert!(shown.stdout.contains(&text(&file, "sha256")) && !shown.stdout.contains("a secret of the owner"));
    let finished = |record: &Value| record["detail"]["files"][0]["sha256"] == file["sha256"];
    assert!(scene.recorded("call.finished", finished), "{:?}", scene.log());
    let fetched = |record: &Value| record["detail"]["file"] == file["id"] && record["session"] == "main";
    assert!(scene.recorded("file.fetched", fetched), "{:?}", scene.log());
}

#[test]
fn a_rule_that_denies_reading_denies_giving() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("guarded.toml");
    let shipped = std::fs::read_to_string(repository().join("policies/default.toml")).unwrap();
    let rule = "[[rule]]\nname = \"guard\"\nmatch = { effect = \"read\", phase = \"call\", path = \"**/.env\" }\n\
        action = \"deny\"\nreason = \"nobody reads it\"\n";
    std::fs::write(&file, format!("{shipped}\n{rule}")).unwrap();
    let scene = Scene::with(|plan| {
        plan.visible.push(place.path().to_owned());
        plan.set("policyd", "rules", vec![file]);
    });
    scene.put(".env", "KEY=1\n");
    scene.put("d/.env", "KEY=2\n");
    scene.put("a.txt", "harmless\n");
    let given = scene.call("chat.file", &json!({ "path": "a.txt" }));
    assert_eq!(given["error"], json!(null), "{given}");
    for path in [".env", "./.env", "d/.env", "d/../.env", "/workspace/.env", "/workspace//d/.env"] {
        let read = scene.call("fs.read", &json!({ "path": path }));
        assert!(text(&read["error"], "message").contains("nobody reads it"), "{path}: {read}");
        for arguments in [json!({ "path": path }), json!({ "path": path, "name": "a.txt" })] {
            let given = scene.call("chat.file", &arguments);
            assert_eq!(given["error"]["code"], read["error"]["code"], "{arguments}: {given}");
            assert!(text(&given["error"], "message").contains("nobody reads it"), "{arguments}: {given}");
        }
    }
    // Through a link the name would be another one.
    let workspace = scene.appliance.workspace();
    symlink(".env", workspace.join("harmless.txt")).unwrap();
    symlink("d", workspace.join("e")).unwrap();
    for path in ["harmless.txt", "e/.env"] {
        let given = scene.call("chat.file", &json!({ "path": path }));
        assert_ne!(given["error"], json!(null), "{path}: {given}");
    }
}

#[test]
fn nothing_but_a_file_of_the_workspace_is_given() {
    let scene = Scene::start();
    let workspace = scene.appliance.workspace();
    scene.put("d/a.txt", "a");
    symlink("/etc/passwd", workspace.join("out")).unwrap();
    symlink("/etc", workspace.join("far")).unwrap();
    assert!(Command::new("mkfifo").arg(workspace.join("pipe")).status().unwrap().success());
    scene.put("large.bin", "");
    let large = std::fs::File::options().write(true).open(workspace.join("large.bin")).unwrap();
    large.set_len(16 * MIB + 1).unwrap();
    for (path, why) in [
        ("out", "a link leads there"),
        ("far/passwd", "a link leads there"),
        ("pipe", "no regular file"),
        ("d", "no regular file"),
        (".", "no regular file"),
        ("large.bin", "more than 16 MiB"),
        ("/etc/passwd", "outside of the workspace"),
        ("../etc/passwd", ".."),
        ("none", "cannot give none"),
    ] {
        let given = scene.call("chat.file", &json!({ "path": path }));
        assert!(text(&given["error"], "message").contains(why), "{path}: {given}");
        assert_eq!(given["result"], json!(null), "{path}: {given}");
    }
    large.set_len(16 * MIB).unwrap();
    let given = scene.call("chat.file", &json!({ "path": "large.bin", "name": "../it all.bin" }));
    let file = &given["result"]["files"][0];
    assert_eq!((&file["size"], &file["name"]), (&json!(16 * MIB), &json!("it_all.bin")), "{given}");
    assert_eq!(given["result"]["content"]["id"], file["id"], "{given}");
}

#[test]
fn a_file_is_of_its_session_and_is_forgotten_with_it() {
    let scene = Scene::start();
    scene.put("a.txt", "one\n");
    let file = give(&scene, "a.txt");
    let agent = "testudo-agentd";
    assert_eq!(fetch(&scene, agent, "Tools1", "main", &file).status, 0);
    assert_eq!(fetch(&scene, "root", "Agent1", "main", &file).status, 0);
    assert!(is_not_found(&fetch(&scene, agent, "Tools1", "other", &file)));
    assert!(is_not_found(&fetch(&scene, "root", "Agent1", "other", &file)), "there is no such session");
    let denied = fetch(&scene, MATRIXD, "Agent1", "main", &file);
    assert!(denied.stdout.contains("nothing to do with session main"), "{denied:?}");
    let other = scene.ctl(&["send", "--wait", "--session", "other", "what time is it"]);
    assert_eq!(other.status, 0, "{other:?}");
    assert!(is_not_found(&fetch(&scene, "root", "Agent1", "other", &file)), "another session's");
    assert_eq!(scene.as_user("root", "Tools1", "CloseSession", &["s:main"]).status, 0);
    assert!(is_not_found(&fetch(&scene, "root", "Agent1", "main", &file)), "it is closed");
    let file = give(&scene, "a.txt");
    scene.appliance.kill9("toold").unwrap();
    scene.appliance.wait_ready("toold").unwrap();
    let said = scene.ctl(&["file", "main", &text(&file, "id"), "--output", "/nonexistent/a"]);
    assert!(said.status == 1 && said.stderr.contains("cannot get the file"), "{said:?}");
}

#[test]
fn files_of_many_sessions_at_once_stay_out_of_toolds_memory_and_take_nothing_from_another() {
    let scene = Scene::start();
    scene.put("a.txt", "mine\n");
    let mine = give(&scene, "a.txt");
    scene.put("large.bin", "");
    let large =
        std::fs::File::options().write(true).open(scene.appliance.workspace().join("large.bin")).unwrap();
    large.set_len(16 * MIB).unwrap();
    let toold = scene.appliance.pid_of("toold").unwrap();
    let before = of_toold(&scene, "VmRSS:");
    // From now on the peak is counted anew.
    std::fs::write(format!("/proc/{toold}/clear_refs"), "5").unwrap();
    let arguments = json!({ "path": "large.bin" }).to_string();
    let call =
        |session: &str| scene.ctl_start(&["call", "chat.file", &arguments, "--session", session, "--json"]);
    let calls: Vec<_> = (0..20).map(|number| call(&format!("s-{}", number % 10))).collect();
    let answers: Vec<Value> = calls.into_iter().map(|call| call.finish().json()).collect();
    let grown = of_toold(&scene, "VmHWM:").saturating_sub(before);
    // Not even one of them was ever in it.
    assert!(grown < 16 * MIB / 1024 / 2, "it took {grown} KiB more");
    assert_eq!(scene.appliance.pid_of("toold").unwrap(), toold);

    // As many are kept as there is room for, and nobody is told otherwise.
    let (given, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer["error"].is_null());
    assert_eq!(given.len(), 11, "{refused:?}");
    for answer in refused {
        assert!(text(&answer["error"], "message").contains("people have not got"), "{answer}");
    }
    let agent = "testudo-agentd";
    assert_eq!(fetch(&scene, agent, "Tools1", "main", &mine).status, 0);
    let is_there = |session: &str, answer: &Value| {
        fetch(&scene, agent, "Tools1", session, &answer["result"]["files"][0]).status == 0
    };
    let theirs = |answer: &Value| (0..10).any(|number| is_there(&format!("s-{number}"), answer));
    assert!(given.into_iter().all(theirs), "what was told to be given can be fetched");
    for number in 0..10 {
        let closed = scene.as_user("root", "Tools1", "CloseSession", &[&format!("s:s-{number}")]);
        assert_eq!(closed.status, 0, "{closed:?}");
    }
    let again = call("s-0").finish().json();
    assert_eq!(again["error"], json!(null), "there is room again: {again}");
}
