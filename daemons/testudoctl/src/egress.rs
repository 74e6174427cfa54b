//! `testudoctl egress`: who may reach out now, what is connected, and which secrets go where. No value is ever shown.

use jiff::Timestamp;
use testudo::egress::Endpoint;
use testudo::egress::status::{Connection, Secret, Status, Traveller};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::render::clock;
use crate::screen;

/// What stands at the end of the help.
pub const HELP: &str = "\
JSON: {travellers:[{call, session, tool, requester, listed, tunnels, open:[{id, destination, addresses, since}],\n\
carried:{connections, refused, sent, received, hosts}}], secrets:[{name, endpoint, credential, present}], private};\n\
listed, tunnels and private are lists of {scheme, host, port, path, methods}, and endpoint is one. The value of a\n\
secret is nowhere.\n\n\
Examples:\n  testudoctl egress\n  testudoctl audit log --event egress.refused\n  testudoctl audit log --event egress.opened --json";

/// Runs `egress`.
///
/// # Errors
/// When `egressd` does not answer.
pub async fn run(page: &Page) -> Result<(), Failure> {
    let text = Link::open().await?.egress().await?.status().await.doing("ask who may reach out")?;
    let status: Status = link::read("egressd", &text)?;
    if page.is_json() {
        return Ok(page.json(&status)?);
    }
    Ok(page.text(&shown(&status, Timestamp::now(), page.paint()))?)
}

fn shown(status: &Status, now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    if status.travellers.is_empty() {
        line("Nobody may reach out now.".to_owned());
    }
    for traveller in &status.travellers {
        line(heading(traveller, paint));
        for open in &traveller.open {
            line(format!("  {} {}", paint.green("→"), connection(open, now, paint)));
        }
        let decided = traveller.listed.iter().chain(&traveller.tunnels).map(place).collect::<Vec<_>>();
        if !decided.is_empty() {
            line(format!("  {} {}", paint.dim("decided"), decided.join(", ")));
        }
        line(format!("  {} {}", paint.dim("carried"), carried(traveller)));
    }
    for (at, secret) in status.secrets.iter().enumerate() {
        if at == 0 {
            line(format!("\n{}", paint.bold("Secrets")));
        }
        line(format!("  {}", bound(secret, paint)));
    }
    for (at, endpoint) in status.private.iter().enumerate() {
        if at == 0 {
            line(format!("\n{}", paint.bold("Private destinations that may be reached")));
        }
        line(format!("  {}", place(endpoint)));
    }
    out
}

fn heading(traveller: &Traveller, paint: Paint) -> String {
    let name = paint.bold(&screen::line(&traveller.call));
    let tool = paint.cyan(&screen::line(&traveller.tool));
    let requester = screen::line(&traveller.requester.to_string());
    let session = screen::line(&traveller.session);
    if traveller.call == traveller.session {
        return format!("{name} {tool}");
    }
    format!("{name} {tool} for {requester} in session {session}")
}

fn connection(open: &Connection, now: Timestamp, paint: Paint) -> String {
    let addresses: Vec<String> = open.addresses.iter().map(|address| screen::line(address)).collect();
    let since = open.since.parse::<Timestamp>().map_or_else(
        |_| screen::line(&open.since),
        |since| {
            let milliseconds = now.duration_since(since).as_millis().max(0);
            clock::duration(u64::try_from(milliseconds).unwrap_or(u64::MAX))
        },
    );
    let at = paint.dim(&format!("at {} for {since}", addresses.join(", ")));
    format!("{} {at}", screen::brief(&open.destination, 200))
}

fn carried(traveller: &Traveller) -> String {
    let carried = &traveller.carried;
    let plural =
        |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let mut text = format!(
        "{}, {} refused, {} sent, {} received",
        plural(carried.connections, "connection"),
        carried.refused,
        plural(carried.sent, "byte"),
        plural(carried.received, "byte")
    );
    if !carried.hosts.is_empty() {
        let hosts: Vec<String> = carried.hosts.iter().map(|host| screen::line(host)).collect();
        text.push_str(&format!(" ({})", hosts.join(", ")));
    }
    text
}

fn bound(secret: &Secret, paint: Paint) -> String {
    let mark = if secret.present { paint.green("●") } else { paint.red("○") };
    let missing = if secret.present {
        String::new()
    } else {
        let credential = screen::line(&secret.credential);
        format!("  {}", paint.red(&format!("no credential {credential}: requests that want it are refused")))
    };
    format!("{mark} {} only to {}{missing}", paint.bold(&screen::line(&secret.name)), place(&secret.endpoint))
}

fn place(endpoint: &Endpoint) -> String {
    let methods: Vec<&str> = endpoint.methods.iter().map(String::as_str).collect();
    let methods = if methods.is_empty() { String::new() } else { format!(" ({})", methods.join(", ")) };
    screen::line(&format!("{endpoint}{methods}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::egress::Carried;
    use testudo::identity::{Daemon, Principal};

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn who_may_reach_out_what_is_connected_and_which_secrets_go_where() {
        let call = Traveller {
            call: "c-7".into(),
            session: "main\u{1b}[2J".into(),
            tool: "test.run".into(),
            requester: Principal::Daemon(Daemon::Agentd),
            listed: vec![Endpoint { methods: ["GET".to_owned()].into(), ..endpoint("https://a.example/x") }],
            tunnels: vec![endpoint("tcp://db.example:5432")],
            open: vec![Connection {
                id: "0".into(),
                destination: "tls://b.example:443".into(),
                addresses: vec!["1.1.1.1:443".into()],
                since: "2026-01-01T00:00:00Z".into(),
            }],
            carried: Carried {
                connections: 1,
                refused: 2,
                sent: 1,
                received: 30,
                hosts: vec!["b.example".into()],
            },
        };
        let models = Traveller {
            call: "modeld".into(),
            session: "modeld".into(),
            tool: "models".into(),
            requester: Principal::Daemon(Daemon::Modeld),
            listed: Vec::new(),
            tunnels: Vec::new(),
            open: Vec::new(),
            carried: Carried::default(),
        };
        let secret = |name: &str, present| Secret {
            name: name.into(),
            endpoint: endpoint("https://api.example/v1"),
            credential: format!("testudo.egressd.{name}"),
            present,
        };
        let status = Status {
            travellers: vec![call, models],
            secrets: vec![secret("key", true), secret("lost", false)],
            private: vec![endpoint("http://10.0.0.5:8080/")],
        };
        let now = "2026-01-01T00:00:03.4Z".parse().unwrap();
        let expected = "\
c-7 test.run for agentd in session main\\u{1b}[2J
  → tls://b.example:443 at 1.1.1.1:443 for 3.4 s
  decided https://a.example/x (GET), tcp://db.example:5432
  carried 1 connection, 2 refused, 1 byte sent, 30 bytes received (b.example)
modeld models
  carried 0 connections, 0 refused, 0 bytes sent, 0 bytes received

Secrets
  ● key only to https://api.example/v1
  ○ lost only to https://api.example/v1  no credential testudo.egressd.lost: requests that want it are refused

Private destinations that may be reached
  http://10.0.0.5:8080
";
        assert_eq!(shown(&status, now, Paint::new(false)), expected);
        assert_eq!(shown(&Status::default(), now, Paint::new(false)), "Nobody may reach out now.\n");
    }
}
