//! `testudoctl session`: conversations.

use clap::{Args as ClapArgs, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::chat::context;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::render::{self, gutter::Gutter};
use crate::screen;
use crate::stop::{self, Stops};

/// Characters of a tool's outcome in a transcript.
const OUTCOME: usize = 200;

/// `session`
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List conversations.
    #[command(
        after_help = "JSON: [{session, started_at, last_at, messages, turns, running, blocked, unattended, run, stopped}]; run is null or {began_at, ended}, ended is null or {at, end, question},
stopped is null or {by, at}; of one of another version there are session and sealed alone\n\nExample: testudoctl session list"
    )]
    List,
    /// Show one conversation.
    #[command(
        after_help = "JSON: {session, messages:[{at, role, text, labels, calls, call, tool}], turns:[{turn, reply, end, calls}]}\n\nExample: testudoctl session show main"
    )]
    Show {
        /// Its name.
        session: String,
    },
    /// Show what one has beside its messages: the model, tokens, pins.
    #[command(
        after_help = "JSON: {session, model, models:[{name, provider, configured}], messages, usage:[{model, requests, input, output, estimated}],\ntoday:{input, output, estimated},\nbudget, pins:[{number, text, by, at}], compacted}; budget is null or {tokens, spent, resets_at}, compacted null or {messages, at}\n\nExample: testudoctl session context main"
    )]
    Context {
        /// Its name.
        session: String,
    },
}

/// Runs `session`.
///
/// # Errors
/// When `agentd` does not answer, or there is no such session.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    match args.command {
        Command::List => {
            let mut sessions = sessions(&link).await?;
            mark_stopped(&mut sessions, &stop::stops(&link).await.unwrap_or_default());
            if page.is_json() {
                return Ok(page.json(&sessions)?);
            }
            Ok(page.text(&listed(&sessions, page.paint()))?)
        }
        Command::Show { session } => {
            let text = link
                .agent()
                .await?
                .session(&session)
                .await
                .doing(format_args!("show session {}", screen::line(&session)))?;
            let shown: Value = link::read("agentd", &text)?;
            if page.is_json() {
                return Ok(page.json(&shown)?);
            }
            Ok(page.text(&transcript(&shown, page.width(), page.paint()))?)
        }
        Command::Context { session } => {
            let shown = context::read(&link.agent().await?, &session).await?;
            if page.is_json() {
                return Ok(page.json(&shown)?);
            }
            Ok(page.text(&context::whole(&shown))?)
        }
    }
}

/// All conversations, as `agentd` lists them.
///
/// # Errors
/// When it does not.
pub async fn sessions(link: &Link) -> Result<Vec<Value>, Failure> {
    read(link).await
}

/// All conversations, as far as somebody wants to know of them.
///
/// # Errors
/// When `agentd` does not list them.
pub async fn read<T: DeserializeOwned>(link: &Link) -> Result<Vec<T>, Failure> {
    link::read("agentd", &link.agent().await?.sessions().await.doing("list the sessions")?)
}

/// Notes which of them are stopped.
fn mark_stopped(sessions: &mut [Value], stops: &Stops) {
    for session in sessions {
        let name = text(session, "session");
        let stopped = json!(stops.all.as_ref().or_else(|| stops.sessions.get(name)));
        if let Some(members) = session.as_object_mut() {
            members.insert("stopped".to_owned(), stopped);
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// One line per conversation.
pub fn listed(sessions: &[Value], paint: Paint) -> String {
    if sessions.is_empty() {
        return "There are no conversations yet.\n".to_owned();
    }
    let mut out = String::new();
    for session in sessions {
        if !text(session, "sealed").is_empty() {
            let name = format!("{:<20}", screen::brief(text(session, "session"), 40));
            out.push_str(&format!(
                "{} {}\n",
                paint.bold(&name),
                paint.red(&screen::line(text(session, "sealed")))
            ));
            continue;
        }
        let running = session.get("running").and_then(Value::as_bool).unwrap_or(false);
        let turns = session.get("turns").and_then(Value::as_u64).unwrap_or(0);
        out.push_str(&format!(
            "{} {turns:>4} turns  since {}{}\n",
            paint.bold(&format!("{:<20}", screen::brief(text(session, "session"), 40))),
            screen::brief(text(session, "started_at"), 30),
            state(session, running, paint)
        ));
    }
    out
}

/// What stands in the way of a conversation, or that it goes on right now.
fn state(session: &Value, running: bool, paint: Paint) -> String {
    let is =
        |key: &str| session.get(key).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    if is("stopped") {
        paint.red("  stopped")
    } else if running {
        paint.yellow("  running")
    } else if is("blocked") {
        paint.yellow("  blocked: a question waits for an answer")
    } else {
        String::new()
    }
}

fn transcript(session: &Value, width: Option<usize>, paint: Paint) -> String {
    let mut out = String::new();
    for message in session.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let content = text(message, "text");
        match text(message, "role") {
            "user" => out.push_str(&Gutter::new(paint.green("› "), 2, width).whole(content)),
            "tool" => {
                let shown = screen::brief(content, OUTCOME);
                out.push_str(&Gutter::new(paint.dim("  │ "), 4, width).whole(&shown));
            }
            _ => {
                if !content.is_empty() {
                    out.push_str(&Gutter::new("  ", 2, width).whole(content));
                }
                for call in message.get("calls").and_then(Value::as_array).into_iter().flatten() {
                    let arguments = call.get("arguments").unwrap_or(&Value::Null);
                    out.push_str(&render::call::started(text(call, "name"), arguments, width, paint));
                    out.push('\n');
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_reads_in_order_and_is_harmless() {
        let session = json!({"messages": [
            {"role": "user", "text": "read a"},
            {"role": "assistant", "text": "", "calls": [{"id": "1", "name": "fs.read", "arguments": {"path": "a"}}]},
            {"role": "tool", "text": "x\n\u{1b}[2J", "call": "1", "tool": "fs.read"},
            {"role": "assistant", "text": "It says x."},
        ]});
        assert_eq!(
            transcript(&session, None, Paint::new(false)),
            "› read a\n→ fs.read path=\"a\"\n  │ x\\n\\u{1b}[2J\n  It says x.\n"
        );
    }
}
