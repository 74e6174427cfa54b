//! What was measured, as it was measured: whoever makes a table of it sees every time and not a summary.

use std::time::Duration;

use serde_json::{Value, json};

/// All rows, in the order in which they came.
#[derive(Debug, Default)]
pub struct Report {
    notes: Vec<String>,
    rows: Vec<Value>,
}

impl Report {
    /// Says something that one has to know about all rows.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Adds a series of times, beside another row's.
    pub fn time(&mut self, what: &str, series: &[Duration], beside: Option<&str>) {
        let nanos: Vec<u64> =
            series.iter().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).collect();
        self.rows.push(json!({ "what": what, "nanos": nanos, "beside": beside }));
    }

    /// Adds a size in memory, in bytes; less than nothing is one that shrank.
    pub fn size(&mut self, what: &str, bytes: i64) {
        self.rows.push(json!({ "what": what, "bytes": bytes }));
    }

    /// `{notes, rows: [{what, nanos, beside} or {what, bytes}]}`.
    pub fn json(&self) -> Value {
        json!({ "notes": self.notes, "rows": self.rows })
    }
}
