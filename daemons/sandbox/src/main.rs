//! `testudo-sandbox`: runs tool calls, applies approved changes, or looks after the tool root. See `command`.

use std::process::ExitCode;

use clap::Parser;
use testudo_sandbox::command::{Arguments, run};

fn main() -> ExitCode {
    let Err(error) = run(Arguments::parse()) else { return ExitCode::SUCCESS };
    eprintln!("<3>{error:#}");
    ExitCode::FAILURE
}
