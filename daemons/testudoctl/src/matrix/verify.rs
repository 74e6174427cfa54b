//! `testudoctl matrix verify`: two people compare seven emoji, one of them here.
//!
//! Whether they are the same is asked at a terminal and nowhere else, after what was typed before is thrown away; a
//! program can see them and cannot confirm them.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use nix::sys::termios::{FlushArg, tcflush};
use serde_json::{Value, json};
use testudo::proxy::Matrix1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link;
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// Between two looks at whether the other side has answered.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked at; whoever is slower finds the end in the list.
const LOOKS: u32 = 240;

/// `matrix verify`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Lists what goes on when nothing is named. A verification, such as v-1, is accepted and its emoji are shown; a user, such as
@ann:home.org, is asked to verify. The question whether both sides see the same is asked on a terminal only.

JSON: [{id, user, device, ours, state, identity, why, since}], of one: {id, emojis:[{symbol, name}], decimals, confirmed}
Exit status: 1 when nothing was confirmed.

Example: testudoctl matrix verify
         testudoctl matrix verify v-1
         testudoctl matrix verify @ann:home.org")]
pub(super) struct Args {
    /// A verification that goes on, or a user.
    #[arg(value_name = "ID|USER")]
    with: Option<String>,
    /// One device of the user; without it, wherever he is.
    device: Option<String>,
    /// End the verification instead.
    #[arg(long, requires = "with", conflicts_with = "device")]
    refuse: bool,
}

/// Runs it.
pub(super) async fn run(args: Args, matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let Some(with) = args.with else { return list(matrix, page).await };
    let shown = screen::line(&with);
    if args.refuse {
        matrix.confirm(&with, false).await.doing(format_args!("refuse {shown}"))?;
        return told(matrix, &with, page).await;
    }
    let id = if with.starts_with('@') {
        let device = args.device.unwrap_or_default();
        let id = matrix.verify(&with, &device).await.doing(format_args!("verify {shown}"))?;
        eprintln!("{} asks {shown}: accept it there within ten minutes.", screen::line(&id));
        id
    } else {
        if waits(&all(matrix).await?, &with) {
            matrix.accept(&with).await.doing(format_args!("accept {shown}"))?;
        }
        with
    };
    let answer = compare(matrix, &id, page).await?;
    let Some(matches) = answer else {
        eprintln!("Nothing is confirmed: only a person at a terminal can say that both sides see the same.");
        return Err(Failure::Shown);
    };
    matrix.confirm(&id, matches).await.doing(format_args!("answer {}", screen::line(&id)))?;
    if matches {
        settled(matrix, &id).await?;
    }
    told(matrix, &id, page).await
}

/// Shows the emoji; the answer of whoever sits there, none when nobody does.
async fn compare(matrix: &Matrix1Proxy<'_>, id: &str, page: &Page) -> Result<Option<bool>, Failure> {
    let text = matrix.emojis(id).await.doing(format_args!("show the emoji of {}", screen::line(id)))?;
    let short: Value = link::read("matrixd", &text)?;
    let part = |key: &str| short.get(key).cloned().unwrap_or(Value::Null);
    if page.is_json() {
        page.json(
            &json!({ "id": id, "emojis": part("emojis"), "decimals": part("decimals"), "confirmed": false }),
        )?;
        return Ok(None);
    }
    let who = all(matrix).await?.into_iter().find(|flow| is(flow, id));
    page.text(&shown(&short, who.as_ref(), page.paint()))?;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(None);
    }
    Ok(Some(asked()))
}

