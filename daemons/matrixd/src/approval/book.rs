//! What the approvals of this channel must not forget: open prompts, which answers were dealt with, who was told what.
//!
//! An answer is claimed here by the id of its event before it has an effect, so that none has one twice, whatever is
//! delivered again and wherever the process dies. What came of it is kept with the claim. What a prompt says, its code above all, is sealed.

use matrix_sdk::ruma::{EventId, RoomId, UserId};
use rusqlite::{OptionalExtension as _, Params, params};

use super::code::Code;
use super::prompt::Prompt;
use crate::anchors::Anchor;
use crate::store::{Store, StoreError};

/// How long ended prompts are remembered, so that a late answer to one is told so.
const KEPT_MS: u64 = 30 * 24 * 3600 * 1000;
/// Most prompts that are remembered.
const MOST: i64 = 1000;

/// The tables; they may exist.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS prompt (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        approval TEXT NOT NULL,
        open INTEGER NOT NULL,
        room TEXT NOT NULL,
        event TEXT,
        file TEXT,
        dead_code TEXT,
        asked_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS prompt_open ON prompt (open);
    CREATE INDEX IF NOT EXISTS prompt_event ON prompt (event);
    CREATE INDEX IF NOT EXISTS prompt_file ON prompt (file);
    CREATE INDEX IF NOT EXISTS prompt_approval ON prompt (approval);
    CREATE INDEX IF NOT EXISTS prompt_dead_code ON prompt (dead_code);
    CREATE TABLE IF NOT EXISTS prompt_answer (
        event TEXT PRIMARY KEY,
        prompt TEXT NOT NULL,
        person TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        taken_back INTEGER NOT NULL DEFAULT 0,
        result TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS prompt_refusal (
        prompt TEXT NOT NULL,
        person TEXT NOT NULL,
        why TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (prompt, person, why)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS anchor (
        room TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        hash TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
";

/// What is known of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It was not dealt with.
    Unknown,
    /// It was dealt with, and what came of it is not known: the process ended in the middle.
    Open {
        /// The key of its prompt.
        prompt: String,
    },
    /// It was dealt with.
    Done,
}

/// The book, in the daemon's database.
#[derive(Clone)]
pub struct Book(Store);

impl Book {
    /// The book in this store.
    pub fn new(store: Store) -> Result<Self, StoreError> {
        store.with(|rows| Ok(rows.execute_batch(TABLES)?))?;
        Ok(Self(store))
    }

    /// Keeps a prompt, or what changed in it.
    pub fn keep(&self, prompt: &Prompt) -> Result<(), StoreError> {
        let body = self.sealed(prompt)?;
        let (event, file) = (prompt.event.as_deref(), prompt.file.as_deref());
        // The code of an ended prompt opens nothing: it may stand in clear, so that who still gives it is told.
        let dead = prompt.end.map(|_| prompt.code.to_string());
        self.0.with(|rows| {
            rows.execute(
                "INSERT INTO prompt (key, approval, open, room, event, file, dead_code, asked_ms, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (key) DO UPDATE SET open = excluded.open, event = excluded.event,
                     file = excluded.file, dead_code = excluded.dead_code, body = excluded.body",
                params![
                    prompt.key,
                    prompt.approval,
                    prompt.end.is_none(),
                    prompt.place.room.as_str(),
                    event.map(EventId::as_str),
                    file.map(EventId::as_str),
                    dead,
                    signed(prompt.asked_ms),
                    body
                ],
            )?;
            Ok(())
        })
    }

    /// The open prompts, and those that an event, the name of an approval or a code belongs to; oldest first.
    pub fn candidates(
        &self,
        event: Option<&EventId>,
        approval: Option<&str>,
        code: Option<&Code>,
    ) -> Result<Vec<Prompt>, StoreError> {
        self.read(
            "SELECT key, body FROM prompt
             WHERE open OR event = ?1 OR file = ?1 OR approval = ?2 OR dead_code = ?3 ORDER BY number",
            params![event.map(EventId::as_str), approval, code.map(ToString::to_string)],
        )
    }

    /// The open prompts, oldest first.
    pub fn open(&self) -> Result<Vec<Prompt>, StoreError> {
        self.read("SELECT key, body FROM prompt WHERE open ORDER BY number", params![])
    }

    /// The prompts of an approval, oldest first.
    pub fn of(&self, approval: &str) -> Result<Vec<Prompt>, StoreError> {
        self.read("SELECT key, body FROM prompt WHERE approval = ?1 ORDER BY number", params![approval])
    }

    /// Whether an event is a prompt, open or not, or an answer that was given to one.
    pub fn concerns(&self, event: &EventId) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM prompt WHERE event = ?1 OR file = ?1)
                         OR EXISTS (SELECT 1 FROM prompt_answer WHERE event = ?1)";
        self.0.with(|rows| Ok(rows.query_row(query, [event.as_str()], |row| row.get(0))?))
    }

    /// Whether a question waits for an answer in a room.
    pub fn waits_in(&self, room: &RoomId) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM prompt WHERE open AND room = ?1)";
        self.0.with(|rows| Ok(rows.query_row(query, [room.as_str()], |row| row.get(0))?))
    }

    fn read(&self, query: &str, with: impl Params) -> Result<Vec<Prompt>, StoreError> {
        let found: Vec<(String, Vec<u8>)> = self.0.with(|rows| {
            let mut statement = rows.prepare_cached(query)?;
            let found = statement.query_map(with, |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })?;
        found.into_iter().map(|(key, body)| self.unsealed(&key, &body)).collect()
    }

    /// The prompt with this key.
    pub fn find(&self, key: &str) -> Result<Option<Prompt>, StoreError> {
        let body: Option<Vec<u8>> = self.0.with(|rows| {
            let mut statement = rows.prepare_cached("SELECT body FROM prompt WHERE key = ?1")?;
            Ok(statement.query_row([key], |row| row.get(0)).optional()?)
        })?;
        body.map(|body| self.unsealed(key, &body)).transpose()
    }

    fn sealed(&self, prompt: &Prompt) -> Result<Vec<u8>, StoreError> {
        let body = serde_json::to_vec(prompt).map_err(|cause| unwritable(&prompt.key, &cause))?;
        self.0.seal(&place(&prompt.key), &body)
    }

    fn unsealed(&self, key: &str, body: &[u8]) -> Result<Prompt, StoreError> {
        let body = self.0.unseal(&place(key), body)?;
        serde_json::from_slice(&body).map_err(|cause| StoreError::damaged(place(key), cause))
    }

    /// Claims an answer by the id of its event; false when that was done before. Without it an answer has no effect.
    pub fn claim(
        &self,
        event: &EventId,
        prompt: &str,
        person: &UserId,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let claimed = self.0.with(|rows| {
            let query = "INSERT INTO prompt_answer (event, prompt, person, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (event) DO NOTHING";
            Ok(rows.execute(query, params![event.as_str(), prompt, person.as_str(), signed(now_ms)])?)
        })?;
        Ok(claimed == 1)
    }

    /// Keeps what came of an answer.
    pub fn conclude(&self, event: &EventId, result: &str) -> Result<(), StoreError> {
        self.0.with(|rows| {
            rows.execute(
                "UPDATE prompt_answer SET result = ?2 WHERE event = ?1",
                params![event.as_str(), result],
            )?;
            Ok(())
        })
    }

    /// What is known of an answer.
    pub fn claimed(&self, event: &EventId) -> Result<Claim, StoreError> {
        let found: Option<(String, Option<String>)> = self.0.with(|rows| {
            let mut query =
                rows.prepare_cached("SELECT prompt, result FROM prompt_answer WHERE event = ?1")?;
            Ok(query.query_row([event.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })?;
        Ok(match found {
            None => Claim::Unknown,
            Some((prompt, None)) => Claim::Open { prompt },
            Some((_, Some(_))) => Claim::Done,
        })
    }

    /// Notes that a person took an answer of his back; false when it was none of his.
    pub fn take_back(&self, event: &EventId, person: &UserId) -> Result<bool, StoreError> {
        self.0.with(|rows| {
            let query = "UPDATE prompt_answer SET taken_back = 1 WHERE event = ?1 AND person = ?2";
            Ok(rows.execute(query, [event.as_str(), person.as_str()])? == 1)
        })
    }

    /// Whether a person took an answer to a prompt back.
    pub fn was_taken_back(&self, prompt: &str, person: &UserId) -> Result<bool, StoreError> {
        let query =
            "SELECT EXISTS (SELECT 1 FROM prompt_answer WHERE prompt = ?1 AND person = ?2 AND taken_back)";
        self.0.with(|rows| Ok(rows.query_row(query, params![prompt, person.as_str()], |row| row.get(0))?))
    }

    /// Counts a refusal; true for the first of this person to this prompt for this reason.
    pub fn refuse(&self, prompt: &str, person: &UserId, why: &str) -> Result<bool, StoreError> {
        let query = "INSERT INTO prompt_refusal (prompt, person, why, count) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (prompt, person, why) DO UPDATE SET count = count + 1 RETURNING count";
        let count: i64 = self.0.with(|rows| {
            Ok(rows.query_row(query, params![prompt, person.as_str(), why], |row| row.get(0))?)
        })?;
        Ok(count == 1)
    }

    /// Refusals of a prompt beyond the first of each kind: who, why, and how many more there were.
    pub fn repeated(&self, prompt: &str) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.0.with(|rows| {
            let mut statement = rows.prepare_cached(
                "SELECT person, why, count - 1 FROM prompt_refusal
                 WHERE prompt = ?1 AND count > 1 ORDER BY person, why",
            )?;
            let found = statement.query_map([prompt], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// The last anchor that was posted to a room.
    pub fn anchor(&self, room: &RoomId) -> Result<Option<Anchor>, StoreError> {
        let query = "SELECT seq, hash, at_ms FROM anchor WHERE room = ?1";
        self.0.with(|rows| {
            let found = rows.query_row(query, [room.as_str()], |row| {
                let (seq, at): (i64, i64) = (row.get(0)?, row.get(2)?);
                Ok(Anchor { seq: seq.unsigned_abs(), hash: row.get(1)?, at_ms: at.unsigned_abs() })
            });
            Ok(found.optional()?)
        })
    }

    /// Keeps the last anchor that was posted to a room.
    pub fn keep_anchor(&self, room: &RoomId, anchor: &Anchor) -> Result<(), StoreError> {
        self.0.with(|rows| {
            rows.execute(
                "INSERT OR REPLACE INTO anchor (room, seq, hash, at_ms) VALUES (?1, ?2, ?3, ?4)",
                params![room.as_str(), signed(anchor.seq), anchor.hash, signed(anchor.at_ms)],
            )?;
            Ok(())
        })
    }

    /// Forgets what is long over, and what belongs to it.
    pub fn forget(&self, now_ms: u64) -> Result<(), StoreError> {
        self.0.transact(|rows| {
            rows.execute(
                "DELETE FROM prompt WHERE NOT open AND (asked_ms < ?1 OR number <=
                     (SELECT coalesce(max(number), 0) FROM prompt) - ?2)",
                params![signed(now_ms.saturating_sub(KEPT_MS)), MOST],
            )?;
            rows.execute("DELETE FROM prompt_refusal WHERE prompt NOT IN (SELECT key FROM prompt)", [])?;
            rows.execute("DELETE FROM prompt_answer WHERE prompt NOT IN (SELECT key FROM prompt)", [])?;
            Ok(())
        })
    }
}

fn place(key: &str) -> String {
    format!("prompt {key}")
}

fn unwritable(key: &str, cause: &serde_json::Error) -> StoreError {
    StoreError::Unwritable { what: place(key), cause: cause.to_string() }
}

/// As the database counts; a time or a number that is too large for it is the largest.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
