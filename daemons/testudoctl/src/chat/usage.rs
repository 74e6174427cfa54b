//! The second half of `/usage`: the tokens that all models read and wrote, as the record has them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use testudo::proxy::Options;
use testudo::record::Record;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::screen;

/// Records asked for at one time.
const BATCH: u32 = 500;
/// Most answers that are counted; a longer record is counted in part, which is said.
const MOST: u64 = 50_000;
/// What counts as recent.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

/// What a model read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tokens {
    answers: u64,
    read: u64,
    written: u64,
}

impl Tokens {
    fn add(&mut self, read: u64, written: u64) {
        self.answers = self.answers.saturating_add(1);
        self.read = self.read.saturating_add(read);
        self.written = self.written.saturating_add(written);
    }

    fn shown(self) -> String {
        let answers =
            if self.answers == 1 { "1 answer".to_owned() } else { format!("{} answers", self.answers) };
        format!("{answers}, {} tokens read, {} written", self.read, self.written)
    }
}

/// All that was counted.
#[derive(Debug, Default)]
struct Counted {
    recent: Tokens,
    models: BTreeMap<String, Tokens>,
    in_part: bool,
}

/// What the record says, for people.
///
/// # Errors
/// When `auditd` does not answer.
pub async fn text(link: &Link, now: Timestamp) -> Result<String, Failure> {
    let audit = link.audit().await?;
    let (mut counted, mut after, mut seen) = (Counted::default(), 0, 0u64);
    loop {
        let filter = Options::from([("event", "model.completed".into())]);
        let text = audit.log(after, BATCH, filter).await.doing("read the record")?;
        let records: Vec<Record> = link::read("auditd", &text)?;
        // An answer that does not lead on would be asked for for ever.
        let Some(last) = records.last().filter(|last| last.seq > after) else { break };
        after = last.seq;
        for record in &records {
            counted.take(record, now);
        }
        seen = seen.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
        if seen >= MOST {
            counted.in_part = true;
            break;
        }
    }
    Ok(counted.shown())
}

impl Counted {
    fn take(&mut self, record: &Record, now: Timestamp) {
        let count = |key: &str| record.detail.get(key).and_then(Value::as_u64).unwrap_or(0);
        let (read, written) = (count("input_tokens"), count("output_tokens"));
        let model = record.detail.get("model").and_then(Value::as_str).unwrap_or("unknown");
        self.models.entry(model.to_owned()).or_default().add(read, written);
        if record.time.parse::<Timestamp>().is_ok_and(|time| now.duration_since(time) < RECENT) {
            self.recent.add(read, written);
        }
    }

    fn shown(&self) -> String {
        if self.models.is_empty() {
            return "No model has answered yet, as far as the record goes.\n".to_owned();
        }
        let mut out = format!("in the record, last 24 h  {}\n", self.recent.shown());
        for (model, tokens) in &self.models {
            out.push_str(&format!("{}  {}\n", screen::brief(model, 60), tokens.shown()));
        }
        if self.in_part {
            out.push_str(&format!("Only the first {MOST} answers of the record are counted.\n"));
        }
        out.push_str("As the provider counts, the judges' questions included.\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(time: &str, model: &str, read: u64, written: u64) -> Record {
        serde_json::from_value(json!({
            "seq": 1, "time": time, "writer": "modeld", "event": "model.completed", "session": null, "call": null,
            "tool": null, "decision": null, "previous": "", "hash": "",
            "detail": {"model": model, "input_tokens": read, "output_tokens": written},
        }))
        .unwrap()
    }

    #[test]
    fn tokens_are_counted_by_model_and_by_time() {
        let now = "2026-01-03T00:00:00Z".parse().unwrap();
        let mut counted = Counted::default();
        assert!(counted.shown().starts_with("No model"));
        counted.take(&record("2026-01-01T00:00:00.000Z", "big", 100, 10), now);
        counted.take(&record("2026-01-02T12:00:00.000Z", "big", 7, 1), now);
        counted.take(&record("2026-01-02T12:00:00.000Z", "small", u64::MAX, 1), now);
        assert_eq!(
            counted.shown(),
            format!(
                "in the record, last 24 h  2 answers, {0} tokens read, 2 written\nbig  2 answers, 107 tokens read, 11 written\n\
                 small  1 answer, {0} tokens read, 1 written\n\
                 As the provider counts, the judges' questions included.\n",
                u64::MAX
            )
        );
    }
}
