//! A lease: a yes that holds for more than one action, and exactly which actions those are.
//!
//! It is narrow on purpose. It covers what the person saw: the same tool, asked for by the same requester, with the
//! same arguments but for free text, changing no other paths, and asked about by the same rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Scope;
use crate::action::Phase;
use crate::identity::Principal;
use crate::verdict::Weight;

/// One lease that holds, as people see it; the element of the list that `Leases` returns. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Short and unique, such as `l-7` for what the approval `a-7` gave.
    pub id: String,
    /// For how long it was given.
    pub scope: Scope,
    /// The session it holds in; none for every session.
    pub session: Option<String>,
    /// Who may use it.
    pub requester: Principal,
    /// The tool.
    pub tool: String,
    /// Running or applying.
    pub phase: Phase,
    /// Arguments that must be exactly these.
    pub exactly: BTreeMap<String, Value>,
    /// Arguments that may be anything.
    pub freely: Vec<String>,
    /// Paths that may be changed; empty for a lease on running.
    pub paths: Vec<String>,
    /// Rules whose question it answers.
    pub rules: Vec<String>,
    /// The heaviest question that it answers.
    pub weight: Weight,
    /// Who gave it.
    pub by: String,
    /// When.
    pub given_at: String,
    /// When it ends by itself; none for one that only ends when it is revoked.
    pub expires_at: Option<String>,
}
