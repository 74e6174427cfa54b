//! `testudo-talk-bench`: measures an appliance that talks, and prints JSON for `testudo-bench --talk`.
//!
//! `testudo-talk-bench --daemons DIR [--rounds N] [--messages N] [--events N]`. The people are this program; it is no release
//! build, because its package asks for the feature that takes controls out. The daemons are those of DIR: `tests/bench.sh`
//! builds them in release. Needs root, as the appliance does.

use std::io::Write as _;
use std::process::ExitCode;

use testudo_talk::bench::{Arguments, keeping, report::Report, waiting};
use testudo_talk::synapse::python;

const USAGE: &str = "Usage: testudo-talk-bench --daemons DIR [--rounds N] [--messages N] [--events N]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("testudo-talk-bench: {wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::default();
    report.note(format!(
        "rows of Matrix: people in a {} build, daemons of {}, {} on the same machine",
        if cfg!(debug_assertions) { "debug" } else { "release" },
        arguments.daemons.display(),
        homeserver(),
    ));
    waiting::measure(&arguments.daemons, arguments.rounds, &mut report).await;
    keeping::measure(&arguments.daemons, arguments.messages, arguments.events, &mut report).await;
    match writeln!(std::io::stdout(), "{}", report.json()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The homeserver's name and version, as its package says.
fn homeserver() -> String {
    let question = "import importlib.metadata as m; print('Synapse', m.version('matrix-synapse'))";
    let answer = std::process::Command::new(python()).args(["-c", question]).output();
    answer
        .map_or_else(|_| "Synapse".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
