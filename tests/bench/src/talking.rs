//! Rows of an appliance that talks. They are measured by `testudo-talk-bench`, which is no release build as this is: its people
//! come with the feature that takes controls out. What it wrote down is every single time, and summed up here as all others.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::percentile::Summary;
use crate::table::Table;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    notes: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Time { what: String, nanos: Vec<u64>, beside: Option<String> },
    Size { what: String, bytes: i64 },
}

/// Adds everything that stands in the file.
///
/// # Errors
/// When it cannot be read, or a row stands beside one that is not there.
pub(crate) fn take_in(file: &Path, table: &mut Table) -> Result<()> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let measured: Measured =
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", file.display()))?;
    add(&measured, table)
}

fn add(measured: &Measured, table: &mut Table) -> Result<()> {
    measured.notes.iter().for_each(|note| table.note(note.clone()));
    for row in &measured.rows {
        match row {
            Row::Time { what, nanos, beside } => {
                let rival =
                    beside.as_deref().map(|rival| summary_of(measured, rival).map(|other| (rival, other)));
                table.time(what, summary(nanos), rival.transpose()?);
            }
            Row::Size { what, bytes } => table.growth(what.clone(), *bytes),
        }
    }
    Ok(())
}

fn summary_of(measured: &Measured, wanted: &str) -> Result<Summary> {
    let found = measured.rows.iter().find_map(|row| match row {
        Row::Time { what, nanos, .. } if what == wanted => summary(nanos),
        _ => None,
    });
    found.with_context(|| format!("cannot find the row to compare with: {wanted}"))
}

fn summary(nanos: &[u64]) -> Option<Summary> {
    Summary::of(&nanos.iter().copied().map(Duration::from_nanos).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn taken_in(text: &str) -> Result<serde_json::Value> {
        let mut table = Table::new(Machine::here());
        add(&serde_json::from_str(text)?, &mut table)?;
        Ok(serde_json::from_str(&table.json()?)?)
    }

    #[test]
    fn every_row_is_summed_up_and_stands_beside_the_one_that_it_names() {
        let table = taken_in(
            r#"{"notes": ["people in a debug build"], "rows": [
                {"what": "people", "nanos": [1000000, 2000000, 3000000], "beside": null},
                {"what": "ours", "nanos": [4000000], "beside": "people"},
                {"what": "growth", "bytes": -1048576}]}"#,
        );
        let table = table.unwrap();
        assert_eq!(table["notes"][0], "people in a debug build");
        assert_eq!((&table["rows"][0]["p50"], &table["rows"][0]["n"]), (&2.0.into(), &3.into()));
        assert_eq!(table["rows"][1]["beside"]["ratio"], 2.0);
        assert_eq!((&table["rows"][2]["p50"], &table["rows"][2]["unit"]), (&(-1.0).into(), &"MiB".into()));
    }

    #[test]
    fn a_row_beside_nothing_is_refused() {
        let wrong = r#"{"notes": [], "rows": [{"what": "ours", "nanos": [1], "beside": "people"}]}"#;
        assert!(taken_in(wrong).is_err());
    }
}
