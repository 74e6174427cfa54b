//! What `policyd` and the process of the extension rules say to each other: one JSON object per frame.
//!
//! The process speaks first, with [`Reply::Hello`] or [`Reply::Refused`]. Then each [`Request::Evaluate`] gets one
//! [`Reply::Opinion`] of every component, in any order and mixed with those of other requests. Unknown fields are
//! refused, so that both ends always mean the same. What a component itself sees is in `policies/extension.wit`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::action::{Effect, Judged, Phase};
use crate::canonical;
use crate::flow::{Finding, Origin};
use crate::limits::Limits;
use crate::verdict::Verdict;

/// Where the process is reached.
pub const SOCKET: &str = "/run/testudo/extension.sock";

/// Largest frame in bytes, without its NUL. A call that does not fit cannot be judged.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

/// The limits of a reply.
pub const REPLY: Limits = Limits { message: 64 * 1024, string: 8 * 1024, depth: 8 };

/// The longest that one component may take over one call.
pub const EVALUATION: Duration = Duration::from_millis(100);

/// Most characters of a reason; the rest of a longer one is cut off.
pub const MOST_REASON: usize = 1000;

/// Largest component in bytes.
pub const MOST_COMPONENT: u64 = 16 * 1024 * 1024;

/// What `policyd` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What do all components say to this call?
    Evaluate {
        /// Given back with every opinion.
        id: u64,
        /// The call.
        facts: Facts,
    },
}

/// What the process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// It is ready, with these components, in the order of the configuration.
    Hello {
        /// What is loaded.
        components: Vec<Component>,
    },
    /// It is not and will not be, and ends.
    Refused {
        /// A sentence for people.
        reason: String,
    },
    /// What one component says.
    Opinion {
        /// The request's.
        id: u64,
        /// Its opinion.
        opinion: Opinion,
    },
}

/// A component as both sides name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The file's name without its suffix; stands for the rule's name in reasons.
    pub name: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a component cannot even be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the extension {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("cannot take the extension {}: it has {size} bytes, and the limit is {MOST_COMPONENT}", path.display())]
    Size {
        /// Which file.
        path: PathBuf,
        /// Its length.
        size: u64,
    },
}

impl Component {
    /// Reads a component's file: its name, its hash and its content.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>), ReadError> {
        let failed = |source| ReadError::File { path: path.to_path_buf(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > MOST_COMPONENT {
            return Err(ReadError::Size { path: path.to_path_buf(), size });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((Self { name, sha256: hex::encode(Sha256::digest(&bytes)) }, bytes))
    }
}

/// What components see of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The tool.
    pub tool: String,
    /// Everything that the call does.
    pub effects: BTreeSet<Effect>,
    /// Running or applying.
    pub phase: Phase,
    /// The session.
    pub session: String,
    /// Who asked, in words.
    pub requester: String,
    /// The arguments as canonical JSON.
    pub arguments: String,
    /// Where each argument came from.
    pub origins: BTreeMap<String, Origin>,
    /// The labels of the session, in words.
    pub taint: BTreeSet<String>,
    /// What speaks against it.
    pub findings: Vec<Finding>,
    /// What would change: path and kind.
    pub changes: Vec<(String, String)>,
}

impl Facts {
    /// The facts of a call.
    pub fn of(judged: &Judged) -> Self {
        let action = &judged.action;
        let mut taint: BTreeSet<String> = judged.taint.sources.iter().map(ToString::to_string).collect();
        if judged.taint.private {
            taint.insert("private".to_owned());
        }
        Self {
            tool: action.tool.clone(),
            effects: judged.effects(),
            phase: action.phase,
            session: action.session.clone(),
            requester: action.requester.to_string(),
            arguments: canonical::text(&action.arguments),
            origins: judged.flow.origins.clone(),
            taint,
            findings: judged.flow.findings.clone(),
            changes: judged.changes.iter().map(|change| (change.path.clone(), change.kind.clone())).collect(),
        }
    }
}

/// Which way a component leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// It has nothing to say.
    Pass,
    /// It may happen.
    Allow,
    /// A person must say yes.
    Ask,
    /// It must not happen.
    Deny,
}

/// What one component says to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "an opinion that nobody looks at guards nothing"]
pub struct Opinion {
    /// The component's name.
    pub component: String,
    /// Its stance.
    pub stance: Stance,
    /// Why, in its author's words or, when it failed, in ours; empty for [`Stance::Pass`].
    pub reason: String,
}

impl Opinion {
    /// The opinion that stands for one that could not be had.
    pub fn failed(component: &str, why: &str) -> Self {
        Self { component: component.to_owned(), stance: Stance::Deny, reason: why.to_owned() }
    }

    /// The verdict that it asks for; none when it passes.
    pub const fn verdict(&self) -> Option<Verdict> {
        match self.stance {
            Stance::Pass => None,
            Stance::Allow => Some(Verdict::Allow),
            Stance::Ask => Some(Verdict::Ask),
            Stance::Deny => Some(Verdict::Deny),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::change::ChangeSummary;
    use crate::identity::Principal;
    use crate::label::{Labels, Source};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_facts_are_those_of_the_call() {
        let action = Action {
            tool: "fs.write".into(),
            arguments: json!({"path": "b", "content": "x"}),
            effect: Effect::Write,
            phase: Phase::Apply,
            session: "main".into(),
            requester: Principal::Operator("alice".into()),
            change_set: Some("00".into()),
        };
        let mut judged = Judged::new(action, "c-1");
        judged.taint = Labels::of(Source::Web("example.org".into())).private();
        judged.flow.origins.insert("path".into(), Origin::Said);
        judged.changes.push(ChangeSummary {
            path: "b".into(),
            kind: "add".into(),
            size: 1,
            mode: Some(0o644),
            sha256: None,
            target: None,
            ..ChangeSummary::default()
        });
        assert_eq!(
            serde_json::to_value(Facts::of(&judged)).unwrap(),
            json!({
                "tool": "fs.write", "effects": ["write"], "phase": "apply", "session": "main",
                "requester": "operator alice", "arguments": r#"{"content":"x","path":"b"}"#,
                "origins": {"path": "said"}, "taint": ["private", "web:example.org"], "findings": [],
                "changes": [["b", "add"]],
            })
        );
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{"hello":{"components":[],"trusted":true}}"#;
        assert!(serde_json::from_str::<Reply>(text).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<Request>(&bytes);
            let _ = serde_json::from_slice::<Reply>(&bytes);
        }
    }
}
