//! Checking a chain, row by row, from the first to the last.
//!
//! Besides the chain itself two things are held against it: what the head beside the database says was last
//! acknowledged, which shows a cut tail, and the records in which `auditd` wrote down earlier breaks. A break that
//! was found once is thereby reported for ever, also when later records hide it.

use std::collections::BTreeSet;

use testudo::record::{Entry, Record, Verification};

use crate::chain::{self, Tip};
use crate::row::Row;

/// The event by which `auditd` writes down that the chain is broken.
pub const CHAIN_BROKEN: &str = "audit.chain_broken";
/// The writer of `auditd`'s own records; no caller can have this name.
pub const AUDITD: &str = "auditd";

/// What was last acknowledged, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This record was, and maybe later ones.
    AtLeast(Tip),
    /// Nobody knows, and somebody should: this is why.
    Unknown(String),
}

/// A place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The first sequence number at which the log is not what was written.
    pub seq: u64,
    /// What is wrong there, in a sentence without its full stop.
    pub problem: String,
}

impl Break {
    /// The entry that tells of it in the chain itself.
    pub fn entry(&self) -> Entry {
        Entry::new(CHAIN_BROKEN).with("first_bad", self.seq).with("problem", self.problem.as_str())
    }

    /// The break that a record tells of, if it is such a record.
    fn told_by(record: &Record) -> Option<Self> {
        if record.event != CHAIN_BROKEN || record.writer != AUDITD {
            return None;
        }
        let problem =
            record.detail.get("problem").and_then(|text| text.as_str()).unwrap_or("no reason is given");
        let problem =
            format!("found at {} and written down as record {}: {problem}", record.time, record.seq);
        Some(Self { seq: record.detail.get("first_bad")?.as_u64()?, problem })
    }
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a break that nobody looks at guards nothing"]
pub struct Findings {
    /// The answer for people.
    pub verification: Verification,
    /// A break that no record tells of yet.
    pub news: Option<Break>,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    expected: Expected,
    last: Tip,
    records: u64,
    found: Option<Break>,
    told: Option<Break>,
    told_at: BTreeSet<u64>,
}

impl Walk {
    /// A walk that has not begun.
    pub fn new(expected: Expected) -> Self {
        Self { expected, last: Tip::genesis(), records: 0, found: None, told: None, told_at: BTreeSet::new() }
    }

    /// Takes the next row, by rising sequence. After the first break rows are only counted.
    pub fn step(&mut self, row: &Row) {
        let record = row.record();
        if self.found.is_none() {
            self.found = self.check(row, record.as_ref());
        }
        self.records = self.records.saturating_add(1);
        self.last = Tip { seq: row.seq, hash: row.hash.clone() };
        if let Some(told) = record.as_ref().and_then(Break::told_by) {
            self.told_at.insert(told.seq);
            if self.told.as_ref().is_none_or(|known| told.seq < known.seq) {
                self.told = Some(told);
            }
        }
    }

    /// Ends the walk where the database cannot be read any further.
    pub fn stop(&mut self, cause: &str) {
        let seq = self.last.seq.saturating_add(1);
        let problem = format!("the database cannot be read beyond record {}: {cause}", self.last.seq);
        self.found.get_or_insert(Break { seq, problem });
    }

    /// Compares the end with what was acknowledged and sums up.
    pub fn finish(mut self) -> Findings {
        if self.found.is_none() {
            self.found = self.check_end();
        }
        let news = self.found.clone().filter(|found| !self.told_at.contains(&found.seq));
        let first = match (self.found, self.told) {
            (Some(found), Some(told)) => Some(if told.seq < found.seq { told } else { found }),
            (found, told) => found.or(told),
        };
        let verification = Verification {
            ok: first.is_none(),
            records: self.records,
            head: self.last.hash,
            first_bad: first.as_ref().map(|first| first.seq),
            problem: first.map(|first| first.problem),
        };
        Findings { verification, news }
    }

    fn check(&self, row: &Row, record: Option<&Record>) -> Option<Break> {
        let next = self.last.seq.saturating_add(1);
        if row.seq > next {
            let problem = match row.seq - next {
                1 => format!("record {next} is missing"),
                _ => format!("records {next} to {} are missing", row.seq - 1),
            };
            return Some(Break { seq: next, problem });
        }
        let problem = if row.seq < next {
            format!("record {} stands where record {next} must be", row.seq)
        } else if row.previous != self.last.hash {
            format!("record {next} does not follow the record before it")
        } else if record.and_then(|record| chain::hash(record).ok()).as_ref() != Some(&row.hash) {
            format!("record {next} is not what was written")
        } else {
            match &self.expected {
                Expected::AtLeast(tip) if tip.seq == next && tip.hash != row.hash => {
                    format!("record {next} is not the one that was acknowledged")
                }
                _ => return None,
            }
        };
        Some(Break { seq: next, problem })
    }

    fn check_end(&self) -> Option<Break> {
        let next = self.last.seq.saturating_add(1);
        let problem = match &self.expected {
            Expected::AtLeast(tip) if tip.seq > self.last.seq => match self.records {
                0 => format!("the database is empty, but {} records had been acknowledged", tip.seq),
                _ => format!("the record ends here, but {} records had been acknowledged", tip.seq),
            },
            Expected::AtLeast(_) => return None,
            Expected::Unknown(why) => format!("whether records are missing here cannot be told: {why}"),
        };
        Some(Break { seq: next, problem })
    }
}

/// Walks over rows that are at hand.
pub fn verify<'a>(rows: impl IntoIterator<Item = &'a Row>, expected: Expected) -> Findings {
    let mut walk = Walk::new(expected);
    for row in rows {
        walk.step(row);
    }
    walk.finish()
}
