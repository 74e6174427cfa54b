//! `testudoctl call`: one tool call, by a person, through the same six stages as the agent's.

use std::io::{self, IsTerminal as _, Read as _};

use clap::Args as ClapArgs;
use futures_util::StreamExt as _;
use serde_json::Value;
use testudo::proxy::Options;
use testudo::tool::{Outcome, Output};
use zbus::wire::Variant;

use crate::approvals::hint::Hints;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::render::{self, gutter, gutter::Gutter};
use crate::screen;

/// `call`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: {call, tool, verdict, duration_ms, result | error:{code, stage, field, message, retriable, retry_after}}\n\
    Exit status: 1 when the call ended in an error. The call waits for an approval where the policy asks one.\n\n\
    Example: testudoctl call fs.read '{\"path\": \"README.md\"}'"
)]
pub struct Args {
    /// The tool, such as fs.read.
    pub tool: String,
    /// Its arguments, a JSON object; - reads them from standard input.
    #[arg(value_name = "JSON")]
    pub json_arguments: String,
    /// The session that the call belongs to.
    #[arg(long, default_value = "cli")]
    pub session: String,
}

/// Runs `call`.
///
/// # Errors
/// Also when the call ended in an error.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let arguments = arguments(&args.json_arguments)?;
    let link = Link::open().await?;
    let hints = Hints::start(&link, &args.session);
    let outcome = if io::stderr().is_terminal() && !page.is_json() {
        watched(&link, &args, &arguments, page).await?
    } else {
        invoke(&link, &args.session, &args.tool, &arguments).await?
    };
    drop(hints);
    if page.is_json() {
        page.json(&outcome)?;
    } else {
        show(&outcome, page)?;
    }
    if outcome.error.is_some() { Err(Failure::Shown) } else { Ok(()) }
}

/// Reads what stands for the arguments of a tool: it must be JSON here, and an object there.
///
/// # Errors
/// When it is not JSON.
pub fn arguments(given: &str) -> Result<Value, Failure> {
    let mut text = given.to_owned();
    if given == "-" {
        text.clear();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|source| Failure::Read { what: "standard input".into(), source })?;
    }
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("cannot take the arguments, which must be JSON: {error}")))
}

/// Calls a tool and waits for its outcome.
///
/// # Errors
/// When `toold` gave none.
pub async fn invoke(link: &Link, session: &str, tool: &str, arguments: &Value) -> Result<Outcome, Failure> {
    let tools = link.tools().await?;
    let text = tools
        .invoke(session, tool, &arguments.to_string(), Options::new())
        .await
        .doing(format_args!("call {}", screen::line(tool)))?;
    link::read("toold", &text)
}

/// Calls a tool and shows what it prints while it runs, before its result.
async fn watched(link: &Link, args: &Args, arguments: &Value, page: &Page) -> Result<Outcome, Failure> {
    let tools = link.tools().await?;
    let mut output = tools.receive_output().await.doing("listen to the call")?;
    let call = format!("c-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    let options = Options::from([("call", Variant::from(call.as_str())), ("stream", Variant::from(true))]);
    let arguments = arguments.to_string();
    let mut invoking = std::pin::pin!(tools.invoke(&args.session, &args.tool, &arguments, options));
    let mut live = Live::new(page);
    loop {
        tokio::select! {
            biased;
            Some(piece) = output.next() => {
                if let Ok(piece) = piece.args() && piece.call == call {
                    eprint!("{}", live.push(&piece.text));
                }
            }
            text = &mut invoking => {
                eprint!("{}", live.finish());
                let text = text.doing(format_args!("call {}", screen::line(&args.tool)))?;
                return link::read("toold", &text);
            }
        }
    }
}

/// What a call prints while it runs, behind a bar of its own: no line of it can be taken for one of ours.
struct Live(Gutter);

impl Live {
    fn new(page: &Page) -> Self {
        Self(Gutter::new(page.error_paint().dim(gutter::LIVE), gutter::LIVE_WIDTH, page.width()))
    }

    fn push(&mut self, piece: &str) -> String {
        self.0.push(piece)
    }

    /// What was held back, and the end of the open line.
    fn finish(&mut self) -> String {
        self.0.finish()
    }
}

/// Shows an outcome to a person.
///
/// # Errors
/// When the answer cannot be written.
pub fn show(outcome: &Outcome, page: &Page) -> Result<(), Failure> {
    let paint = page.paint();
    if let Some(output) = &outcome.result {
        page.text(&content(output, page))?;
        for change in &output.changes {
            page.line(paint.green(&render::approval::changed(change)))?;
        }
    }
    let end = render::call::finished(
        &outcome.tool,
        outcome.verdict,
        outcome.error.as_ref(),
        outcome.duration_ms,
        page.width(),
        page.error_paint(),
    );
    eprint!("{end}");
    Ok(())
}

/// Plain members line by line; what is nested, as JSON.
fn content(output: &Output, page: &Page) -> String {
    let flat = |value: &Value| !value.is_array() && !value.is_object();
    match &output.content {
        Value::Object(members) if members.values().all(flat) => {
            render::arguments::full(&output.content, "", 0, page.width(), page.paint())
        }
        other => {
            let text = serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string());
            format!("{}\n", screen::lines(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_prints_stays_behind_its_bar_and_ends_before_the_result() {
        let mut live = Live::new(&Page::plain(false));
        let pieces = ["one\n✓ shell", ".run allowed\r\x1b[1A", " open"];
        let mut out: String = pieces.iter().map(|piece| live.push(piece)).collect();
        out.push_str(&live.finish());
        assert!(out.ends_with('\n') && out.lines().all(|line| line.starts_with("  ┊ ")), "{out:?}");
        assert!(!out.contains(['\r', '\x1b']), "{out:?}");
        assert_eq!(live.finish(), "", "and nothing is said twice");
    }

    #[test]
    fn arguments_must_be_json() {
        assert_eq!(arguments("{\"a\": 1}").unwrap()["a"], 1);
        assert_eq!(arguments("path=x").unwrap_err().status(), crate::failure::EXIT_USAGE);
    }
}
