//! The question in words, made from the action by trusted code: pure, and the same on every channel.
//!
//! It is a difference in what the agent can do, not a story: what exactly, where it came from, what changes, what
//! leaves the machine, how to undo it, why a person is asked, who wants it, and what a yes would be good for. Nothing
//! of it is the model's wording, and every character that cannot be seen is written out.
//!
//! A rendering is named by its digest ([`Approval::seen`]). Where [`Depth::Brief`] had to cut a value, only the name
//! of the whole one is taken for a yes.

use std::collections::BTreeSet;

use testudo::action::{Effect, Phase};
use testudo::approval::{Approval, Scope, Section};
use testudo::canonical;
use testudo::change::ChangeSummary;
use testudo::declaration::Role;
use testudo::verdict::Weight;
use testudo::visible;

use crate::ledger::Entry;

pub mod destinations;
mod steps;
mod values;

/// How much of long values is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The beginning, and how much more there is.
    Brief,
    /// Everything.
    Whole,
}

/// Hexadecimal digits of [`Approval::seen`].
const SEEN: usize = 16;

/// The approval with its rendering.
pub fn worded(entry: &Entry, depth: Depth) -> Approval {
    let mut approval = entry.approval.clone();
    let mut cut = false;
    let drafts = [
        ("what", what(entry, depth, &mut cut)),
        ("changes", approval.changes.iter().map(changed).collect()),
        ("diff", values::diff(approval.diff.as_deref().unwrap_or_default(), depth, &mut cut)),
        ("sends", sends(entry)),
        ("undo", vec![undo(entry)]),
        ("beware", beware(entry)),
        ("why", why(&approval)),
        ("who", who(&approval)),
        ("yes", yes(entry)),
    ];
    let sections = drafts.into_iter().filter(|(_, lines)| !lines.is_empty());
    approval.rendering =
        sections.map(|(heading, lines)| Section { heading: heading.to_owned(), lines }).collect();
    approval.cut = cut;
    approval.seen = name_of(&approval.rendering);
    approval
}

fn name_of(rendering: &[Section]) -> String {
    let text = canonical::text_of(&rendering).unwrap_or_default();
    canonical::digest("testudo.rendering.v1", &text).chars().take(SEEN).collect()
}

fn what(entry: &Entry, depth: Depth, cut: &mut bool) -> Vec<String> {
    let approval = &entry.approval;
    let (tool, effect) = (visible::line(&approval.tool), effects(entry));
    let headline = match approval.phase {
        Phase::Apply => {
            let count = approval.changes.len();
            let files = if count == 1 { "1 path".to_owned() } else { format!("{count} paths") };
            format!("{tool} wants to change {files} of the workspace (apply · {effect})")
        }
        Phase::Call => format!("{tool} wants to run (call · {effect})"),
        Phase::Plan => format!("{tool} wants leave for the steps of a plan"),
    };
    let mut lines = vec![headline];
    lines.extend(match approval.phase {
        Phase::Plan => steps::lines(entry, depth, cut),
        Phase::Call | Phase::Apply => values::arguments(entry, depth, cut),
    });
    lines
}

fn effects(entry: &Entry) -> String {
    let effects: Vec<&str> = entry.judged().effects().into_iter().map(Effect::word).collect();
    effects.join(", ")
}

/// One changed path.
fn changed(change: &ChangeSummary) -> String {
    let (path, kind) = (visible::line(&change.path), visible::line(&change.kind));
    let target =
        change.target.as_deref().map_or_else(String::new, |target| format!(" -> {}", visible::line(target)));
    let size = match (change.sha256.is_some(), change.size) {
        (false, _) => None,
        (true, 1) => Some("1 byte".to_owned()),
        (true, size) => Some(format!("{size} bytes")),
    };
    let mode = change.mode.map(|mode| format!("mode {mode:04o}"));
    let facts: Vec<String> = size.into_iter().chain(mode).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    format!("{kind:<7} {path}{target}{facts}")
}

fn sends(entry: &Entry) -> Vec<String> {
    let judged = entry.judged();
    let effects = judged.effects();
    let mut lines = Vec::new();
    if !effects.iter().any(|effect| leaves(*effect)) {
        return vec!["nothing leaves this machine".to_owned()];
    }
    let to = destinations::of(&judged);
    let whom = if to.is_empty() {
        "somebody whom no argument names".to_owned()
    } else {
        let all: Vec<String> = to.iter().map(|value| values::quoted(value)).collect();
        all.join(", ")
    };
    if effects.contains(&Effect::ReadExternal) {
        lines.push(format!("a request to {whom}, who learns what is asked"));
    }
    if effects.contains(&Effect::Message) {
        lines.push(format!("a message to {whom}{}", with(entry, Role::Content, "with")));
    }
    if effects.contains(&Effect::Spend) {
        lines.push(format!("money to {whom}{}", with(entry, Role::Amount, "as much as")));
    }
    if effects.contains(&Effect::Configure) {
        lines.push(format!("a change of settings or rights{}", with(entry, Role::Value, "to")));
    }
    lines
}

