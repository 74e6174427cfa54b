//! `testudoctl rules`: the rules in plain language, and switching them off for one session.

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use testudo::proxy::{Options, Policy1Proxy};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// Characters of a question in the list.
const QUESTION: usize = 160;

/// `rules`
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "JSON: {session, rules:[{id, question, mode, reason, always, disableable, enabled}], workspace, answered, failed, rests};\n\
    answered and failed count what the judge was asked in this session, rests is true while it is left alone.\n\n\
    Example: testudoctl rules main"
)]
pub struct Args {
    /// The session in which they stand.
    #[arg(default_value = "main")]
    pub session: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Switch a rule off, in one session.
    #[command(
        after_help = "JSON: {session, rule, enabled}\n\nExample: testudoctl rules disable no-money --session main"
    )]
    Disable(Switch),
    /// Switch a rule on again.
    #[command(
        after_help = "JSON: {session, rule, enabled}\n\nExample: testudoctl rules enable no-money --session main"
    )]
    Enable(Switch),
}

#[derive(Debug, ClapArgs)]
struct Switch {
    /// The rule; it must be one that the policy calls disableable.
    rule: String,
    /// The session; the rule stays as it is in all others.
    #[arg(long, default_value = "main")]
    session: String,
}

/// Runs `rules`.
///
/// # Errors
/// When `policyd` does not answer, or the rule cannot be switched.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let policy = Link::open().await?.policy().await?;
    let (wanted, enabled) = match args.command {
        None => {
            let rules = listed(&policy, &args.session).await?;
            if page.is_json() {
                return Ok(page.json(&rules)?);
            }
            return Ok(page.text(&shown(&rules, page.paint()))?);
        }
        Some(Command::Disable(wanted)) => (wanted, false),
        Some(Command::Enable(wanted)) => (wanted, true),
    };
    let Switch { rule, session } = wanted;
    switch(&policy, &session, &rule, enabled).await?;
    if page.is_json() {
        return Ok(page.json(&json!({ "session": session, "rule": rule, "enabled": enabled }))?);
    }
    Ok(page.line(switched(&session, &rule, enabled))?)
}

/// The rules as they stand in a session.
///
/// # Errors
/// When `policyd` does not say.
pub async fn listed(policy: &Policy1Proxy<'_>, session: &str) -> Result<Value, Failure> {
    let text =
        policy.rules(session).await.doing(format_args!("list the rules in {}", screen::line(session)))?;
    link::read("policyd", &text)
}

/// Switches a rule in a session.
///
/// # Errors
/// When `policyd` refuses.
pub async fn switch(
    policy: &Policy1Proxy<'_>,
    session: &str,
    rule: &str,
    enabled: bool,
) -> Result<(), Failure> {
    let shown = screen::line(rule);
    if enabled {
        policy.enable(session, rule, Options::new()).await.doing(format_args!("enable {shown}"))
    } else {
        policy.disable(session, rule, Options::new()).await.doing(format_args!("disable {shown}"))
    }
}

/// Vouches for something in a session.
///
/// # Errors
/// When `policyd` refuses.
pub async fn vouch(policy: &Policy1Proxy<'_>, session: &str, text: &str) -> Result<(), Failure> {
    policy.vouch(session, text, Options::new()).await.doing("vouch for that")
}

/// What comes of it, in a sentence.
pub fn vouched(session: &str) -> String {
    let session = screen::line(session);
    format!("the judges of session {session} are shown it from now on: as context, and not as a permission")
}

/// What was switched, in a sentence.
pub fn switched(session: &str, rule: &str, enabled: bool) -> String {
    let (rule, session) = (screen::line(rule), screen::line(session));
    if enabled {
        format!("{rule} is in force again in session {session}")
    } else {
        format!("{rule} is off in session {session}, and stays in force in all others")
    }
}

/// The list for people.
pub fn shown(answer: &Value, paint: Paint) -> String {
    let mut out = String::new();
    let rules = answer.get("rules").and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        let is = |key| rule.get(key).and_then(Value::as_bool).unwrap_or(false);
        let state = match (is("enabled"), is("disableable")) {
            (false, _) => paint.yellow("off here"),
            (true, true) => paint.dim("may be switched off"),
            (true, false) => String::new(),
        };
        out.push_str(&format!(
            "{} {:<6}{state}\n  {}\n",
            paint.bold(&format!("{:<24}", screen::brief(text(rule, "id"), 64))),
            screen::brief(text(rule, "mode"), 8),
            screen::brief(text(rule, "question"), QUESTION),
        ));
    }
    if out.is_empty() {
        out.push_str("The policy has no rules in plain language.\n");
    }
    out.push_str(&workspace(answer));
    let count = |key| answer.get(key).and_then(Value::as_u64).unwrap_or(0);
    out.push_str(&format!(
        "Judged in this session: {}, without a verdict: {}\n",
        count("answered"),
        count("failed")
    ));
    if answer.get("rests").and_then(Value::as_bool).unwrap_or(false) {
        out.push_str(
            &paint.yellow(
                "The judge failed again and again and rests; until then every call is asked about.\n",
            ),
        );
    }
    out
}

fn workspace(answer: &Value) -> String {
    let Some(workspace) = answer.get("workspace").filter(|workspace| !workspace.is_null()) else {
        return String::new();
    };
    match workspace.get("bytes").and_then(Value::as_u64) {
        Some(bytes) => format!("SECURITY.md of the workspace is judged by too ({bytes} bytes).\n"),
        None => format!(
            "SECURITY.md of the workspace cannot be read, so every call is asked about: {}\n",
            screen::brief(text(workspace, "unread"), 200)
        ),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_shown_with_how_they_stand() {
        let rule = |id: &str, disableable: bool, enabled: bool| json!({"id": id, "question": "Is it\n\u{202e}kind?", "mode": "block", "disableable": disableable, "enabled": enabled});
        let answer = json!({
            "session": "main", "rules": [rule("a", true, false), rule("b", false, true)],
            "workspace": {"bytes": 12}, "answered": 3, "failed": 1, "rests": true
        });
        assert_eq!(
            shown(&answer, Paint::new(false)),
            "a                        block off here\n  Is it\\n\\u{202e}kind?\n\
             b                        block \n  Is it\\n\\u{202e}kind?\n\
             SECURITY.md of the workspace is judged by too (12 bytes).\n\
             Judged in this session: 3, without a verdict: 1\n\
             The judge failed again and again and rests; until then every call is asked about.\n"
        );
        let none = shown(&json!({"rules": [], "workspace": null}), Paint::new(false));
        assert!(none.starts_with("The policy has no rules in plain language.\n"), "{none}");
    }
}
