//! An approval: a question to people about one exact action, and its answer.
//!
//! ```text
//!                 ┌──────── approved ──redeem(digest)──▶ redeemed
//!   pending ──────┼──────── denied
//!                 ├──────── expired      (nobody answered in time)
//!                 └──────── withdrawn    (who asked is gone)
//! ```
//! Only `approved` leads on, once, for the digest it was given for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Action, Effect, Phase};
use crate::change::ChangeSummary;
use crate::identity::Principal;
use crate::verdict::Reason;

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
    /// For the same tool, phase and effect in this session, until `policyd` or the session ends.
    Session,
}

/// One approval as people see it; the element of the list that `Approvals` returns. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// True when a light answer, such as a reaction, is enough. No shipped rule says so yet.
    pub light: bool,
    /// Where it stands.
    pub state: State,
    /// The reason of a no, or what happened to it.
    pub answer: Option<String>,
}

impl Approval {
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
}
