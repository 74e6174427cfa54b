//! Probes inside of a call. Those that need the same controls out share an appliance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use testudo_tests::attacks::control::Control;
use testudo_tests::attacks::table::Way;
use testudo_tests::attacks::{Attack, Field, Table};

/// Appliances at once; the machine of the tests has two processors.
const HANDS: usize = 3;

/// What is made on one appliance: attacks, and whether each must get through.
type Group<'a> = (BTreeSet<Control>, Vec<(&'a Attack, bool)>);

#[test]
fn every_probe_is_stopped_by_each_of_its_controls_and_by_nothing_else() {
    let table = Table::read();
    let attacks: Vec<&Attack> = table.by(Way::Probe).collect();
    let groups = groups(&attacks);
    let appliances = groups.len();
    let runs: usize = groups.iter().map(|(_, attacks)| attacks.len()).sum();
    let queue = Mutex::new(groups);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                while let Some(group) = { queue.lock().expect("nobody panicked").pop() } {
                    let found = play(&group);
                    failures.lock().expect("nobody panicked").extend(found);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panicked");
    let here = attacks.iter().filter(|attack| attack.here.is_some()).count();
    let shown = attacks.len() - here;
    println!(
        "{} probes: all stopped; {shown} reached without their controls, {here} not provable here \
         ({runs} runs on {appliances} appliances)",
        attacks.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(attacks.len() >= 60, "{} are too few", attacks.len());
    assert!(here * 100 <= attacks.len() * 15, "{here} of {} cannot be proven", attacks.len());
}

/// Each attack with all controls, with each of them alone, and with none.
fn groups<'a>(attacks: &[&'a Attack]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<BTreeSet<Control>, Vec<(&Attack, bool)>> = BTreeMap::new();
    for attack in attacks {
        let controls = attack.controls();
        assert_ne!(controls.is_empty(), attack.here.is_none(), "{}: stopped by nothing", attack.id);
        groups.entry(BTreeSet::new()).or_default().push((attack, false));
        for alone in controls.iter().filter(|_| controls.len() > 1) {
            let others = controls.iter().copied().filter(|control| control != alone).collect();
            groups.entry(others).or_default().push((attack, false));
        }
        match attack.here {
            // Whoever else stops it must do so without our layers as well, or the table is wrong about it.
            Some(_) => groups.entry(bare()).or_default().push((attack, false)),
            None => groups.entry(controls.into_iter().collect()).or_default().push((attack, true)),
        }
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().collect();
    // The longest last: they are taken from the end.
    groups.sort_by_key(|(_, attacks)| attacks.len());
    groups
}

/// Without what stops system calls and files.
fn bare() -> BTreeSet<Control> {
    ["own-root", "read-only-root", "landlock", "seccomp", "privileges", "resource-limits"]
        .iter()
        .filter_map(|name| Control::of_name(name))
        .collect()
}

fn play((missing, attacks): &Group<'_>) -> Vec<String> {
    let missing: Vec<Control> = missing.iter().copied().collect();
    let names: Vec<&str> = missing.iter().map(Control::name).collect();
    let mut field = Field::without(&missing);
    if attacks.iter().any(|(attack, _)| attack.neighbour) {
        field.meet_neighbour();
    }
    // Beside a network the runner runs nothing at all.
    let no_call_runs = names.contains(&"own-network") && !names.contains(&"empty-network");
    let mut failures = Vec::new();
    for (attack, must_reach) in attacks {
        let made = field.make(attack);
        let cut = made.detail.starts_with("SILENT") && !attack.cut && !no_call_runs;
        if made.reached != *must_reach || cut {
            let wanted = if *must_reach { "must get through" } else { "must be stopped" };
            failures.push(format!("{} {wanted} without {names:?}: {}", attack.id, made.detail));
        }
    }
    field.unharmed();
    failures
}
