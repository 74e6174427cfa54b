//! `modeld` killed while the model speaks: the turn ends with an error, and the next one works.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use testudo_tests::{Scene, text};

/// An answer of an OpenAI-compatible server, streamed.
const ANSWER: &str = concat!(
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"role\":\"assistant\",\"content\":\"back again\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,",
    "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
);

/// Reads the head of a request.
fn asked(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length == 1) {
        seen.push(byte[0]);
    }
}

#[test]
fn modeld_killed_while_the_model_speaks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, first_is_asked) = mpsc::channel();
    thread::spawn(move || {
        // The first question stays open for ever; all others are answered.
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            asked(&mut stream);
            if open.is_empty() {
                open.push(stream);
                sender.send(()).ok();
                continue;
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len()).ok();
        }
    });
    let scene = Scene::with(|plan| {
        plan.set("modeld", "provider", "openai").set("modeld", "base_url", url).set("modeld", "model", "m");
    });
    let turn = scene.ctl_start(&["send", "--wait", "--json", "are you there?"]);
    first_is_asked.recv_timeout(std::time::Duration::from_secs(20)).expect("the model is asked");
    scene.appliance.kill9("modeld").unwrap();
    let said = turn.finish();
    assert_ne!(said.status, 0, "{said:?}");
    scene.appliance.wait_ready("modeld").unwrap();
    assert!(scene.recorded("turn.finished", |record| record["decision"] == "failed"), "{:?}", scene.log());
    let again = scene.ctl_start(&["send", "--wait", "--json", "and now?"]).finish();
    assert_eq!(again.status, 0, "{again:?}");
    assert_eq!(text(&again.json(), "reply"), "back again");
    assert_eq!(scene.ctl(&["audit", "verify", "--json"]).json()["ok"], true);
}
