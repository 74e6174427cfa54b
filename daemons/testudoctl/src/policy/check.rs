//! `testudoctl policy check`: the daemon's own parser on files, without any daemon.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use testudo::diagnostic::Diagnostics;

use super::{Written, complain};
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::screen;

pub(super) const AFTER_HELP: &str = "\
JSON: [{file, ok, rules, findings}]
Exit status: 78 when a file has mistakes.

Example: testudoctl policy check policies/default.toml";

/// `policy check`
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// How a file is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The file.
    #[serde(default)]
    pub file: String,
    /// Whether it would be taken.
    pub ok: bool,
    /// How many rules it has.
    pub rules: usize,
    /// Mistakes and warnings, each with its place.
    pub findings: Vec<String>,
}

/// Runs `policy check`.
pub(super) fn run(args: &Args, page: &Page) -> Result<(), Failure> {
    let files: Vec<Written> = args.files.iter().map(Written::read).collect::<Result<_, _>>()?;
    let reports: Vec<Report> = files.iter().map(checked).collect();
    if page.is_json() {
        page.json(&reports)?;
    } else {
        for report in &reports {
            complain(&report.findings);
            if report.ok {
                page.line(format!("{}: {} rules", screen::line(&report.file), report.rules))?;
            }
        }
    }
    if reports.iter().all(|report| report.ok) { Ok(()) } else { Err(Failure::Mistakes) }
}

fn checked(file: &Written) -> Report {
    let (ok, rules, findings) = match file.parse() {
        Ok((policy, warnings)) => (true, policy.rules.len(), warnings),
        Err(Diagnostics(found)) => (false, 0, found),
    };
    let findings = findings.iter().map(ToString::to_string).collect();
    Report { file: file.name(), ok, rules, findings }
}

/// Has the text of a policy file checked by the daemon that runs, which may be of another version.
///
/// # Errors
/// When the daemon does not answer.
pub async fn check_text(link: &Link, name: &str, text: &str) -> Result<Report, Failure> {
    let policy = link.policy().await?;
    let answer = policy.check(text, name).await.doing(format_args!("check {}", screen::line(name)))?;
    Ok(Report { file: name.to_owned(), ..link::read("policyd", &answer)? })
}
