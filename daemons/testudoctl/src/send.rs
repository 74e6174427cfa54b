//! `testudoctl send`: says one thing to the agent, and waits for the reply if asked to.

use clap::Args as ClapArgs;
use serde_json::json;
use testudo::proxy::Options;
use testudo::turn::{End, Finished};

use crate::approvals::hint::Hints;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::render;
use crate::screen;

/// `send`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: {session, turn}; with --wait {session, turn, reply, end, calls:[{id, tool, verdict, error, duration_ms}]},\n\
    where end is replied, cancelled, turn-limit, blocked or failed.\n\
    Exit status: 1 when the turn did not end with a reply.\n\n\
    Example: testudoctl send --wait \"list the files here\""
)]
pub struct Args {
    /// What to say.
    #[arg(required = true)]
    pub text: Vec<String>,
    /// The session to speak in; a new name starts a new one.
    #[arg(long, default_value = "main")]
    pub session: String,
    /// Wait for the reply. On a terminal, what waits for an approval meanwhile is said.
    #[arg(long)]
    pub wait: bool,
    /// Nobody watches: what needs an answer and has no approver is parked, and the turn ends as blocked.
    #[arg(long)]
    pub unattended: bool,
    /// The operator to whom its questions go.
    #[arg(long, value_name = "USER")]
    pub approver: Option<String>,
}

/// Runs `send`.
///
/// # Errors
/// Also when the turn failed.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let agent = link.agent().await?;
    let mut options = Options::new();
    if args.unattended {
        options.insert("unattended", true.into());
    }
    if let Some(approver) = &args.approver {
        options.insert("approver", approver.as_str().into());
    }
    // Asked for before the turn begins, so that no question is missed.
    let hints = args.wait.then(|| Hints::start(&link, &args.session));
    let turn =
        agent.send(&args.session, &args.text.join(" "), options).await.doing("send that to the agent")?;
    if !args.wait {
        if page.is_json() {
            page.json(&json!({"session": args.session, "turn": turn}))?;
        } else {
            page.line(screen::line(&turn))?;
        }
        return Ok(());
    }
    let answer = agent.wait(&args.session, &turn).await.doing("wait for the reply");
    drop(hints);
    let finished: Finished = link::read("agentd", &answer?)?;
    if page.is_json() {
        page.json(&finished)?;
    } else {
        for call in finished.calls.iter().filter(|call| call.error.is_some()) {
            let end = render::call::finished(
                &call.tool,
                call.verdict,
                call.error.as_ref(),
                call.duration_ms,
                page.width(),
                page.error_paint(),
            );
            eprint!("{end}");
        }
        for file in finished.calls.iter().flat_map(|call| &call.files) {
            eprint!("{}", render::file::given(&finished.session, file, page.error_paint()));
        }
        page.text(
            &render::gutter::Gutter::new("", 0, page.width()).whole(finished.reply.trim_end_matches('\n')),
        )?;
    }
    if finished.end == End::Replied { Ok(()) } else { Err(Failure::Shown) }
}
