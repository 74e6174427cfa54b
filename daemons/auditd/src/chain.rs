//! The chain: what makes a change of the record visible.
//!
//! Record `n` has the sequence `n`, names the hash of record `n - 1`, and its own hash covers every other field.
//! So each record vouches for all before it, and whoever knows the last hash can tell whether any of them was
//! changed, removed, added or moved. What it cannot show is a change by someone who also writes every later hash
//! anew and the head file beside the database; only a signature or a copy elsewhere can.
//!
//! This module is pure. [`seal`] makes records; [`crate::walk`] checks them.

use serde_json::Value;
use testudo::canonical;
use testudo::record::{Entry, Record};

/// The `previous` of the first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Keeps these hashes apart from any other digest of the appliance.
const DOMAIN: &str = "testudo.audit.v1";

/// The end of a chain: the last sequence number and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The sequence of the last record; 0 when there is none.
    pub seq: u64,
    /// Its hash; [`GENESIS`] when there is none.
    pub hash: String,
}

impl Tip {
    /// The end of the empty chain.
    pub fn genesis() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }

    /// The end of a chain that ends with this record.
    pub fn of(record: &Record) -> Self {
        Self { seq: record.seq, hash: record.hash.clone() }
    }
}

/// Makes the record that follows `tip`.
///
/// # Errors
/// When the entry cannot be JSON; cannot happen for one that came from JSON.
pub fn seal(tip: &Tip, time: &str, writer: &str, entry: Entry) -> Result<Record, serde_json::Error> {
    let mut record = Record {
        seq: tip.seq.saturating_add(1),
        time: time.to_owned(),
        writer: writer.to_owned(),
        event: entry.event,
        session: entry.session,
        call: entry.call,
        tool: entry.tool,
        decision: entry.decision,
        detail: entry.detail,
        previous: tip.hash.clone(),
        hash: String::new(),
    };
    record.hash = hash(&record)?;
    Ok(record)
}

/// SHA-256 over the canonical JSON of every field but `hash`.
///
/// # Errors
/// As [`seal`].
pub fn hash(record: &Record) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(record)?;
    if let Value::Object(members) = &mut value {
        members.remove("hash");
    }
    Ok(canonical::digest(DOMAIN, &canonical::text(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let entry = Entry::new("call.decided").session("main").call("c-1", "fs.read").decision("allow");
        seal(&Tip::genesis(), "2026-01-01T00:00:00.000Z", "toold", entry.with("n", 1)).unwrap()
    }

    #[test]
    fn the_first_record_follows_sixty_four_zeros() {
        let first = record();
        assert_eq!((first.seq, first.previous.as_str()), (1, "0".repeat(64).as_str()));
        let second = seal(&Tip::of(&first), "2026-01-01T00:00:00.001Z", "toold", Entry::new("x")).unwrap();
        assert_eq!((second.seq, &second.previous), (2, &first.hash));
    }

    #[test]
    fn the_hash_is_over_this_text() {
        // Spelled out once, so that a change of the format cannot go unseen.
        let text = concat!(
            r#"{"call":"c-1","decision":"allow","detail":{"n":1},"event":"call.decided","previous":""#,
            "0000000000000000000000000000000000000000000000000000000000000000",
            r#"","seq":1,"session":"main","time":"2026-01-01T00:00:00.000Z","tool":"fs.read","writer":"toold"}"#
        );
        assert_eq!(record().hash, canonical::digest("testudo.audit.v1", text));
    }

    #[test]
    fn every_field_is_in_the_hash() {
        type Change = fn(&mut Record);
        let base = record();
        let changes: [(&str, Change); 10] = [
            ("seq", |r| r.seq += 1),
            ("time", |r| r.time.push('x')),
            ("writer", |r| r.writer.push('x')),
            ("event", |r| r.event.push('x')),
            ("session", |r| r.session = None),
            ("call", |r| r.call = None),
            ("tool", |r| r.tool = Some(String::new())),
            ("decision", |r| r.decision = None),
            ("detail", |r| drop(r.detail.insert("m".into(), Value::Null))),
            ("previous", |r| r.previous.push('x')),
        ];
        for (field, change) in changes {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(hash(&other).unwrap(), base.hash, "{field} is not covered");
        }
        let mut other = base.clone();
        other.hash.clear();
        assert_eq!(hash(&other).unwrap(), base.hash);
    }
}
