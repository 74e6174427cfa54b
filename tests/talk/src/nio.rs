//! A person with a client that shares no line with the SDK above its cryptography: matrix-nio, see `nio/client.py`.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::synapse::{PASSWORD, Synapse, package, python};
use crate::timeline::{PATIENCE, Seen, Timeline};

/// A person on one device.
pub struct Nio {
    /// His id.
    pub user: String,
    /// His device.
    pub device: String,
    /// What he saw.
    pub timeline: Arc<Timeline>,
    orders: tokio::sync::Mutex<(ChildStdin, u64)>,
    answers: Arc<Answers>,
    _process: Child,
    _folder: TempDir,
}

type Answers = Mutex<HashMap<u64, oneshot::Sender<Value>>>;

impl Nio {
    /// A person whose device is signed by an identity of his own.
    pub async fn login(synapse: &Synapse, name: &str) -> Self {
        let nio = Self::login_unsigned(synapse, name).await;
        nio.order(json!({ "do": "sign" })).await;
        nio
    }

    /// A person whose device nobody signed.
    pub async fn login_unsigned(synapse: &Synapse, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut command = Command::new(python());
        command.arg(package().join("nio/client.py")).arg(synapse.url()).arg(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the client can be started");
        let to = process.stdin.take().expect("it was piped");
        let from = BufReader::new(process.stdout.take().expect("it was piped")).lines();
        let (timeline, answers) = (Arc::new(Timeline::new(name)), Arc::new(Answers::default()));
        tokio::spawn(follow(from, timeline.clone(), answers.clone()));
        let user = synapse.id(name);
        let orders = tokio::sync::Mutex::new((to, 0));
        let device = String::new();
        let mut nio = Self { user, device, timeline, orders, answers, _process: process, _folder: folder };
        let login = nio.order(json!({ "do": "login", "user": nio.user, "password": PASSWORD })).await;
        login["device"].as_str().expect("it has a device").clone_into(&mut nio.device);
        nio
    }

    /// Lets the client do something; what it says of it.
    pub async fn order(&self, mut order: Value) -> Value {
        let (sender, answer) = oneshot::channel();
        {
            let mut orders = self.orders.lock().await;
            orders.1 += 1;
            order["id"] = orders.1.into();
            self.answers.lock().expect("nobody stops while it holds this").insert(orders.1, sender);
            orders.0.write_all(format!("{order}\n").as_bytes()).await.expect("the client listens");
        }
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {order}")).expect("the client runs");
        assert!(answer.get("error").is_none(), "{order}: {answer}");
        answer["ok"].clone()
    }

    /// Joins a room into which he was, or soon is, invited.
    pub async fn join(&self, room: &str) {
        self.timeline.wait("an invitation", |seen| seen.kind == "invitation" && seen.room == room).await;
        self.order(json!({ "do": "join", "room": room })).await;
    }

    /// Says something; the event.
    pub async fn say(&self, room: &str, text: &str) -> String {
        self.send(room, "m.room.message", json!({ "msgtype": "m.text", "body": text })).await
    }

    /// Sends an event; the event.
    pub async fn send(&self, room: &str, kind: &str, content: Value) -> String {
        let sent = self.order(json!({ "do": "send", "room": room, "kind": kind, "content": content })).await;
        event(&sent)
    }

    /// Sends a file of text; the event.
    pub async fn attach(&self, room: &str, name: &str, mime: &str, content: &str) -> String {
        let order = json!({ "do": "attach", "room": room, "name": name, "mime": mime, "text": content });
        event(&self.order(order).await)
    }

    /// The text in a file that he saw.
    pub async fn read(&self, seen: &Seen) -> String {
        let read = self.order(json!({ "do": "read", "file": seen.content["file"] })).await;
        read["text"].as_str().expect("text").to_owned()
    }
}

fn event(answer: &Value) -> String {
    answer["event"].as_str().unwrap_or_else(|| panic!("no event: {answer}")).to_owned()
}

async fn follow(mut from: Lines<BufReader<ChildStdout>>, timeline: Arc<Timeline>, answers: Arc<Answers>) {
    while let Ok(Some(line)) = from.next_line().await {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        if let Some(number) = line["id"].as_u64() {
            let waiting = answers.lock().expect("nobody stops while it holds this").remove(&number);
            if let Some(waiting) = waiting {
                let _ = waiting.send(line);
            }
            continue;
        }
        let kind = if line["seen"] == "invitation" { "invitation".to_owned() } else { text("kind") };
        timeline.push(Seen {
            room: text("room"),
            event: text("event"),
            sender: text("sender"),
            kind,
            content: line["content"].clone(),
            state_key: None,
            sealed: line["sealed"] == true,
            readable: line["readable"] != false,
            at: Instant::now(),
        });
    }
}
