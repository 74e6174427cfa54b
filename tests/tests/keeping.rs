//! What a session has beside its messages, with the shipped daemons: its budget, its model, pins and a summary.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

const MATRIXD: &str = "testudo-matrixd";

fn send(scene: &Scene, said: &str) -> Value {
    let said = scene.ctl(&["send", "--wait", "--json", said]);
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
}

fn context(scene: &Scene) -> Value {
    scene.ctl(&["session", "context", "main", "--json"]).json()
}

#[test]
fn when_the_tokens_are_used_up_the_second_request_is_not_made() {
    let scene = Scene::with(|plan| {
        // The rehearsal reads more words than that with its first instructions.
        plan.set("agentd", "daily_tokens", 20);
    });
    let answer = send(&scene, "echo hello");
    assert_eq!(
        (text(&answer, "end").as_str(), answer["calls"].as_array().map(Vec::len)),
        ("budget-reached", Some(1))
    );
    let resets_at = text(&context(&scene)["budget"], "resets_at");
    assert!(text(&answer, "reply").contains(&format!("I can go on from {resets_at}")), "{answer}");
    scene.appliance.kill9("agentd").unwrap();
    scene.appliance.wait_ready("agentd").unwrap();
    let again = send(&scene, "echo hello");
    assert_eq!(
        (text(&again, "end").as_str(), again["calls"].as_array().map(Vec::len)),
        ("budget-reached", Some(0))
    );
    let log = scene.log();
    let count = |event: &str| log.iter().filter(|record| record["event"] == event).count();
    assert_eq!((count("model.completed"), count("budget.reached")), (1, 1), "{log:?}");
}

#[test]
fn only_an_owner_pins_and_nothing_of_it_is_in_the_record() {
    let scene = Scene::with(|plan| {
        plan.set("matrixd", "owners", ["@ann:example.org"]).set("matrixd", "members", ["@bob:example.org"]);
    });
    let pin = |session: &str, author: &str, speaker: &str| {
        let (session, options) = (format!("s:{session}"), format!("o:author={author},speaker={speaker}"));
        scene.as_user(MATRIXD, "Agent1", "Pin", &[&session, "s:never on Sundays", &options])
    };
    for (session, author, speaker) in [
        ("m-1", "member", "@bob:example.org"),
        ("m-1", "owner", "@bob:example.org"),
        ("m-1", "member", "@ann:example.org"),
        ("m-1", "stranger", "@eve:evil.org"),
        ("main", "owner", "@ann:example.org"),
    ] {
        let said = pin(session, author, speaker);
        assert!(
            said.stdout.starts_with("org.testudo.Error.Denied"),
            "{session} {author} {speaker}: {said:?}"
        );
    }
    let by = "o:author=member,speaker=@bob:example.org";
    for (member, arguments) in [
        ("UseModel", &["s:m-1", "s:", by][..]),
        ("Unpin", &["s:m-1", "u:1", by]),
        ("Compact", &["s:m-1", by]),
    ] {
        let said = scene.as_user(MATRIXD, "Agent1", member, arguments);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{member}: {said:?}");
    }
    assert!(!scene.recorded("context.pinned", |_| true));

    let said = pin("m-1", "owner", "@ann:example.org");
    assert_eq!(said.status, 0, "{said:?}");
    let shown = scene.as_user(MATRIXD, "Agent1", "Context", &["s:m-1"]).json();
    assert_eq!(shown["pins"][0]["by"], "matrix @ann:example.org", "{shown}");
    assert_eq!(shown["pins"][0]["text"], "never on Sundays");
    assert!(scene.recorded("context.pinned", |record| {
        record["detail"]["requester"] == "matrix @ann:example.org"
            && text(&record["detail"], "digest").len() == 64
    }));
    assert!(!scene.log().iter().any(|record| record.to_string().contains("Sundays")));
}

#[test]
fn a_summary_survives_the_daemon_and_what_it_covers_stays() {
    let scene = Scene::start();
    let compact = || scene.as_user("root", "Agent1", "Compact", &["s:main", "o:"]).json();
    send(&scene, "echo hello");
    assert_eq!(compact()["messages"], 0);
    send(&scene, "what time is it?");
    assert_eq!(compact()["messages"], 4);
    let before = scene.ctl(&["session", "show", "main", "--json"]).json();
    assert_eq!(before["messages"].as_array().map(Vec::len), Some(8), "{before}");
    scene.appliance.kill9("agentd").unwrap();
    scene.appliance.wait_ready("agentd").unwrap();
    assert_eq!(context(&scene)["compacted"]["messages"], 4);
    assert_eq!(scene.ctl(&["session", "show", "main", "--json"]).json(), before);
    assert_eq!(text(&send(&scene, "echo again"), "end"), "replied");
    assert!(scene.recorded("context.compacted", |record| record["detail"]["messages"] == 4));
    assert_eq!(scene.ctl(&["audit", "verify", "--json"]).json()["ok"], true);
}

/// An answer of an OpenAI-compatible server, streamed.
const ANSWER: &str = concat!(
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"role\":\"assistant\",\"content\":\"here\"},\"finish_reason\":\"stop\"}],",
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"
);

/// Reads a request and gives the model that it asks for.
fn asked(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    Some(text(&body, "model"))
}

#[test]
fn the_model_that_a_session_chose_is_what_the_server_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, models) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(model) = asked(&mut stream) else { continue };
            sender.send(model).ok();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len()).ok();
        }
    });
    let scene = Scene::with(|plan| {
        plan.set("modeld", "provider", "openai").set("modeld", "base_url", url).set("modeld", "model", "big");
        plan.set("modeld", "other_models", ["small"]);
    });
    let choose =
        |model: &str| scene.as_user("root", "Agent1", "UseModel", &["s:main", &format!("s:{model}"), "o:"]);
    let wrong = choose("smal");
    assert!(
        wrong.stdout.contains("InvalidArgument") && wrong.stdout.contains("there is big, small"),
        "{wrong:?}"
    );
    send(&scene, "are you there?");
    assert_eq!(choose("small").status, 0);
    scene.appliance.kill9("agentd").unwrap();
    scene.appliance.wait_ready("agentd").unwrap();
    send(&scene, "and you?");
    let seen: Vec<String> = models.try_iter().collect();
    assert_eq!(seen, ["big", "small"]);
    let shown = context(&scene);
    assert_eq!(
        (text(&shown, "model").as_str(), shown["usage"].as_array().map(Vec::len)),
        ("small", Some(2)),
        "{shown}"
    );
    assert_eq!(shown["today"], json!({"input": 14, "output": 4, "estimated": 0}));
    assert!(scene.recorded("model.chosen", |record| record["detail"]["model"] == "small"));
}
