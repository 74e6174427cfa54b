//! What entered each session, kept so that a restart forgets no taint.
//!
//! A session is a fold over its entries, which are rows that are only ever added. What it read is kept up to a
//! bound; past that the oldest results lose their text and keep their labels, which makes decisions stricter.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testudo::action::{Effect, Judged};
use testudo::declaration::Declaration;
use testudo::fault::Fault;
use testudo::label::{Labels, Source};
use testudo::observation::Observation;
use testudo_policy::pattern::lexical;
use testudo_policy::provenance::Session;

use crate::desk::Clock;

/// Most bytes of observations that one session keeps with their text.
const MOST_BYTES: i64 = 8 * 1024 * 1024;
/// Most bytes that one session keeps at all; past it nothing more can enter.
const HARD_BYTES: i64 = 64 * 1024 * 1024;
/// Most sessions that one fold goes through; what lies behind them counts as a stranger's secret.
const MOST_INHERITED: u32 = 64;
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
    /// Bytes of the entries of sessions that were added to.
    sizes: HashMap<String, i64>,
}

impl Sessions {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// The database's.
    pub fn open(path: &Path, clock: Clock) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
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
        let store = Store { database, warm: HashMap::new(), identities: Vec::new(), sizes: HashMap::new() };
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
        // What changes is not looked at again, and it can be large.
        let kept = Judged { changes: Vec::new(), diff: None, hidden: None, ..judged.clone() };
        self.add(&judged.action.session, Entry::Passed(Box::new(kept)))
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
            Observation::Inherit { from } if from == session => {
                return Err(Fault::InvalidArgument("a session cannot go on from itself".into()));
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
            if store.size(session).map_err(broken)? > HARD_BYTES {
                return Err(Fault::Busy(format!("session {session} holds too much: go on in another one")));
            }
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
        if !taint.private && !taint.sources.iter().any(Source::is_foreign) {
            return Ok(());
        }
        tokio::task::block_in_place(|| {
            let mut store = self.lock();
            let transaction = store.database.transaction()?;
            for path in paths {
                let path = lexical(path);
                let before: Option<String> = transaction
                    .query_row("SELECT labels FROM written WHERE path = ?1", [&path], |row| row.get(0))
                    .optional()?;
                // Labels that cannot be read any more are a stranger's.
                let mut labels = before.map_or_else(Labels::default, |text| {
                    serde_json::from_str(&text).unwrap_or_else(|_| Labels::of(Source::Stranger))
                });
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
            let folded = self.fold(name, i64::MAX, &mut { MOST_INHERITED })?;
            if self.warm.len() >= MOST_WARM {
                self.warm.clear();
            }
            self.warm.insert(name.to_owned(), folded);
        }
        Ok(self.warm.entry(name.to_owned()).or_default())
    }

    /// Everything of a session before a number. An entry that cannot be read counts as a stranger's secret, and so
    /// does what is inherited once `budget` sessions were gone through: a circle must end.
    fn fold(&self, name: &str, before: i64, budget: &mut u32) -> rusqlite::Result<Session> {
        let mut session = Session::default();
        session.owned_by(&self.identities);
        let Some(left) = budget.checked_sub(1) else {
            session.observe(&unknown());
            return Ok(session);
        };
        *budget = left;
        let mut statement = self
            .database
            .prepare("SELECT number, body FROM entry WHERE session = ?1 AND number < ?2 ORDER BY number")?;
        let mut rows = statement.query(params![name, before])?;
        while let Some(row) = rows.next()? {
            let (number, body): (i64, String) = (row.get(0)?, row.get(1)?);
            match serde_json::from_str(&body) {
                Ok(Entry::Observed(Observation::Inherit { from })) => {
                    session.inherit(&self.fold(&from, number, budget)?);
                }
                Ok(Entry::Observed(observation)) => session.observe(&observation),
                Ok(Entry::Passed(judged)) => session.passed(&judged),
                Err(_) => session.observe(&unknown()),
            }
        }
        Ok(session)
    }

    fn add(&mut self, name: &str, entry: Entry, body: &str, now_ms: i64) -> rusqlite::Result<()> {
        let _ = self.session(name)?;
        let before = self.size(name)?;
        let size = before.saturating_add(i64::try_from(body.len()).unwrap_or(i64::MAX));
        let inherited = match &entry {
            Entry::Observed(Observation::Inherit { from }) => {
                Some(self.fold(from, i64::MAX, &mut { MOST_INHERITED })?)
            }
            _ => None,
        };
        self.database.execute(
            "INSERT INTO entry (session, at_ms, body) VALUES (?1, ?2, ?3)",
            params![name, now_ms, body],
        )?;
        self.sizes.insert(name.to_owned(), size);
        let session = self.warm.entry(name.to_owned()).or_default();
        match (entry, inherited) {
            (_, Some(parent)) => session.inherit(&parent),
            (Entry::Observed(observation), None) => session.observe(&observation),
            (Entry::Passed(judged), None) => session.passed(&judged),
        }
        // Looked at again after each further MiB only: it goes through all entries.
        if size > MOST_BYTES && size >> 20 != before >> 20 { self.bound(name) } else { Ok(()) }
    }

    /// Bytes of all entries of a session.
    fn size(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(size) = self.sizes.get(name) {
            return Ok(*size);
        }
        let size = self.database.query_row(
            "SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM entry WHERE session = ?1",
            [name],
            |row| row.get(0),
        )?;
        self.sizes.insert(name.to_owned(), size);
        Ok(size)
    }

    /// Takes what the older half of the results said and were asked with away from a session that holds too much.
    fn bound(&mut self, name: &str) -> rusqlite::Result<()> {
        self.database.execute(
            "UPDATE entry SET body =
                 json_set(body, '$.observed.content', json('null'), '$.observed.arguments', json('null'))
             WHERE session = ?1 AND json_extract(body, '$.observed.event') = 'result'
               AND (json_extract(body, '$.observed.content') IS NOT NULL
                    OR json_extract(body, '$.observed.arguments') IS NOT NULL)
               AND number IN (SELECT number FROM entry WHERE session = ?1 ORDER BY number LIMIT
                              (SELECT count(*) / 2 FROM entry WHERE session = ?1))",
            [name],
        )?;
        self.sizes.remove(name);
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

/// What stands for something that is not known: anybody could have written it, and it could be a secret.
fn unknown() -> Observation {
    Observation::Result {
        call: String::new(),
        tool: String::new(),
        declaration: Box::new(Declaration { secret: true, ..Declaration::default() }),
        arguments: Value::Null,
        content: Value::Null,
        labels: Labels::of(Source::Stranger).private(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn broken(error: rusqlite::Error) -> Fault {
    Fault::Unavailable(format!("cannot use the store of sessions: {error}"))
}