/// Only a plain yes is one; the end of input is a no.
fn asked() -> bool {
    eprint!("Does the other side show the same, in the same order? [y/N] ");
    // What was typed before the emoji could be seen is no answer to them.
    let _ =
        io::stderr().flush().and_then(|()| tcflush(io::stdin(), FlushArg::TCIFLUSH).map_err(io::Error::from));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && is_yes(&line)
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

async fn list(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let flows = all(matrix).await?;
    if page.is_json() {
        return Ok(page.json(&flows)?);
    }
    if flows.is_empty() {
        return Ok(page.line("No verification goes on. Begin one with: testudoctl matrix verify USER")?);
    }
    for flow in &flows {
        page.text(&row(flow, Timestamp::now(), page.paint()))?;
    }
    Ok(page.line("Go on with: testudoctl matrix verify ID")?)
}

async fn all(matrix: &Matrix1Proxy<'_>) -> Result<Vec<Value>, Failure> {
    let text = matrix.verifications().await.doing("list the verifications")?;
    link::read("matrixd", &text)
}

/// Waits for the other side's word, after ours; it can come later too.
async fn settled(matrix: &Matrix1Proxy<'_>, id: &str) -> Result<(), Failure> {
    eprintln!("Waiting for the other side to say the same.");
    for _ in 0..LOOKS {
        let flow = all(matrix).await?.into_iter().find(|flow| is(flow, id));
        if flow.is_none_or(|flow| text(&flow, "state") != "confirmed") {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// How it ended.
async fn told(matrix: &Matrix1Proxy<'_>, id: &str, page: &Page) -> Result<(), Failure> {
    let flow = all(matrix).await?.into_iter().find(|flow| is(flow, id)).unwrap_or(Value::Null);
    let done = text(&flow, "state") == "done";
    if page.is_json() {
        page.json(&flow)?;
    } else {
        page.text(&row(&flow, Timestamp::now(), page.paint()))?;
    }
    // Refusing is what was asked for; it is a no all the same.
    if done || text(&flow, "state") == "confirmed" { Ok(()) } else { Err(Failure::Shown) }
}

fn shown(short: &Value, flow: Option<&Value>, paint: Paint) -> String {
    let mut out = String::new();
    if let Some(flow) = flow {
        let device = flow
            .get("device")
            .and_then(Value::as_str)
            .map(|device| format!(" on {}", screen::brief(device, 64)));
        let user = screen::brief(text(flow, "user"), 255);
        out.push_str(&format!("Compare with {}{}:\n\n", paint.bold(&user), device.unwrap_or_default()));
    }
    for emoji in short.get("emojis").and_then(Value::as_array).into_iter().flatten() {
        // One of 64 pictures that matrixd knows; some are of several characters, joined by invisible ones.
        let symbol: String = text(emoji, "symbol").chars().filter(|c| !c.is_control()).take(4).collect();
        out.push_str(&format!("  {symbol}  {}\n", screen::brief(text(emoji, "name"), 32)));
    }
    let decimals =
        short.get("decimals").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64);
    let decimals: Vec<String> = decimals.map(|number| number.to_string()).collect();
    out.push_str(&format!("\n  or as numbers: {}\n\n", decimals.join(" ")));
    out
}

fn row(flow: &Value, now: Timestamp, paint: Paint) -> String {
    let since = flow.get("since").and_then(Value::as_i64).unwrap_or_default();
    let minutes = now.as_second().saturating_sub(since).max(0) / 60;
    let state = match text(flow, "state") {
        "done" => paint.green("done"),
        "mismatched" => paint.red("mismatched: the emoji differ, somebody may sit in between"),
        "requested" => paint.yellow("waits for you"),
        other => screen::brief(other, 32),
    };
    let device =
        flow.get("device").and_then(Value::as_str).map(|device| format!(" on {}", screen::brief(device, 64)));
    let why = flow.get("why").and_then(Value::as_str).map(|why| format!(" · {}", screen::brief(why, 200)));
    format!(
        "{} {}{} · {state}{} · {minutes} min ago\n",
        paint.bold(&screen::brief(text(flow, "id"), 32)),
        screen::brief(text(flow, "user"), 255),
        device.unwrap_or_default(),
        why.unwrap_or_default(),
    )
}

fn waits(flows: &[Value], id: &str) -> bool {
    flows.iter().any(|flow| is(flow, id) && text(flow, "state") == "requested")
}

fn is(flow: &Value, id: &str) -> bool {
    text(flow, "id") == id
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        for (line, expected) in [
            ("y\n", true),
            ("Yes\n", true),
            ("\n", false),
            ("n\n", false),
            ("", false),
            ("yy\n", false),
            ("ja\n", false),
        ] {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }

    #[test]
    fn emoji_are_shown_with_their_names_and_who_shows_them() {
        let short = json!({"emojis": [{"symbol": "🐶", "name": "Dog"}], "decimals": [1, 2, 3]});
        let flow = json!({"id": "v-1", "user": "@ann:home.org", "device": "ABC"});
        assert_eq!(
            shown(&short, Some(&flow), Paint::new(false)),
            "Compare with @ann:home.org on ABC:\n\n  🐶  Dog\n\n  or as numbers: 1 2 3\n\n"
        );
    }

    #[test]
    fn a_verification_is_a_line() {
        let flow = json!({"id": "v-1", "user": "@ann:home.org\u{202e}", "device": null, "state": "cancelled", "why": "timeout", "since": 0});
        let now = Timestamp::from_second(180).unwrap();
        assert_eq!(
            row(&flow, now, Paint::new(false)),
            "v-1 @ann:home.org\\u{202e} · cancelled · timeout · 3 min ago\n"
        );
        assert!(!waits(&[flow], "v-1"));
    }
}
