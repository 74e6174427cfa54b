//! `[egressd]`: what may be reached at all, and which secret goes where.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::reader::Table;
use crate::egress::{Endpoint, HostPattern, Scheme};

/// How `egressd` reaches out.
#[derive(Debug, Clone, PartialEq)]
pub struct Egressd {
    /// Asked for names instead of what `/etc/resolv.conf` names.
    pub resolver: Option<SocketAddr>,
    /// Destinations at addresses of this machine and its networks that may be reached all the same.
    pub private: Vec<Endpoint>,
    /// Certificate authorities that are trusted beside the system's; PEM files.
    pub authorities: Vec<PathBuf>,
    /// How long a name, a connection and a greeting may take together; 30 s.
    pub connect_timeout: Duration,
    /// How long the head of a request may take; 10 s.
    pub head_timeout: Duration,
    /// How long either side may be silent; 60 s.
    pub idle_timeout: Duration,
    /// How long a connection may live; 1 h.
    pub lifetime: Duration,
    /// Most bytes of the body of one request; 16 MiB.
    pub request_limit: u64,
    /// Most bytes that one connection brings back; 256 MiB.
    pub response_limit: u64,
    /// Most connections of one call at once; 1 to 1000; 32.
    pub connections: u32,
    /// Requests and connections of one call in a minute; 1 to 1000000; 600.
    pub per_minute: u32,
    /// The secrets, by name.
    pub secrets: Vec<Binding>,
}

/// `[egressd.secrets.NAME]`: a secret and the only place that it may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name, as placeholders say it: `{{secret:NAME}}`. 1 to 64 lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Where it may go; https, and one exact host.
    pub endpoint: Endpoint,
    /// The credential with its value, by file name; `testudo.egressd.NAME` unless given.
    pub credential: String,
    /// The only header that it goes out in, in lower case; `authorization` unless given.
    pub header: String,
    /// The whole value of that header, with `{}` for the secret; `Bearer {}` unless given.
    pub shape: String,
}

impl Egressd {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let resolver = table.string("resolver").and_then(|text| {
            let address = text.parse().ok();
            if address.is_none() {
                table.refuse("resolver", "must be an address and a port, such as \"127.0.0.53:53\"");
            }
            address
        });
        let endpoints = |key: &'static str| {
            let read = |text: &String| {
                let endpoint = Endpoint::parse(text);
                endpoint.map_err(|error| table.refuse(key, &error.to_string())).ok()
            };
            table.strings(key).unwrap_or_default().iter().filter_map(read).collect()
        };
        let time = |key: &'static str, otherwise: Duration| {
            let given = table.duration(key).unwrap_or(otherwise);
            if given.is_zero() {
                table.refuse(key, "must be more than 0");
            }
            given
        };
        let config = Self {
            resolver,
            private: endpoints("private"),
            authorities: table.paths("authorities").unwrap_or_default(),
            connect_timeout: time("connect_timeout", Duration::from_secs(30)),
            head_timeout: time("head_timeout", Duration::from_secs(10)),
            idle_timeout: time("idle_timeout", Duration::from_mins(1)),
            lifetime: time("lifetime", Duration::from_hours(1)),
            request_limit: table.size("request_limit").unwrap_or(16 << 20),
            response_limit: table.size("response_limit").unwrap_or(256 << 20),
            connections: table.integer("connections", 1..=1000).unwrap_or(32),
            per_minute: table.integer("per_minute", 1..=1_000_000).unwrap_or(600),
            secrets: Binding::read(&table.table("secrets")),
        };
        table.finish();
        config
    }
}

impl Binding {
    fn read(table: &Table<'_>) -> Vec<Self> {
        let mut bindings = Vec::new();
        for (name, value) in table.entries() {
            let Some(entry) = value.table("egressd.secrets.NAME") else { continue };
            if !is_name(&name) {
                let _none: Option<()> =
                    value.refuse("a secret is named by 1 to 64 lower-case letters, digits, - and _");
            }
            let credential = entry.string("credential").unwrap_or_else(|| format!("testudo.egressd.{name}"));
            if credential.is_empty() || credential.contains('/') || credential.starts_with('.') {
                entry.refuse("credential", "must be the name of a credential, which is not a path");
            }
            let header = entry.string("header").unwrap_or_else(|| "authorization".to_owned());
            if !is_header(&header) {
                entry.refuse(
                    "header",
                    "must be the name of one header in lower case, and none that a proxy reads",
                );
            }
            let shape = entry.string("shape").unwrap_or_else(|| "Bearer {}".to_owned());
            if !is_shape(&shape) {
                entry.refuse(
                    "shape",
                    "must be the value of a header with one {} for the secret, such as \"Bearer {}\"",
                );
            }
            let endpoint = match entry.string("endpoint").map(|text| Endpoint::parse(&text)) {
                None => {
                    entry.require("endpoint", "where it may go, such as \"https://api.example/v1/\"");
                    None
                }
                Some(Err(error)) => {
                    entry.refuse("endpoint", &error.to_string());
                    None
                }
                Some(Ok(endpoint)) if endpoint.scheme != Scheme::Https => {
                    entry.refuse("endpoint", "must be https: a secret goes over nothing else");
                    None
                }
                Some(Ok(endpoint)) if !matches!(endpoint.host, HostPattern::Exact(_)) => {
                    entry.refuse("endpoint", "must name one exact host: a secret goes to no other");
                    None
                }
                Some(Ok(endpoint)) => Some(endpoint),
            };
            entry.finish();
            bindings.extend(endpoint.map(|endpoint| Self { name, endpoint, credential, header, shape }));
        }
        bindings.sort_by(|a, b| a.name.cmp(&b.name));
        bindings
    }
}

/// Whether a secret can have this name.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether a secret can go out in this header. Those that end at `egressd` or say where a request goes would lose it.
fn is_header(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let taken = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "if-range",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-host",
        "x-method-override",
        "x-real-ip",
    ];
    let prefixes = ["proxy-", "x-forwarded-", "x-http-method", "x-original-", "x-rewrite-"];
    (1..=64).contains(&name.len())
        && name.bytes().all(token)
        && !taken.contains(&name)
        && !prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a header's value can have this shape.
fn is_shape(shape: &str) -> bool {
    let plain = shape.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let around = shape
        .split_once("{}")
        .filter(|(before, after)| !before.contains(['{', '}']) && !after.contains(['{', '}']));
    plain && shape.len() <= 256 && shape.trim() == shape && around.is_some()
}

#[cfg(test)]
mod tests;
