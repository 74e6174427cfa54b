//! `testudoctl policy explain`: what would be decided about one action, and why.
//!
//! Over the bus `policyd` weighs it with all that it knows of the session; with `--policy` the rules of files weigh
//! it here, with what the action itself says and nothing else.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde::Deserialize;
use serde_json::Value;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::declaration::Declaration;
use testudo::identity::{Daemon, Principal};
use testudo::tool::Spec;
use testudo::verdict::{Decision, Explanation, Verdict};
use testudo_policy::engine;
use testudo_policy::index::RuleSet;

use super::{Written, complain};
use crate::call;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

pub(super) const AFTER_HELP: &str = "\
Without TOOL one action is read from standard input, a JSON object: tool, arguments and, where they matter, session,
phase, requester, paths, effect and declaration; or the whole of what toold tells policyd, which has action.
With --policy the files decide and no daemon is asked; the effect of the tool must be given then.

JSON: {verdict, layer, reasons:[{rule, verdict, text}], abstained, digest, approve_by, ttl_ms, approval, origins, findings}

Example: testudoctl policy explain fs.write '{\"path\": \".git/config\", \"content\": \"\"}' --phase apply
         echo '{\"tool\": \"fs.read\", \"effect\": \"read\", \"arguments\": {}}' | testudoctl policy explain --policy mine.toml";

/// `policy explain`
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The tool, such as fs.write; without it the action is read from standard input.
    tool: Option<String>,
    /// Its arguments, a JSON object; - reads them from standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
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
    /// What it does: read, read-external, write, execute, message, spend, configure or destroy. Known by the catalogue.
    #[arg(long, value_name = "WORD")]
    effect: Option<String>,
    /// Let the rules of these files decide, offline; may be given several times.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PhaseWord {
    Call,
    Apply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RequesterWord {
    Agentd,
    Operator,
}

/// An action as people write it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    tool: String,
    #[serde(default = "empty")]
    arguments: Value,
    #[serde(default = "main_session")]
    session: String,
    #[serde(default = "call_phase")]
    phase: PhaseWord,
    #[serde(default = "by_agentd")]
    requester: RequesterWord,
    #[serde(default)]
    paths: Vec<String>,
    effect: Option<Effect>,
    declaration: Option<Declaration>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn main_session() -> String {
    "main".to_owned()
}

const fn call_phase() -> PhaseWord {
    PhaseWord::Call
}

const fn by_agentd() -> RequesterWord {
    RequesterWord::Agentd
}

/// One action, as far as it was given.
enum Given {
    Whole(Box<Judged>),
    Asked(Box<Asked>),
}

/// Runs `policy explain`.
pub(super) async fn run(args: &Args, page: &Page) -> Result<(), Failure> {
    let given = given(args)?;
    let explanation = if args.policy.is_empty() {
        over_the_bus(given).await?
    } else {
        let judged = match given {
            Given::Whole(judged) => *judged,
            Given::Asked(asked) => judged(*asked, None)?,
        };
        by_files(&args.policy, &judged)?
    };
    if page.is_json() {
        return Ok(page.json(&explanation)?);
    }
    Ok(page.text(&explained(&explanation, page.paint()))?)
}

fn given(args: &Args) -> Result<Given, Failure> {
    let Some(tool) = &args.tool else { return read_from_input() };
    let effect = args.effect.as_deref().map(effect).transpose()?;
    Ok(Given::Asked(Box::new(Asked {
        tool: tool.clone(),
        arguments: call::arguments(&args.json_arguments)?,
        session: args.session.clone(),
        phase: args.phase,
        requester: args.requester,
        paths: args.path.clone(),
        effect,
        declaration: None,
    })))
}

fn effect(word: &str) -> Result<Effect, Failure> {
    Effect::ALL.into_iter().find(|effect| effect.word() == word).ok_or_else(|| {
        let words: Vec<&str> = Effect::ALL.iter().map(|effect| effect.word()).collect();
        Failure::Usage(format!("there is no effect {}: use {}", screen::line(word), words.join(", ")))
    })
}

fn read_from_input() -> Result<Given, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|source| Failure::Read { what: "standard input".into(), source })?;
    parse(&text)
        .map_err(|error| Failure::Usage(format!("cannot take the action, which must be JSON: {error}")))
}

fn parse(text: &str) -> serde_json::Result<Given> {
    let value: Value = serde_json::from_str(text)?;
    if value.get("action").is_some() {
        return Ok(Given::Whole(serde_json::from_value(value)?));
    }
    Ok(Given::Asked(Box::new(serde_json::from_value(value)?)))
}

