//! `testudoctl approvals`, `approve` and `deny`: the questions that wait for a person.
//!
//! A yes is sent with the digest of what was shown in the same run, so it can never be a yes to something else.

pub mod hint;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use testudo::approval::{Approval, Outcome};
use testudo::proxy::{Options, Policy1Proxy};
use testudo::quantity;
use testudo::verdict::Weight;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::render;
use crate::screen;

/// `approvals`
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "JSON: [{id, digest, session, tool, arguments, reasons, requested_at, expires_at, phase, effect, requester,\n\
    call, changes, diff, approvable, light, approve_by, scopes, calls, origins, rendering:[{heading, lines}], cut, seen, route, parked,\n\
    state, answer}]\n\nExample: testudoctl approvals --session main"
)]
pub struct ListArgs {
    /// Only those of this session.
    #[arg(long)]
    pub session: Option<String>,
    /// One of them instead.
    #[command(subcommand)]
    pub one: Option<One>,
}

/// `approvals show`
#[derive(Debug, Subcommand)]
pub enum One {
    /// Show one action that waits; with --whole, long values in full.
    #[command(
        after_help = "JSON: as an element of approvals.\n\nExample: testudoctl approvals show a-1 --whole"
    )]
    Show {
        /// The approval, such as a-1.
        id: String,
        /// Every value in full, and what a yes to it needs.
        #[arg(long)]
        whole: bool,
    },
}

/// `approve`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: [{id, state, digest, reason, by, weight, scope, lease} | {id, error:{message}}], one for each id.\n\
    Exit status: 1 when one of them could not be approved.\n\n\
    Example: testudoctl approve a-1 a-2\n         testudoctl approve a-3 --for 30m\n         testudoctl approve a-4 --code 123456"
)]
pub struct ApproveArgs {
    /// The approvals, such as a-1.
    #[arg(required = true)]
    pub ids: Vec<String>,
    /// For how long the yes holds: once, session, always (exactly these arguments), or a time such as 30m.
    #[arg(long = "for", value_name = "HOW_LONG", default_value = "once", value_parser = ForHowLong::parse)]
    pub scope: ForHowLong,
    /// The one-time code of your authenticator, where one is wanted.
    #[arg(long)]
    pub code: Option<String>,
    /// Have polkit ask who you are, where an answer at this machine is wanted.
    #[arg(long)]
    pub local: bool,
    /// The phrase that a change of the policy shows, where it breaks much.
    #[arg(long)]
    pub phrase: Option<String>,
    /// Approve only the action with this digest, as `approvals --json` gives it; for one approval at a time.
    #[arg(long)]
    pub digest: Option<String>,
    /// Of a plan, only these steps: 1-3, or 1,3, or -2 for all but the second.
    #[arg(long, value_name = "STEPS", allow_hyphen_values = true)]
    pub steps: Option<String>,
    /// What `approvals show --whole` gave, where long values are cut; for one approval at a time.
    #[arg(long)]
    pub seen: Option<String>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ForHowLong {
    /// For this one action.
    #[default]
    Once,
    /// For the same shape of action in this session.
    Session,
    /// The same, for a time such as `30m`.
    Until(String),
    /// For exactly these arguments in every session, until it is revoked.
    Always,
}

impl ForHowLong {
    /// Reads a word or a time.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "once" => Self::Once,
            "session" => Self::Session,
            "always" => Self::Always,
            time => {
                let wrong = |error| format!("expected once, session, always or a time such as 30m: {error}");
                quantity::duration(time).map_err(wrong)?;
                Self::Until(time.to_owned())
            }
        })
    }

    /// As the options of `Approve` have it.
    fn put(&self, options: &mut Options<'_>) {
        let word = match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
            Self::Until(time) => {
                options.insert("duration", time.clone().into());
                "until"
            }
        };
        options.insert("for", word.into());
    }
}

/// A yes with what it is proved with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Yes {
    /// For how long.
    pub scope: ForHowLong,
    /// A one-time code.
    pub code: Option<String>,
    /// Authenticated by polkit.
    pub local: bool,
    /// What was typed for a change of the policy that breaks much.
    pub phrase: Option<String>,
    /// Of a plan, only these steps.
    pub steps: Option<String>,
}

