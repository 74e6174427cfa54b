//! `testudoctl audit`: reads and verifies the record.

use clap::{Args as ClapArgs, Subcommand};
use testudo::proxy::{Audit1Proxy, Options};
use testudo::record::{Record, Verification};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::render;
use crate::screen;

/// Records asked for at one time.
const BATCH: u32 = 500;

/// `audit`
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List records, oldest first.
    #[command(
        after_help = "JSON: [{seq, time, writer, event, session, call, tool, decision, detail, previous, hash}]\n\n\
        Example: testudoctl audit log --session main --event call.decided"
    )]
    Log(LogArgs),
    /// Show one record in full.
    #[command(
        after_help = "JSON: {seq, time, writer, event, session, call, tool, decision, detail, previous, hash}\n\n\
        Example: testudoctl audit show 42"
    )]
    Show {
        /// Its number.
        seq: u64,
    },
    /// Check every record and the chain that holds them together.
    #[command(after_help = "JSON: {ok, records, head, first_bad, problem}\n\
        Exit status: 1 when a record was changed, removed, reordered or cut off.\n\nExample: testudoctl audit verify")]
    Verify,
}

#[derive(Debug, ClapArgs)]
struct LogArgs {
    /// Only records with a greater number.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// At most so many records.
    #[arg(long)]
    limit: Option<u32>,
    /// Only records of this session.
    #[arg(long)]
    session: Option<String>,
    /// Only records of this call.
    #[arg(long)]
    call: Option<String>,
    /// Only records of this event, such as call.decided.
    #[arg(long)]
    event: Option<String>,
    /// Only records that this daemon wrote, such as policyd.
    #[arg(long)]
    writer: Option<String>,
}

/// Runs `audit`.
///
/// # Errors
/// Also when the record is not whole.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let audit = Link::open().await?.audit().await?;
    match args.command {
        Command::Log(args) => log(&audit, &args, page).await,
        Command::Show { seq } => {
            let text = audit.show(seq).await.doing(format_args!("show record {seq}"))?;
            let record: Record = link::read("auditd", &text)?;
            if page.is_json() {
                return Ok(page.json(&record)?);
            }
            Ok(page.text(&render::record::full(&record, page.width(), page.paint()))?)
        }
        Command::Verify => {
            let report = verify(&audit).await?;
            if page.is_json() {
                page.json(&report)?;
            } else {
                page.line(verdict(&report))?;
            }
            if report.ok { Ok(()) } else { Err(Failure::Shown) }
        }
    }
}

/// Checks the whole chain.
///
/// # Errors
/// When `auditd` does not answer.
pub async fn verify(audit: &Audit1Proxy<'_>) -> Result<Verification, Failure> {
    link::read("auditd", &audit.verify().await.doing("verify the record")?)
}

/// What verifying found, in one sentence.
pub fn verdict(report: &Verification) -> String {
    if report.ok {
        let head: String = report.head.chars().take(16).collect();
        return format!("The record is whole: {} records, head {}.", report.records, screen::line(&head));
    }
    let place = report.first_bad.map_or_else(String::new, |seq| format!(" at record {seq}"));
    let problem = report.problem.as_deref().unwrap_or("it is not what was written");
    format!("The record is broken{place}: {}.", screen::line(problem))
}

async fn log(audit: &Audit1Proxy<'_>, args: &LogArgs, page: &Page) -> Result<(), Failure> {
    let mut after = args.after;
    let mut left = args.limit.unwrap_or(u32::MAX);
    let mut all: Vec<Record> = Vec::new();
    while left > 0 {
        let filter: Options<'_> = [
            ("session", &args.session),
            ("call", &args.call),
            ("event", &args.event),
            ("writer", &args.writer),
        ]
        .into_iter()
        .filter_map(|(key, value)| value.as_deref().map(|value| (key, value.into())))
        .collect();
        let text = audit.log(after, left.min(BATCH), filter).await.doing("read the record")?;
        let records: Vec<Record> = link::read("auditd", &text)?;
        let Some(last) = records.last() else { break };
        // An answer that does not lead on would be asked for for ever.
        if last.seq <= after {
            return Err(Failure::Answer {
                daemon: "auditd",
                cause: format!("record {} came again", last.seq),
            });
        }
        after = last.seq;
        left = left.saturating_sub(u32::try_from(records.len()).unwrap_or(u32::MAX));
        if page.is_json() {
            all.extend(records);
        } else {
            for record in &records {
                page.line(render::record::brief(record, page.width(), page.paint()))?;
            }
        }
    }
    if page.is_json() {
        page.json(&all)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_place() {
        let whole = Verification { ok: true, records: 3, head: "ab".into(), first_bad: None, problem: None };
        assert_eq!(verdict(&whole), "The record is whole: 3 records, head ab.");
        let broken = Verification {
            ok: false,
            first_bad: Some(2),
            problem: Some("its hash does not fit".into()),
            ..whole
        };
        assert_eq!(verdict(&broken), "The record is broken at record 2: its hash does not fit.");
    }
}
