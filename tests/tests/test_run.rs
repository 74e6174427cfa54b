//! `test.run` on the live path: a network in which every host is asked about, and no way around it.

use serde_json::{Value, json};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::{Scene, Started, text, wait};

fn scene(outside: &Outside) -> Scene {
    Scene::with(|plan| {
        outside.configure(plan);
        plan.set("toold", "call_timeout", "30s");
    })
}

fn run(scene: &Scene, command: &str) -> Value {
    scene.call("test.run", &json!({ "command": command }))["result"]["content"].clone()
}

#[test]
fn a_program_asks_for_its_host_and_gets_there_after_a_yes() {
    let outside = Outside::start();
    outside.answer("page.test", "/data", Answer::text("fresh data"));
    let scene = scene(&outside);
    let command = format!("curl --silent --show-error --insecure {}", outside.url("page.test", "/data"));
    let call = scene.call_start("test.run", &json!({ "command": command }));
    let approval = scene.next_approval(&[]);
    assert_eq!(approval["tool"], "net.connect", "{approval}");
    assert!(approval["arguments"].to_string().contains("page.test"), "{approval}");
    assert!(outside.received().is_empty(), "nothing goes out before the yes");
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["stdout"], "fresh data", "{answer}");
    assert!(answer["result"]["labels"]["sources"].to_string().contains("web:page.test"), "{answer}");
    assert!(scene.recorded("egress.opened", |record| record["call"] == answer["call"]));
}

#[test]
fn a_no_is_an_error_of_the_program_and_nothing_goes_out() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let command = format!("curl --silent --insecure {}; echo $?", outside.url("page.test", "/"));
    let call = scene.call_start("test.run", &json!({ "command": command }));
    let approval = scene.next_approval(&[]);
    assert_eq!(scene.ctl(&["deny", &text(&approval, "id"), "--reason", "no"]).status, 0);
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["stdout"], "56\n", "the proxy refused: {answer}");
    assert!(outside.received().is_empty());
}

#[test]
fn a_program_that_ignores_the_proxy_gets_nowhere() {
    let outside = Outside::start();
    outside.answer("127.0.0.1", "/", Answer::text("inside"));
    let scene = scene(&outside);
    let (https, http) = (outside.web.https, outside.web.http);
    for command in [
        format!("curl --noproxy '*' --silent --max-time 5 http://127.0.0.1:{http}/"),
        format!("curl --noproxy '*' --silent --max-time 5 --insecure https://page.test:{https}/"),
        format!("exec 3<>/dev/tcp/127.0.0.1/{http} && echo in"),
        "exec 3<>/dev/tcp/1.1.1.1/443 && echo in".to_owned(),
        "exec 3<>/dev/udp/127.0.0.1/53 && echo in".to_owned(),
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/egress.sock\"); print(\"in\")'".to_owned(),
        "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 4000)); print(\"in\")'".to_owned(),
    ] {
        let content = run(&scene, &command);
        assert_eq!(content["stdout"], "", "{command}: {content}");
        assert_ne!(content["exit"], 0, "{command}: {content}");
    }
    assert!(outside.received().is_empty());
    assert!(scene.approvals().is_empty());
}

#[test]
fn nothing_of_the_ticket_or_the_way_out_can_be_seen() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let content = run(&scene, "env; ls -la /run 2>&1; cat /proc/net/unix 2>&1; ls /proc; cat /etc/hosts");
    let seen = text(&content, "stdout");
    assert!(seen.contains("http_proxy=http://127.0.0.1:3128"), "{seen}");
    assert!(!seen.contains("ticket") && !seen.contains("egress.sock"), "{seen}");
    // Without a network there is no forwarder, and nobody listens.
    let workshop = scene.shell("exec 3<>/dev/tcp/127.0.0.1/3128 && echo in; env");
    assert!(!text(&workshop, "stdout").contains("3128"), "{workshop}");
}

#[test]
fn a_tunnel_leads_to_its_one_host_and_port_after_a_yes() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let echo = outside.web.echo;
    let command =
        "exec 3<>/dev/tcp/db.test/5432 && echo hello >&3 && head -n 1 <&3; getent hosts other.test; echo $?";
    let arguments =
        json!({ "command": command, "tunnels": [{ "host": "db.test", "port": echo, "local": 5432 }] });
    let call = scene.call_start("test.run", &arguments);
    let approval = scene.next_approval(&[]);
    assert_eq!(approval["tool"], "net.connect", "{approval}");
    assert!(approval["arguments"].to_string().contains(&format!("db.test:{echo}")), "{approval}");
    scene.approve(&approval);
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["stdout"], "hello\n2\n", "{answer}");
    // The next call has no tunnel: the name is shadowed for one call alone.
    let content = run(&scene, "exec 3<>/dev/tcp/127.0.0.1/5432 && echo in; getent hosts db.test; echo $?");
    assert_eq!(content["stdout"], "2\n", "{content}");
}

#[test]
fn a_tunnel_to_the_inside_is_refused_before_anything_runs() {
    let outside = Outside::start();
    let scene = scene(&outside);
    for host in ["localhost", "127.0.0.1", "db", "kubernetes.default.svc", "metadata.google.internal"] {
        let arguments =
            json!({ "command": "true", "tunnels": [{ "host": host, "port": 80, "local": 8080 }] });
        let answer = scene.call("test.run", &arguments);
        assert_eq!(answer["error"]["code"], "VALIDATION_FAILED", "{host}: {answer}");
        assert_eq!(answer["error"]["field"], "/tunnels", "{host}: {answer}");
    }
}

