//! `testudo-bench`: what a contained, decided and recorded call costs on this machine, beside its rivals and floors.
//!
//! Starts the shipped appliance a number of times, then takes turns among all [`subjects`], so that whatever else the
//! machine does hits each of them alike. Nothing here passes or fails by a time. Needs root, as the appliance does;
//! `tests/bench.sh` builds everything in release and runs this.

#[cfg(feature = "rivals")]
mod cedar;
mod deciding;
mod machine;
mod memory;
mod percentile;
mod reaching;
mod rivals;
mod rounds;
mod rulebook;
mod sessions;
mod starts;
mod subjects;
mod table;
mod talking;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use machine::Machine;
use table::Table;

/// Measures the appliance and prints one table.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Prints JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Measures only decisions in process, which takes neither an appliance nor root.
    #[arg(long)]
    decisions: bool,
    /// Adds what `testudo-talk-bench` measured and wrote into this file.
    #[arg(long, value_name = "FILE")]
    talk: Option<PathBuf>,
    /// Measures nothing but what --talk brings.
    #[arg(long, requires = "talk", conflicts_with = "decisions")]
    talk_only: bool,
    /// Asks through egressd and without, as the server at this port of the machine wants it; for the benchmark itself.
    #[arg(long, hide = true, value_name = "PORT")]
    reach: Option<u16>,
    /// Rounds that are measured; ten more come before.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How often the whole appliance is started.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    starts: u16,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testudo-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(port) = arguments.reach {
        return reaching::client(port, arguments.rounds);
    }
    let mut table = Table::new(Machine::here());
    if !arguments.talk_only {
        deciding::in_process(arguments.rounds, &mut table)?;
    }
    if !arguments.decisions && !arguments.talk_only {
        let appliance = starts::measure(arguments.starts, &mut table)?;
        subjects::measure(&appliance, arguments.rounds, &mut table)?;
        sessions::measure(&appliance, &mut table)?;
        appliance.stop()?;
        reaching::measure(arguments.rounds, &mut table)?;
        deciding::over_the_bus(arguments.rounds, &mut table)?;
    }
    if let Some(file) = &arguments.talk {
        talking::take_in(file, &mut table)?;
    }
    let text = if arguments.json { table.json()? } else { table.text() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
