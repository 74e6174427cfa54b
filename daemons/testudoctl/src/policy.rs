//! `testudoctl policy`: checks policy files, and asks what would be decided.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testudo::action::{Action, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::identity::{Daemon, Principal};
use testudo::label::Labels;
use testudo::tool::Spec;
use testudo::verdict::{Decision, Verdict};

use crate::call;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// `policy`
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check policy files with the daemon's own parser; the rules in force stay as they are.
    #[command(
        after_help = "JSON: [{file, ok, rules, findings}]\nExit status: 78 when a file has mistakes.\n\n\
        Example: testudoctl policy check policies/default.toml"
    )]
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show what would be decided about a call, and by which rules. Nothing is run, asked or recorded.
    #[command(
        after_help = "JSON: {verdict, layer, reasons:[{rule, verdict, text}], abstained, digest, approval}\n\n\
        Example: testudoctl policy explain fs.write '{\"path\": \".git/config\", \"content\": \"\"}' --phase apply"
    )]
    Explain(ExplainArgs),
}

#[derive(Debug, ClapArgs)]
struct ExplainArgs {
    /// The tool, such as fs.write.
    tool: String,
    /// Its arguments, a JSON object; - reads them from standard input.
    #[arg(value_name = "JSON")]
    json_arguments: String,
    /// The session that would call it.
    #[arg(long, default_value = "main")]
    session: String,
    /// Running it, or applying what it would change.
    #[arg(long, value_enum, default_value = "call")]
    phase: PhaseWord,
    /// Who would call it.
    #[arg(long, value_enum, default_value = "agentd")]
    requester: RequesterWord,
    /// Paths that it would change; without it, the argument `path` where there is one. With --phase apply.
    #[arg(long)]
    path: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PhaseWord {
    Call,
    Apply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RequesterWord {
    Agentd,
    Operator,
}

/// What `Policy1.Check` answers, with the file's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The file.
    #[serde(default)]
    pub file: String,
    /// Whether it would be taken.
    pub ok: bool,
    /// How many rules it has.
    pub rules: u64,
    /// Mistakes and warnings, each with its place.
    pub findings: Vec<String>,
}

/// Runs `policy`.
///
/// # Errors
/// Also when a file has mistakes.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    match args.command {
        Command::Check { files } => check(&files, page).await,
        Command::Explain(args) => explain(&args, page).await,
    }
}

async fn check(files: &[PathBuf], page: &Page) -> Result<(), Failure> {
    let mut texts = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|source| Failure::Read { what: screen::line(&name), source })?;
        texts.push((name, text));
    }
    let link = Link::open().await?;
    let mut reports = Vec::new();
    for (name, text) in texts {
        reports.push(check_text(&link, &name, &text).await?);
    }
    if page.is_json() {
        page.json(&reports)?;
    } else {
        for report in &reports {
            for finding in &report.findings {
                eprintln!("{}", screen::lines(finding));
            }
            if report.ok {
                page.line(format!("{}: {} rules", screen::line(&report.file), report.rules))?;
            }
        }
    }
    if reports.iter().all(|report| report.ok) { Ok(()) } else { Err(Failure::Mistakes) }
}

/// Has the text of a policy file checked by the daemon.
///
/// # Errors
/// When the daemon does not answer.
pub async fn check_text(link: &Link, name: &str, text: &str) -> Result<Report, Failure> {
    let policy = link.policy().await?;
    let answer = policy.check(text, name).await.doing(format_args!("check {}", screen::line(name)))?;
    Ok(Report { file: name.to_owned(), ..link::read("policyd", &answer)? })
}

async fn explain(args: &ExplainArgs, page: &Page) -> Result<(), Failure> {
    let arguments = call::arguments(&args.json_arguments)?;
    let link = Link::open().await?;
    let catalogue: Vec<Spec> =
        link::read("toold", &link.tools().await?.catalogue().await.doing("read the catalogue of tools")?)?;
    let judged = judged(args, arguments, &catalogue)?;
    let text = serde_json::to_string(&judged).map_err(std::io::Error::other)?;
    let answer = link.policy().await?.explain(&text).await.doing("ask what would be decided")?;
    let decision: Decision = link::read("policyd", &answer)?;
    if page.is_json() {
        return Ok(page.json(&decision)?);
    }
    Ok(page.text(&explained(&decision, page.paint()))?)
}

fn judged(args: &ExplainArgs, arguments: Value, catalogue: &[Spec]) -> Result<Judged, Failure> {
    let spec = catalogue.iter().find(|spec| spec.name == args.tool).ok_or_else(|| {
        let names: Vec<&str> = catalogue.iter().map(|spec| spec.name.as_str()).collect();
        Failure::Refused(format!(
            "cannot explain {}: there are {}",
            screen::line(&args.tool),
            names.join(", ")
        ))
    })?;
    let apply = args.phase == PhaseWord::Apply;
    let mut paths = args.path.clone();
    if paths.is_empty() && apply {
        paths.extend(arguments.get("path").and_then(Value::as_str).map(str::to_owned));
    }
    let changes = paths.into_iter().map(|path| ChangeSummary {
        path,
        kind: "modify".into(),
        size: 0,
        mode: Some(0o644),
        sha256: None,
        target: None,
    });
    Ok(Judged {
        action: Action {
            tool: args.tool.clone(),
            arguments,
            effect: spec.effect,
            phase: if apply { Phase::Apply } else { Phase::Call },
            session: args.session.clone(),
            requester: match args.requester {
                RequesterWord::Agentd => Principal::Daemon(Daemon::Agentd),
                RequesterWord::Operator => Principal::Operator("root".into()),
            },
            // Which one does not matter to the rules, only that there is one.
            change_set: apply.then(|| "0".repeat(64)),
        },
        call: "explain".into(),
        taint: Labels::default(),
        changes: changes.collect(),
        diff: None,
        hidden: None,
    })
}

fn explained(decision: &Decision, paint: Paint) -> String {
    let word = |verdict: Verdict| match verdict {
        Verdict::Allow => paint.green("allow"),
        Verdict::Ask => paint.yellow("ask"),
        Verdict::Deny => paint.red("deny"),
    };
    let layer = serde_json::to_value(decision.layer).ok();
    let layer = layer.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut out = format!("{} (settled by: {layer})\n", word(decision.verdict));
    for reason in &decision.reasons {
        let (rule, text) = (screen::line(&reason.rule), screen::line(&reason.text));
        out.push_str(&format!("  {} {}: {text}\n", word(reason.verdict), paint.bold(&rule)));
    }
    for rule in &decision.abstained {
        out.push_str(&format!(
            "  {}\n",
            paint.dim(&format!("{} stood aside by its exception", screen::line(rule)))
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::verdict::{Layer, Reason};

    #[test]
    fn an_explanation_names_every_rule() {
        let decision = Decision {
            verdict: Verdict::Deny,
            layer: Layer::Rules,
            reasons: vec![Reason { rule: "keep".into(), verdict: Verdict::Deny, text: "why".into() }],
            abstained: vec!["other".into()],
            digest: "00".into(),
            approval: None,
        };
        assert_eq!(
            explained(&decision, Paint::new(false)),
            "deny (settled by: rules)\n  deny keep: why\n  other stood aside by its exception\n"
        );
    }
}
