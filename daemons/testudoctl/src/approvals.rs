//! `testudoctl approvals`, `approve` and `deny`: the questions that wait for a person.
//!
//! A yes is sent with the digest of what was shown in the same run, so it can never be a yes to something else.

pub mod hint;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};
use testudo::approval::{Approval, Outcome};
use testudo::proxy::{Options, Policy1Proxy};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::render;
use crate::screen;

/// `approvals`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: [{id, digest, session, tool, arguments, reasons, requested_at, expires_at, phase, effect, requester,\n\
    call, changes, diff, approvable, light, state, answer}]\n\nExample: testudoctl approvals --session main"
)]
pub struct ListArgs {
    /// Only those of this session.
    #[arg(long)]
    pub session: Option<String>,
}

/// `approve`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: [{id, state, digest, reason, by} | {id, error:{message}}], one for each id.\n\
    Exit status: 1 when one of them could not be approved.\n\nExample: testudoctl approve a-1 a-2")]
pub struct ApproveArgs {
    /// The approvals, such as a-1.
    #[arg(required = true)]
    pub ids: Vec<String>,
    /// For how long the yes holds.
    #[arg(long = "for", value_enum, default_value = "once")]
    pub scope: ForHowLong,
    /// Approve only the action with this digest, as `approvals --json` gives it; for one approval at a time.
    #[arg(long)]
    pub digest: Option<String>,
}

/// `deny`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: {id, state, digest, reason, by}\n\n\
    Example: testudoctl deny a-1 --reason \"write it to notes/ instead\"")]
pub struct DenyArgs {
    /// The approval, such as a-1.
    pub id: String,
    /// Why; the agent is told, and it is recorded.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// For how long a yes holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForHowLong {
    /// For this one action.
    Once,
    /// For the same tool, phase and effect in this session.
    Session,
}

impl ForHowLong {
    /// The word on the bus.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
        }
    }
}

/// Runs `approvals`.
///
/// # Errors
/// When `policyd` gives no list.
pub async fn list(args: ListArgs, page: &Page) -> Result<(), Failure> {
    let policy = Link::open().await?.policy().await?;
    let pending = pending(&policy, args.session.as_deref()).await?;
    if page.is_json() {
        return Ok(page.json(&pending)?);
    }
    if pending.is_empty() {
        return Ok(page.line("Nothing waits for an answer.")?);
    }
    for approval in &pending {
        page.text(&render::approval::card(approval, Timestamp::now(), page.width(), page.paint()))?;
    }
    Ok(page.line("Answer with: testudoctl approve ID… | testudoctl deny ID --reason TEXT")?)
}

/// Runs `approve`.
///
/// # Errors
/// Also when one of several could not be approved.
pub async fn approve(args: ApproveArgs, page: &Page) -> Result<(), Failure> {
    if args.digest.is_some() && args.ids.len() > 1 {
        return Err(Failure::Usage("--digest belongs to one approval, and several were given".into()));
    }
    let policy = Link::open().await?.policy().await?;
    let waiting = pending(&policy, None).await?;
    let mut answers: Vec<Value> = Vec::new();
    let mut failed = false;
    for id in &args.ids {
        let answer = match choose(&waiting, id, args.digest.as_deref()) {
            Ok(approval) => {
                if !page.is_json() {
                    page.text(&render::approval::card(
                        approval,
                        Timestamp::now(),
                        page.width(),
                        page.paint(),
                    ))?;
                }
                yes(&policy, approval, args.scope).await
            }
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(outcome) => {
                if !page.is_json() {
                    page.line(render::approval::settled(&outcome.id, outcome.state, None, page.paint()))?;
                }
                answers.push(json!(outcome));
            }
            Err(failure) => {
                failed = true;
                if !page.is_json() {
                    let _ = failure.report(page);
                }
                answers.push(json!({"id": id, "error": {"message": failure.to_string()}}));
            }
        }
    }
    if page.is_json() {
        page.json(&answers)?;
    }
    if failed { Err(Failure::Shown) } else { Ok(()) }
}

/// Runs `deny`.
///
/// # Errors
/// When it is not pending any more.
pub async fn deny(args: DenyArgs, page: &Page) -> Result<(), Failure> {
    let policy = Link::open().await?.policy().await?;
    let outcome = no(&policy, &args.id, &args.reason).await?;
    if page.is_json() {
        return Ok(page.json(&outcome)?);
    }
    Ok(page.line(render::approval::settled(
        &outcome.id,
        outcome.state,
        outcome.reason.as_deref(),
        page.paint(),
    ))?)
}

/// What waits, oldest first.
///
/// # Errors
/// When `policyd` gives no list.
pub async fn pending(policy: &Policy1Proxy<'_>, session: Option<&str>) -> Result<Vec<Approval>, Failure> {
    let options: Options<'_> = session.map(|name| ("session", name.into())).into_iter().collect();
    let text = policy.approvals(options).await.doing("list the approvals")?;
    link::read("policyd", &text)
}

/// A person's yes to what was shown: exactly this approval with its digest.
///
/// # Errors
/// When `policyd` does not take it.
pub async fn yes(
    policy: &Policy1Proxy<'_>,
    approval: &Approval,
    scope: ForHowLong,
) -> Result<Outcome, Failure> {
    let options = Options::from([("for", scope.word().into())]);
    let text = policy
        .approve(&approval.id, &approval.digest, options)
        .await
        .doing(format_args!("approve {}", screen::line(&approval.id)))?;
    link::read("policyd", &text)
}

/// A person's no.
///
/// # Errors
/// When `policyd` does not take it.
pub async fn no(policy: &Policy1Proxy<'_>, id: &str, reason: &str) -> Result<Outcome, Failure> {
    let text =
        policy.deny(id, reason, Options::new()).await.doing(format_args!("deny {}", screen::line(id)))?;
    link::read("policyd", &text)
}

fn choose<'a>(waiting: &'a [Approval], id: &str, digest: Option<&str>) -> Result<&'a Approval, Failure> {
    let shown = screen::line(id);
    let approval = waiting.iter().find(|approval| approval.id == id).ok_or_else(|| {
        Failure::Refused(format!(
            "cannot approve {shown}: it does not wait for an answer; `testudoctl approvals` lists what does"
        ))
    })?;
    match digest {
        Some(digest) if digest != approval.digest => Err(Failure::Refused(format!(
            "cannot approve {shown}: its digest is {}, not the one that was given",
            screen::line(&approval.digest)
        ))),
        _ => Ok(approval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::approval::tests::sample;

    #[test]
    fn only_what_waits_and_has_the_digest_is_chosen() {
        let waiting = [sample()];
        assert!(choose(&waiting, "a-1", None).is_ok());
        assert!(choose(&waiting, "a-1", Some(&sample().digest)).is_ok());
        assert!(choose(&waiting, "a-1", Some("00")).unwrap_err().to_string().contains("digest"));
        assert!(choose(&waiting, "all", None).unwrap_err().to_string().contains("does not wait"));
    }
}
