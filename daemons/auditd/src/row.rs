//! A record as it lies in the table, which may not be what was written there.
//!
//! The daemon writes text; somebody with the file in hand can leave anything. So a row remembers whether every
//! column still is what it must be ([`Row::exact`]), and only an exact row can be a [`Record`] again.

use rusqlite::types::ValueRef;
use serde_json::{Map, Value};
use testudo::canonical;
use testudo::record::Record;

/// The columns, in the order that [`Row::read`] and the insertion use.
pub const COLUMNS: &str = "seq, time, writer, event, session, call, tool, decision, detail, previous, hash";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As in [`Record::seq`]; 0 when the column holds no such number.
    pub seq: u64,
    /// As in [`Record::time`].
    pub time: String,
    /// As in [`Record::writer`].
    pub writer: String,
    /// As in [`Record::event`].
    pub event: String,
    /// As in [`Record::session`].
    pub session: Option<String>,
    /// As in [`Record::call`].
    pub call: Option<String>,
    /// As in [`Record::tool`].
    pub tool: Option<String>,
    /// As in [`Record::decision`].
    pub decision: Option<String>,
    /// Canonical JSON of [`Record::detail`].
    pub detail: String,
    /// As in [`Record::previous`].
    pub previous: String,
    /// As in [`Record::hash`].
    pub hash: String,
    /// False when a column has a type or bytes that the daemon never writes.
    pub exact: bool,
}

impl Row {
    /// A row for the table.
    pub fn of(record: &Record) -> Self {
        Self {
            seq: record.seq,
            time: record.time.clone(),
            writer: record.writer.clone(),
            event: record.event.clone(),
            session: record.session.clone(),
            call: record.call.clone(),
            tool: record.tool.clone(),
            decision: record.decision.clone(),
            detail: canonical::text(&Value::Object(record.detail.clone())),
            previous: record.previous.clone(),
            hash: record.hash.clone(),
            exact: true,
        }
    }

    /// A row of a query over [`COLUMNS`].
    ///
    /// # Errors
    /// When the query has other columns; what stands in a column is never an error.
    pub fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let mut exact = true;
        let seq = match row.get_ref(0)? {
            ValueRef::Integer(seq) => u64::try_from(seq).unwrap_or_default(),
            _ => 0,
        };
        let mut text = |index: usize| -> rusqlite::Result<Option<String>> {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => None,
                ValueRef::Text(bytes) => {
                    let text = String::from_utf8_lossy(bytes);
                    exact &= text.as_bytes() == bytes;
                    Some(text.into_owned())
                }
                other => {
                    exact = false;
                    Some(format!("{other:?}"))
                }
            })
        };
        let [time, writer, event] = [text(1)?, text(2)?, text(3)?];
        let [session, call, tool, decision] = [text(4)?, text(5)?, text(6)?, text(7)?];
        let [detail, previous, hash] = [text(8)?, text(9)?, text(10)?];
        let mut required = |text: Option<String>| {
            exact &= text.is_some();
            text.unwrap_or_default()
        };
        let [time, writer, event] = [time, writer, event].map(&mut required);
        let [detail, previous, hash] = [detail, previous, hash].map(&mut required);
        exact &= seq > 0;
        Ok(Self { seq, time, writer, event, session, call, tool, decision, detail, previous, hash, exact })
    }

    /// The record that was written, if this still is one.
    ///
    /// The detail must be the canonical text itself: another spelling of the same value is an edit too.
    pub fn record(&self) -> Option<Record> {
        let detail = serde_json::from_str::<Map<String, Value>>(&self.detail).ok().map(Value::Object)?;
        if !self.exact || canonical::text(&detail) != self.detail {
            return None;
        }
        let Value::Object(detail) = detail else { return None };
        Some(self.with_detail(detail))
    }

    /// Something to show even where the row is damaged, so that one bad row does not hide the others.
    ///
    /// A detail that is not JSON stands under the key `unreadable`; the hash then does not match, and verifying
    /// names the row.
    pub fn shown(&self) -> Record {
        let detail = serde_json::from_str(&self.detail).unwrap_or_else(|_| {
            Map::from_iter([("unreadable".to_owned(), Value::from(self.detail.as_str()))])
        });
        self.with_detail(detail)
    }

    fn with_detail(&self, detail: Map<String, Value>) -> Record {
        Record {
            seq: self.seq,
            time: self.time.clone(),
            writer: self.writer.clone(),
            event: self.event.clone(),
            session: self.session.clone(),
            call: self.call.clone(),
            tool: self.tool.clone(),
            decision: self.decision.clone(),
            detail,
            previous: self.previous.clone(),
            hash: self.hash.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Tip, seal};
    use testudo::record::Entry;

    #[test]
    fn a_row_gives_its_record_back_and_another_spelling_of_the_detail_does_not() {
        let entry = Entry::new("x").with("b", 0.1).with("a", "é\u{0}");
        let record = seal(&Tip::genesis(), "t", "toold", entry).unwrap();
        let row = Row::of(&record);
        assert_eq!(row.record().as_ref(), Some(&record));
        for detail in
            [row.detail.replace(':', ": "), row.detail.replace("0.1", "0.10"), "[]".into(), "{".into()]
        {
            let changed = Row { detail, ..row.clone() };
            assert_eq!(changed.record(), None, "{}", changed.detail);
        }
        assert_eq!(Row { exact: false, ..row }.record(), None);
    }

    #[test]
    fn what_somebody_left_in_a_column_is_shown_and_not_exact() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let read = |columns: &str| connection.query_row(&format!("SELECT {columns}"), [], Row::read).unwrap();
        let good = "1,'t','w','e',NULL,NULL,NULL,NULL,'{}','p','h'";
        assert!(read(good).exact);
        for (from, to) in
            [("1,", "-1,"), ("1,", "'1',"), ("'w'", "7"), ("'e'", "NULL"), ("'{}'", "CAST(x'ff' AS TEXT)")]
        {
            assert!(!read(&good.replacen(from, to, 1)).exact, "{to}");
        }
        let shown = read(&good.replacen("'{}'", "'{'", 1)).shown();
        assert_eq!(Value::Object(shown.detail), serde_json::json!({"unreadable": "{"}));
    }
}
