//! `testudoctl policy`: everything about rules that a person does.
//!
//! What needs only files works without any daemon: [`check`], [`cases`] (`policy test`), [`simulate`], and
//! [`explain`] with `--policy`. The others ask `policyd`: [`show`] what is in force, [`update`] to replay a change
//! over the last decisions and to ask for it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use testudo::diagnostic::Diagnostics;
use testudo_policy::rule::{self, Checked};

use crate::failure::Failure;
use crate::page::Page;
use crate::screen;

mod cases;
mod check;
mod explain;
mod report;
mod show;
mod simulate;
mod update;

pub use check::check_text;

/// `policy`
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check policy files with the daemon's own parser, offline; the rules in force stay as they are.
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Args),
    /// Show what would be decided about a call, and by which rules. Nothing is run, asked or recorded.
    #[command(after_help = explain::AFTER_HELP)]
    Explain(explain::Args),
    /// Run the cases beside policy files (NAME.cases.toml), offline.
    #[command(after_help = cases::AFTER_HELP)]
    Test(cases::Args),
    /// Play a whole trajectory through the rules and the information flow, offline. Nothing is run.
    #[command(after_help = simulate::AFTER_HELP)]
    Simulate(simulate::Args),
    /// Show what a changed file would have made of the last decisions. Nothing is changed.
    #[command(after_help = update::AFTER_REPLAY)]
    Replay(update::ReplayArgs),
    /// Ask to put a policy file in force; a person reviews it.
    #[command(after_help = update::AFTER_UPDATE)]
    Update(update::UpdateArgs),
    /// Ask to go back to the text that a file had before its last change; a person reviews it.
    #[command(after_help = update::AFTER_REVERT)]
    Revert(update::RevertArgs),
    /// Show the rules in force, and where they come from.
    #[command(after_help = show::AFTER_HELP)]
    Show(show::Args),
}

/// Runs `policy`.
///
/// # Errors
/// Also when a file has mistakes, a case goes wrong, or a change is not approved.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    match args.command {
        Command::Check(args) => check::run(&args, page),
        Command::Explain(args) => explain::run(&args, page).await,
        Command::Test(args) => cases::run(&args, page),
        Command::Simulate(args) => simulate::run(&args, page),
        Command::Replay(args) => update::replay(&args, page).await,
        Command::Update(args) => update::update(&args, page).await,
        Command::Revert(args) => update::revert(&args, page).await,
        Command::Show(args) => show::run(&args, page).await,
    }
}

/// A policy file with its text.
struct Written {
    path: PathBuf,
    text: String,
}

impl Written {
    fn read(path: &PathBuf) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::Read { what: screen::line(&path.display().to_string()), source })?;
        Ok(Self { path: path.clone(), text })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn parse(&self) -> Result<Checked, Diagnostics> {
        rule::parse(&self.name(), &self.text)
    }
}

/// Says on standard error what is wrong with a file.
fn complain(findings: &[String]) {
    for finding in findings {
        eprintln!("{}", screen::lines(finding));
    }
}
