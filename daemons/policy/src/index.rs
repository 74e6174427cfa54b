//! All rules in force, compiled once and found by tool and by path.
//!
//! A rule that names tools waits in the bucket of each; one that names none waits in a bucket for every tool. Within
//! a bucket a rule whose paths all begin with known names waits under those. Which file a rule came from, and where it
//! stood there, changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use testudo::action::Judged;
use testudo::verdict::{Reason, Weight};

use crate::judge::Judge;
use crate::matter::Matter;
use crate::pattern::first;
use crate::rule::{Opinion, Policy, Rule};
use crate::tag::Tags;

/// Rules, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_tool: HashMap<String, Bucket>,
    any_tool: Bucket,
    tags: Tags,
    judges: Vec<Judge>,
}

/// Rules by what their paths begin with; a number is a place among all rules.
#[derive(Debug, Clone, Default)]
struct Bucket {
    by_start: HashMap<String, Vec<usize>>,
    any_start: Vec<usize>,
}

impl Bucket {
    fn add(&mut self, number: usize, starts: Option<&BTreeSet<String>>) {
        match starts {
            None => self.any_start.push(number),
            Some(starts) => {
                for start in starts {
                    self.by_start.entry(start.clone()).or_default().push(number);
                }
            }
        }
    }

    /// Adds every rule that could have something to say.
    fn find(&self, matter: &Matter<'_>, found: &mut Vec<usize>) {
        found.extend(&self.any_start);
        if matter.searches {
            // It looks below its paths, where anything can be.
            found.extend(self.by_start.values().flatten());
        } else {
            let starts = matter.paths.iter().map(|path| first(path));
            found.extend(starts.filter_map(|start| self.by_start.get(start)).flatten());
        }
    }
}

/// What all rules together say about one action.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// One of every rule that spoke.
    pub(crate) reasons: Vec<Reason>,
    /// Rules that would have spoken and stood aside.
    pub(crate) abstained: Vec<String>,
    /// How heavy an answer those want that ask; the heaviest.
    pub(crate) approve_by: Option<Weight>,
    /// How long those that ask want to wait; the shortest.
    pub(crate) ttl: Option<Duration>,
}

impl RuleSet {
    /// The rules and tags of some files.
    pub fn new(files: impl IntoIterator<Item = Policy>) -> Self {
        let mut set = Self::default();
        for file in files {
            for tag in &file.tags {
                set.tags.add(tag);
            }
            set.judges.extend(file.judges);
            for rule in file.rules {
                let index = set.rules.len();
                match rule.tools() {
                    None => set.any_tool.add(index, rule.starts()),
                    Some(tools) => {
                        for tool in tools {
                            set.by_tool.entry(tool.clone()).or_default().add(index, rule.starts());
                        }
                    }
                }
                set.rules.push(rule);
            }
        }
        set
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none: then everything is denied.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules, in no order that means anything.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// All rules in plain language.
    pub fn judges(&self) -> &[Judge] {
        &self.judges
    }

    /// The rules in plain language that are about an action.
    pub fn judges_of(&self, judged: &Judged) -> Vec<&Judge> {
        if self.judges.is_empty() {
            return Vec::new();
        }
        let matter = Matter::of(judged, &self.tags);
        self.judges.iter().filter(|judge| judge.concerns(&matter)).collect()
    }

    /// Asks every rule that could have something to say.
    pub(crate) fn ask(&self, judged: &Judged) -> Said {
        let matter = Matter::of(judged, &self.tags);
        let mut said = Said::default();
        let mut found = Vec::new();
        self.any_tool.find(&matter, &mut found);
        if let Some(bucket) = self.by_tool.get(&judged.action.tool) {
            bucket.find(&matter, &mut found);
        }
        // Several paths can lead to one rule.
        found.sort_unstable();
        found.dedup();
        for rule in found.into_iter().filter_map(|number| self.rules.get(number)) {
            match rule.judge(&matter) {
                Opinion::Silent => {}
                Opinion::Abstains => said.abstained.push(rule.name.clone()),
                Opinion::Speaks => {
                    said.approve_by = said.approve_by.max(rule.approve_by);
                    said.ttl = said.ttl.into_iter().chain(rule.ttl).min();
                    said.reasons.push(Reason {
                        rule: rule.name.clone(),
                        verdict: rule.verdict,
                        text: rule.reason.clone(),
                    });
                }
            }
        }
        said
    }
}

impl FromIterator<Policy> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Policy>>(files: I) -> Self {
        Self::new(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::action::{Action, Effect, Phase};
    use testudo::identity::{Daemon, Principal};

    fn call(tool: &str, path: &serde_json::Value) -> Judged {
        let action = Action {
            tool: tool.into(),
            arguments: json!({ "path": path }),
            effect: Effect::Write,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Daemon(Daemon::Agentd),
            change_set: None,
        };
        Judged::new(action, "c-1")
    }

    #[test]
    fn no_rule_is_missed_for_being_looked_for() {
        let mut text = String::new();
        let globs = ["a/b", "/a", "a/**", "b/c", "*.md", "**", "a/x,b/y", "!a/z,a/*", "[ab]/c", "**/c", ""];
        for (number, (tool, glob)) in
            ["t", "search.t", ""].iter().flat_map(|tool| globs.map(|glob| (tool, glob))).enumerate()
        {
            let tool = if tool.is_empty() { String::new() } else { format!("tool = \"{tool}\",") };
            let paths: Vec<&str> = glob.split(',').collect();
            let path = if glob.is_empty() { String::new() } else { format!("path = {paths:?}") };
            let action = ["allow", "ask", "deny"][number % 3];
            text.push_str(&format!(
                "[[rule]]\nname = \"r{number}\"\naction = \"{action}\"\nmatch = {{ {tool} {path} }}\n"
            ));
        }
        let text = text.replace(", }", " }");
        let set = RuleSet::new([crate::rule::parse("p.toml", &text).unwrap().0]);
        for tool in ["t", "search.t", "fs.t", "other"] {
            for path in [
                json!("a/b"),
                json!("a"),
                json!("b/c"),
                json!("x.md"),
                json!(["a/x", "b/y", "a/b"]),
                json!(""),
                json!("../a/b"),
                json!("/a/b"),
                json!("/etc/a"),
                json!("a/../b/c"),
                json!(null),
            ] {
                let judged = call(tool, &path.clone());
                let matter = Matter::of(&judged, &set.tags);
                let speaks = |rule: &&Rule| rule.judge(&matter) == Opinion::Speaks;
                let all: Vec<&str> = set.rules().filter(speaks).map(|rule| rule.name.as_str()).collect();
                let said = set.ask(&judged);
                let found: Vec<&str> = said.reasons.iter().map(|reason| reason.rule.as_str()).collect();
                assert_eq!(found, all, "{tool} {path}");
            }
        }
    }
}
