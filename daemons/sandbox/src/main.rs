//! `testudo-sandbox`: runs tool calls (`zygote`) or applies approved changes (`apply`) for one connection.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testudo_sandbox::layers::Layers;
use testudo_sandbox::zygote::{self, Deployment};
use testudo_sandbox::{activation, apply};

/// Contains tool calls and applies what was approved of their changes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Descriptor of the connection; without it, the one that the service manager passed.
    #[arg(long, global = true, value_name = "N")]
    connection_fd: Option<i32>,
    #[command(subcommand)]
    runner: Runner,
}

#[derive(Subcommand)]
enum Runner {
    /// Run each call in a fresh, confined child.
    Zygote {
        /// The workspace, read only.
        #[arg(long)]
        workspace: PathBuf,
        /// A private directory for overlays.
        #[arg(long)]
        scratch: PathBuf,
        /// A tree of programs that calls see, read-only, at the same path; repeatable.
        #[arg(long = "bind", value_name = "TREE", default_value = "/usr")]
        programs: Vec<PathBuf>,
    },
    /// Put approved change sets into the workspace.
    Apply {
        /// The workspace, writable.
        #[arg(long)]
        workspace: PathBuf,
    },
}

fn main() -> ExitCode {
    let Err(error) = run(Arguments::parse()) else { return ExitCode::SUCCESS };
    eprintln!("<3>{error:#}");
    ExitCode::FAILURE
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = activation::connection(arguments.connection_fd)?;
    match arguments.runner {
        Runner::Zygote { workspace, scratch, programs } => {
            zygote::serve(connection, Deployment { workspace, scratch, programs }, Layers::all())?;
        }
        Runner::Apply { workspace } => apply::serve(connection, &workspace)?,
    }
    Ok(())
}
