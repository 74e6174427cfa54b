//! One line of a trajectory, as it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use testudo::declaration::{Declaration, RecordShape, Results};
use testudo::label::{Labels, Source};
use testudo::observation::Author;

use super::word::{self, Label};

/// What a line says. Keys that are not here are refused.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Event {
    /// Declares a tool.
    Tool(Box<Tool>),
    /// Says who the owner is in records.
    Owner { identities: Vec<String> },
    /// Somebody said something.
    Message { author: Author, text: String },
    /// A call is to be decided.
    Call {
        id: Id,
        tool: String,
        #[serde(default)]
        arguments: Value,
        /// Decide, and forget that it was asked.
        #[serde(default)]
        probe: bool,
    },
    /// What a call gave.
    Result {
        id: Id,
        text: String,
        #[serde(default)]
        labels: Vec<String>,
    },
    /// Several calls are to be decided as one question.
    Plan { id: Id, calls: Vec<Planned> },
    /// A person said yes to what was asked.
    Approve { id: Id },
    /// Everything before is another trajectory; declarations and the owner stay.
    Session {},
}

/// A call's name; a number is one, too.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Id(pub(super) Value);

impl From<Value> for Id {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Id {
    /// The name to look it up by: 1 and "1" are different calls.
    pub(super) fn key(&self) -> String {
        self.0.to_string()
    }
}

/// A step of a plan.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planned {
    pub(super) tool: String,
    #[serde(default)]
    pub(super) arguments: Value,
}

/// A declaration with its words as they were written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a tool of its own")]
pub(super) struct Tool {
    name: String,
    effects: Vec<String>,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    reversible: bool,
    #[serde(default)]
    creates: bool,
    #[serde(default)]
    inside: bool,
    #[serde(default)]
    outward_with: Option<String>,
    #[serde(default)]
    asked_by: Vec<String>,
    #[serde(default)]
    results: Option<String>,
    #[serde(default)]
    record: Option<OneOrMore>,
    #[serde(default)]
    secret: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(RecordShape),
    More(Vec<RecordShape>),
}

/// The labels that words mean, whether they say `secret` and whether they say `directory`.
pub(super) fn labels(words: &[String], warn: &mut Vec<String>) -> (Labels, bool, bool) {
    let (mut labels, mut secret, mut directory) = (Labels::default(), false, false);
    for text in words {
        let (label, known) = word::label(text);
        if !known {
            warn.push(format!("unknown label {text:?}: taken as a stranger's"));
        }
        match label {
            Label::Source(source) => {
                labels.sources.insert(source);
            }
            Label::Private => labels.private = true,
            Label::Secret => {
                secret = true;
                labels.private = true;
            }
            Label::Directory => {
                directory = true;
                labels.sources.insert(Source::Catalogue);
            }
        }
    }
    (labels, secret, directory)
}

impl Tool {
    /// The tool's name and what it is, with what was odd about the words.
    pub(super) fn declare(self, warn: &mut Vec<String>) -> (String, Declaration) {
        let mut effects = BTreeSet::new();
        for text in &self.effects {
            let (effect, known) = word::effect(text);
            if !known {
                warn.push(format!("unknown effect {text:?}: taken as {:?}", effect.word()));
            }
            effects.insert(effect);
        }
        if effects.is_empty() {
            let (effect, _) = word::effect("");
            warn.push(format!("{} has no effect: taken as {:?}", self.name, effect.word()));
            effects.insert(effect);
        }
        let mut arguments = BTreeMap::new();
        for (name, text) in &self.arguments {
            let (role, known) = word::role(text);
            if !known {
                warn.push(format!("unknown role {text:?}: taken as {:?}", role.word()));
            }
            arguments.insert(name.clone(), role);
        }
        let (mut labels, secret, directory) = labels(&self.labels, warn);
        if labels.sources.is_empty() {
            labels.sources.insert(Source::Tool(self.name.clone()));
        }
        let trusted = !labels.sources.iter().any(Source::is_foreign);
        let results = match &self.results {
            Some(text) => {
                let (results, known) = word::results(text);
                if !known {
                    warn.push(format!("unknown kind of results {text:?}: taken as \"text\""));
                }
                results
            }
            None if directory && trusted => Results::Directory,
            None if trusted && labels.sources.contains(&Source::Catalogue) => Results::Catalogue,
            None => Results::Unstated,
        };
        let records = match self.record {
            None => Vec::new(),
            Some(OneOrMore::One(shape)) => vec![shape],
            Some(OneOrMore::More(shapes)) => shapes,
        };
        let declaration = Declaration {
            effects,
            arguments,
            labels,
            secret: self.secret || secret,
            contained: false,
            reversible: self.reversible,
            creates: self.creates,
            inside: self.inside,
            outward_with: self.outward_with,
            asked_by: self.asked_by,
            results,
            records,
        };
        (self.name, declaration)
    }
}
