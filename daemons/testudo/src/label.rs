//! Labels: who could have written a piece of content, and whether it is private.
//!
//! A label is put on at the source by a trusted component and stays: [`Labelled`] gives its content away only
//! together with its labels, so that dropping them is a visible act.
//!
//! A source is written as a word: `owner`, `member`, `bridged`, `stranger`, `web:HOST`, `mail`, `file`,
//! `tool:NAME`, `memory`, `model`, `catalogue`, `system`. Any other word is read as a stranger's: what is not
//! understood is not trusted.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who could have written something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Source {
    /// The owner of the appliance.
    Owner,
    /// A known person who is not the owner.
    Member,
    /// A person of another network, for whom a bridge speaks.
    Bridged,
    /// An unknown person.
    Stranger,
    /// A web server, by host.
    Web(String),
    /// A mail.
    Mail,
    /// A file of the workspace.
    File,
    /// What a tool printed, by the tool's name.
    Tool(String),
    /// Something remembered.
    Memory,
    /// The model itself.
    Model,
    /// The operator or the service that keeps it, and nobody else.
    Catalogue,
    /// Testudo itself.
    System,
}

impl Source {
    /// Reads a word; one that is not known is a stranger's.
    pub fn of_word(word: &str) -> Self {
        match word.split_once(':') {
            Some(("web", host)) => return Self::Web(host.to_owned()),
            Some(("tool", name)) => return Self::Tool(name.to_owned()),
            _ => {}
        }
        match word {
            "owner" => Self::Owner,
            "member" => Self::Member,
            "bridged" => Self::Bridged,
            "web" => Self::Web(String::new()),
            "mail" => Self::Mail,
            "file" => Self::File,
            "memory" => Self::Memory,
            "model" => Self::Model,
            "catalogue" => Self::Catalogue,
            "system" => Self::System,
            _ => Self::Stranger,
        }
    }

    /// The word without what comes after its colon; rules match it too.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Bridged => "bridged",
            Self::Stranger => "stranger",
            Self::Web(_) => "web",
            Self::Mail => "mail",
            Self::File => "file",
            Self::Tool(_) => "tool",
            Self::Memory => "memory",
            Self::Model => "model",
            Self::Catalogue => "catalogue",
            Self::System => "system",
        }
    }

    /// Whether somebody whom the owner does not answer for could have written it.
    pub const fn is_foreign(&self) -> bool {
        !matches!(self, Self::Owner | Self::Model | Self::Catalogue | Self::System)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(host) if !host.is_empty() => write!(f, "web:{host}"),
            Self::Tool(name) => write!(f, "tool:{name}"),
            other => f.write_str(other.kind()),
        }
    }
}

impl From<String> for Source {
    fn from(word: String) -> Self {
        Self::of_word(&word)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// The labels of one piece of content: the union over everything that went into it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// Everyone who could have written a part of it.
    pub sources: BTreeSet<Source>,
    /// True when a part of it is nobody else's business.
    #[serde(default)]
    pub private: bool,
}

impl Labels {
    /// Content of one source.
    pub fn of(source: Source) -> Self {
        Self { sources: BTreeSet::from([source]), private: false }
    }

    /// The same, marked private.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Takes the other's labels in: labels only ever grow.
    pub fn absorb(&mut self, other: &Self) {
        self.sources.extend(other.sources.iter().cloned());
        self.private |= other.private;
    }
}

/// Content together with its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Labelled<T> {
    content: T,
    labels: Labels,
}

impl<T> Labelled<T> {
    /// Puts labels on content.
    pub const fn new(content: T, labels: Labels) -> Self {
        Self { content, labels }
    }

    /// The labels.
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Both parts. There is no way to take the content alone.
    pub fn into_parts(self) -> (T, Labels) {
        (self.content, self.labels)
    }

    /// Transforms the content; the result has the same labels.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Labelled<U> {
        Labelled { content: f(self.content), labels: self.labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_only_grow() {
        let mut labels = Labels::of(Source::Owner);
        labels.absorb(&Labels::of(Source::File).private());
        labels.absorb(&Labels::of(Source::Owner));
        assert_eq!(labels.sources.len(), 2);
        assert!(labels.private);
    }

    #[test]
    fn a_transformation_keeps_the_labels() {
        let file = Labelled::new("secret", Labels::of(Source::File).private());
        let (length, labels) = file.map(str::len).into_parts();
        assert_eq!((length, labels.private), (6, true));
    }
}
