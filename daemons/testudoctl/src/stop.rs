//! `testudoctl stop`, `resume` and `stops`: the switch that ends what runs and refuses what comes.
//!
//! The switch is `toold`'s, and turning it asks nobody else. The agent's turn is cancelled too where the agent
//! answers; where it does not, its calls are refused all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use testudo::proxy::Options;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;
use crate::session;

/// How long an agent may take to cancel a turn before it is left to itself.
const AGENT: Duration = Duration::from_secs(2);

/// `stop`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: {session, ended, cancelled}; session is null with --all, and cancelled is null where the agent\n\
    does not answer.\n\nExample: testudoctl stop main\n         testudoctl stop --all"
)]
pub struct StopArgs {
    /// The session.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub session: Option<String>,
    /// Everything, also sessions that begin later.
    #[arg(long)]
    pub all: bool,
}

/// `resume`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: {session, resumed}\n\nExample: testudoctl resume main\n         testudoctl resume --all"
)]
pub struct ResumeArgs {
    /// The session.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub session: Option<String>,
    /// Everything, also sessions that were stopped one by one.
    #[arg(long)]
    pub all: bool,
}

/// Who stopped something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The operator.
    pub by: String,
    /// RFC 3339 in UTC.
    pub at: String,
}

/// What is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    /// Everything, if it is.
    pub all: Option<Stopped>,
    /// Sessions by name.
    pub sessions: BTreeMap<String, Stopped>,
}

/// Runs `stop`.
///
/// # Errors
/// When `toold` does not take it.
pub async fn stop(args: StopArgs, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let session = args.session.as_deref();
    let (name, what) = (session.unwrap_or_default(), named(session));
    let ended = link.tools().await?.stop(name, Options::new()).await.doing(format_args!("stop {what}"))?;
    let cancelled = tokio::time::timeout(AGENT, cancel(&link, session)).await.ok().and_then(Result::ok);
    if page.is_json() {
        return Ok(page.json(&json!({"session": session, "ended": ended, "cancelled": cancelled}))?);
    }
    let agent = match cancelled {
        Some(true) => ", and the agent's turn was cancelled",
        Some(false) => "",
        None => ", and the agent does not answer: what it still asks for is refused",
    };
    let calls = if ended == 1 { "1 call was".to_owned() } else { format!("{ended} calls were") };
    let resume = session.map_or_else(|| "--all".to_owned(), screen::line);
    page.line(format!("Stopped {what}: {calls} ended{agent}. To go on: testudoctl resume {resume}"))?;
    Ok(())
}

/// Runs `resume`.
///
/// # Errors
/// When `toold` does not take it.
pub async fn resume(args: ResumeArgs, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let session = args.session.as_deref();
    let what = named(session);
    let resumed =
        link.tools().await?.resume(session.unwrap_or_default()).await.doing(format_args!("resume {what}"))?;
    if page.is_json() {
        return Ok(page.json(&json!({"session": session, "resumed": resumed}))?);
    }
    let text = if resumed { format!("{what} goes on.") } else { format!("{what} was not stopped.") };
    Ok(page.line(text)?)
}

/// Runs `stops`.
///
/// # Errors
/// When `toold` does not answer.
pub async fn list(page: &Page) -> Result<(), Failure> {
    let stops = stops(&Link::open().await?).await?;
    if page.is_json() {
        return Ok(page.json(&stops)?);
    }
    let lines = lines(&stops, page.paint());
    Ok(page.text(if lines.is_empty() { "Nothing is stopped.\n" } else { &lines })?)
}

/// What is stopped.
///
/// # Errors
/// When `toold` does not answer.
pub async fn stops(link: &Link) -> Result<Stops, Failure> {
    link::read("toold", &link.tools().await?.stops().await.doing("ask what is stopped")?)
}

/// A line for each stop; empty when there is none.
pub fn lines(stops: &Stops, paint: Paint) -> String {
    let line = |what: &str, stopped: &Stopped| {
        let (by, at) = (screen::line(&stopped.by), screen::line(&stopped.at));
        format!("{}  {} by {by} at {at}\n", paint.red("stopped"), screen::brief(what, 40))
    };
    let all = stops.all.iter().map(|stopped| line("everything", stopped));
    all.chain(stops.sessions.iter().map(|(session, stopped)| line(session, stopped))).collect()
}

/// Cancels the agent's turns; false when none was under way.
async fn cancel(link: &Link, session: Option<&str>) -> Result<bool, Failure> {
    let agent = link.agent().await?;
    let known = session::sessions(link).await?;
    let known: Vec<&str> =
        known.iter().filter_map(|known| known.get("session").and_then(serde_json::Value::as_str)).collect();
    let mut was_any = false;
    for name in known.into_iter().filter(|name| session.is_none_or(|session| session == *name)) {
        was_any |= agent.cancel(name, "").await.doing("cancel the turn")?;
    }
    Ok(was_any)
}

fn named(session: Option<&str>) -> String {
    session.map_or_else(|| "everything".to_owned(), |session| format!("session {}", screen::line(session)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stop_is_a_line_and_harmless() {
        let by = |who: &str| Stopped { by: who.into(), at: "2026-01-01T00:00:00Z".into() };
        let stops =
            Stops { all: Some(by("ada")), sessions: BTreeMap::from([("main".into(), by("bob\u{1b}[2J"))]) };
        assert_eq!(
            lines(&stops, Paint::new(false)),
            "stopped  everything by ada at 2026-01-01T00:00:00Z\nstopped  main by bob\\u{1b}[2J at 2026-01-01T00:00:00Z\n"
        );
        assert_eq!(lines(&Stops::default(), Paint::new(false)), "");
    }
}
