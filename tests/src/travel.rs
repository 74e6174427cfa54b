//! Reaching out by hand in a scene: tickets as `toold` gets them, and requests as a call makes them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use testudo_appliance::Plan;

use crate::Scene;

/// Where calls go.
pub const CALLS: &str = "/run/testudo/egress/calls.sock";

/// Leave to reach out, held by a stand-in for `toold` as long as this lives.
pub struct Leave {
    call: String,
    /// The ticket.
    pub ticket: String,
    holder: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A request under way.
pub struct Travelling {
    client: Child,
    /// What it still may say.
    pub input: Option<ChildStdin>,
}

/// A pass of a call with these destinations decided.
pub fn pass(call: &str, listed: &[&str]) -> Value {
    let listed: Vec<Value> = listed.iter().map(|url| endpoint(url)).collect();
    json!({
        "call": call, "session": "main", "requester": {"kind": "daemon", "name": "agentd"},
        "tool": "test.run", "listed": listed, "tunnels": [],
    })
}

/// An endpoint as JSON.
///
/// # Panics
/// When it is none.
pub fn endpoint(url: &str) -> Value {
    let endpoint = testudo::egress::Endpoint::parse(url).unwrap_or_else(|error| panic!("{error}"));
    serde_json::to_value(endpoint).expect("an endpoint is JSON")
}

/// A `GET` as to a proxy, of `url`, after which both sides hang up.
///
/// # Panics
/// When it is no URL.
pub fn get(url: &str) -> String {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("a URL");
    format!("GET {url} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
}

impl Scene {
    fn traveller(&self, user: &str, arguments: &[&str]) -> Command {
        let program = Plan::bin_dir_of_test().expect("a test knows where it is").join("testudo-traveller");
        let mut command = self.appliance.run_as(user, program).expect("the user exists");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Opens a pass as `toold` would.
    ///
    /// # Panics
    /// When it is not given.
    pub fn leave(&self, pass: &Value) -> Leave {
        let mut holder =
            self.traveller("testudo-toold", &["open", &pass.to_string()]).spawn().expect("it can be started");
        let orders = holder.stdin.take();
        let mut answers = BufReader::new(holder.stdout.take().expect("piped"));
        let mut ticket = String::new();
        answers.read_line(&mut ticket).expect("it answers");
        let ticket = ticket.trim().to_owned();
        assert_eq!(ticket.len(), 64, "{ticket}");
        Leave { call: crate::text(pass, "call"), ticket, holder, orders, answers }
    }

    /// Starts a request on the socket of the calls, as the user of calls, with any ticket.
    ///
    /// # Panics
    /// When the client cannot be started.
    pub fn travel(&self, ticket: &str, request: &str) -> Travelling {
        self.travel_as("testudo-work", CALLS, &json!({ "ticket": ticket }), request)
    }

    /// The same as anybody, on any socket, with any first frame.
    ///
    /// # Panics
    /// When the client cannot be started.
    pub fn travel_as(&self, user: &str, socket: &str, hello: &Value, request: &str) -> Travelling {
        let mut client = self.traveller(user, &["knock", socket]).spawn().expect("it can be started");
        let mut input = client.stdin.take().expect("piped");
        // One that is refused at once does not take all of it.
        let _ = input.write_all(format!("{hello}\0{request}").as_bytes());
        let _ = input.flush();
        Travelling { client, input: Some(input) }
    }
}

impl Leave {
    /// Ends it as `toold` does, and tells what was carried.
    ///
    /// # Panics
    /// When that is not answered.
    pub fn close(&mut self) -> Value {
        let orders = self.orders.as_mut().expect("it is open");
        writeln!(orders, "close {}", self.call).expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no JSON: {answer}"))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.holder.wait();
    }
}

impl Travelling {
    /// Everything that came back, once the other side has hung up.
    ///
    /// # Panics
    /// When the client cannot be waited for.
    pub fn answer(mut self) -> String {
        let mut answer = Vec::new();
        self.client.stdout.take().expect("piped").read_to_end(&mut answer).expect("it can be read");
        self.input = None;
        let _ = self.client.wait();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Gives up.
    ///
    /// # Panics
    /// When the client cannot be ended.
    pub fn give_up(mut self) {
        self.client.kill().expect("it is ours");
        let _ = self.client.wait();
    }
}
