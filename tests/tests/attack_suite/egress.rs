//! Attacks on the proxy: raw bytes on a connection with a ticket, as a call could send them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;
use testudo::egress::{Endpoint, Pass};
use testudo::identity::Principal;
use testudo_appliance::Plan;
use testudo_tests::attacks::table::{Said, Sees, Ticket, Way};
use testudo_tests::attacks::{Attack, Control, Table, control};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::{Scene, text};

/// The value of the one secret.
const SECRET: &str = "s3cr3t-5f1c";
/// The end of a page that is longer than a connection may bring back.
const LAST_WORDS: &str = "-- the end of the page";
/// An address of the public internet that nobody announces. Nothing is sent there: the other one comes first.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(11, 0, 0, 1));
/// A place that is granted with its name, and at which nobody listens.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// `toold`'s side: it opens and closes tickets.
struct Holder {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Holder {
    fn start(scene: &Scene) -> Self {
        let mut command = scene.appliance.run_as("testudo-toold", passenger()).expect("the user exists");
        let mut process = command
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, said }
    }

    fn say(&mut self, line: &str) -> String {
        let input = self.process.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{error}: {:?}", self.process.wait()));
        let mut said = String::new();
        self.said.read_line(&mut said).expect("it answers");
        assert!(!said.starts_with("error"), "{line}: {said}");
        said.trim().to_owned()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn passenger() -> std::path::PathBuf {
    Plan::bin_dir_of_test().expect("a test knows where it is").join("testudo-passenger")
}

fn world() -> Outside {
    let outside = Outside::start();
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for name in ["inside.example", "localhost"] {
        outside.name(name, &[&[home]]);
    }
    outside.name("mixed.example", &[&[home, PUBLIC]]);
    outside.answer("a.test", "/away", Answer::redirect("http://127.0.0.1/"));
    outside.answer("vault.test", "/v1/echo", Answer::Echo);
    outside.answer("a.test", "/stall", Answer::Stall(Vec::new()));
    outside.answer("a.test", "/huge", Answer::text(&("x".repeat(600_000) + LAST_WORDS)));
    outside
}

fn scene(outside: &Outside, missing: &[Control]) -> Scene {
    Scene::with(|plan| {
        assert!(control::take_out(plan, missing).is_none(), "no unit changes");
        outside.configure(plan);
        let private = outside.settings().into_iter().find(|(key, _)| *key == "private").map(|(_, list)| list);
        let mut private = private.expect("the world is granted");
        // So that an address, or a plain server, is not what stops a tunnel.
        let tunnels =
            [format!("tls://127.0.0.1:{}", outside.web.https), format!("tls://*.test:{}", outside.web.http)];
        private.as_array_mut().expect("a list").extend(tunnels.map(Into::into));
        plan.set("egressd", "private", private)
            .set("egressd", "connections", 8)
            .set("egressd", "per_minute", 40)
            .set("egressd", "head_timeout", "700ms")
            .set("egressd", "connect_timeout", "1s")
            .set("egressd", "request_limit", "64KiB")
            .set("egressd", "response_limit", "256KiB");
        outside.secret(plan, "key", &outside.url("vault.test", "/v1/"), SECRET);
    })
}

/// A greeting of TLS for this server; without a name for an empty one.
fn greeting(name: &str) -> Vec<u8> {
    let roots = rustls::RootCertStore::empty();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let server = if name.is_empty() { "192.0.2.1" } else { name };
    let server = rustls::pki_types::ServerName::try_from(server.to_owned()).expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), server).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("it fits");
    bytes
}

struct Field<'a> {
    outside: &'a Outside,
    scene: Scene,
    holder: Holder,
    turn: String,
}

