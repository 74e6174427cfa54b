//! `testudoctl policy test`: what policies should say, as cases beside them, and whether they do.
//!
//! The cases of a file are tried on that file and those named before it, so an additional file is tested on top of
//! what it is added to, and the shipped cases say what the shipped file says alone.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Serialize;
use testudo::config;
use testudo::diagnostic::Diagnostics;
use testudo_policy::cases;
use testudo_policy::index::RuleSet;
use testudo_policy::rule::Policy;

use super::{Written, complain};
use crate::failure::Failure;
use crate::page::Page;
use crate::screen;

pub(super) const AFTER_HELP: &str = "\
The cases of FILE.toml stand in FILE.cases.toml beside it. They are tried on FILE and the files named before it;
without FILE, on those that the configuration names.

JSON: [{file, ok, cases, wrong:[{name, finding}], idle, findings}], cases is null where there are none, idle names the
rules for which no case speaks.
Exit status: 1 when a case goes otherwise than expected, 78 when a file has mistakes.

Example: testudoctl policy test policies/default.toml";

/// `policy test`
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The policy files.
    files: Vec<PathBuf>,
}

/// How the cases of one file went.
#[derive(Debug, Default, Serialize)]
struct Tested {
    file: String,
    ok: bool,
    cases: Option<usize>,
    wrong: Vec<Wrong>,
    idle: Vec<String>,
    findings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Wrong {
    name: String,
    finding: String,
}

/// Runs `policy test`.
pub(super) fn run(args: &Args, page: &Page) -> Result<(), Failure> {
    let configured = if args.files.is_empty() { configured()? } else { Vec::new() };
    let files = args.files.iter().chain(&configured);
    let mut before: Vec<Policy> = Vec::new();
    let mut tested = Vec::new();
    for path in files {
        tested.push(test(&Written::read(path)?, &mut before)?);
    }
    if page.is_json() {
        page.json(&tested)?;
    } else {
        for one in &tested {
            show(one, page)?;
        }
    }
    if tested.iter().any(|one| !one.findings.is_empty()) {
        return Err(Failure::Mistakes);
    }
    if tested.iter().all(|one| one.ok) { Ok(()) } else { Err(Failure::Shown) }
}

fn configured() -> Result<Vec<PathBuf>, Failure> {
    Ok(config::load(None).map_err(|error| Failure::Refused(error.to_string()))?.policyd.rules)
}

fn test(file: &Written, before: &mut Vec<Policy>) -> Result<Tested, Failure> {
    let mut tested = Tested { file: file.name(), ..Tested::default() };
    let policy = match file.parse() {
        Ok((policy, _)) => policy,
        Err(mistakes) => return Ok(mistaken(tested, &mistakes)),
    };
    before.push(policy.clone());
    let beside = beside(&file.path);
    let Ok(true) = beside.try_exists() else {
        tested.ok = true;
        return Ok(tested);
    };
    let cases = Written::read(&beside)?;
    let report = match cases::run(&cases.name(), &cases.text, &RuleSet::new(before.iter().cloned())) {
        Ok(report) => report,
        Err(mistakes) => return Ok(mistaken(tested, &mistakes)),
    };
    tested.ok = report.is_right();
    tested.cases = Some(report.cases);
    tested.wrong = report
        .wrong
        .iter()
        .map(|wrong| Wrong { name: wrong.name.clone(), finding: wrong.finding.to_string() })
        .collect();
    // Rules of the files before it have cases of their own.
    let own = |name: &String| policy.rules.iter().any(|rule| rule.name == *name);
    tested.idle = report.idle.into_iter().filter(own).collect();
    Ok(tested)
}

fn mistaken(tested: Tested, mistakes: &Diagnostics) -> Tested {
    Tested { findings: mistakes.0.iter().map(ToString::to_string).collect(), ..tested }
}

/// `NAME.cases.toml` for `NAME.toml`.
fn beside(policy: &Path) -> PathBuf {
    policy.with_extension("cases.toml")
}

fn show(tested: &Tested, page: &Page) -> Result<(), Failure> {
    complain(&tested.findings);
    for wrong in &tested.wrong {
        complain(&[format!("{}: {}", wrong.name, wrong.finding)]);
    }
    let file = screen::line(&tested.file);
    match (tested.cases, tested.wrong.len()) {
        _ if !tested.findings.is_empty() => Ok(()),
        (None, _) => Ok(page.line(format!("{file}: no cases beside it"))?),
        (Some(cases), wrong) => {
            page.line(format!("{file}: {cases} cases, {wrong} wrong"))?;
            for rule in &tested.idle {
                page.line(format!("  no case is about the rule {}", screen::line(rule)))?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, text: &str) -> Written {
        Written { path: PathBuf::from(name), text: text.into() }
    }

    #[test]
    fn cases_are_tried_on_the_file_and_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = put("a.toml", "[[rule]]\nname = \"a\"\naction = \"allow\"\nmatch = { tool = \"x\" }\n");
        let second =
            put("b.toml", "[[rule]]\nname = \"b\"\naction = \"deny\"\nmatch = { session = \"s\" }\n");
        let case = |expect: &str| {
            format!(
                "[[case]]\nname = \"c\"\ntool = \"x\"\neffect = \"read\"\nphase = \"call\"\nexpect = \"{expect}\"\n"
            )
        };
        put("b.cases.toml", &case("allow"));
        let mut before = Vec::new();
        let alone = test(&Written::read(&first).unwrap(), &mut before).unwrap();
        assert_eq!((alone.ok, alone.cases), (true, None));
        let on_top = test(&Written::read(&second).unwrap(), &mut before).unwrap();
        assert_eq!((on_top.ok, on_top.cases, on_top.idle), (true, Some(1), vec!["b".to_owned()]));
        // Without the file before it nothing allows the call.
        let by_itself = test(&Written::read(&second).unwrap(), &mut Vec::new()).unwrap();
        assert!(!by_itself.ok);
        assert!(by_itself.wrong[0].finding.contains("b.cases.toml:6:"), "{:?}", by_itself.wrong);
    }

    #[test]
    fn a_policy_with_mistakes_is_not_tried() {
        let tested = test(&written("p.toml", "[[rule]]\n"), &mut Vec::new()).unwrap();
        assert!(!tested.ok);
        assert!(tested.findings[0].contains("p.toml:1:1"), "{:?}", tested.findings);
    }
}
