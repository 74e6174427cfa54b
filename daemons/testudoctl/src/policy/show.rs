//! `testudoctl policy show`: the rules in force, and where they come from.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use testudo::verdict::{Verdict, Weight};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

pub(super) const AFTER_HELP: &str = "\
JSON: {digest, amendments, amend_by, troubles, files:[{name, origin, path, digest, rules:[{name, action, reason}], text}]};
origin is declared (the configuration names it), amended, last-good or unreadable.

Example: testudoctl policy show";

/// `policy show`
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Only this file, with its text.
    name: Option<String>,
}

/// What `Policy1.Files` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InForce {
    digest: String,
    amendments: String,
    amend_by: Weight,
    troubles: Vec<String>,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) origin: String,
    path: PathBuf,
    pub(super) digest: String,
    rules: Vec<Rule>,
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rule {
    name: String,
    action: Verdict,
    reason: String,
}

/// Asks what is in force.
pub(super) async fn files(link: &Link) -> Result<InForce, Failure> {
    let answer = link.policy().await?.files().await.doing("read the policy in force")?;
    link::read("policyd", &answer)
}

/// Runs `policy show`.
pub(super) async fn run(args: &Args, page: &Page) -> Result<(), Failure> {
    let mut shown = files(&Link::open().await?).await?;
    if let Some(name) = &args.name {
        shown.files.retain(|file| file.name == *name);
        if shown.files.is_empty() {
            return Err(Failure::Refused(format!("there is no policy file {} in force", screen::line(name))));
        }
    }
    if page.is_json() {
        return Ok(page.json(&shown)?);
    }
    if args.name.is_some() {
        for file in &shown.files {
            page.text(&screen::lines(&file.text))?;
        }
        return Ok(());
    }
    Ok(page.text(&listed(&shown, page.paint()))?)
}

fn listed(shown: &InForce, paint: Paint) -> String {
    let mut out = String::new();
    for trouble in &shown.troubles {
        out.push_str(&format!("{}\n", paint.red(&screen::lines(trouble))));
    }
    for file in &shown.files {
        let (name, path) = (screen::line(&file.name), screen::line(&file.path.display().to_string()));
        let origin = match file.origin.as_str() {
            "declared" | "amended" => screen::line(&file.origin),
            other => paint.red(&screen::line(other)),
        };
        out.push_str(&format!("{} ({origin}, {path})\n", paint.bold(&name)));
        for rule in &file.rules {
            let (name, reason) = (screen::line(&rule.name), screen::line(&rule.reason));
            out.push_str(&format!("  {:<5} {name}: {reason}\n", rule.action.word()));
        }
    }
    let amend = match shown.amendments.as_str() {
        "none" => "The policy is declared and cannot be amended.".to_owned(),
        "replace" => {
            format!("Files can be added or replaced; that wants an answer by {}.", shown.amend_by.word())
        }
        _ => format!("Files can be added; that wants an answer by {}.", shown.amend_by.word()),
    };
    out.push_str(&format!("{amend}\n"));
    out
}