async fn over_the_bus(given: Given) -> Result<Explanation, Failure> {
    let link = Link::open().await?;
    let judged = match given {
        Given::Whole(judged) => *judged,
        Given::Asked(asked) => {
            let answer = link.tools().await?.catalogue().await.doing("read the catalogue of tools")?;
            let catalogue: Vec<Spec> = link::read("toold", &answer)?;
            judged(*asked, Some(&catalogue))?
        }
    };
    let text = serde_json::to_string(&judged).map_err(std::io::Error::other)?;
    let answer = link.policy().await?.explain(&text).await.doing("ask what would be decided")?;
    link::read("policyd", &answer)
}

/// Built-in rules and those of files; no session is known here, so origins are what the action says.
fn by_files(files: &[PathBuf], judged: &Judged) -> Result<Explanation, Failure> {
    let mut policies = Vec::new();
    let mut mistakes = Vec::new();
    for file in files {
        match Written::read(file)?.parse() {
            Ok((policy, _)) => policies.push(policy),
            Err(found) => mistakes.push(found.to_string()),
        }
    }
    if !mistakes.is_empty() {
        complain(&mistakes);
        return Err(Failure::Mistakes);
    }
    let digest = judged.action.digest().map_err(std::io::Error::other)?;
    let decision = engine::decide(&RuleSet::new(policies), judged, digest);
    Ok(Explanation::new(decision, judged))
}

/// Fills in what is known of the tool.
fn judged(asked: Asked, catalogue: Option<&[Spec]>) -> Result<Judged, Failure> {
    let tool = screen::line(&asked.tool);
    let spec = catalogue.and_then(|catalogue| catalogue.iter().find(|spec| spec.name == asked.tool));
    let effect = match (asked.effect, spec, catalogue) {
        (Some(effect), ..) => effect,
        (None, Some(spec), _) => spec.effect,
        (None, None, Some(catalogue)) => {
            let names: Vec<&str> = catalogue.iter().map(|spec| spec.name.as_str()).collect();
            return Err(Failure::Refused(format!("cannot explain {tool}: there are {}", names.join(", "))));
        }
        (None, None, None) => {
            return Err(Failure::Usage(format!(
                "cannot explain {tool} without its effect, which only toold knows: give --effect"
            )));
        }
    };
    let declaration = asked.declaration.or_else(|| spec.map(|spec| spec.declaration.clone()));
    let apply = asked.phase == PhaseWord::Apply;
    let mut paths = asked.paths;
    if paths.is_empty() && apply {
        paths.extend(asked.arguments.get("path").and_then(Value::as_str).map(str::to_owned));
    }
    let changes = paths.into_iter().map(|path| ChangeSummary {
        path,
        kind: "modify".into(),
        size: 0,
        mode: Some(0o644),
        sha256: None,
        target: None,
        ..ChangeSummary::default()
    });
    let action = Action {
        tool: asked.tool,
        arguments: asked.arguments,
        // What is applied are changes of the workspace, whatever the tool does.
        effect: if apply { Effect::Write } else { effect },
        phase: if apply { Phase::Apply } else { Phase::Call },
        session: asked.session,
        requester: match asked.requester {
            RequesterWord::Agentd => Principal::Daemon(Daemon::Agentd),
            RequesterWord::Operator => Principal::Operator("root".into()),
        },
        // Which one does not matter to the rules, only that there is one.
        change_set: apply.then(|| "0".repeat(64)),
    };
    Ok(Judged {
        declaration: declaration.unwrap_or_default(),
        changes: changes.collect(),
        ..Judged::new(action, "explain")
    })
}

fn explained(explanation: &Explanation, paint: Paint) -> String {
    let decision: &Decision = &explanation.decision;
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
        let rule = screen::line(rule);
        out.push_str(&format!("  {}\n", paint.dim(&format!("{rule} stood aside by its exception"))));
    }
    for finding in &explanation.findings {
        let (word, text) = (screen::line(&finding.word), screen::line(&finding.text));
        out.push_str(&format!("  {}\n", paint.yellow(&format!("flow {word}: {text}"))));
    }
    let origins: BTreeMap<&String, &str> =
        explanation.origins.iter().map(|(name, origin)| (name, origin.word())).collect();
    for (name, origin) in origins {
        out.push_str(&format!("  {}\n", paint.dim(&format!("{} is {origin}", screen::line(name)))));
    }
    out
}

#[cfg(test)]
mod tests;
