//! `testudoctl policy simulate`: plays a file of JSON lines through the engine, without a bus and without a daemon.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use testudo_policy::index::RuleSet;
use testudo_policy::rule;
use testudo_policy::simulate::Simulation;

use crate::failure::Failure;
use crate::page::Page;
use crate::screen;

/// The policy that is shipped, so that a simulation needs nothing installed.
const SHIPPED: &str = include_str!("../../../../policies/default.toml");

pub(super) const AFTER_HELP: &str = "\
In: {\"event\":\"tool\"|\"owner\"|\"message\"|\"call\"|\"result\"|\"plan\"|\"approve\"|\"session\", …}, one a line.
Out: {id, verdict, layer, rules, reasons, origins} for each call; a plan has steps, too.
Exit status: 65 when a line cannot be read, 78 when a policy has mistakes.

Example: testudoctl policy simulate trajectory.jsonl --policy policies/default.toml";

/// `policy simulate`
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The trajectory; - reads it from standard input.
    file: PathBuf,
    /// Rules instead of the shipped ones; may be given several times.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
}

/// Runs `policy simulate`.
pub(super) fn run(args: &Args, page: &Page) -> Result<(), Failure> {
    let mut simulation = Simulation::new(rules(&args.policy)?);
    let name = args.file.display().to_string();
    let read = |source| Failure::Read { what: screen::line(&name), source };
    let input: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).map_err(read)?))
    };
    for (index, line) in input.lines().enumerate() {
        let line = line.map_err(read)?;
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{}:{}", screen::line(&name), index + 1);
        let reply = simulation
            .line(&line)
            .map_err(|error| Failure::Line(format!("{place}: {}", screen::lines(&error.to_string()))))?;
        for warning in reply.warnings {
            eprintln!("{place}: {}", screen::lines(&warning));
        }
        if let Some(answer) = reply.answer {
            page.line(serde_json::to_string(&answer).map_err(std::io::Error::other)?)?;
        }
    }
    Ok(())
}

fn rules(files: &[PathBuf]) -> Result<RuleSet, Failure> {
    let mut texts = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|source| Failure::Read { what: screen::line(&name), source })?;
        texts.push((name, text));
    }
    if texts.is_empty() {
        texts.push(("default.toml".to_owned(), SHIPPED.to_owned()));
    }
    let mut policies = Vec::new();
    for (name, text) in texts {
        match rule::parse(&name, &text) {
            Ok((policy, warnings)) => {
                for warning in warnings {
                    eprintln!("{}", screen::lines(&warning.to_string()));
                }
                policies.push(policy);
            }
            Err(mistakes) => {
                eprintln!("{}", screen::lines(&mistakes.to_string()));
                return Err(Failure::Mistakes);
            }
        }
    }
    Ok(RuleSet::new(policies))
}
