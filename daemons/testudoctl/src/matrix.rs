//! `testudoctl matrix`: looking after the account that the agent talks with.
//!
//! [`status`] and [`lists`] show, [`key`] handles the recovery key, [`verify`] compares emoji with a person, [`identity`]
//! accepts another identity of his. Nothing is confirmed but by a person at a terminal: there is no option for it.

use clap::{Args as ClapArgs, Subcommand};

use crate::failure::Failure;
use crate::link::Link;
use crate::page::Page;

mod identity;
mod key;
mod lists;
mod status;
mod verify;

/// `matrix`
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the account, whether people can be talked with, and what is wrong.
    #[command(after_help = status::HELP)]
    Status,
    /// List the rooms.
    #[command(after_help = lists::ROOMS)]
    Rooms,
    /// Show the recovery key, once.
    #[command(after_help = key::SHOW)]
    RecoveryKey,
    /// Make another recovery key; the one before opens nothing any more.
    #[command(after_help = key::ROTATE)]
    Rotate,
    /// Take the account's identity back with its recovery key, after the store was lost.
    #[command(after_help = key::RECOVER)]
    Recover,
    /// Verify a person or a device by comparing emoji; without arguments, list what goes on.
    Verify(verify::Args),
    /// Accept that a person has another identity than the one that was known, without comparing.
    AcceptIdentity(identity::Args),
    /// List what could not be read or not be sent.
    #[command(after_help = lists::LETTERS)]
    DeadLetters,
}

/// Runs `matrix`.
///
/// # Errors
/// When `matrixd` does not do it.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let matrix = Link::open().await?.matrix().await?;
    match args.command {
        Command::Status => status::run(&matrix, page).await,
        Command::Rooms => lists::rooms(&matrix, page).await,
        Command::RecoveryKey => key::show(&matrix, page).await,
        Command::Rotate => key::rotate(&matrix, page).await,
        Command::Recover => key::recover(&matrix, page).await,
        Command::Verify(args) => verify::run(args, &matrix, page).await,
        Command::AcceptIdentity(args) => identity::run(args, &matrix, page).await,
        Command::DeadLetters => lists::letters(&matrix, page).await,
    }
}
