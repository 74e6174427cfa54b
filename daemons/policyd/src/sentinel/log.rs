//! What happened in each session, as a judge may know it, and which rules are switched off there.
//!
//! Kept so that a restart neither forgets a switch nor what led to an action. Nothing in an entry was written by a
//! tool or a model: of a result there is that it came, of a reply that it was given, of what members and strangers
//! say that they spoke. Only the owner's own words are there as words: what he says, and what he vouches for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use testudo::action::{Effect, Judged, Phase};
use testudo::approval::{Approval, State};
use testudo::observation::{Author, Observation};
use testudo::verdict::Verdict;

use super::chunks::quote;
use crate::desk::Clock;

/// Most characters of a message of the owner's, and of what he vouches for.
pub(super) const WORDS: usize = 2_000;
/// Most bytes of a log that a judge is shown; older entries are only counted.
const SHOWN: usize = 12_000;
/// Most entries of a session that are kept.
const KEPT: i64 = 1_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Event {
    /// Somebody said something.
    Message {
        /// Who.
        author: Author,
        /// The owner's words, or as many as are kept; nothing of others'.
        text: Option<String>,
    },
    /// A tool call or what it proposes was decided.
    Decided {
        /// The tool.
        tool: String,
        /// Which of its two decisions.
        phase: Phase,
        /// What it does.
        effects: BTreeSet<Effect>,
        /// The outcome.
        decision: Verdict,
    },
    /// A call gave a result. What it gave is not here.
    Finished {
        /// The tool.
        tool: String,
    },
    /// A proposal was applied.
    Applied {
        /// How many paths it changed.
        paths: usize,
    },
    /// A question to people was settled.
    Answered {
        /// The tool.
        tool: String,
        /// Which of its two decisions.
        phase: Phase,
        /// How it ended.
        answer: State,
    },
    /// A person switched a rule in this session.
    Switched {
        /// The rule.
        rule: String,
        /// Whether it is in force from here on.
        on: bool,
    },
    /// The owner vouches for something: it is context for a judge, and no permission.
    Vouched {
        /// Who, as the record says it.
        by: String,
        /// What he vouches for, in his words.
        text: String,
    },
    /// The session goes on from another one.
    Inherited,
}

impl Event {
    /// What an observation is to a judge.
    pub fn observed(observation: &Observation) -> Option<Self> {
        Some(match observation {
            Observation::Message { author, text } => Self::Message {
                author: *author,
                text: (*author == Author::Owner).then(|| text.chars().take(WORDS).collect()),
            },
            Observation::Received { author, .. } => Self::Message { author: *author, text: None },
            Observation::Result { tool, .. } => Self::Finished { tool: tool.clone() },
            Observation::Applied { paths } => Self::Applied { paths: paths.len() },
            Observation::Inherit { .. } => Self::Inherited,
        })
    }

    /// What a decision is to a judge.
    pub fn decided(judged: &Judged, decision: Verdict) -> Self {
        Self::Decided {
            tool: judged.action.tool.clone(),
            phase: judged.action.phase,
            effects: judged.effects(),
            decision,
        }
    }

    /// What the end of a question is to a judge.
    pub fn answered(approval: &Approval, answer: State) -> Self {
        Self::Answered { tool: approval.tool.clone(), phase: approval.phase, answer }
    }

    /// Whether an earlier verdict may not be used any more after this.
    const fn matters(&self) -> bool {
        match self {
            Self::Message { .. }
            | Self::Answered { .. }
            | Self::Switched { .. }
            | Self::Vouched { .. }
            | Self::Inherited => true,
            Self::Decided { .. } | Self::Finished { .. } | Self::Applied { .. } => false,
        }
    }

    /// One line of JSON, all that nobody can see written out.
    fn line(&self) -> String {
        let words = match self {
            Self::Message { author, text } => {
                let author = serde_json::to_string(author).unwrap_or_default();
                let text = text.as_deref().map_or_else(|| "null".to_owned(), quote);
                return format!("{{\"kind\":\"message\",\"author\":{author},\"text\":{text}}}\n");
            }
            Self::Vouched { by, text } => {
                format!("{{\"kind\":\"vouched\",\"by\":{},\"text\":{}}}", quote(by), quote(text))
            }
            other => serde_json::to_string(other).unwrap_or_default(),
        };
        format!("{words}\n")
    }
}

/// The log of a session as a judge is shown it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// One line for each entry, oldest first.
    pub text: String,
    /// Calls that were decided since the owner last spoke.
    pub calls_since_owner: usize,
    /// The number of the last entry that matters.
    pub moment: i64,
}

/// The logs of all sessions.
pub struct Log {
    database: Mutex<Connection>,
    clock: Clock,
}

