//! Who may reach out now: what `Egress1.Status` answers, and `testudoctl egress` shows. No ticket and no secret is in it.

use serde::{Deserialize, Serialize};

use super::{Carried, Endpoint};
use crate::identity::Principal;

/// The way out as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Calls that may reach out, by id, and `modeld`.
    pub travellers: Vec<Traveller>,
    /// The secrets, by name.
    pub secrets: Vec<Secret>,
    /// Destinations at addresses of this machine and its networks that the operator granted.
    pub private: Vec<Endpoint>,
}

/// Someone who may reach out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traveller {
    /// The call; `modeld` for that daemon.
    pub call: String,
    /// Its session.
    pub session: String,
    /// Its tool; `models` for `modeld`.
    pub tool: String,
    /// Who asked for it.
    pub requester: Principal,
    /// What was decided with it.
    pub listed: Vec<Endpoint>,
    /// Its tunnels.
    pub tunnels: Vec<Endpoint>,
    /// What goes on now.
    pub open: Vec<Connection>,
    /// What it carried so far; of what goes on, nothing yet.
    pub carried: Carried,
}

/// A connection or a request that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Names its records.
    pub id: String,
    /// Where to, without a query.
    pub destination: String,
    /// The addresses that it may use, each with its port.
    pub addresses: Vec<String>,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// As placeholders say it.
    pub name: String,
    /// The only place that it goes to.
    pub endpoint: Endpoint,
    /// The credential with its value.
    pub credential: String,
    /// Whether the credential is there.
    pub present: bool,
}
