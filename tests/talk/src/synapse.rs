//! A real homeserver of a test's own, and its owner's hand in it: accounts, other people's words, stops and starts.
//!
//! `homeserver.py` runs it and ends with this value, however the test ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use matrix_sdk::ruma::EventId;
use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_appliance::Plan;

/// The name of every homeserver here.
const NAME: &str = "home.test";
/// The password of every account here.
pub const PASSWORD: &str = "correct-horse-battery";
const ADMINISTRATOR: &str = "homeowner";

/// A running homeserver.
pub struct Synapse {
    url: String,
    name: String,
    administrator: String,
    orders: Mutex<Orders>,
    accounts: Mutex<BTreeSet<String>>,
    folder: TempDir,
}

struct Orders {
    process: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
}

/// The folder of this package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python that has a homeserver and a client; installed by the first who asks.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let bin_dir = Plan::bin_dir_of_test().expect("a test knows where it is");
        let target = bin_dir.parent().expect("programs are in a folder of the target directory");
        let mut command = Command::new(package().join("install.sh"));
        let output = command.env("CARGO_TARGET_DIR", target).output().expect("install.sh can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

impl Synapse {
    /// One that limits nobody.
    pub fn start() -> Self {
        Self::with(&json!({}))
    }

    /// One with some of its configuration laid over ours.
    pub fn with(settings: &Value) -> Self {
        Self::launch(settings, 0)
    }

    /// One whose clock is so many seconds ahead of the right time, or behind it.
    pub fn ahead(seconds: i32) -> Self {
        Self::launch(&json!({}), seconds)
    }

    fn launch(settings: &Value, ahead: i32) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut command = Command::new(python());
        command.arg(package().join("homeserver.py")).arg(folder.path()).args(["--name", NAME]);
        // Modules of ours are found beside it.
        command.env("PYTHONPATH", package());
        command.args(["--set", &settings.to_string()]).arg(format!("--ahead={ahead}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the homeserver can be started");
        let to = process.stdin.take();
        let from = BufReader::new(process.stdout.take().expect("it was piped")).lines();
        let mut orders = Orders { process, to, from };
        let ready = orders.answer();
        let url = ready["url"].as_str().expect("it says where it is").to_owned();
        let name = ready["name"].as_str().expect("it says its name").to_owned();
        let administrator = orders.give(&format!("register {ADMINISTRATOR} {PASSWORD} admin"));
        let administrator = administrator["token"].as_str().expect("a token").to_owned();
        Self { url, name, administrator, orders: Mutex::new(orders), accounts: Mutex::default(), folder }
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The full id of a user.
    pub fn id(&self, name: &str) -> String {
        format!("@{name}:{}", self.name)
    }

    /// Makes an account, unless it is there; its password is [`PASSWORD`].
    pub fn register(&self, name: &str) -> String {
        if self.accounts.lock().expect("nobody stops while it holds this").insert(name.to_owned()) {
            self.order(&format!("register {name} {PASSWORD}"));
        }
        self.id(name)
    }

    /// Stops it as an administrator would.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Kills it.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Starts it again, at the same address and with what it had.
    pub fn resume(&self) {
        self.order("start");
    }

    fn order(&self, line: &str) -> Value {
        self.orders.lock().expect("nobody stops while it holds this").give(line)
    }

    /// Its database, as only its owner can have it.
    pub fn database(&self) -> rusqlite::Connection {
        let path = self.folder.path().join("homeserver.db");
        let connection = rusqlite::Connection::open(path).expect("the database can be opened");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a time can be set");
        connection
    }

    /// A token with which the homeserver acts as one of its users, without any device: the user sees nothing of it.
    pub async fn impersonate(&self, user: &str) -> String {
        let path = format!("/_synapse/admin/v1/users/{user}/login");
        let answer = self.call("POST", &path, &self.administrator, &json!({})).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// Puts an event into a room in the name of one of its users; the event's id.
    pub async fn forge(&self, user: &str, room: &str, kind: &str, content: &Value) -> String {
        let token = self.impersonate(user).await;
        let transaction = tempfile::Builder::new().rand_bytes(12).tempfile().expect("a name");
        let transaction = transaction.path().file_name().expect("a name").to_string_lossy().into_owned();
        let path = format!("/_matrix/client/v3/rooms/{room}/send/{kind}/{transaction}");
        let answer = self.call("PUT", &path, &token, content).await;
        answer["event_id"].as_str().unwrap_or_else(|| panic!("no event: {answer}")).to_owned()
    }

    /// The content of an encrypted event, as it lies in the database.
    pub fn sealed(&self, event: &EventId) -> Value {
        let query = "SELECT json FROM event_json WHERE event_id = ?1";
        let text: String =
            self.database().query_row(query, [event.as_str()], |row| row.get(0)).expect("the event is there");
        let event: Value = serde_json::from_str(&text).expect("events are JSON");
        assert_eq!(event["type"], "m.room.encrypted");
        event["content"].clone()
    }

    /// A user of whom nothing is too much.
    pub async fn never_limit(&self, user: &str) {
        let path = format!("/_synapse/admin/v1/users/{user}/override_ratelimit");
        let unlimited = json!({ "messages_per_second": 0, "burst_count": 0 });
        let answer = self.call("POST", &path, &self.administrator, &unlimited).await;
        assert_eq!(answer["burst_count"], 0, "{answer}");
    }

    /// Drops what waits for a device of a user beside events of rooms, as a dishonest homeserver would; how much it was.
    pub fn drop_messages_to(&self, user: &str, device: &str) -> usize {
        let query = "DELETE FROM device_inbox WHERE user_id = ?1 AND device_id = ?2";
        self.database().execute(query, [user, device]).expect("the database can be written")
    }

    /// Calls the homeserver with a token.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: &Value) -> Value {
        let method = method.parse().expect("a method");
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.bearer_auth(token).send().await.expect("the homeserver answers");
        answer.json().await.expect("it answers in JSON")
    }
}

impl Orders {
    fn give(&mut self, line: &str) -> Value {
        let to = self.to.as_mut().expect("it is open until the end");
        writeln!(to, "{line}").expect("the homeserver's keeper listens");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let Some(line) = self.from.next() else {
            let mut said = String::new();
            if let Some(mut stderr) = self.process.stderr.take() {
                std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
            }
            panic!("the homeserver ended: {said}")
        };
        let answer = line.expect("text");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no JSON: {answer}"));
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        // It ends with its input.
        self.to = None;
        let _ = self.process.wait();
    }
}
