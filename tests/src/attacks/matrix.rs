//! The part of `docs/threat-model.md` that is written from the table, and what the rest of it may refer to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::attacks::table::{Attack, Table, Way};
use crate::repository;

/// Where the section begins and ends in the document.
pub const BEGIN: &str =
    "<!-- attacks: written from tests/attacks/table by `cargo run -p testudo-tests --bin testudo-matrix` -->";
/// See [`BEGIN`].
pub const END: &str = "<!-- end of attacks -->";

/// The document.
pub fn document() -> PathBuf {
    repository().join("docs/threat-model.md")
}

/// The section: a table for each family, and how many there are.
pub fn section(table: &Table) -> String {
    let all: Vec<&Attack> = table.families.iter().flat_map(|family| &family.attacks).collect();
    let here = all.iter().filter(|attack| attack.here.is_some()).count();
    let answers = all.iter().filter(|attack| attack.way == Way::Frame).count();
    let mut text = format!(
        "{} attacks: {} succeed without the controls named beside them, {answers} are false answers, and {here} cannot be \
         shown to succeed on the machine of the tests, and say why.\n",
        all.len(),
        all.len() - here - answers
    );
    for family in &table.families {
        let _ = write!(text, "\n**{}**\n\n| attack | stopped by | test |\n|---|---|---|\n", family.name);
        for attack in &family.attacks {
            let _ = writeln!(
                text,
                "| {} | {} | {} {} |",
                attack.says,
                stopped(attack),
                attack.way.test(),
                attack.id
            );
        }
    }
    text
}

fn stopped(attack: &Attack) -> String {
    match &attack.here {
        Some(reason) => format!("not provable here: {reason}"),
        None if attack.way == Way::Frame => "the reader of answers".to_owned(),
        None => attack.stopped_by.join(", "),
    }
}

/// The document with the section in its place; none when it has no place for it.
pub fn placed(document: &str, section: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

/// Every name of a test function in the repository.
pub fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["daemons", "tests"] {
        collect(&repository().join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let functions = text.lines().filter_map(|line| line.trim_start().split_once("fn "));
            names.extend(functions.filter_map(|(_, rest)| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}
