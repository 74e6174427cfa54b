//! The matter at hand: what rules look at in an action, worked out once for all of them.

use std::collections::BTreeSet;

use serde_json::Value;
use testudo::action::{Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::declaration::Role;
use testudo::egress::CONNECT;
use testudo::flow::Origin;
use testudo::identity::Principal;

use crate::outward::{self, Place};
use crate::patch;
use crate::pattern::lexical;
use crate::tag::{Tags, Worn};

/// How much of an action a condition wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One path, effect, argument… is enough: for what restricts.
    Any,
    /// All of them, and at least one: for what permits.
    Every,
}

/// An argument and where it came from.
#[derive(Debug)]
pub(crate) struct Given<'j> {
    pub(crate) name: &'j str,
    /// None when nobody declared it: then it could be anything.
    pub(crate) role: Option<Role>,
    pub(crate) origin: Origin,
}

/// An action, seen as rules see it.
#[derive(Debug)]
pub(crate) struct Matter<'j> {
    pub(crate) judged: &'j Judged,
    pub(crate) effects: BTreeSet<Effect>,
    /// `agentd`, `operator` or `stranger`; other daemons by their name.
    pub(crate) requester: &'j str,
    /// For a person: `operator:NAME`.
    pub(crate) person: Option<String>,
    /// In lexical form: those that a call names or that its change set changes.
    pub(crate) paths: Vec<String>,
    /// It looks at everything below its paths.
    pub(crate) searches: bool,
    /// What it reaches outside; none in it stands for what cannot be read.
    pub(crate) places: Vec<Option<Place>>,
    pub(crate) given: Vec<Given<'j>>,
    pub(crate) worn: Worn<'j>,
}

impl<'j> Matter<'j> {
    /// An action, and the tags that its tool and its requester wear.
    pub(crate) fn of(judged: &'j Judged, tags: &'j Tags) -> Self {
        let (requester, person) = match &judged.action.requester {
            Principal::Daemon(daemon) => (daemon.name(), None),
            Principal::Operator(name) => ("operator", Some(format!("operator:{name}"))),
            Principal::Stranger(_) => ("stranger", None),
        };
        let paths = paths(judged);
        Self {
            judged,
            effects: judged.effects(),
            requester,
            worn: tags.worn(&judged.action.tool, requester, person.as_deref()),
            person,
            searches: searches(judged) || is_unreadable(judged, &paths),
            paths,
            places: outward::places(judged),
            given: given(judged),
        }
    }
}

/// Every argument. One whose origin nobody found out counts as made up: what is not known is not trusted.
fn given(judged: &Judged) -> Vec<Given<'_>> {
    let arguments = judged.action.arguments.as_object();
    arguments
        .into_iter()
        .flat_map(|arguments| arguments.keys())
        .map(|name| Given {
            name,
            role: judged.declaration.arguments.get(name).copied(),
            origin: judged.flow.origins.get(name).copied().unwrap_or(Origin::Made),
        })
        .collect()
}

/// The paths that an action names (before it runs) or changes (before it is applied). A tool that looks into the
/// workspace and names none looks at all of it. A patch names those of its diff. Commands name none: what they can see
/// is the sandbox's to say.
fn paths(judged: &Judged) -> Vec<String> {
    if judged.action.phase == Phase::Apply {
        let both =
            |change: &'_ ChangeSummary| [Some(lexical(&change.path)), change.from.as_deref().map(lexical)];
        return judged.changes.iter().flat_map(both).flatten().collect();
    }
    if judged.action.tool == CONNECT {
        // Its path is one of another machine.
        return Vec::new();
    }
    let is_path = |name: &str| name == "path" || judged.declaration.arguments.get(name) == Some(&Role::Path);
    let named: BTreeSet<String> = judged
        .action
        .arguments
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| is_path(name))
        .flat_map(|(_, value)| strings(value))
        .map(lexical)
        .collect();
    let patched = (judged.action.tool == patch::TOOL)
        .then(|| judged.action.arguments.get("diff").and_then(Value::as_str))
        .flatten()
        .map(patch::names)
        .unwrap_or_default();
    let named: BTreeSet<String> = named.into_iter().chain(patched.iter().map(|name| lexical(name))).collect();
    let whole = named.is_empty() && (judged.action.tool.starts_with("fs.") || searches(judged));
    named.into_iter().chain(whole.then(String::new)).collect()
}

/// A value that is a string, or a list of them.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a patch has a name that cannot be read: then it could be any.
fn is_unreadable(judged: &Judged, paths: &[String]) -> bool {
    judged.action.phase == Phase::Call
        && judged.action.tool == patch::TOOL
        && paths.iter().any(String::is_empty)
}

fn searches(judged: &Judged) -> bool {
    judged.action.phase == Phase::Call && judged.action.tool.starts_with("search.")
}
