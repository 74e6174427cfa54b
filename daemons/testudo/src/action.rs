//! An action: exactly what is decided, approved and run.
//!
//! The digest covers everything that could change what happens or on whose behalf. Labels and taint are not in
//! it: they inform a decision (see [`Judged`]) and do not change what runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical;
use crate::change::ChangeSummary;
use crate::identity::Principal;
use crate::label::Labels;

/// What a call does, whatever its tool is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Looks at what is here.
    Read,
    /// Looks at what is elsewhere, which tells the other side something.
    ReadExternal,
    /// Changes the workspace.
    Write,
    /// Runs a program.
    Execute,
    /// Says something to somebody.
    Message,
    /// Costs money.
    Spend,
    /// Changes how the appliance itself works.
    Configure,
}

impl Effect {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::ReadExternal,
        Self::Write,
        Self::Execute,
        Self::Message,
        Self::Spend,
        Self::Configure,
    ];

    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadExternal => "read-external",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Message => "message",
            Self::Spend => "spend",
            Self::Configure => "configure",
        }
    }
}

/// Which of a call's two decisions this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Running the tool, contained: what it writes is only a proposal.
    Call,
    /// Applying what it proposed to the workspace.
    Apply,
}

impl Phase {
    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Apply => "apply",
        }
    }
}

/// Exactly what is to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The tool, by its name in the catalogue.
    pub tool: String,
    /// Its final arguments, a JSON object.
    pub arguments: Value,
    /// The effect class that the catalogue declares for this phase.
    pub effect: Effect,
    /// Running or applying.
    pub phase: Phase,
    /// The session on whose behalf.
    pub session: String,
    /// Who asked `toold`, as the bus says.
    pub requester: Principal,
    /// For an application: the digest of the change set, which covers every path, mode and content.
    pub change_set: Option<String>,
}

impl Action {
    /// The SHA-256 that an approval is bound to, in lower-case hexadecimal.
    ///
    /// # Errors
    /// When the arguments cannot be JSON; cannot happen for arguments that came from JSON.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        Ok(canonical::digest("testudo.action.v1", &canonical::text_of(self)?))
    }
}

/// An action with what is known around it: what `toold` hands to `policyd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// What is to happen; the digest is over this part alone.
    pub action: Action,
    /// The call's id, so that the record can be read across daemons.
    pub call: String,
    /// The labels that the session has gathered so far.
    #[serde(default)]
    pub taint: Labels,
    /// For an application: what changes, for people.
    #[serde(default)]
    pub changes: Vec<ChangeSummary>,
    /// For an application: the unified diff, for people.
    #[serde(default)]
    pub diff: Option<String>,
    /// Why a person could not see all of it, if so; such an action cannot be approved.
    #[serde(default)]
    pub hidden: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Change = fn(&mut Action);

    fn action() -> Action {
        Action {
            tool: "fs.write".into(),
            arguments: json!({"path": "a", "content": "hi"}),
            effect: Effect::Write,
            phase: Phase::Apply,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: Some("00".into()),
        }
    }

    #[test]
    fn every_field_is_in_the_digest() {
        let base = action().digest().unwrap();
        let variants: [(&str, Change); 7] = [
            ("tool", |a| a.tool.push('x')),
            ("arguments", |a| a.arguments = json!({"path": "a", "content": "ho"})),
            ("effect", |a| a.effect = Effect::Execute),
            ("phase", |a| a.phase = Phase::Call),
            ("session", |a| a.session.push('x')),
            ("requester", |a| a.requester = Principal::Stranger("root".into())),
            ("change_set", |a| a.change_set = None),
        ];
        for (field, change) in variants {
            let mut other = action();
            change(&mut other);
            assert_ne!(other.digest().unwrap(), base, "{field} is not covered");
        }
        assert_eq!(action().digest().unwrap(), base);
    }

    #[test]
    fn words_are_those_of_json() {
        for effect in Effect::ALL {
            assert_eq!(serde_json::to_value(effect).unwrap(), json!(effect.word()));
        }
    }
}