impl Log {
    /// Opens or makes it.
    ///
    /// # Errors
    /// The database's.
    pub fn open(path: &Path, clock: Clock) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "NORMAL")?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS event (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 session TEXT NOT NULL,
                 at_ms INTEGER NOT NULL,
                 matters INTEGER NOT NULL,
                 body TEXT NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS event_session ON event (session, number);
             CREATE TABLE IF NOT EXISTS off (
                 session TEXT NOT NULL,
                 rule TEXT NOT NULL,
                 by TEXT NOT NULL,
                 at_ms INTEGER NOT NULL,
                 PRIMARY KEY (session, rule)
             ) STRICT;",
        )?;
        Ok(Self { database: Mutex::new(database), clock })
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// The database's.
    pub fn add(&self, session: &str, event: &Event) -> rusqlite::Result<()> {
        tokio::task::block_in_place(|| add(&self.lock(), session, event, (self.clock)()))
    }

    /// What a judge is shown of a session.
    ///
    /// # Errors
    /// The database's, or an entry that cannot be read.
    pub fn shown(&self, session: &str) -> rusqlite::Result<Shown> {
        tokio::task::block_in_place(|| shown(&self.lock(), session))
    }

    /// The rules that are switched off in a session.
    ///
    /// # Errors
    /// The database's.
    pub fn off(&self, session: &str) -> rusqlite::Result<BTreeSet<String>> {
        tokio::task::block_in_place(|| {
            let database = self.lock();
            let mut statement = database.prepare_cached("SELECT rule FROM off WHERE session = ?1")?;
            statement.query_map([session], |row| row.get(0))?.collect()
        })
    }

    /// Switches a rule in one session; durable when this returns.
    ///
    /// # Errors
    /// The database's: then nothing was switched.
    pub fn switch(&self, session: &str, rule: &str, on: bool, by: &str) -> rusqlite::Result<()> {
        let event = Event::Switched { rule: rule.to_owned(), on };
        self.durably(session, &event, |database, now| {
            if on {
                database.execute("DELETE FROM off WHERE session = ?1 AND rule = ?2", [session, rule])
            } else {
                database.execute(
                    "INSERT OR IGNORE INTO off (session, rule, by, at_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![session, rule, by, now],
                )
            }
        })
    }

    /// Keeps what the owner vouches for in one session; durable when this returns.
    ///
    /// # Errors
    /// The database's: then nothing was vouched for.
    pub fn vouch(&self, session: &str, text: &str, by: &str) -> rusqlite::Result<()> {
        let event = Event::Vouched { by: by.to_owned(), text: text.to_owned() };
        self.durably(session, &event, |_, _| Ok(0))
    }

    /// Keeps an event together with what it changes.
    fn durably(
        &self,
        session: &str,
        event: &Event,
        change: impl FnOnce(&Connection, i64) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<()> {
        tokio::task::block_in_place(|| {
            let mut database = self.lock();
            database.pragma_update(None, "synchronous", "FULL")?;
            let transaction = database.transaction()?;
            let now = (self.clock)();
            change(&transaction, now)?;
            add(&transaction, session, event, now)?;
            transaction.commit()?;
            database.pragma_update(None, "synchronous", "NORMAL")
        })
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(database: &Connection, session: &str, event: &Event, now_ms: i64) -> rusqlite::Result<()> {
    let body = serde_json::to_string(event)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    database.execute(
        "INSERT INTO event (session, at_ms, matters, body) VALUES (?1, ?2, ?3, ?4)",
        params![session, now_ms, event.matters(), body],
    )?;
    database.execute(
        "DELETE FROM event WHERE session = ?1 AND number <=
             (SELECT number FROM event WHERE session = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        params![session, KEPT],
    )?;
    Ok(())
}

fn shown(database: &Connection, session: &str) -> rusqlite::Result<Shown> {
    let mut statement = database
        .prepare_cached("SELECT number, matters, body FROM event WHERE session = ?1 ORDER BY number DESC")?;
    let rows = statement.query_map([session], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, String>(2)?))
    })?;
    let (mut lines, mut length, mut earlier) = (Vec::new(), 0, 0usize);
    let (mut moment, mut calls_since_owner, mut owner_spoke) = (0, 0, false);
    for row in rows {
        let (number, matters, body) = row?;
        let event: Event = serde_json::from_str(&body).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
        })?;
        if matters {
            moment = moment.max(number);
        }
        owner_spoke |= matches!(event, Event::Message { author: Author::Owner, .. });
        calls_since_owner +=
            usize::from(!owner_spoke && matches!(event, Event::Decided { phase: Phase::Call, .. }));
        let line = event.line();
        length += line.len();
        if length > SHOWN {
            earlier += 1;
        } else {
            lines.push(line);
        }
    }
    let mut text =
        if earlier > 0 { format!("{{\"kind\":\"earlier\",\"entries\":{earlier}}}\n") } else { String::new() };
    text.extend(lines.into_iter().rev());
    Ok(Shown { text, calls_since_owner, moment })
}

#[cfg(test)]
mod tests;