#[test]
fn without_egressd_nothing_runs_that_would_need_it() {
    let scene = Scene::start();
    scene.appliance.stop_unit("egressd").unwrap();
    let answer = scene.call("test.run", &json!({ "command": "echo it ran; touch ran" }));
    assert_eq!(answer["error"]["code"], "PLUGIN_UNAVAILABLE", "{answer}");
    assert!(!answer.to_string().contains("it ran"), "{answer}");
    assert!(scene.approvals().is_empty() && scene.file("ran").is_none());
    assert!(scene.appliance.instances("sandbox-integration-test").unwrap().is_empty(), "not even begun");
    scene.appliance.start_unit("egressd").unwrap();
    assert_eq!(run(&scene, "echo it ran")["stdout"], "it ran\n");
}

/// A call that hangs in a page which never ends; its connection is open.
fn hanging(scene: &Scene, outside: &Outside, command: &str) -> (Started, String) {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    outside.answer("page.test", "/stall", Answer::Stall(half));
    let command = command.replace("URL", &outside.plain_url("page.test", "/stall"));
    let known: Vec<String> = scene.approvals().iter().map(|approval| text(approval, "id")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let call = scene.call_start("test.run", &json!({ "command": command }));
    let approval = scene.next_approval(&known);
    let id = text(&approval, "call");
    scene.approve(&approval);
    (call, id)
}

/// The calls that may reach out. What `modeld` may is no call's, and always there.
fn travellers(scene: &Scene) -> Vec<Value> {
    let travellers = scene.ctl(&["egress", "--json"]).json()["travellers"].clone();
    let travellers = travellers.as_array().expect("a list").iter();
    travellers.filter(|one| one["session"] != "modeld").cloned().collect()
}

fn connected(scene: &Scene) {
    wait("the connection", || {
        let travellers = travellers(scene);
        travellers.iter().any(|one| one["open"] != json!([])).then_some(())
    });
}

fn cut(scene: &Scene, call: &str, why: &str) {
    wait(&format!("the end of the ticket: {why}"), || travellers(scene).is_empty().then_some(()));
    let story = scene.story(call);
    let count = |event: &str| story.iter().filter(|known| *known == event).count();
    assert_eq!((count("egress.opened"), count("egress.closed")), (1, 1), "{why}: {story:?}");
}

#[test]
fn a_cancelled_and_a_stopped_call_lose_their_way_out() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let (call, id) = hanging(&scene, &outside, "curl --silent URL");
    connected(&scene);
    let said = scene.as_user("testudo-agentd", "Tools1", "Cancel", &[&format!("s:{id}")]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"]["code"], "HANDLER_ERROR");
    cut(&scene, &id, "cancelled");

    let (call, id) = hanging(&scene, &outside, "curl --silent URL");
    connected(&scene);
    assert_eq!(scene.ctl(&["stop", "cli"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "HANDLER_ERROR");
    cut(&scene, &id, "stopped");
}

#[test]
fn a_connection_that_was_left_behind_ends_with_its_call() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let command = "setsid curl --silent --no-buffer --output /tmp/got URL </dev/null >/dev/null 2>&1 &\n\
                   until [ -s /tmp/got ]; do :; done; cat /tmp/got";
    let (call, id) = hanging(&scene, &outside, command);
    let answer = call.finish().json();
    assert_eq!(answer["result"]["content"]["stdout"], "half", "it was connected: {answer}");
    cut(&scene, &id, "ended");
    let url = outside.plain_url("page.test", "/stall").into_bytes();
    let processes = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let left = processes.into_iter().filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.starts_with(b"curl") && line.windows(url.len()).any(|part| part == url)
    });
    assert_eq!(left.count(), 0, "no process outlives its call");
    assert_eq!(outside.received().len(), 1);
}

#[test]
fn where_nobody_watches_a_host_is_refused_at_once() {
    let outside = Outside::start();
    let scene = scene(&outside);
    let command = format!("curl --silent --insecure {}; echo $?", outside.url("page.test", "/"));
    let sentence = format!("call test.run {}", json!({ "command": command }));
    let said = scene.ctl(&["send", "--wait", "--json", "--session", "cron-mail", "--unattended", &sentence]);
    let call = text(&said.json()["calls"][0], "id");
    assert!(outside.received().is_empty(), "{said:?}");
    assert!(said.stdout.contains("56"), "the program was told so: {said:?}");
    assert!(scene.approvals().iter().all(|approval| approval["parked"] == true), "nothing waits for it");
    assert!(scene.recorded("egress.refused", |record| record["call"] == call.as_str()), "{said:?}");
}

#[test]
fn code_run_has_no_network_and_changes_nothing() {
    let scene = Scene::start();
    scene.put("a.txt", "old");
    let run = |language: &str, code: &str| {
        scene.call("code.run", &json!({ "language": language, "code": code, "stdin": "7" }))["result"].clone()
    };
    assert_eq!(run("python", "print(6 * int(input()))")["content"]["stdout"], "42\n");
    assert_eq!(run("bash", "read -r n; echo $((n * 2)); cat a.txt")["content"]["stdout"], "14\nold");
    let result = run("sh", "echo new > a.txt; echo $?");
    assert_ne!(result["content"]["stdout"], "0\n", "{result}");
    assert_eq!(result["changes"], json!([]), "{result}");
    let result = run("python", "import socket\nsocket.socket()");
    assert_ne!(result["content"]["exit"], 0, "{result}");
    assert_eq!(scene.file("a.txt").as_deref(), Some(&b"old"[..]));
}
