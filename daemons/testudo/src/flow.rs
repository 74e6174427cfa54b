//! Where the parts of a call came from, as `policyd` finds out: the origin of every argument, and what speaks
//! against letting the call pass unasked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where an argument came from. The order is that of trust: a value made of several parts has the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The owner wrote it in this session.
    Said,
    /// The owner named the record it belongs to, or it names something made in this session.
    Designated,
    /// It stands in what a trusted component keeps, and the model chose it there.
    Known,
    /// It stands in text that somebody else could have written.
    Found,
    /// It stands nowhere: the model made it up.
    Made,
}

impl Origin {
    /// All of them, most trusted first.
    pub const ALL: [Self; 5] = [Self::Said, Self::Designated, Self::Known, Self::Found, Self::Made];

    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Designated => "designated",
            Self::Known => "known",
            Self::Found => "found",
            Self::Made => "made",
        }
    }
}

/// One thing that speaks against letting a call pass unasked. Rules match the word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What kind of thing; one of the words of the policy guide.
    pub word: String,
    /// In a sentence, for people.
    pub text: String,
}

/// What the information flow of a session says about one call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flow {
    /// The origin of each argument, by its name.
    pub origins: BTreeMap<String, Origin>,
    /// Beside each argument, in a few words for people: where exactly it came from.
    pub sources: BTreeMap<String, String>,
    /// What speaks against it.
    pub findings: Vec<Finding>,
}