/// Runs `approvals`.
///
/// # Errors
/// When `policyd` gives no list.
pub async fn list(args: ListArgs, page: &Page) -> Result<(), Failure> {
    let policy = Link::open().await?.policy().await?;
    if let Some(One::Show { id, whole }) = &args.one {
        return show(&policy, id, *whole, page).await;
    }
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

async fn show(policy: &Policy1Proxy<'_>, id: &str, all: bool, page: &Page) -> Result<(), Failure> {
    let approval = if all {
        whole(policy, id).await?
    } else {
        let waiting = pending(policy, None).await?;
        choose(&waiting, id, None)?.clone()
    };
    if page.is_json() {
        return Ok(page.json(&approval)?);
    }
    page.text(&render::approval::card(&approval, Timestamp::now(), page.width(), page.paint()))?;
    let (id, seen) = (screen::line(&approval.id), screen::line(&approval.seen));
    Ok(page.line(match (approval.approvable, approval.cut) {
        (false, _) => format!("Answer with: testudoctl deny {id} --reason TEXT"),
        (true, true) => format!("Long values are cut: testudoctl approvals show {id} --whole"),
        (true, false) => {
            format!("Answer with: testudoctl approve {id} --seen {seen} | testudoctl deny {id} --reason TEXT")
        }
    })?)
}

/// Runs `approve`.
///
/// # Errors
/// Also when one of several could not be approved.
pub async fn approve(args: ApproveArgs, page: &Page) -> Result<(), Failure> {
    if (args.digest.is_some() || args.seen.is_some() || args.code.is_some()) && args.ids.len() > 1 {
        return Err(Failure::Usage(
            "--digest, --seen and --code belong to one approval, and several were given".into(),
        ));
    }
    let policy = Link::open().await?.policy().await?;
    let waiting = pending(&policy, None).await?;
    let mut answers: Vec<Value> = Vec::new();
    let mut failed = false;
    for id in &args.ids {
        let answer = match choose(&waiting, id, args.digest.as_deref()) {
            Ok(approval) => {
                let mut approval = approval.clone();
                // A yes is to the whole of it, so the whole of it is shown; to a program by `approvals show`.
                let was_cut = approval.cut && args.seen.is_none() && !page.is_json();
                if was_cut {
                    approval = whole(&policy, id).await?;
                }
                if !page.is_json() {
                    page.text(&render::approval::card(
                        &approval,
                        Timestamp::now(),
                        page.width(),
                        page.paint(),
                    ))?;
                }
                if was_cut && io::stdin().is_terminal() && !is_meant(id)? {
                    return Err(Failure::Refused(format!("{} still waits", screen::line(id))));
                }
                if let Some(seen) = &args.seen {
                    approval.seen.clone_from(seen);
                }
                let answer = Yes {
                    scope: args.scope.clone(),
                    code: args.code.clone(),
                    local: args.local,
                    phrase: args.phrase.clone(),
                    steps: args.steps.clone(),
                };
                yes(&policy, &approval, &answer).await
            }
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(outcome) => {
                if !page.is_json() {
                    page.line(render::approval::answered(&outcome, page.paint()))?;
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

/// Asks once more, below what may be several screens long.
fn is_meant(id: &str) -> io::Result<bool> {
    print!("{}? y · n › ", screen::line(id));
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "yes"))
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

/// One of them with every value in full.
///
/// # Errors
/// When it does not wait any more.
pub async fn whole(policy: &Policy1Proxy<'_>, id: &str) -> Result<Approval, Failure> {
    let options = Options::from([("whole", id.into())]);
    let text = policy.approvals(options).await.doing(format_args!("show {}", screen::line(id)))?;
    let mut found: Vec<Approval> = link::read("policyd", &text)?;
    found.pop().ok_or_else(|| Failure::Refused(format!("{} does not wait for an answer", screen::line(id))))
}

/// A person's yes to what was shown: exactly this approval with its digest and its rendering.
///
/// # Errors
/// When `policyd` does not take it.
pub async fn yes(policy: &Policy1Proxy<'_>, approval: &Approval, yes: &Yes) -> Result<Outcome, Failure> {
    let mut options = Options::from([("seen", approval.seen.as_str().into())]);
    yes.scope.put(&mut options);
    if let Some(code) = &yes.code {
        options.insert("code", code.as_str().into());
    }
    if let Some(phrase) = &yes.phrase {
        options.insert("phrase", phrase.as_str().into());
    }
    if let Some(steps) = &yes.steps {
        options.insert("steps", steps.as_str().into());
    }
    if yes.local || approval.approve_by == Weight::Local {
        options.insert("answer", "local".into());
    }
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
    fn how_long_is_a_word_or_a_time() {
        assert_eq!(ForHowLong::parse("30m"), Ok(ForHowLong::Until("30m".into())));
        assert_eq!(ForHowLong::parse("always"), Ok(ForHowLong::Always));
        for wrong in ["", "30", "ever", "-1m", "Session"] {
            assert!(ForHowLong::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_waits_and_has_the_digest_is_chosen() {
        let waiting = [sample()];
        assert!(choose(&waiting, "a-1", None).is_ok());
        assert!(choose(&waiting, "a-1", Some(&sample().digest)).is_ok());
        assert!(choose(&waiting, "a-1", Some("00")).unwrap_err().to_string().contains("digest"));
        assert!(choose(&waiting, "all", None).unwrap_err().to_string().contains("does not wait"));
    }
}
