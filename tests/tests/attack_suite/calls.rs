//! Attacks on the way out from inside of a call: programs behind the forwarder, and the tool that fetches pages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use testudo_tests::attacks::table::{Inside, Sees, Way};
use testudo_tests::attacks::{Attack, Control, Table, control};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::{Scene, Started, text, wait};

/// What is made on one appliance: attacks, and whether each must get through.
type Group<'a> = (BTreeSet<Control>, Vec<(&'a Attack, bool)>);

/// Without networks of their own, forwarders of two appliances would want the same port of the machine.
static MACHINE: Mutex<()> = Mutex::new(());

struct Field<'a> {
    outside: &'a Outside,
    scene: Scene,
    turn: usize,
    neighbour: Option<Started>,
    _units: Option<tempfile::TempDir>,
}

impl<'a> Field<'a> {
    fn without(outside: &'a Outside, turn: usize, missing: &[Control]) -> Self {
        // Granted with its name, and nobody listens there; then one that no name grants, and yet it is this machine.
        let first = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let second = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        for who in ["call", "fetch"] {
            outside.name(&format!("{who}-rebind{turn}.test"), &[&[first], &[second]]);
        }
        let mut units = None;
        let scene = Scene::with(|plan| {
            units = control::take_out(plan, missing);
            outside.configure(plan);
            plan.set("toold", "burst", 1000).set("toold", "calls_per_minute", 10_000);
            plan.set("egressd", "connect_timeout", "1s");
        });
        Self { outside, scene, turn, neighbour: None, _units: units }
    }

    /// Has another session run a call with a network, if there can be one.
    fn meet_neighbour(&mut self) {
        let arguments = json!({ "command": "exec sleep 1000" }).to_string();
        let call = ["call", "test.run", &arguments, "--session", "neighbour", "--json"];
        self.neighbour = Some(self.scene.ctl_start(&call));
        wait("the neighbour", || {
            let travellers = self.scene.ctl(&["egress", "--json"]).json()["travellers"].clone();
            let there = travellers.as_array()?.iter().any(|one| one["session"] == "neighbour");
            let running = self.scene.appliance.instances("sandbox-integration-test").ok()?;
            (there && !running.is_empty()).then_some(())
        });
    }

    fn fill(&self, text: &str, path: &str) -> String {
        text.replace("{https}", &self.outside.web.https.to_string())
            .replace("{http}", &self.outside.web.http.to_string())
            .replace("{names}", &self.outside.names.address.port().to_string())
            .replace("{turn}", &self.turn.to_string())
            .replace("{path}", path)
    }

    /// Makes one attack; whether it got through, and what the call said.
    fn make(&self, attack: &Attack, inside: &Inside) -> (bool, Value) {
        let path = format!("/{}-{}", attack.id, self.turn);
        if let Some(to) = &inside.redirects {
            self.outside.answer("a.test", &format!("/from{path}"), Answer::redirect(&self.fill(to, &path)));
        }
        let does = self.fill(&inside.does, &path);
        let key = if inside.tool == "web.fetch" { "url" } else { "command" };
        let call = self.scene.call_start(&inside.tool, &json!({ key: does }));
        let granted: Vec<String> =
            inside.granted.iter().map(|host| format!("{}:", self.fill(host, ""))).collect();
        let ended = std::thread::spawn(move || call.finish().json());
        while !ended.is_finished() {
            for question in self.scene.approvals() {
                self.answer(&question, &granted);
            }
        }
        let answer = ended.join().expect("it ends");
        let printed = answer.pointer("/result/content/stdout").and_then(Value::as_str).unwrap_or_default();
        let reached = match inside.sees {
            Sees::Request => self.outside.received().iter().any(|request| request.target == path),
            Sees::Word => printed.contains("reached"),
            _ => panic!("{}: that is not seen of a call", attack.id),
        };
        (reached, answer)
    }

    /// The call itself is let through; of its destinations, those that the attack has been granted.
    fn answer(&self, question: &Value, granted: &[String]) {
        let destination = text(&question["arguments"], "destination");
        let yes = question["tool"] != "net.connect"
            || granted.iter().any(|host| destination.starts_with(host.as_str()));
        let id = text(question, "id");
        // One whose call has ended meanwhile takes no answer.
        let _ = if yes {
            self.scene.ctl(&["approve", &id])
        } else {
            self.scene.ctl(&["deny", &id, "--reason", "a test"])
        };
    }
}

