//! `testudoctl chat`: a conversation, with approvals asked and answered in its course.
//!
//! [`talk`] is the conversation itself: one loop over what the person types and what the daemons say.
//! [`console`] reads lines, from an editor on a terminal or from a pipe; [`testudo::command`] says what a line means, and
//! [`answer`] what it means while an approval waits; [`transcript`] is what is seen of it, as text or as JSON lines;
//! [`backlog`] is what waits for the end of a question. [`posture`] and [`usage`] answer one command each, [`context`]
//! those about the session itself.

pub mod answer;
pub mod backlog;
pub mod console;
pub mod context;
pub mod posture;
pub mod talk;
pub mod transcript;
pub mod usage;

use clap::Args as ClapArgs;

use crate::failure::Failure;
use crate::link::Link;
use crate::page::Page;

/// `chat`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "On a terminal: Ctrl-C cancels what is running; at an empty prompt Ctrl-C or Ctrl-D leave. Alt-Enter begins a new line.\n\
    From a pipe: one line at a time; a line is an answer while an approval waits.\n\
    Type /help for the commands.\n\n\
    JSON: one object per line: the events of the turn {event: turn-started | text | call-started | call-finished |\n\
    turn-finished, …}, {event: approval-requested, approval}, {event: approval-resolved, resolution}, {event: note, text}.\n\n\
    Example: testudoctl chat --session garden"
)]
pub struct Args {
    /// The session to speak in; a new name starts a new one.
    #[arg(long, default_value = "main")]
    pub session: String,
}

/// Runs `chat`.
///
/// # Errors
/// When the daemons cannot be reached at its start; later failures are said and the chat goes on.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let console = console::Console::open(page);
    talk::Talk::begin(Link::open().await?, args.session, *page, console).await?.run().await
}
