//! The threat model says what is tested, and nothing else.

use std::collections::BTreeSet;

use testudo_tests::attacks::table::Way;
use testudo_tests::attacks::{Attack, Table, matrix};

#[test]
fn the_threat_model_has_every_attack() {
    let document = std::fs::read_to_string(matrix::document()).expect("it is there");
    let placed =
        matrix::placed(&document, &matrix::section(&Table::read())).expect("it has a place for them");
    assert!(placed == document, "cargo run -p testudo-tests --bin testudo-matrix");
}

#[test]
fn every_attack_has_one_name_and_known_controls() {
    let table = Table::read();
    let all: Vec<&Attack> = table.families.iter().flat_map(|family| &family.attacks).collect();
    let names: BTreeSet<&str> = all.iter().map(|attack| attack.id.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name is used twice");
    for attack in all {
        // A false answer has no control to take out.
        let claimed = attack.here.is_some() || attack.way == Way::Frame;
        assert_eq!(attack.controls().is_empty(), claimed, "{}", attack.id);
    }
}

/// In the hand-written tables: words after a file's name that look like a test's must be one's, or its beginning.
#[test]
fn the_threat_model_names_tests_that_exist() {
    let document = std::fs::read_to_string(matrix::document()).expect("it is there");
    let (before, rest) = document.split_once(matrix::BEGIN).expect("it has a place for them");
    let (_, after) = rest.split_once(matrix::END).expect("it has an end");
    let tests = matrix::tests();
    let mut seen = 0;
    let rows = before.lines().chain(after.lines()).filter(|line| line.starts_with('|'));
    for word in rows.flat_map(|line| line.split([' ', ',', '|', '`', ':'])) {
        let (name, cut) = word.strip_suffix('…').map_or((word, false), |name| (name, true));
        let looks = name.matches('_').count() >= 2
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if looks {
            seen += 1;
            let known = tests.iter().any(|test| test == name || (cut && test.starts_with(name)));
            assert!(known, "there is no test {word}");
        }
    }
    assert!(seen > 20, "only {seen} names were found: has the form of the document changed?");
}
