//! A model server that says what a test wants, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use testudo_appliance::Plan;

/// A verdict that has nothing against anything.
pub const ALLOW: &str = r#"{"decision":"allow","explanation":"nothing against it","risk":"low"}"#;

/// What the server says to a judge's question, by its whole text; none: it never answers.
type Answer = dyn Fn(&str) -> Option<String> + Send;

/// The server.
#[derive(Clone)]
pub struct FakeModel {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<Box<Answer>>>,
}

impl FakeModel {
    /// A server that allows everything. Whoever is no judge is told "ok".
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let model = Self {
            url: format!("http://{}/v1", listener.local_addr().unwrap()),
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(Box::new(|_| Some(ALLOW.to_owned())))),
        };
        let serving = model.clone();
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                open.extend(serving.serve(stream));
            }
        });
        model
    }

    /// Makes it the model of an appliance.
    pub fn of(&self, plan: &mut Plan) {
        plan.set("modeld", "provider", "openai")
            .set("modeld", "base_url", &self.url)
            .set("modeld", "model", "m");
    }

    /// What it says from now on.
    pub fn says(&self, answer: impl Fn(&str) -> Option<String> + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// All that judges asked so far.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    /// How often judges asked.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Answers one request; gives the connection back when it is to stay open.
    fn serve(&self, mut stream: TcpStream) -> Option<TcpStream> {
        let request = read(&stream)?;
        let text = request["messages"].to_string();
        let is_judge = text.contains("You judge one action");
        let said = if is_judge {
            self.asked.lock().unwrap().push(request);
            match (self.answer.lock().unwrap())(&text) {
                Some(said) => said,
                None => return Some(stream),
            }
        } else {
            "ok".to_owned()
        };
        let chunk = |delta: Value, finish: Value| {
            let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
            format!(
                "data: {}\n\n",
                json!({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": choices})
            )
        };
        let body = chunk(json!({"role": "assistant", "content": said}), Value::Null)
            + &chunk(json!({}), json!("stop"))
            + "data: [DONE]\n\n";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
        let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        None
    }
}

/// The body of a request.
fn read(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let (name, value) = line.split_once(':').unwrap_or((line.trim(), ""));
        if name.is_empty() {
            break;
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// What a judge is shown of the action, in one of its requests.
pub fn shown(request: &Value) -> String {
    request["messages"][1]["content"].as_str().unwrap_or_default().to_owned()
}
