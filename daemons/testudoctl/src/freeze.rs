//! `testudoctl freeze` and `thaw`: a session's sandboxes held still, and let go on.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::failure::{Doing as _, Failure};
use crate::link::Link;
use crate::page::Page;
use crate::screen;

/// `freeze`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The time of a running call goes on: when it is over, the call is thawed and killed.\n\n\
    JSON: {session, frozen}\n\nExample: testudoctl freeze main"
)]
pub struct FreezeArgs {
    /// The session.
    pub session: String,
}

/// `thaw`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: {session, thawed}\n\nExample: testudoctl thaw main")]
pub struct ThawArgs {
    /// The session.
    pub session: String,
}

/// Runs `freeze`.
///
/// # Errors
/// When `toold` does not take it, or no service manager freezes sandboxes here.
pub async fn freeze(args: FreezeArgs, page: &Page) -> Result<(), Failure> {
    let FreezeArgs { session } = args;
    let what = format!("freeze session {}", screen::line(&session));
    let frozen = Link::open().await?.tools().await?.freeze(&session).await.doing(what)?;
    if page.is_json() {
        return Ok(page.json(&json!({"session": session, "frozen": frozen}))?);
    }
    let name = screen::line(&session);
    let text = if frozen == 0 {
        format!("Session {name} has no sandbox now. Its calls are refused until: testudoctl thaw {name}")
    } else {
        format!(
            "Frozen: {} of session {name}. Its calls are refused until: testudoctl thaw {name}",
            sandboxes(frozen)
        )
    };
    Ok(page.line(text)?)
}

/// Runs `thaw`.
///
/// # Errors
/// When `toold` does not take it, or no service manager thaws sandboxes here.
pub async fn thaw(args: ThawArgs, page: &Page) -> Result<(), Failure> {
    let ThawArgs { session } = args;
    let what = format!("thaw session {}", screen::line(&session));
    let thawed = Link::open().await?.tools().await?.thaw(&session).await.doing(what)?;
    if page.is_json() {
        return Ok(page.json(&json!({"session": session, "thawed": thawed}))?);
    }
    let name = screen::line(&session);
    let text = if thawed == 0 {
        format!("No sandbox of session {name} was frozen. It takes calls.")
    } else {
        format!("{} of session {name} goes on.", sandboxes(thawed))
    };
    Ok(page.line(text)?)
}

fn sandboxes(count: u32) -> String {
    if count == 1 { "1 sandbox".to_owned() } else { format!("{count} sandboxes") }
}
