//! A question as the database has it, and ids.

use serde::{Deserialize, Serialize};
use testudo::action::{Action, Judged};
use testudo::approval::{Approval, Outcome, Scope, State};
use testudo::declaration::Declaration;
use testudo::flow::Flow;
use testudo::label::Labels;
use testudo::verdict::{Layer, Weight};

use super::LedgerError;
use crate::controls::Controls;

/// What is known around the action of a question: it words the question and shapes the leases that it gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What the tool is.
    pub declaration: Declaration,
    /// Where the arguments came from, and what speaks against the call.
    pub flow: Flow,
    /// Who could have written what entered the session.
    pub taint: Labels,
    /// The layer that asked. Unknown for a question of an older version.
    pub layer: Option<Layer>,
    /// What looks like something else.
    pub warnings: Vec<String>,
}

/// One question with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The question; not worded yet.
    pub approval: Approval,
    /// What is known around it.
    pub facts: Facts,
    /// How it ended.
    pub outcome: Outcome,
    /// When it becomes a no by itself, in milliseconds since 1970.
    pub expires_ms: i64,
}

impl Entry {
    /// The action of the question with what is known around it, as far as the ledger keeps it.
    pub fn judged(&self) -> Judged {
        let approval = &self.approval;
        let action = Action {
            tool: approval.tool.clone(),
            arguments: approval.arguments.clone(),
            effect: approval.effect,
            phase: approval.phase,
            session: approval.session.clone(),
            requester: approval.requester.clone(),
            change_set: None,
        };
        Judged {
            declaration: self.facts.declaration.clone(),
            taint: self.facts.taint.clone(),
            flow: self.facts.flow.clone(),
            changes: approval.changes.clone(),
            diff: approval.diff.clone(),
            ..Judged::new(action, approval.call.clone())
        }
    }
}

/// A row as the database has it.
pub(super) struct Row {
    number: i64,
    state: String,
    expires_ms: i64,
    by: Option<String>,
    reason: Option<String>,
    weight: Option<String>,
    scope: Option<String>,
    calls: u32,
    facts: Option<String>,
    body: String,
}

impl Row {
    /// The columns, for a `SELECT` from `approval`.
    pub(super) const COLUMNS: &str =
        "number, state, expires_ms, answered_by, reason, weight, scope, facts, body,
        (SELECT count(*) FROM waiter WHERE waiter.approval = approval.number) AS calls";

    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            state: row.get("state")?,
            expires_ms: row.get("expires_ms")?,
            by: row.get("answered_by")?,
            reason: row.get("reason")?,
            weight: row.get("weight")?,
            scope: row.get("scope")?,
            calls: row.get("calls")?,
            facts: row.get("facts")?,
            body: row.get("body")?,
        })
    }

    /// The question as it stands at `now_ms`: a pending one past its time reads as expired.
    pub(super) fn entry(self, now_ms: i64, controls: Controls) -> Result<Entry, LedgerError> {
        let id = id_of(self.number);
        let damaged = |source| LedgerError::Damaged { id: id.clone(), source };
        let mut approval: Approval = serde_json::from_str(&self.body).map_err(damaged)?;
        let facts = match &self.facts {
            Some(text) => serde_json::from_str(text).map_err(damaged)?,
            None => Facts::default(),
        };
        approval.state = word(&self.state).map_err(damaged)?;
        if controls.expiry && approval.state == State::Pending && self.expires_ms <= now_ms {
            approval.state = State::Expired;
        }
        approval.answer = self.reason.or(approval.answer);
        approval.calls = self.calls;
        approval.id.clone_from(&id);
        let scope: Option<Scope> = self.scope.as_deref().map(word).transpose().map_err(damaged)?;
        let lease = scope.filter(|scope| *scope != Scope::Once && self.by.is_some());
        let outcome = Outcome {
            id: id.clone(),
            state: approval.state,
            digest: approval.digest.clone(),
            reason: approval.answer.clone(),
            by: self.by,
            weight: self.weight.as_deref().map(word::<Weight>).transpose().map_err(damaged)?,
            scope,
            lease: lease.map(|_| format!("l-{}", self.number)),
        };
        Ok(Entry { approval, facts, outcome, expires_ms: self.expires_ms })
    }
}

/// A word of the database as what it stands for.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_value(text.into())
}

pub(super) fn id_of(number: i64) -> String {
    format!("a-{number}")
}

/// The number of an approval or, with `l`, of the lease that it gave.
pub(crate) fn number_of(kind: char, id: &str) -> Result<i64, LedgerError> {
    let name = if kind == 'l' { "lease" } else { "approval" };
    let digits = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| LedgerError::Unknown { kind: name, id: id.into() })
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}
