//! What trusted components tell `policyd` about a session: everything that was said in it and everything that
//! came back into it, labelled where it entered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::declaration::Declaration;
use crate::label::{Labels, Source};

/// Who said something in a conversation, as the channel vouches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// The owner of the appliance.
    Owner,
    /// A known person who is not the owner.
    Member,
    /// Somebody of another network, whose bridge speaks for him.
    Bridged,
    /// Anybody else.
    Stranger,
}

impl Author {
    /// The label of what he says.
    pub const fn source(self) -> Source {
        match self {
            Self::Owner => Source::Owner,
            Self::Member => Source::Member,
            Self::Bridged => Source::Bridged,
            Self::Stranger => Source::Stranger,
        }
    }
}

/// One thing that entered a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum Observation {
    /// Somebody said something. From `agentd`.
    Message {
        /// Who.
        author: Author,
        /// What.
        text: String,
    },
    /// Somebody sent a file, which the session's tools can read from now on. From `agentd`, before they can.
    Received {
        /// Who.
        author: Author,
        /// Its size in bytes, where that is known.
        #[serde(default)]
        size: Option<u64>,
    },
    /// A call gave something. From `toold`, before anybody else sees it.
    Result {
        /// The call's id.
        call: String,
        /// The tool.
        tool: String,
        /// What the tool is.
        declaration: Box<Declaration>,
        /// The arguments of the call.
        arguments: Value,
        /// What it gave.
        content: Value,
        /// Who could have written that.
        labels: Labels,
    },
    /// A proposal was applied: these paths were written by this session. From `toold`.
    Applied {
        /// Relative to the workspace.
        paths: Vec<String>,
    },
    /// This session goes on from another one, a summary of it or a part of it. From `agentd`.
    Inherit {
        /// The other session.
        from: String,
    },
}
