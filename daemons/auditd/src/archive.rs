//! Reading the record, on connections of its own that cannot write.
//!
//! Each question opens the file anew: an answer is about what lies on the disk now, and not about a file that
//! somebody moved away. Everything here blocks.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use testudo::record::Record;

use crate::error::{StoreError, is_damage, is_foreign};
use crate::row::{COLUMNS, Row};
use crate::walk::{Expected, Findings, Walk};

/// The most records in one answer.
pub const MOST: u32 = 1000;

/// Bytes of one answer, about: what is longer is read in pieces. A thousand ordinary records are below it.
const ANSWER: usize = 2 * 1024 * 1024;

/// Which records: those where all that is given is equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this session.
    pub session: Option<String>,
    /// Of this call.
    pub call: Option<String>,
    /// With this event.
    pub event: Option<String>,
    /// By this daemon.
    pub writer: Option<String>,
}

/// The record, for reading.
#[derive(Debug, Clone)]
pub struct Archive {
    path: PathBuf,
}

impl Archive {
    /// The database at this path; it is opened when something is asked.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Records after a sequence number, by rising sequence: at most `limit`, at most [`MOST`], and no more than fit
    /// an answer, but at least one if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn log(&self, after: u64, limit: u32, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let connection = self.open().map_err(StoreError::from)?;
        let given = [
            ("session", filter.session.as_deref()),
            ("call", filter.call.as_deref()),
            ("event", filter.event.as_deref()),
            ("writer", filter.writer.as_deref()),
        ];
        let mut sql = format!("SELECT {COLUMNS} FROM record WHERE seq > ?1");
        // A larger number than the table can hold has nothing after it.
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = limit.min(MOST);
        let mut values: Vec<&dyn rusqlite::ToSql> = vec![&after];
        for (column, value) in
            given.iter().filter_map(|(column, value)| value.as_ref().map(|value| (*column, value)))
        {
            values.push(value);
            sql.extend([" AND ", column, " = ?", &values.len().to_string()]);
        }
        values.push(&limit);
        sql.extend([" ORDER BY seq LIMIT ?", &values.len().to_string()]);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(values.as_slice())?;
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let row = Row::read(row)?;
            bytes += 512 + row.detail.len();
            if bytes > ANSWER && !records.is_empty() {
                break;
            }
            records.push(row.shown());
        }
        Ok(records)
    }

    /// One record.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn show(&self, seq: u64) -> Result<Option<Record>, StoreError> {
        let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
        let connection = self.open().map_err(StoreError::from)?;
        let sql = format!("SELECT {COLUMNS} FROM record WHERE seq = ?1");
        let row = connection.query_row(&sql, params![seq], Row::read).optional()?;
        Ok(row.map(|row| row.shown()))
    }

    /// Checks the whole chain against what is expected of its end.
    ///
    /// A database that is missing or damaged is a finding and not an error.
    ///
    /// # Errors
    /// When the database cannot be read now, although nothing is wrong with it.
    pub fn verify(&self, expected: Expected) -> Result<Findings, StoreError> {
        let mut walk = Walk::new(expected);
        match self.each(|row| walk.step(row)) {
            Ok(()) => {}
            Err(error) if is_damage(&error) || self.is_gone(&error) => walk.stop(&error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(walk.finish())
    }

    fn each(&self, mut visit: impl FnMut(&Row)) -> rusqlite::Result<()> {
        let connection = self.open()?;
        let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM record ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(&Row::read(row)?);
        }
        Ok(())
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(connection)
    }

    /// The file, or the table in it, is not there.
    fn is_gone(&self, error: &rusqlite::Error) -> bool {
        is_foreign(error) || (error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !self.path.exists())
    }
}
