//! An approval: a question to people about one exact action, and its answer.
//!
//! ```text
//!                 ┌──────── approved ──redeem(digest)──▶ redeemed
//!   pending ──────┼──────── denied
//!                 ├──────── expired      (nobody answered in time)
//!                 └──────── withdrawn    (who asked is gone, or the changed policy denies it)
//! ```
//! Only `approved` leads on, once, for the digest it was given for; a yes that was not used yet is withdrawn, too, when
//! the policy changes so that it denies the action.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Action, Effect, Phase};
use crate::change::ChangeSummary;
use crate::flow::Origin;
use crate::identity::Principal;
use crate::verdict::{Reason, Weight};

pub mod lease;

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has answered yet.
    Pending,
    /// A person said yes; not yet used.
    Approved,
    /// A person said no.
    Denied,
    /// The time was over before anybody answered.
    Expired,
    /// The daemon that asked is gone.
    Withdrawn,
    /// Approved and used up.
    Redeemed,
}

impl State {
    /// The word used in JSON and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Redeemed => "redeemed",
        }
    }
}

/// For how long a yes holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// For this one action.
    #[default]
    Once,
    /// For the same shape of action in this session; see [`lease`].
    Session,
    /// The same, for a time that the person names.
    Until,
    /// For exactly these arguments, in every session, until it is revoked.
    Always,
}

impl Scope {
    /// All of them, narrowest first.
    pub const ALL: [Self; 4] = [Self::Once, Self::Session, Self::Until, Self::Always];

    /// The word used in options and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Until => "until",
            Self::Always => "always",
        }
    }
}

/// One part of a question as people see it: a heading and lines of plain text, in which every character that
/// cannot be seen is written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// One word: `what`, `changes`, `diff`, `sends`, `undo`, `beware`, `why`, `who` or `yes`.
    pub heading: String,
    /// What there is to say; never empty.
    pub lines: Vec<String>,
}

/// One approval as people see it; the element of the list that `Approvals` returns. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a channel looks at")]
pub struct Approval {
    /// Short and unique, such as `a-7`.
    pub id: String,
    /// The digest of the action; a yes is bound to it.
    pub digest: String,
    /// The session that wants it.
    pub session: String,
    /// The tool.
    pub tool: String,
    /// The final arguments.
    pub arguments: Value,
    /// Why a person is asked.
    pub reasons: Vec<Reason>,
    /// When it was asked.
    pub requested_at: String,
    /// When it becomes a no by itself.
    pub expires_at: String,
    /// Running or applying.
    pub phase: Phase,
    /// What kind of thing it does.
    pub effect: Effect,
    /// Who asked `toold`.
    pub requester: Principal,
    /// The call it belongs to.
    pub call: String,
    /// What would change.
    pub changes: Vec<ChangeSummary>,
    /// The unified diff of it.
    pub diff: Option<String>,
    /// False when it cannot be shown whole; then only a no is taken.
    pub approvable: bool,
    /// True when a light answer, such as a reaction, is enough: [`Approval::approve_by`] says so.
    pub light: bool,
    /// How heavy an answer it wants.
    #[serde(default)]
    pub approve_by: Weight,
    /// For how long a yes may hold.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// How many identical calls wait for the answer. A yes lets each of them happen once.
    #[serde(default)]
    pub calls: u32,
    /// Where each argument came from, by its name; empty where that is not known.
    #[serde(default)]
    pub origins: BTreeMap<String, Origin>,
    /// The question as `policyd` words it, from the action and nothing else.
    #[serde(default)]
    pub rendering: Vec<Section>,
    /// True when long values are cut in this rendering: then only a look at the whole makes a yes possible.
    #[serde(default)]
    pub cut: bool,
    /// Names exactly this rendering. A yes that gives it is refused when the question looks different by now.
    #[serde(default)]
    pub seen: String,
    /// The operator to whom it goes, where nobody watches the session or it names him; any operator may answer.
    #[serde(default)]
    pub route: Option<String>,
    /// Nobody watches the session, and the call does not wait: a yes is for the next time that exactly this comes.
    #[serde(default)]
    pub parked: bool,
    /// Where it stands.
    pub state: State,
    /// The reason of a no, or what happened to it.
    pub answer: Option<String>,
}

/// The kind of a question about a change of the policy; no tool has this name.
pub const AMENDMENT: &str = "policy.update";

impl Approval {
    /// Whether it is about a change of the policy.
    pub fn is_amendment(&self) -> bool {
        self.tool == AMENDMENT
    }

    /// What a yes must type, to the letter: there where a change of the policy breaks much.
    pub fn phrase(&self) -> Option<&str> {
        self.arguments.get("phrase").and_then(Value::as_str).filter(|_| self.is_amendment())
    }

    /// The action it was asked for; its digest is [`Approval::digest`] or the store was changed.
    pub fn matches(&self, action: &Action) -> bool {
        action.digest().is_ok_and(|digest| digest == self.digest)
    }
}

/// What waiting for an approval led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "an outcome that nobody looks at guards nothing"]
pub struct Outcome {
    /// The approval.
    pub id: String,
    /// Where it ended.
    pub state: State,
    /// The digest it was for.
    pub digest: String,
    /// A reason in somebody's words.
    pub reason: Option<String>,
    /// Who answered, for the record.
    pub by: Option<String>,
    /// How heavy the answer was.
    #[serde(default)]
    pub weight: Option<Weight>,
    /// For how long the yes holds.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// The lease that it gave, if it holds for more than once.
    #[serde(default)]
    pub lease: Option<String>,
}
