//! The exchanges in `matrixd.db`: what was said and is not answered yet, and for a while what was.
//!
//! What people said lies sealed; in clear stand event ids and session names.

use matrix_sdk::ruma::EventId;
use rusqlite::{OptionalExtension as _, params};

use crate::conversation::exchange::{Exchange, Stage};
use crate::store::{Store, StoreError};

/// Exchanges that are over and kept, so that a reply to them or their redaction is understood.
const KEPT: i64 = 5_000;
/// The most that may wait or run at one time; what more is said waits in the inbox.
const MOST_OPEN: i64 = 2_000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS exchange (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        question TEXT NOT NULL UNIQUE,
        session TEXT NOT NULL,
        open INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS exchange_open ON exchange (open, number);
    CREATE TABLE IF NOT EXISTS answer (
        event TEXT PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS answer_number ON answer (number);";

/// What became of something that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept under this number.
    As(i64),
    /// It was kept before.
    Known,
    /// Too much is open.
    Full,
}

/// The exchanges of a store.
#[derive(Clone)]
pub struct Exchanges(Store);

impl Exchanges {
    /// The exchanges of this store.
    pub fn new(store: Store) -> Result<Self, StoreError> {
        store.with(|database| Ok(database.execute_batch(TABLES)?))?;
        Ok(Self(store))
    }

    /// Keeps something new.
    pub fn begin(&self, exchange: &Exchange) -> Result<Kept, StoreError> {
        let question = exchange.message.origin.event.as_str();
        let body = self.sealed(question, exchange)?;
        self.0.transact(|database| {
            let known = "SELECT count(*) FROM exchange WHERE question = ?1";
            if database.query_row(known, [question], |row| row.get::<_, i64>(0))? > 0 {
                return Ok(Kept::Known);
            }
            let open = "SELECT count(*) FROM exchange WHERE open = 1";
            if database.query_row(open, [], |row| row.get::<_, i64>(0))? >= MOST_OPEN {
                return Ok(Kept::Full);
            }
            database.execute(
                "INSERT INTO exchange (question, session, open, body) VALUES (?1, ?2, 1, ?3)",
                params![question, exchange.session, body],
            )?;
            let number = database.last_insert_rowid();
            let old = number.saturating_sub(KEPT);
            database.execute(
                "DELETE FROM answer WHERE number IN (SELECT number FROM exchange WHERE open = 0 AND number <= ?1)",
                [old],
            )?;
            database.execute("DELETE FROM exchange WHERE open = 0 AND number <= ?1", [old])?;
            Ok(Kept::As(number))
        })
    }

    /// One exchange.
    pub fn get(&self, number: i64) -> Result<Option<Exchange>, StoreError> {
        let row = self.0.with(|database| {
            let mut query =
                database.prepare_cached("SELECT question, body FROM exchange WHERE number = ?1")?;
            Ok(query.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })?;
        row.map(|(question, body): (String, Vec<u8>)| self.opened(&question, &body)).transpose()
    }

    /// Changes one that is open; false when it is not any more: the person took it back, or it was stopped.
    pub fn change(&self, number: i64, exchange: &Exchange) -> Result<bool, StoreError> {
        let body = self.sealed(exchange.message.origin.event.as_str(), exchange)?;
        let is_open = !matches!(exchange.stage, Stage::Over | Stage::Withdrawn);
        self.0.transact(|database| {
            let changed = database.execute(
                "UPDATE exchange SET open = ?2, body = ?3 WHERE number = ?1 AND open = 1",
                params![number, is_open, body],
            )?;
            Ok(changed > 0)
        })
    }

    /// Takes one back, whether or not it is open, and forgets what was said.
    pub fn withdraw(&self, number: i64, exchange: &Exchange) -> Result<(), StoreError> {
        let mut exchange = exchange.clone();
        exchange.withdraw();
        let body = self.sealed(exchange.message.origin.event.as_str(), &exchange)?;
        self.0.transact(|database| {
            database.execute(
                "UPDATE exchange SET open = 0, body = ?2 WHERE number = ?1",
                params![number, body],
            )?;
            Ok(())
        })
    }

    /// Whether it is not over and was not taken back.
    pub fn is_open(&self, number: i64) -> Result<bool, StoreError> {
        self.0.with(|database| {
            let mut query = database.prepare_cached("SELECT open FROM exchange WHERE number = ?1")?;
            Ok(query.query_row([number], |row| row.get(0)).optional()?.unwrap_or(false))
        })
    }

    /// Those that are not over, oldest first: number and session.
    pub fn open(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.0.with(|database| {
            let mut query = database
                .prepare_cached("SELECT number, session FROM exchange WHERE open = 1 ORDER BY number")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// An event of ours belongs to the answer of this exchange.
    pub fn answered(&self, number: i64, event: &EventId) -> Result<(), StoreError> {
        self.0.transact(|database| {
            database.execute(
                "INSERT INTO answer (event, number) VALUES (?1, ?2) ON CONFLICT (event) DO NOTHING",
                params![event.as_str(), number],
            )?;
            Ok(())
        })
    }

    /// The exchange that began with this event.
    pub fn asked_by(&self, event: &EventId) -> Result<Option<i64>, StoreError> {
        self.number("SELECT number FROM exchange WHERE question = ?1", event)
    }

    /// The exchange whose answer this event of ours belongs to.
    pub fn answered_by(&self, event: &EventId) -> Result<Option<i64>, StoreError> {
        self.number("SELECT number FROM answer WHERE event = ?1", event)
    }

    fn number(&self, query: &str, event: &EventId) -> Result<Option<i64>, StoreError> {
        self.0.with(|database| {
            Ok(database.prepare_cached(query)?.query_row([event.as_str()], |row| row.get(0)).optional()?)
        })
    }

    fn sealed(&self, question: &str, exchange: &Exchange) -> Result<Vec<u8>, StoreError> {
        let body = serde_json::to_vec(exchange).map_err(|error| StoreError::Unwritable {
            what: "what was said".to_owned(),
            cause: error.to_string(),
        })?;
        self.0.seal(&sealed_for(question), &body)
    }

    fn opened(&self, question: &str, body: &[u8]) -> Result<Exchange, StoreError> {
        let body = self.0.unseal(&sealed_for(question), body)?;
        serde_json::from_slice(&body).map_err(|error| StoreError::Damaged {
            what: "what was said".to_owned(),
            cause: error.to_string(),
        })
    }
}

fn sealed_for(question: &str) -> String {
    format!("exchange {question}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::testing::{self, said};
    use testudo::observation::Author;

    #[test]
    fn what_was_said_outlives_a_restart_and_is_not_readable_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let number = {
            let exchanges = Exchanges::new(testing::store(&directory)).unwrap();
            let exchange = Exchange::new("m".into(), said("$q", "the secret word"), Author::Owner);
            let Kept::As(number) = exchanges.begin(&exchange).unwrap() else { panic!("it is new") };
            assert_eq!(exchanges.begin(&exchange).unwrap(), Kept::Known);
            exchanges.answered(number, <&EventId>::try_from("$a").unwrap()).unwrap();
            number
        };
        let exchanges = Exchanges::new(testing::store(&directory)).unwrap();
        assert_eq!(exchanges.open().unwrap().len(), 1);
        let exchange = exchanges.get(number).unwrap().unwrap();
        assert_eq!(exchange.words(), "the secret word");
        assert_eq!(exchanges.asked_by(<&EventId>::try_from("$q").unwrap()).unwrap(), Some(number));
        assert_eq!(exchanges.answered_by(<&EventId>::try_from("$a").unwrap()).unwrap(), Some(number));
        exchanges.withdraw(number, &exchange).unwrap();
        assert!(!exchanges.change(number, &exchange).unwrap(), "what was taken back stays so");
        assert!(exchanges.open().unwrap().is_empty());
        assert_eq!(exchanges.get(number).unwrap().unwrap().words(), "");
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"secret"));
        }
    }

    #[test]
    fn only_so_much_is_open_and_only_so_much_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = testing::store(&directory);
        let exchanges = Exchanges::new(store.clone()).unwrap();
        let first = Exchange::new("m".into(), said("$first", "a"), Author::Owner);
        assert_eq!(exchanges.begin(&first).unwrap(), Kept::As(1));
        // As if as many had come in between.
        let fill = format!(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_OPEN})
            INSERT INTO exchange (question, session, open, body) SELECT 'q' || i, 's', 1, x'' FROM n"
        );
        store.with(|database| Ok(database.execute_batch(&fill)?)).unwrap();
        let next = Exchange::new("m".into(), said("$next", "b"), Author::Owner);
        assert_eq!(exchanges.begin(&next).unwrap(), Kept::Full);
        let age = format!(
            "UPDATE exchange SET open = 0 WHERE number > 1; UPDATE exchange SET number = number + {KEPT} WHERE number > 10"
        );
        store.with(|database| Ok(database.execute_batch(&age)?)).unwrap();
        assert!(matches!(exchanges.begin(&next).unwrap(), Kept::As(_)));
        assert!(exchanges.get(1).unwrap().is_some(), "it is not over");
        let kept: i64 = store
            .with(|database| Ok(database.query_row("SELECT count(*) FROM exchange", [], |row| row.get(0))?))
            .unwrap();
        assert_eq!(kept, MOST_OPEN - 10 + 2, "the oldest that were over are gone");
    }
}
