//! The shape of an action: what a lease covers. Pure.
//!
//! Who says "yes, for this session" to a write of `a.txt` has seen one path and one text, and means: it may go on
//! writing this file. Not another file, not with another tool, not for another reason. So a shape keeps everything
//! that was shown exactly as it was, but for free text, and there is neither a prefix nor a pattern in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use testudo::action::{Effect, Judged, Phase};
use testudo::approval::Scope;
use testudo::change::ChangeSummary;
use testudo::declaration::Role;
use testudo::egress::CONNECT;
use testudo::identity::Principal;
use testudo::verdict::{Reason, Verdict};
use testudo::visible;

/// What must be as it was for a lease to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// None for every session.
    pub(super) session: Option<String>,
    pub(super) requester: Principal,
    pub(super) tool: String,
    pub(super) phase: Phase,
    effects: BTreeSet<Effect>,
    /// Arguments that must be exactly these.
    pub(super) exactly: BTreeMap<String, Value>,
    /// Arguments that may be anything, or absent.
    pub(super) freely: BTreeSet<String>,
    /// For an application: what may happen to which path.
    pub(super) changes: BTreeSet<Change>,
    /// The rules that asked, and so were overruled by the person.
    pub(super) rules: BTreeSet<String>,
    /// What spoke against it, by its word.
    findings: BTreeSet<String>,
}

/// What happens to one path, without the content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) path: String,
    kind: String,
    mode: Option<u32>,
    target: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    repository: Option<String>,
}

impl Change {
    /// That a file is new or changed is one thing: who may write it once may write it again.
    fn of(change: &ChangeSummary) -> Self {
        let kind = if matches!(change.kind.as_str(), "add" | "modify") { "write" } else { &change.kind };
        Self {
            path: change.path.clone(),
            kind: kind.to_owned(),
            mode: change.mode,
            target: change.target.clone(),
            from: change.from.clone(),
            repository: change.repository.clone(),
        }
    }
}

impl Shape {
    /// The shape that a yes to this action gives.
    pub fn of(judged: &Judged, reasons: &[Reason], scope: Scope) -> Self {
        let action = &judged.action;
        let (mut exactly, mut freely) = (BTreeMap::new(), BTreeSet::new());
        let arguments = action.arguments.as_object();
        for (name, value) in arguments.into_iter().flatten() {
            if scope != Scope::Always && is_free(judged, name) {
                freely.insert(name.clone());
            } else {
                exactly.insert(name.clone(), value.clone());
            }
        }
        if arguments.is_none() {
            exactly.insert(String::new(), action.arguments.clone());
        }
        if scope != Scope::Always {
            // Also those that were not given this time.
            freely.extend(judged.declaration.arguments.keys().filter(|name| is_free(judged, name)).cloned());
        }
        Self {
            session: (scope != Scope::Always).then(|| action.session.clone()),
            requester: action.requester.clone(),
            tool: action.tool.clone(),
            phase: action.phase,
            effects: judged.effects(),
            exactly,
            freely,
            changes: judged.changes.iter().map(Change::of).collect(),
            rules: asking(reasons),
            findings: words(judged),
        }
    }

    /// Whether this covers an action about which `reasons` have been given so far.
    pub fn covers(&self, judged: &Judged, reasons: &[Reason]) -> bool {
        // What could not be shown to a person cannot be what a person meant.
        if judged.hidden.is_some() {
            return false;
        }
        let action = &judged.action;
        let scope = if self.session.is_some() { Scope::Session } else { Scope::Always };
        let now = Self::of(judged, reasons, scope);
        now.same_kind(self)
            && self.exactly == now.exactly
            && action.arguments.is_object()
            && now.freely.is_subset(&self.freely)
            && now.changes.is_subset(&self.changes)
            && now.rules.is_subset(&self.rules)
            && now.findings.is_subset(&self.findings)
    }

    /// What it covers, for people.
    pub fn in_words(&self) -> String {
        let names = |names: Vec<&String>| {
            let names: Vec<String> = names.into_iter().map(|name| visible::line(name)).collect();
            names.join(" and ")
        };
        let exactly = names(self.exactly.keys().collect());
        let exactly = if exactly.is_empty() { String::new() } else { format!(" with the same {exactly}") };
        let does = match (self.phase, self.changes.len()) {
            (Phase::Call, _) => "may run again",
            (Phase::Plan, _) => "may plan the same again",
            (Phase::Apply, 1) => "may change this path again",
            (Phase::Apply, _) => "may change these paths again",
        };
        // What a connection may say is how something could leave, so it is said what may differ.
        let freely = names(self.freely.iter().collect());
        let freely = if self.tool != CONNECT || freely.is_empty() {
            String::new()
        } else {
            format!(", with any {freely}")
        };
        format!("{}{exactly} {does}{freely}", visible::line(&self.tool))
    }

    /// Whether it is the same kind of action, whatever it is about: all that a careless lease would compare.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        self.requester == other.requester
            && self.tool == other.tool
            && self.phase == other.phase
            && self.effects == other.effects
            && (self.session == other.session)
    }
}

/// Free text may differ, and switches that decide nothing. Not for what runs programs: their input is a program too.
fn is_free(judged: &Judged, name: &str) -> bool {
    if judged.action.tool == CONNECT {
        return is_look(&judged.action.arguments) && matches!(name, "path" | "query");
    }
    let runs =
        judged.effects().contains(&Effect::Execute) || judged.declaration.effects.contains(&Effect::Execute);
    match judged.declaration.arguments.get(name) {
        Some(Role::Option) => true,
        Some(Role::Content) => !runs,
        _ => false,
    }
}

/// Whether a connection can say nothing but its path and query, and that only to the server that it names: for a yes to
/// a look is none to a tunnel, to a secret, to something sent, or to whoever listens on the way.
fn is_look(connection: &Value) -> bool {
    let says = |name: &str| connection.get(name).and_then(Value::as_str);
    says("scheme") == Some("https")
        && matches!(says("method"), Some("GET" | "HEAD"))
        && ["secrets", "content"].iter().all(|name| connection.get(name).is_none())
}

fn asking(reasons: &[Reason]) -> BTreeSet<String> {
    let asking = reasons.iter().filter(|reason| reason.verdict == Verdict::Ask);
    asking.map(|reason| reason.rule.clone()).collect()
}

fn words(judged: &Judged) -> BTreeSet<String> {
    judged.flow.findings.iter().map(|finding| finding.word.clone()).collect()
}

#[cfg(test)]
mod tests;
