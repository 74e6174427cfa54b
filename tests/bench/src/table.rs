//! The table: for people in aligned columns, for programs as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::machine::Machine;
use crate::percentile::Summary;

/// All rows, in the order in which they came.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    machine: Machine,
    /// What else one has to know about some rows.
    notes: Vec<String>,
    rows: Vec<Row>,
}

/// One row. A size in memory is one look, so it has neither spread nor rival.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    unit: &'static str,
    p50: f64,
    p99: Option<f64>,
    min: Option<f64>,
    n: usize,
    beside: Option<Beside>,
}

/// Another row that this one is compared with, at p50.
#[derive(Debug, Serialize)]
struct Beside {
    /// How many times the rival's; below 1 is faster than the rival.
    ratio: f64,
    rival: String,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, notes: Vec::new(), rows: Vec::new() }
    }

    /// Adds a line below the one about the machine.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Adds a time, beside a rival's; a series without a measurement adds nothing.
    pub(crate) fn time(&mut self, what: &str, summary: Option<Summary>, rival: Option<(&str, Summary)>) {
        let Some(summary) = summary else { return };
        let beside = rival.map(|(rival, other)| Beside {
            ratio: summary.p50.as_secs_f64() / other.p50.as_secs_f64(),
            rival: rival.to_owned(),
        });
        self.rows.push(Row {
            what: what.to_owned(),
            unit: "ms",
            p50: millis(summary.p50),
            p99: Some(millis(summary.p99)),
            min: Some(millis(summary.min)),
            n: summary.n,
            beside,
        });
    }

    /// Adds a time that is too short for milliseconds, beside a rival's.
    pub(crate) fn moment(&mut self, what: &str, summary: Option<Summary>, rival: Option<(&str, Summary)>) {
        self.time(what, summary, rival);
        let (Some(row), Some(summary)) = (self.rows.last_mut(), summary) else { return };
        let micros = |time: Duration| time.as_secs_f64() * 1_000_000.0;
        row.unit = "us";
        row.p50 = micros(summary.p50);
        row.p99 = Some(micros(summary.p99));
        row.min = Some(micros(summary.min));
    }

    /// Adds a size in memory, given in bytes.
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
    pub(crate) fn memory(&mut self, what: String, bytes: u64) {
        self.size(what, bytes as f64);
    }

    /// Adds by how much a size in memory became another, given in bytes; less than nothing is one that shrank.
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
    pub(crate) fn growth(&mut self, what: String, bytes: i64) {
        self.size(what, bytes as f64);
    }

    fn size(&mut self, what: String, bytes: f64) {
        let p50 = bytes / f64::from(1 << 20);
        self.rows.push(Row { what, unit: "MiB", p50, p99: None, min: None, n: 1, beside: None });
    }

    /// As JSON: `{machine, notes, rows:[{what, unit, p50, p99, min, n, beside:{ratio, rival}}]}`.
    ///
    /// # Errors
    /// Never for what a measurement gives.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// As a line about the machine, the notes, and aligned columns.
    pub(crate) fn text(&self) -> String {
        let head = ["what", "p50", "p99", "min", "n", "beside"].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        let mut text = format!("{}\n", self.machine);
        self.notes.iter().for_each(|note| text.extend([note, "\n"]));
        text.push('\n');
        for [what, p50, p99, min, n, beside] in &rows {
            let [w0, w1, w2, w3, w4] = widths;
            let line = format!("{what:w0$}  {p50:>w1$}  {p99:>w2$}  {min:>w3$}  {n:>w4$}  {beside}");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let decimals = match self.unit {
            "ms" => 3,
            "us" => 2,
            _ => 1,
        };
        let shown = |value: f64| format!("{value:.decimals$}");
        let beside = self.beside.as_ref().map(|beside| format!("{:.2} x {}", beside.ratio, beside.rival));
        [
            self.what.clone(),
            format!("{} {}", shown(self.p50), self.unit),
            self.p99.map(shown).unwrap_or_default(),
            self.min.map(shown).unwrap_or_default(),
            self.n.to_string(),
            beside.unwrap_or_default(),
        ]
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(millis: u64) -> Summary {
        let time = Duration::from_millis(millis);
        Summary { p50: time, p99: time * 2, min: time / 2, n: 200 }
    }

    fn table() -> Table {
        let mut table = Table::new(Machine {
            processor: "a processor".to_owned(),
            cores: 2,
            kernel: "6.18".to_owned(),
            profile: "release",
            load: "0.1 0.2 0.3".to_owned(),
        });
        table.time("ours", Some(summary(2)), Some(("theirs", summary(4))));
        table.time("nothing", None, None);
        table.memory("PSS".to_owned(), 3 << 19);
        table
    }

    #[test]
    fn columns_stand_under_each_other() {
        let expected = "a processor, 2 cores, Linux 6.18, release build, load average 0.1 0.2 0.3\n\n\
            what       p50    p99    min    n  beside\n\
            ours  2.000 ms  4.000  1.000  200  0.50 x theirs\n\
            PSS    1.5 MiB                  1";
        assert_eq!(table().text(), expected);
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let value: serde_json::Value = serde_json::from_str(&table().json().unwrap()).unwrap();
        assert_eq!(value["machine"]["cores"], 2);
        assert_eq!(value["rows"][0]["p50"], 2.0);
        assert_eq!(value["rows"][0]["beside"]["ratio"], 0.5);
        assert_eq!(value["rows"][1]["unit"], "MiB");
    }
}