/// Each attack with all controls, with each of them alone, and with none.
fn groups<'a>(attacks: &[&'a Attack]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<BTreeSet<Control>, Vec<(&Attack, bool)>> = BTreeMap::new();
    for attack in attacks {
        let controls = attack.controls();
        groups.entry(BTreeSet::new()).or_default().push((attack, false));
        for alone in controls.iter().filter(|_| controls.len() > 1) {
            let others = controls.iter().copied().filter(|control| control != alone).collect();
            groups.entry(others).or_default().push((attack, false));
        }
        let without = if attack.here.is_some() { bare() } else { controls.into_iter().collect() };
        groups.entry(without).or_default().push((attack, attack.here.is_none()));
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().collect();
    groups.sort_by_key(|(_, attacks)| attacks.len());
    groups
}

/// Without what keeps a call from other processes, for what cannot be shown to succeed.
fn bare() -> BTreeSet<Control> {
    let names = ["pid-namespace", "hidden-processes", "landlock", "seccomp", "privileges"];
    names.iter().filter_map(|name| Control::of_name(name)).collect()
}

/// Whether it is the machine's network, and whether calls run there all the same.
fn network(missing: &BTreeSet<Control>) -> (bool, bool) {
    let out = |name: &str| missing.iter().any(|control| control.name() == name);
    (out("own-network"), out("empty-network"))
}

fn play(outside: &Outside, turn: usize, (missing, attacks): &Group<'_>) -> Vec<String> {
    let (of_machine, runs) = network(missing);
    let _alone: Option<MutexGuard<'_, ()>> = of_machine.then(|| MACHINE.lock().expect("nobody panicked"));
    let missing: Vec<Control> = missing.iter().copied().collect();
    let names: Vec<&str> = missing.iter().map(Control::name).collect();
    let mut field = Field::without(outside, turn, &missing);
    let before = field.scene.pids();
    // The neighbour comes last: it would hold the port that the others need.
    let (beside, alone): (Vec<_>, Vec<_>) = attacks.iter().partition(|(attack, _)| attack.neighbour);
    let mut failures = Vec::new();
    for (attack, must_reach) in alone.into_iter().chain(beside) {
        if attack.neighbour && field.neighbour.is_none() && (runs || !of_machine) {
            field.meet_neighbour();
        }
        let inside = attack.inside.as_ref().expect("a call does something");
        let (reached, answer) = field.make(attack, inside);
        if reached != must_reach {
            let wanted = if must_reach { "must get through" } else { "must be stopped" };
            failures.push(format!("{} {wanted} without {names:?}: {answer}", attack.id));
        }
    }
    assert_eq!(field.scene.pids(), before, "no daemon was restarted");
    let Field { scene, neighbour, .. } = field;
    drop(scene);
    if let Some(neighbour) = neighbour {
        neighbour.finish();
    }
    failures
}

#[test]
fn no_call_gets_out_but_without_what_stops_it() {
    let outside = Outside::start();
    outside.name("inside.example", &[&[IpAddr::V4(Ipv4Addr::LOCALHOST)]]);
    let table = Table::read();
    let attacks: Vec<&Attack> = table.by(Way::Call).collect();
    let groups = groups(&attacks);
    let (appliances, runs) = (groups.len(), groups.iter().map(|(_, attacks)| attacks.len()).sum::<usize>());
    let queue: Mutex<Vec<_>> = Mutex::new(groups.into_iter().enumerate().collect());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((turn, group)) = { queue.lock().expect("nobody panicked").pop() } {
                    let found = play(&outside, turn, &group);
                    failures.lock().expect("nobody panicked").extend(found);
                }
            });
        }
    });
    let failures: Vec<String> = failures.into_inner().expect("nobody panicked");
    let here = attacks.iter().filter(|attack| attack.here.is_some()).count();
    println!(
        "{} attacks from inside of calls: all stopped; {} reached without their controls, {here} not provable here \
         ({runs} runs on {appliances} appliances)",
        attacks.len(),
        attacks.len() - here
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
