//! `testudoctl policy replay`, `update` and `revert`: what a change would do, and asking for it.
//!
//! Asking changes nothing by itself: a person answers the question like any other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;
use futures_util::StreamExt as _;
use serde_json::json;
use testudo::approval::{Outcome, State};
use testudo::proxy::{Options, Policy1Proxy};
use testudo_policy::replay::report::Report;

use super::{Written, complain, report, show};
use crate::approvals;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::{render, screen};

pub(super) const AFTER_REPLAY: &str = "\
JSON: {name, ok, findings, rules, digest, base, replayed, left_out, loosening, breaking, tightening, phrase, diff,
changed:[{mark, before, after, at, was, session, call, tool, phase, arguments}], approval, approve_by, expires_at}
Exit status: 78 when the file has mistakes.

Example: testudoctl policy replay policies/mine.toml";

pub(super) const AFTER_UPDATE: &str = "\
The last 100 decisions are weighed again under the changed rules; only changed outcomes are shown, loosened ones first.
A person then approves the change with `testudoctl approve`; when more than five decisions break, with the phrase that
is shown. A policy that the configuration declares is changed there.

JSON: as of `policy replay`; with --wait also outcome and in_force.
Exit status: 78 when the file has mistakes; with --wait 1 when it is not in force in the end.

Example: testudoctl policy update policies/mine.toml --wait";

pub(super) const AFTER_REVERT: &str = "\
A file that had no text before is taken out. Reverting twice gives back what was there.

JSON and exit status: as of `policy update`.

Example: testudoctl policy revert mine --wait";

/// How often is looked whether a question still waits, in case its end was not heard.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks at a question that waits no more its end will not be heard.
const MOST_LOOKS: u32 = 3;

/// `policy replay`
#[derive(Debug, ClapArgs)]
pub(super) struct ReplayArgs {
    /// The changed file.
    file: PathBuf,
    /// The name of the policy file that it would be; without it, FILE's own without .toml.
    #[arg(long)]
    name: Option<String>,
}

/// `policy update`
#[derive(Debug, ClapArgs)]
pub(super) struct UpdateArgs {
    /// The changed file.
    file: PathBuf,
    /// The name of the policy file that it becomes; without it, FILE's own without .toml.
    #[arg(long)]
    name: Option<String>,
    /// Wait until it is answered.
    #[arg(long)]
    wait: bool,
}

/// `policy revert`
#[derive(Debug, ClapArgs)]
pub(super) struct RevertArgs {
    /// The name of the policy file.
    name: String,
    /// Wait until it is answered.
    #[arg(long)]
    wait: bool,
}

/// Runs `policy replay`.
pub(super) async fn replay(args: &ReplayArgs, page: &Page) -> Result<(), Failure> {
    let file = Written::read(&args.file)?;
    let name = name(args.name.as_deref(), &args.file);
    let policy = Link::open().await?.policy().await?;
    let answer = policy.replay(&name, &file.text).await.doing("replay the last decisions")?;
    let report: Report = link::read("policyd", &answer)?;
    if page.is_json() {
        page.json(&report)?;
    } else {
        told(&report, page)?;
    }
    if report.ok { Ok(()) } else { Err(Failure::Mistakes) }
}

/// Runs `policy update`.
pub(super) async fn update(args: &UpdateArgs, page: &Page) -> Result<(), Failure> {
    let file = Written::read(&args.file)?;
    let name = name(args.name.as_deref(), &args.file);
    ask(&name, &file.text, Options::new(), args.wait, page).await
}

/// Runs `policy revert`.
pub(super) async fn revert(args: &RevertArgs, page: &Page) -> Result<(), Failure> {
    ask(&args.name, "", Options::from([("revert", true.into())]), args.wait, page).await
}

fn name(given: Option<&str>, file: &Path) -> String {
    let own = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    given.map_or_else(own, str::to_owned)
}

async fn ask(name: &str, text: &str, options: Options<'_>, wait: bool, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let policy = link.policy().await?;
    let mut ends = policy.receive_approval_resolved().await.doing("hear of answers")?;
    if wait {
        policy.subscribe().await.doing("hear of answers")?;
    }
    let doing = format!("change the policy {}", screen::line(name));
    let answer = policy.amend(name, text, options).await.doing(doing)?;
    let report: Report = link::read("policyd", &answer)?;
    if !page.is_json() {
        told(&report, page)?;
    }
    let (true, Some(id)) = (report.ok, report.approval.as_deref()) else {
        if page.is_json() {
            page.json(&report)?;
        }
        return Err(Failure::Mistakes);
    };
    if !wait {
        return if page.is_json() { Ok(page.json(&report)?) } else { Ok(()) };
    }
    let outcome = end_of(id, &mut ends, &policy).await?;
    let in_force = is_in_force(&link, &report).await?;
    if page.is_json() {
        let mut all = serde_json::to_value(&report).map_err(std::io::Error::other)?;
        if let Some(members) = all.as_object_mut() {
            members.insert("outcome".into(), json!(outcome));
            members.insert("in_force".into(), json!(in_force));
        }
        page.json(&all)?;
    } else {
        if let Some(outcome) = &outcome {
            let (state, reason) = (outcome.state, outcome.reason.as_deref());
            page.line(render::approval::settled(id, state, reason, page.paint()))?;
        }
        page.line(if in_force { "It is in force." } else { "The policy is as it was." })?;
    }
    if in_force { Ok(()) } else { Err(Failure::Shown) }
}

fn told(report: &Report, page: &Page) -> Result<(), Failure> {
    if !report.ok {
        complain(&report.findings);
        return Ok(());
    }
    page.text(&report::show(report, page.width(), page.paint()))?;
    if let Some(next) = report::next(report) {
        page.line(next)?;
    }
    Ok(())
}

/// How a question ended; none when that was not heard, because `policyd` was started anew.
async fn end_of(
    id: &str,
    ends: &mut testudo::proxy::ApprovalResolvedStream,
    policy: &Policy1Proxy<'_>,
) -> Result<Option<Outcome>, Failure> {
    let mut looks = 0;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            Some(end) = ends.next() => {
                let args = end.args().doing("read an answer")?;
                let outcome: Outcome = link::read("policyd", &args.resolution)?;
                if outcome.id == id && outcome.state != State::Pending {
                    return Ok(Some(outcome));
                }
            }
            _ = tick.tick() => {
                // While policyd is away there is no list; it will be back.
                let waits = approvals::pending(policy, None).await
                    .map_or(true, |all| all.iter().any(|approval| approval.id == id));
                looks = if waits { 0 } else { looks + 1 };
                if looks > MOST_LOOKS {
                    return Ok(None);
                }
            }
        }
    }
}

async fn is_in_force(link: &Link, report: &Report) -> Result<bool, Failure> {
    let files = show::files(link).await?.files;
    let amended = files.iter().find(|file| file.name == report.name && file.origin == "amended");
    Ok(amended.map(|file| file.digest.as_str()) == report.digest.as_deref())
}
