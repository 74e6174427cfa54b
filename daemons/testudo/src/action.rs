//! An action: exactly what is decided, approved and run.
//!
//! The digest covers everything that could change what happens or on whose behalf. Labels and taint are not in
//! it: they inform a decision (see [`Judged`]) and do not change what runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical;
use crate::change::ChangeSummary;
use crate::declaration::Declaration;
use crate::flow::Flow;
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
    /// Changes a setting, an account or who may do what.
    Configure,
    /// Removes what cannot be had back.
    Destroy,
}

impl Effect {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::ReadExternal,
        Self::Write,
        Self::Execute,
        Self::Message,
        Self::Spend,
        Self::Configure,
        Self::Destroy,
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
            Self::Destroy => "destroy",
        }
    }
}

/// What is decided: one of a call's two steps, or a plan of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Running the tool, contained: what it writes is only a proposal.
    Call,
    /// Applying what it proposed to the workspace.
    Apply,
    /// A plan: nothing runs by it; its steps are decided one by one, and a yes spares them the question.
    Plan,
}

impl Phase {
    /// The word used in policy and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Apply => "apply",
            Self::Plan => "plan",
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
    /// Running, applying or planning.
    pub phase: Phase,
    /// The session on whose behalf.
    pub session: String,
    /// Who asked `toold`, as the bus says.
    pub requester: Principal,
    /// For an application: the digest of the change set, which covers every path, mode and content. For a plan: the
    /// digest over its steps' digests in order.
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
    /// What the tool is.
    #[serde(default)]
    pub declaration: Declaration,
    /// The unit and invocation of the sandbox that would run it; tokens are bound to them.
    #[serde(default)]
    pub bearer: Option<Bearer>,
    /// The labels that the session has gathered so far. `policyd` knows them and sets them.
    #[serde(default)]
    pub taint: Labels,
    /// Where its arguments came from. `policyd` finds it out and sets it.
    #[serde(default)]
    pub flow: Flow,
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

impl Judged {
    /// An action with nothing known around it.
    pub fn new(action: Action, call: impl Into<String>) -> Self {
        Self {
            action,
            call: call.into(),
            declaration: Declaration::default(),
            bearer: None,
            taint: Labels::default(),
            flow: Flow::default(),
            changes: Vec::new(),
            diff: None,
            hidden: None,
        }
    }

    /// Everything that the call does: what the declaration says and the effect of this phase.
    pub fn effects(&self) -> BTreeSet<Effect> {
        let declared =
            if self.action.phase == Phase::Call { self.declaration.effects.clone() } else { BTreeSet::new() };
        declared.into_iter().chain([self.action.effect]).collect()
    }
}

/// One life of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    /// The unit, such as `testudo-sandbox-workshop@12-34.service`.
    pub unit: String,
    /// Its invocation, which no two starts share.
    pub invocation: String,
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
