//! An outside world on loopback: a certificate authority, web servers, a plain echo and a name server that do as told.
//!
//! [`Outside::start`] starts it, [`Outside::configure`] makes an appliance reach it. Every name below `.test` leads to
//! 127.0.0.1 and is granted to `egressd` on the three ports; every other name exists only when a test gives it answers
//! ([`Outside::name`]) and is granted nothing, so that its address is judged by the shipped rules.

pub mod authority;
pub mod names;
pub mod web;

use std::net::IpAddr;

use serde_json::{Value, json};
use testudo_appliance::Plan;

pub use authority::Authority;
pub use names::Names;
pub use web::{Answer, Received, Web};

/// The outside world; it lasts as long as the test's process.
pub struct Outside {
    /// Its certificates.
    pub authority: Authority,
    /// Its servers.
    pub web: Web,
    /// Its name server.
    pub names: Names,
}

impl Outside {
    /// Starts everything.
    ///
    /// # Panics
    /// When loopback has no room for a server.
    pub fn start() -> Self {
        let authority = Authority::new();
        let web = Web::start(&authority);
        Self { authority, web, names: Names::start() }
    }

    /// `https://HOST:PORT/PATH` at the server; `path` begins with `/`.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.web.https)
    }

    /// `http://HOST:PORT/PATH` at the server; `path` begins with `/`.
    pub fn plain_url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.web.http)
    }

    /// Scripts a page.
    pub fn answer(&self, host: &str, path: &str, answer: Answer) {
        self.web.answer(host, path, answer);
    }

    /// Scripts a name: the first query for its addresses gets the first list, and so on; the last list stays.
    pub fn name(&self, name: &str, answers: &[&[IpAddr]]) {
        self.names.answer(name, answers);
    }

    /// The requests that reached a server, in their order.
    pub fn received(&self) -> Vec<Received> {
        self.web.received()
    }

    /// The `[egressd]` table that makes this world reachable, key by key.
    pub fn settings(&self) -> Vec<(&'static str, Value)> {
        let Web { https, http, echo, .. } = self.web;
        let granted = json!([
            format!("https://*.test:{https}/"),
            format!("tls://*.test:{https}"),
            format!("http://*.test:{http}/"),
            format!("tcp://*.test:{echo}"),
        ]);
        vec![
            ("resolver", json!(self.names.address.to_string())),
            ("authorities", json!([self.authority.pem()])),
            ("private", granted),
        ]
    }

    /// Makes an appliance reach this world and trust its authority.
    pub fn configure(&self, plan: &mut Plan) {
        for (key, value) in self.settings() {
            plan.set("egressd", key, value);
        }
        plan.visible.push(self.authority.folder().to_path_buf());
    }

    /// Binds a secret to an endpoint such as [`Outside::url`] gives, and hands its value to `egressd`.
    pub fn secret(&self, plan: &mut Plan, name: &str, endpoint: &str, value: &str) {
        plan.credential("egressd", &format!("testudo.egressd.{name}"), value);
        plan.set(&format!("egressd.secrets.{name}"), "endpoint", endpoint);
    }
}