impl Field<'_> {
    fn fill(&self, text: &str, path: &str) -> String {
        text.replace("{https}", &self.outside.web.https.to_string())
            .replace("{http}", &self.outside.web.http.to_string())
            .replace("{turn}", &self.turn)
            .replace("{path}", path)
    }

    /// Makes one attack; whether it got through, and what came back.
    fn make(&mut self, attack: &Attack, said: &Said) -> (bool, String) {
        let path = format!("/{}-{}", attack.id, self.turn);
        let call = format!("c-{}", attack.id);
        let endpoint = |text: &String| Endpoint::parse(&self.fill(text, &path)).expect("a destination");
        let pass = Pass {
            call: call.clone(),
            session: attack.id.clone(),
            requester: Principal::Operator("root".to_owned()),
            tool: "test.run".to_owned(),
            listed: said.listed.iter().map(endpoint).collect(),
            tunnels: Vec::new(),
            unattended: false,
            approver: None,
        };
        let pass = serde_json::to_string(&pass).expect("it is JSON");
        let own = self.holder.say(&format!("open {pass}"));
        let ticket = if said.ticket == Ticket::Guessed { "0".repeat(own.len()) } else { own };
        if said.ticket == Ticket::Over {
            self.holder.say(&format!("close {call}"));
        }
        let mut bytes = json!({ "ticket": ticket }).to_string().into_bytes();
        bytes.push(0);
        bytes.extend(self.fill(&said.send, &path).repeat(said.again.unwrap_or(1)).into_bytes());
        bytes.extend(said.greets.as_deref().map(greeting).unwrap_or_default());
        bytes.extend(std::iter::repeat_n(b'x', said.more));
        if said.unrecorded {
            self.scene.appliance.stop_unit("auditd").expect("it runs");
        }
        let times = said.times.unwrap_or(1);
        let back = self.speak(&bytes, times, said.approved);
        if said.unrecorded {
            self.scene.appliance.start_unit("auditd").expect("it starts again");
        }
        if said.ticket != Ticket::Over {
            self.holder.say(&format!("close {call}"));
        }
        let back_text = String::from_utf8_lossy(&back).into_owned();
        let reached = match said.sees {
            Sees::Request => self.outside.received().iter().any(|request| request.target.starts_with(&path)),
            Sees::Tls => back.windows(3).any(|bytes| matches!(bytes, [0x16, 3, _])),
            Sees::Secret => back_text.contains(SECRET),
            Sees::End => back_text.contains(LAST_WORDS),
            Sees::Held => back_text.ends_with("-- held"),
            Sees::All => {
                let wanted = times * said.again.unwrap_or(1);
                let received = self.outside.received();
                received.iter().filter(|request| request.target.contains(&path)).count() >= wanted
            }
            Sees::Word => panic!("{}: a call prints words, and this is none", attack.id),
        };
        let mut shown = back_text;
        shown.truncate(shown.char_indices().map(|(at, _)| at).take_while(|at| *at < 300).last().unwrap_or(0));
        (reached, shown)
    }

    /// Says the same on some connections at once; what came back on all of them.
    fn speak(&self, bytes: &[u8], times: usize, approved: bool) -> Vec<u8> {
        let connections: Vec<_> = (0..times)
            .map(|_| {
                let mut process = self.speaker();
                let mut input = process.stdin.take().expect("it is piped");
                let bytes = bytes.to_vec();
                std::thread::spawn(move || {
                    // It may have ended already, and then says why on standard error.
                    let _ = input.write_all(&bytes);
                    drop(input);
                    process.wait_with_output().expect("it ends").stdout
                })
            })
            .collect();
        while approved && connections.iter().any(|connection| !connection.is_finished()) {
            for question in self.scene.approvals() {
                self.scene.approve(&question);
            }
        }
        connections.into_iter().flat_map(|connection| connection.join().expect("it ends")).collect()
    }

    fn speaker(&self) -> Child {
        let socket = "/run/testudo/egress/calls.sock";
        let mut command = self.scene.appliance.run_as("testudo-work", passenger()).expect("the user exists");
        let piped = command.args(["speak", socket]).stdin(Stdio::piped()).stdout(Stdio::piped());
        piped.spawn().expect("it can be started")
    }
}

/// The one daemon that an attack stops.
fn record(scene: &Scene) -> Option<i32> {
    scene.appliance.pid_of("auditd").ok()
}

fn play(outside: &Outside, turn: usize, missing: &[Control], attacks: &[(&Attack, bool)]) -> Vec<String> {
    // Each appliance asks for the first time. Nobody can grant the second place by a name, and yet it is this machine.
    outside.name(&format!("rebind{turn}.test"), &[&[FIRST], &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)]]);
    let scene = scene(outside, missing);
    let others = |scene: &Scene| scene.pids().into_iter().filter(|pid| Some(*pid) != record(scene)).collect();
    let before: Vec<i32> = others(&scene);
    let holder = Holder::start(&scene);
    let mut field = Field { outside, holder, scene, turn: turn.to_string() };
    let mut failures = Vec::new();
    for (attack, must_reach) in attacks {
        let said = attack.egress.as_ref().expect("something is said");
        let (reached, back) = field.make(attack, said);
        if reached != *must_reach {
            let wanted = if *must_reach { "must get through" } else { "must be stopped" };
            failures.push(format!("{} {wanted} without {missing:?}: {back}", attack.id));
        }
        for question in field.scene.approvals() {
            let _ = field.scene.ctl(&["deny", &text(&question, "id"), "--reason", "a test"]);
        }
    }
    assert_eq!(others(&field.scene), before, "no daemon was restarted");
    failures
}

#[test]
fn nothing_gets_past_the_proxy_but_by_its_own_control() {
    let outside = world();
    let table = Table::read();
    let attacks: Vec<&Attack> = table.by(Way::Egress).collect();
    let mut groups: BTreeMap<Vec<Control>, Vec<(&Attack, bool)>> = BTreeMap::new();
    for attack in &attacks {
        groups.entry(Vec::new()).or_default().push((attack, false));
        if attack.here.is_none() {
            groups.entry(attack.controls()).or_default().push((attack, true));
        }
    }
    let queue: Mutex<Vec<_>> = Mutex::new(groups.into_iter().rev().enumerate().collect());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((turn, (missing, attacks))) = { queue.lock().expect("nobody panicked").pop() }
                {
                    let found = play(&outside, turn, &missing, &attacks);
                    failures.lock().expect("nobody panicked").extend(found);
                }
            });
        }
    });
    let failures: Vec<String> = failures.into_inner().expect("nobody panicked");
    let here = attacks.iter().filter(|attack| attack.here.is_some()).count();
    println!(
        "{} attacks on the proxy: all stopped; {} reached without their control, {here} not provable here",
        attacks.len(),
        attacks.len() - here
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
