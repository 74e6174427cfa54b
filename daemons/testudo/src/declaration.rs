//! What a tool is, as a trusted component declares it: what a call does, which argument is what, and who could
//! have written its results. Decisions about information flow rest on this and on nothing the model says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::action::Effect;
use crate::label::Labels;

/// What an argument is to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whom it reaches: an address, an account, a person, a channel.
    Destination,
    /// What it says; free text.
    Content,
    /// Which existing thing it is about, by its id or path.
    Selector,
    /// How much: money or a count.
    Amount,
    /// An address of the web.
    Url,
    /// A date or a time.
    Time,
    /// What something new is to be called.
    Label,
    /// What a setting is to become.
    Value,
    /// A program to run.
    Command,
    /// A path of the workspace.
    Path,
    /// A switch or word of a closed list, which decides nothing by itself.
    Option,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Destination,
        Self::Content,
        Self::Selector,
        Self::Amount,
        Self::Url,
        Self::Time,
        Self::Label,
        Self::Value,
        Self::Command,
        Self::Path,
        Self::Option,
    ];

    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Content => "content",
            Self::Selector => "selector",
            Self::Amount => "amount",
            Self::Url => "url",
            Self::Time => "time",
            Self::Label => "label",
            Self::Value => "value",
            Self::Command => "command",
            Self::Path => "path",
            Self::Option => "option",
        }
    }
}

/// How the results of a tool are to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Results {
    /// Not said: text that anybody may have written, in which records are looked for with care.
    #[default]
    Unstated,
    /// Text that anybody may have written.
    Text,
    /// Records whose fields the tool attests.
    Records,
    /// What the operator or the service keeps and nobody else writes.
    Catalogue,
    /// A closed set of names that the service keeps.
    Directory,
}

/// Which field of a record is what. Names are those of the result's JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordShape {
    /// What such a record is, such as `file`; shapes of several tools with one kind are one kind of record.
    pub kind: String,
    /// What people call it: a title, a subject, a file name.
    pub name: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// Fields that name people.
    pub people: Vec<String>,
    /// The field that says who wrote it; the service vouches for it. None when nobody does.
    pub author: Option<String>,
    /// The field with an amount of money.
    pub amount: Option<String>,
    /// The field with free text.
    pub text: Option<String>,
}

/// A tool, declared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a tool of its own")]
pub struct Declaration {
    /// Everything that a call does.
    pub effects: BTreeSet<Effect>,
    /// What each argument is; one that is not here gets a role from its name, the strictest that fits.
    pub arguments: BTreeMap<String, Role>,
    /// Labels of what it gives.
    pub labels: Labels,
    /// Its results hold secrets such as identity numbers or credentials.
    pub secret: bool,
    /// It runs where Testudo contains it: what it writes is a proposal that is decided a second time.
    pub contained: bool,
    /// The owner can undo it.
    pub reversible: bool,
    /// It makes something new and gives its id.
    pub creates: bool,
    /// It reaches members of the owner's own organisation only.
    pub inside: bool,
    /// The argument that, when given, makes it reach other people.
    pub outward_with: Option<String>,
    /// Words by which an owner asks for it; derived from its name when empty.
    pub asked_by: Vec<String>,
    /// How its results are to be read.
    pub results: Results,
    /// The records that its results hold.
    pub records: Vec<RecordShape>,
}
