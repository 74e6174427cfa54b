//! The words of the command line for the container runner.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::Args;

use super::{ContainerError, Engine, Place, Runner};

/// Runs each call in a container of the operator's engine.
#[derive(Debug, Args)]
pub struct Serve {
    /// The workspace, read only.
    #[arg(long)]
    workspace: PathBuf,
    /// A private directory for overlays.
    #[arg(long)]
    scratch: PathBuf,
    /// The configuration, of which `[toold.containers.NAME]` says what may run.
    #[arg(long, value_name = "FILE", default_value = "/etc/testudo/testudo.toml")]
    config: PathBuf,
    /// The engine.
    #[arg(long, value_name = "PROGRAM", default_value = "/usr/bin/podman")]
    engine: PathBuf,
    /// An argument of the engine, before its command; repeatable.
    #[arg(long = "engine-option", value_name = "ARGUMENT", allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Serve {
    /// Serves a connection until it closes.
    ///
    /// # Errors
    /// As [`Runner::new`] and [`Runner::serve`].
    pub fn run(self, connection: UnixStream) -> Result<(), ContainerError> {
        let Self { workspace, scratch, config, engine, options } = self;
        let engine = Engine { program: engine, options };
        Runner::new(engine, &config, Place { workspace, scratch })?.serve(connection)
    }
}
