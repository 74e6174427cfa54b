//! Cases: what a policy should say, as data beside it (`*.cases.toml`), and whether it does.
//!
//! Each `[[case]]` is one action with everything that the rules may look at, and the verdict that is expected.
//! Start at [`run`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use testudo::action::Judged;
use testudo::config::reader::Document;
use testudo::diagnostic::{Diagnostic, Diagnostics, Severity};
use testudo::verdict::{Decision, Verdict, Weight};

use crate::engine;
use crate::index::RuleSet;

mod written;

/// One case as it is written.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    judged: Judged,
    expect: Verdict,
    /// Where the expectation stands.
    place: Range<usize>,
    /// Exactly these rules must have spoken, the built-in ones among them.
    rules: Option<BTreeSet<String>>,
    approve_by: Option<Weight>,
}

/// How a file's cases went.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a case that nobody looks at proves nothing"]
pub struct Report {
    /// How many cases there are.
    pub cases: usize,
    /// Those that went otherwise than expected.
    pub wrong: Vec<Wrong>,
    /// Rules for which no case speaks: what they do could change unnoticed.
    pub idle: Vec<String>,
}

/// A case that went otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    /// The case.
    pub name: String,
    /// What was expected and what came instead, with its place.
    pub finding: Diagnostic,
    /// What was decided.
    pub decision: Decision,
}

impl Report {
    /// Whether every case went as expected.
    pub const fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Runs all cases of one file against rules, with neither token nor lease.
///
/// # Errors
/// All mistakes of the file; a file without a single case is one.
pub fn run(file: &str, text: &str, rules: &RuleSet) -> Result<Report, Diagnostics> {
    let document = Document::parse(file, text);
    let cases = written::read(&document)?;
    let mut heard: BTreeMap<&str, bool> = rules.rules().map(|rule| (rule.name.as_str(), false)).collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let digest = case.judged.action.digest().unwrap_or_default();
        let decision = engine::decide(rules, &case.judged, digest);
        for reason in &decision.reasons {
            if let Some(heard) = heard.get_mut(reason.rule.as_str()) {
                *heard = true;
            }
        }
        if let Some(difference) = case.difference(&decision) {
            let finding = Diagnostic::at(Severity::Error, file, text, case.place.clone(), difference);
            wrong.push(Wrong { name: case.name.clone(), finding, decision });
        }
    }
    let idle = heard.into_iter().filter(|(_, heard)| !heard).map(|(name, _)| name.to_owned()).collect();
    Ok(Report { cases: cases.len(), wrong, idle })
}

impl Case {
    /// What is other than expected, in a sentence; nothing when it is as expected.
    fn difference(&self, decision: &Decision) -> Option<String> {
        let spoken: BTreeSet<&str> = decision.reasons.iter().map(|reason| reason.rule.as_str()).collect();
        let list = |words: &mut dyn Iterator<Item = &str>| words.collect::<Vec<_>>().join(", ");
        let by = list(&mut spoken.iter().copied());
        if decision.verdict != self.expect {
            let (expect, verdict) = (self.expect.word(), decision.verdict.word());
            return Some(format!("{}: expected {expect}, and it is {verdict} by {by}", self.name));
        }
        if let Some(rules) = self.rules.as_ref()
            && !rules.iter().map(String::as_str).eq(spoken.iter().copied())
        {
            let rules = list(&mut rules.iter().map(String::as_str));
            return Some(format!("{}: expected to hear {rules}, and heard {by}", self.name));
        }
        let weight = self.approve_by.filter(|weight| *weight != decision.approve_by)?;
        let (expect, is) = (weight.word(), decision.approve_by.word());
        Some(format!("{}: expected an approval by {expect}, and it is by {is}", self.name))
    }
}
