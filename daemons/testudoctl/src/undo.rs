//! `testudoctl undo` and `history`: what was applied to the workspace, and the way back.
//!
//! An undoing is decided, approved and recorded like any change; what was touched since is not undone.

use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use testudo::proxy::Options;
use testudo::tool::Outcome;
use zbus::wire::Variant;

use crate::approvals::hint::Hints;
use crate::call;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// `undo`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: as of `call`, of the tool undo; result.content is {undone, application}\n\
    Exit status: 1 when nothing was undone. It waits for an approval where the policy asks one.\n\n\
    Example: testudoctl undo\n         testudoctl undo ap-6c1f…")]
pub struct UndoArgs {
    /// An application as `history` lists them, or the call that it was of; the latest that is not undone unless given.
    pub id: Option<String>,
    /// The session that the undoing belongs to.
    #[arg(long, default_value = "cli")]
    pub session: String,
}

/// `history`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "JSON: [{application, tool, call, session, approval, approver, change_set, changes, at, commit, undoes,\n\
    undone_by}], the newest first; at is in seconds since 1970\n\nExample: testudoctl history --limit 5"
)]
pub struct HistoryArgs {
    /// How many at most; 500 in any case.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Its id.
    pub application: String,
    /// The tool.
    pub tool: Option<String>,
    /// The call.
    pub call: Option<String>,
    /// Its session.
    pub session: Option<String>,
    /// The approval that was used up for it.
    pub approval: Option<String>,
    /// Who gave it.
    pub approver: Option<String>,
    /// SHA-256 of its manifest.
    pub change_set: String,
    /// How many entries it has.
    pub changes: u64,
    /// Seconds since 1970.
    pub at: i64,
    /// Its commit in the history.
    pub commit: String,
    /// What it undid.
    pub undoes: Option<String>,
    /// What undid it.
    pub undone_by: Option<String>,
}

/// Runs `undo`.
///
/// # Errors
/// Also when nothing was undone.
pub async fn undo(args: UndoArgs, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let hints = Hints::start(&link, &args.session);
    let mut options = Options::new();
    options.insert("session", Variant::from(args.session.clone()));
    let id = args.id.as_deref().unwrap_or_default();
    let text = link.tools().await?.undo(id, options).await.doing("undo what was applied")?;
    let outcome: Outcome = link::read("toold", &text)?;
    drop(hints);
    if page.is_json() {
        page.json(&outcome)?;
    } else {
        call::show(&outcome, page)?;
    }
    if outcome.error.is_some() { Err(Failure::Shown) } else { Ok(()) }
}

/// Runs `history`.
///
/// # Errors
/// When `toold` does not answer, or no history is kept.
pub async fn history(args: HistoryArgs, page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let text = link.tools().await?.history(args.limit).await.doing("read the history")?;
    let merges: Vec<Merge> = link::read("toold", &text)?;
    if page.is_json() {
        return Ok(page.json(&merges)?);
    }
    if merges.is_empty() {
        return Ok(page.text("Nothing has been applied yet.\n")?);
    }
    for merge in &merges {
        page.line(line(merge, page.paint()))?;
    }
    Ok(())
}

fn line(merge: &Merge, paint: Paint) -> String {
    let at =
        jiff::Timestamp::from_second(merge.at).map_or_else(|_| merge.at.to_string(), |at| at.to_string());
    let word = |word: &Option<String>| word.as_deref().map_or_else(|| "?".to_owned(), screen::line);
    let changes =
        if merge.changes == 1 { "1 change".to_owned() } else { format!("{} changes", merge.changes) };
    let undone = merge.undone_by.as_deref().map(|by| format!("  undone by {}", screen::line(by)));
    let undoes = merge.undoes.as_deref().map(|of| format!("  undid {}", screen::line(of)));
    let more = format!("{}{}", undoes.unwrap_or_default(), undone.unwrap_or_default());
    let (id, tool, session) = (screen::line(&merge.application), word(&merge.tool), word(&merge.session));
    let line = format!("{at}  {id}  {tool} in {session}, {changes}{more}");
    if merge.undone_by.is_some() { paint.dim(&line) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_a_line_and_harmless() {
        let merge = Merge {
            application: "ap-1".into(),
            tool: Some("fs.write".into()),
            call: None,
            session: Some("main\u{1b}[2J".into()),
            approval: None,
            approver: None,
            change_set: String::new(),
            changes: 1,
            at: 0,
            commit: String::new(),
            undoes: None,
            undone_by: Some("ap-2".into()),
        };
        let expected = "1970-01-01T00:00:00Z  ap-1  fs.write in main\\u{1b}[2J, 1 change  undone by ap-2";
        assert_eq!(line(&merge, Paint::new(false)), expected);
    }
}
