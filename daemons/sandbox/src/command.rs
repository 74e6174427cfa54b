//! The command line: which runner, and with what.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Parser, Subcommand};

use crate::activation;
use crate::apply::{self, Place};
use crate::container;
use crate::layers::Layers;
use crate::template::Template;
use crate::tool_root::command;
use crate::zygote::{self, Deployment};

/// Contains tool calls and applies what was approved of their changes.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
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
        /// What kind of sandbox this is: what its calls may use up, and whether they have a network.
        #[arg(long, value_name = "NAME", value_parser = template, default_value = "workshop")]
        template: Template,
        /// Where egressd listens, for a template with a network.
        #[arg(long, value_name = "SOCKET")]
        egress: Option<PathBuf>,
        #[command(flatten)]
        root: command::Wanted,
    },
    /// Put approved change sets into the workspace.
    Apply {
        /// The workspace, writable.
        #[arg(long)]
        workspace: PathBuf,
        /// The git repository of what was applied, made where there is none; without it nothing can be undone.
        #[arg(long, value_name = "REPOSITORY")]
        history: Option<PathBuf>,
    },
    /// Run each call in a container.
    Container(container::command::Serve),
    /// Write the manifest of a tool root into it.
    SealRoot(command::Seal),
    /// Make sure that a tool root is what it was when it was sealed.
    VerifyRoot(command::Verify),
}

fn template(name: &str) -> Result<Template, String> {
    Template::of_name(name).ok_or_else(|| "there is no such template".to_owned())
}

/// Does what the command line says.
///
/// # Errors
/// As the runner that it names.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = || activation::connection(arguments.connection_fd);
    match arguments.runner {
        Runner::Zygote { workspace, scratch, programs, template, egress, root } => {
            let tool_root = root.expected();
            let deployment = Deployment { workspace, scratch, programs, template, egress, tool_root };
            zygote::serve(connection()?, deployment, Layers::all())?;
        }
        Runner::Apply { workspace, history } => apply::serve(connection()?, &Place::new(workspace, history))?,
        Runner::Container(serve) => serve.run(connection()?)?,
        Runner::SealRoot(seal) => println!("{}", seal.run()?),
        Runner::VerifyRoot(verify) => println!("{}", verify.run(SystemTime::now())?),
    }
    Ok(())
}
