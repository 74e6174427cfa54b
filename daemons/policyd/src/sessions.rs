//! What entered each session, kept so that a restart forgets no taint.
//!
//! A session is a fold over its entries, which are rows that are only ever added. What it read is kept up to a
//! bound; past that the oldest results lose their text and keep their labels, which makes decisions stricter.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testudo::action::{Effect, Judged};
use testudo::fault::Fault;
use testudo::label::{Labels, Source};
use testudo::observation::Observation;
use testudo_policy::pattern::lexical;
use testudo_policy::provenance::Session;

use crate::desk::Clock;

/// Most bytes of observations that one session keeps with their text.
const MOST_BYTES: i64 = 8 * 1024 * 1024;
/// Most sessions whose fold is kept in memory.
const MOST_WARM: usize = 64;

/// One row of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// Something entered.
    Observed(Observation),
    /// A call was let through.
    Passed(Box<Judged>),
}

/// All sessions.
pub struct Sessions {
    store: Mutex<Store>,
    clock: Clock,
}

struct Store {
    database: Connection,
    warm: HashMap<String, Session>,
    identities: Vec<String>,
}

impl Sessions {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// The database's.
    pub fn open(path: &Path, clock: Clock) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "NORMAL")?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS entry (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 session TEXT NOT NULL,
                 at_ms INTEGER NOT NULL,
                 body TEXT NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS entry_session ON entry (session, number);
             CREATE TABLE IF NOT EXISTS written (path TEXT PRIMARY KEY, labels TEXT NOT NULL) STRICT;",
        )?;
        let store = Store { database, warm: HashMap::new(), identities: Vec::new() };
        Ok(Self { store: Mutex::new(store), clock })
    }

    /// With the addresses and accounts by which the owner goes in records.
    #[must_use]
    pub fn of_owner(self, identities: Vec<String>) -> Self {
        self.lock().identities = identities;
        self
    }

    /// Fills in what only the session knows: its taint, and where the arguments came from.
    ///
    /// # Errors
    /// When the store fails: then nothing can be decided.
    pub fn judge(&self, judged: &Judged) -> Result<Judged, Fault> {
        tokio::task::block_in_place(|| {
            let mut store = self.lock();
            let session = store.session(&judged.action.session).map_err(broken)?;
            Ok(Judged { taint: session.taint().clone(), flow: session.judge(judged), ..judged.clone() })
        })
    }

    /// Notes that a call was let through.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn passed(&self, judged: &Judged) -> Result<(), Fault> {
        self.add(&judged.action.session, Entry::Passed(Box::new(judged.clone())))
    }

    /// Takes in what entered a session, and answers with its labels.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn observe(&self, session: &str, observation: Observation) -> Result<Labels, Fault> {
        let (observation, labels) = match observation {
            Observation::Result { call, tool, declaration, arguments, content, mut labels } => {
                let touched = paths(&declaration.effects, &arguments);
                labels.absorb(&self.written(touched.as_deref())?);
                let observed = Observation::Result {
                    call,
                    tool,
                    declaration,
                    arguments,
                    content,
                    labels: labels.clone(),
                };
                (observed, labels)
            }
            Observation::Applied { paths } => {
                let taint = self.taint(session)?;
                self.mark(&paths, &taint)?;
                (Observation::Applied { paths }, taint)
            }
            other => (other, Labels::default()),
        };
        self.add(session, Entry::Observed(observation))?;
        Ok(labels)
    }

    fn taint(&self, session: &str) -> Result<Labels, Fault> {
        tokio::task::block_in_place(|| Ok(self.lock().session(session).map_err(broken)?.taint().clone()))
    }

    fn add(&self, session: &str, entry: Entry) -> Result<(), Fault> {
        let body = serde_json::to_string(&entry).map_err(|error| Fault::Internal(error.to_string()))?;
        tokio::task::block_in_place(|| {
            let mut store = self.lock();
            store.add(session, entry, &body, (self.clock)()).map_err(broken)
        })
    }

    /// Labels of what Testudo wrote at or below a path; of everything when no path is given.
    fn written(&self, path: Option<&str>) -> Result<Labels, Fault> {
        let Some(path) = path else { return Ok(Labels::default()) };
        let path = lexical(path);
        tokio::task::block_in_place(|| {
            let store = self.lock();
            let mut statement = store.database.prepare_cached(
                "SELECT labels FROM written
                 WHERE ?1 = '' OR path = ?1 OR substr(path, 1, length(?1) + 1) = ?1 || '/'",
            )?;
            let mut labels = Labels::default();
            for text in statement.query_map([path], |row| row.get::<_, String>(0))? {
                match serde_json::from_str::<Labels>(&text?) {
                    Ok(found) => labels.absorb(&found),
                    Err(_) => labels.absorb(&Labels::of(Source::Stranger)),
                }
            }
            Ok(labels)
        })
        .map_err(broken)
    }

    /// What a tainted session wrote is tainted. Labels of a path only grow: part of the old content may be there.
    fn mark(&self, paths: &[String], taint: &Labels) -> Result<(), Fault> {
        if !taint.sources.iter().any(Source::is_foreign) {
            return Ok(());
        }
        tokio::task::block_in_place(|| {
            let mut store = self.lock();
            let transaction = store.database.transaction()?;
            for path in paths {
                let path = lexical(path);
                let before: Option<String> = transaction
                    .query_row("SELECT labels FROM written WHERE path = ?1", [&path], |row| row.get(0))
                    .ok();
                let mut labels = before.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
                Labels::absorb(&mut labels, taint);
                let text = serde_json::to_string(&labels).unwrap_or_default();
                transaction.execute(
                    "INSERT INTO written (path, labels) VALUES (?1, ?2)
                     ON CONFLICT (path) DO UPDATE SET labels = excluded.labels",
                    params![path, text],
                )?;
            }
            transaction.commit()
        })
        .map_err(broken)
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn session(&mut self, name: &str) -> rusqlite::Result<&Session> {
        if !self.warm.contains_key(name) {
            let folded = self.fold(name, i64::MAX)?;
            if self.warm.len() >= MOST_WARM {
                self.warm.clear();
            }
            self.warm.insert(name.to_owned(), folded);
        }
        Ok(self.warm.entry(name.to_owned()).or_default())
    }

    /// Everything of a session before a number. An entry that cannot be read counts as a stranger's.
    fn fold(&self, name: &str, before: i64) -> rusqlite::Result<Session> {
        let mut statement = self.database.prepare_cached(
            "SELECT number, body FROM entry WHERE session = ?1 AND number < ?2 ORDER BY number",
        )?;
        let rows: Vec<(i64, String)> = statement
            .query_map(params![name, before], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut session = Session::default();
        session.owned_by(&self.identities);
        for (number, body) in rows {
            match serde_json::from_str(&body) {
                Ok(Entry::Observed(Observation::Inherit { from })) => {
                    session.inherit(&self.fold(&from, number)?);
                }
                Ok(Entry::Observed(observation)) => session.observe(&observation),
                Ok(Entry::Passed(judged)) => session.passed(&judged),
                Err(_) => session.observe(&unreadable()),
            }
        }
        Ok(session)
    }

    fn add(&mut self, name: &str, entry: Entry, body: &str, now_ms: i64) -> rusqlite::Result<()> {
        let _ = self.session(name)?;
        self.database.execute(
            "INSERT INTO entry (session, at_ms, body) VALUES (?1, ?2, ?3)",
            params![name, now_ms, body],
        )?;
        match entry {
            Entry::Observed(Observation::Inherit { from }) => {
                let parent = self.fold(&from, self.database.last_insert_rowid())?;
                self.warm.entry(name.to_owned()).or_default().inherit(&parent);
            }
            Entry::Observed(observation) => {
                self.warm.entry(name.to_owned()).or_default().observe(&observation);
            }
            Entry::Passed(judged) => self.warm.entry(name.to_owned()).or_default().passed(&judged),
        }
        self.bound(name)
    }

    /// Takes the text of the oldest results away while a session holds too much.
    fn bound(&self, name: &str) -> rusqlite::Result<()> {
        let total: i64 = self.database.query_row(
            "SELECT coalesce(sum(length(body)), 0) FROM entry WHERE session = ?1",
            [name],
            |row| row.get(0),
        )?;
        if total > MOST_BYTES {
            self.database.execute(
                "UPDATE entry SET body = json_set(body, '$.observed.content', json('null'))
                 WHERE session = ?1 AND json_extract(body, '$.observed.event') = 'result'
                   AND number IN (SELECT number FROM entry WHERE session = ?1 ORDER BY number LIMIT
                                  (SELECT count(*) / 2 FROM entry WHERE session = ?1))",
                [name],
            )?;
        }
        Ok(())
    }
}

/// The path that a call looked at; the workspace when it names none; none when it looks at no files.
fn paths(effects: &std::collections::BTreeSet<Effect>, arguments: &Value) -> Option<String> {
    if effects.contains(&Effect::Execute) {
        return Some(String::new());
    }
    let path = arguments.get("path").and_then(Value::as_str);
    path.map(str::to_owned).or_else(|| effects.contains(&Effect::Read).then(String::new))
}

fn unreadable() -> Observation {
    Observation::Message { author: testudo::observation::Author::Stranger, text: String::new() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn broken(error: rusqlite::Error) -> Fault {
    Fault::Unavailable(format!("cannot use the store of sessions: {error}"))
}
