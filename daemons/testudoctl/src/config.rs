//! `testudoctl config check`: the daemons' own parser on a file, without any daemon.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;
use testudo::config::parse;

use crate::failure::Failure;
use crate::page::Page;
use crate::screen;

/// `config`
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration file; needs no daemon.
    #[command(
        after_help = "JSON: {ok, findings:[{file, line, column, message}]}\nExit status: 78 when the file has mistakes.\n\n\
        Example: testudoctl config check /etc/testudo/testudo.toml"
    )]
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// Runs `config`.
///
/// # Errors
/// When the file has mistakes or cannot be read.
pub fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let Command::Check { file } = args.command;
    let name = file.display().to_string();
    let text = std::fs::read_to_string(&file)
        .map_err(|source| Failure::Read { what: screen::line(&name), source })?;
    let found = parse(&name, &text).err();
    if page.is_json() {
        let findings: Vec<_> = found
            .iter()
            .flat_map(|found| &found.0)
            .map(|one| json!({"file": one.file, "line": one.line, "column": one.column, "message": one.message}))
            .collect();
        page.json(&json!({"ok": found.is_none(), "findings": findings}))?;
    } else if let Some(found) = &found {
        eprintln!("{}", screen::lines(&found.to_string()));
    } else {
        page.line(format!("{}: no mistakes", screen::line(&name)))?;
    }
    if found.is_some() { Err(Failure::Mistakes) } else { Ok(()) }
}
