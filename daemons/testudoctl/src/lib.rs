//! The human's hand: one command to talk to the agent, answer its questions, and read the record.
//!
//! Layout: [`cli`] is the command line, with one module per noun beside it ([`chat`], [`send`], [`call`],
//! [`approvals`], [`leases`], [`otp`], [`matrix`], [`audit`], [`egress`], [`policy`], [`rules`], [`session`], [`file`], [`config`], [`status`], [`stop`], [`undo`], [`doctor`], [`manual`]).
//! [`link`] speaks to the daemons, [`failure`] says what went wrong and what helps, [`page`] writes the answer
//! for people or as JSON, [`render`] lays things out for people. Nothing that somebody else wrote reaches the
//! terminal but through [`screen`].

pub mod approvals;
pub mod audit;
pub mod call;
pub mod chat;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod egress;
pub mod failure;
pub mod file;
pub mod freeze;
pub mod leases;
pub mod link;
pub mod manual;
pub mod matrix;
pub mod otp;
pub mod page;
pub mod paint;
pub mod policy;
pub mod render;
pub mod rules;
pub mod screen;
pub mod send;
pub mod session;
pub mod status;
pub mod stop;
pub mod systemd;
pub mod undo;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use failure::Failure;
use page::Page;

/// Runs one command line and gives its exit status.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // The reader of a help text may be gone; there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { failure::EXIT_USAGE } else { 0 });
        }
    };
    let page = Page::detect(cli.json);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Output)
        .and_then(|runtime| runtime.block_on(dispatch(cli.command, &page)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&page),
    }
}

async fn dispatch(command: Command, page: &Page) -> Result<(), Failure> {
    match command {
        Command::Chat(args) => Box::pin(chat::run(args, page)).await,
        Command::Send(args) => send::run(args, page).await,
        Command::Call(args) => call::run(args, page).await,
        Command::Approvals(args) => approvals::list(args, page).await,
        Command::Approve(args) => approvals::approve(args, page).await,
        Command::Deny(args) => approvals::deny(args, page).await,
        Command::Leases => leases::list(page).await,
        Command::Revoke(args) => leases::revoke(args, page).await,
        Command::Otp(args) => otp::run(args, page).await,
        Command::Egress => egress::run(page).await,
        Command::Matrix(args) => matrix::run(args, page).await,
        Command::Audit(args) => audit::run(args, page).await,
        Command::Policy(args) => policy::run(args, page).await,
        Command::Rules(args) => rules::run(args, page).await,
        Command::Session(args) => session::run(args, page).await,
        Command::File(args) => file::run(args, page).await,
        Command::Status => status::run(page).await,
        Command::Undo(args) => undo::undo(args, page).await,
        Command::History(args) => undo::history(args, page).await,
        Command::Stop(args) => stop::stop(args, page).await,
        Command::Resume(args) => stop::resume(args, page).await,
        Command::Freeze(args) => freeze::freeze(args, page).await,
        Command::Thaw(args) => freeze::thaw(args, page).await,
        Command::Stops => stop::list(page).await,
        Command::Doctor => doctor::run(page).await,
        Command::Config(args) => config::run(args, page),
        Command::Man => manual::man(page),
        Command::Completions(args) => manual::completions(&args, page),
    }
}