/// Whether something of what is here, or the owner's money or name, goes elsewhere.
const fn leaves(effect: Effect) -> bool {
    matches!(effect, Effect::ReadExternal | Effect::Message | Effect::Spend | Effect::Configure)
}

/// The arguments of one role, by name.
fn with(entry: &Entry, role: Role, word: &str) -> String {
    let declared = &entry.facts.declaration.arguments;
    let given = |name: &&String| entry.approval.arguments.get(name.as_str()).is_some();
    let names: Vec<String> = declared
        .iter()
        .filter(|(_, declared)| **declared == role)
        .map(|(name, _)| name)
        .filter(given)
        .map(|name| visible::line(name))
        .collect();
    if names.is_empty() { String::new() } else { format!(", {word} the {} above", names.join(" and the ")) }
}

fn undo(entry: &Entry) -> String {
    let approval = &entry.approval;
    let effects = entry.judged().effects();
    let text = if approval.phase == Phase::Plan {
        steps::undo(entry)
    } else if approval.phase == Phase::Apply {
        "testudoctl undo, until it is changed again"
    } else if !effects.iter().any(|effect| leaves(*effect) || *effect == Effect::Destroy) {
        "nothing: what it writes is only proposed"
    } else if entry.facts.declaration.reversible {
        "its tool says that it can be taken back"
    } else {
        "not at all: it cannot be taken back"
    };
    text.to_owned()
}

fn beware(entry: &Entry) -> Vec<String> {
    let approval = &entry.approval;
    let mut lines: Vec<String> = Vec::new();
    if !approval.approvable {
        let why =
            approval.answer.as_deref().map_or_else(String::new, |why| format!(" ({})", visible::line(why)));
        lines.push(format!("it cannot be shown whole{why}, so only no is possible"));
    }
    lines.extend(entry.facts.warnings.iter().map(|warning| visible::line(warning)));
    lines.extend(entry.facts.flow.findings.iter().map(|finding| visible::line(&finding.text)));
    let outward =
        entry.judged().effects().into_iter().any(|effect| leaves(effect) || effect == Effect::Destroy);
    let foreign: BTreeSet<String> = entry
        .facts
        .taint
        .sources
        .iter()
        .filter(|source| source.is_foreign())
        .map(ToString::to_string)
        .collect();
    if outward && !foreign.is_empty() {
        let all: Vec<String> = foreign.iter().map(|source| visible::line(source)).collect();
        lines.push(format!("others could have written what this session has read: {}", all.join(", ")));
    }
    lines
}

fn why(approval: &Approval) -> Vec<String> {
    let line = |rule: &str, text: &str| format!("{}: {}", visible::line(rule), visible::line(text));
    approval.reasons.iter().map(|reason| line(&reason.rule, &reason.text)).collect()
}

fn who(approval: &Approval) -> Vec<String> {
    let requester = visible::line(&approval.requester.to_string());
    let mut lines = vec![format!("{requester} in session {}", visible::line(&approval.session))];
    if approval.calls > 1 {
        lines.push(format!("{} identical calls wait: a yes lets each of them happen once", approval.calls));
    }
    if let Some(route) = &approval.route {
        lines.push(format!("to be answered by {}", visible::line(route)));
    }
    if approval.parked {
        lines.push(
            "nobody watches and nothing waits: a yes is for the next time that exactly this comes".to_owned(),
        );
    }
    lines
}

fn yes(entry: &Entry) -> Vec<String> {
    let approval = &entry.approval;
    if !approval.approvable {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if approval.scopes.contains(&Scope::Session) {
        let covered = crate::leases::shape::Shape::of(&entry.judged(), &approval.reasons, Scope::Session);
        lines.push(format!("once, or for this session: {}", covered.in_words()));
    } else {
        lines.push(match approval.phase {
            Phase::Plan => {
                "its steps in this order, each once; or a part of them, such as 1-3 or -2".to_owned()
            }
            Phase::Call | Phase::Apply => "once only: what asks here asks each time".to_owned(),
        });
    }
    match approval.approve_by {
        Weight::Reaction | Weight::Reply => {}
        Weight::Otp => lines.push("only with a one-time code".to_owned()),
        Weight::Local => lines.push("only at this machine, where polkit asks who you are".to_owned()),
    }
    lines
}

#[cfg(test)]
mod tests;
