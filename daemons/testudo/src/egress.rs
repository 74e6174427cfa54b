//! Reaching out: who may, where to, and what is said about it.
//!
//! `toold` asks `egressd` for a ticket before a call with a network starts ([`Pass`]), hands the ticket to the sandbox
//! beside the call, and gives it back when the call is over ([`Carried`]). Every connection begins with one frame, a
//! [`Hello`] ended by a NUL byte, and goes on as HTTP/1.1 to a proxy. Destinations are written as [`Endpoint`]s.

pub mod endpoint;
pub mod host;
pub mod status;

pub use endpoint::{Endpoint, EndpointError, Page, Scheme};
pub use host::{Host, HostError, HostPattern};

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::identity::Principal;

/// The name of the tool in whose name connections are decided.
pub const CONNECT: &str = "net.connect";

/// Whether an action is a connection to a destination that was decided with its call.
pub fn is_listed(action: &Action) -> bool {
    action.tool == CONNECT
        && action.arguments.get("listed").and_then(serde_json::Value::as_bool) == Some(true)
}

/// Lets one running call reach out; what `Egress1.Open` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// The call's id.
    pub call: String,
    /// Its session.
    pub session: String,
    /// Who asked for the call.
    pub requester: Principal,
    /// Its tool.
    pub tool: String,
    /// Destinations that were decided with the call itself: its connections to them are not asked about again.
    pub listed: Vec<Endpoint>,
    /// Destinations of its tunnels; each must also be decided when it is used.
    #[serde(default)]
    pub tunnels: Vec<Endpoint>,
    /// No person watches: a connection that would be asked about is refused, or parked where there is an approver.
    #[serde(default)]
    pub unattended: bool,
    /// The operator to whom its questions go.
    #[serde(default)]
    pub approver: Option<String>,
}

/// What a call's connections carried; what `Egress1.Close` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Carried {
    /// Connections that were let through.
    pub connections: u64,
    /// Connections and requests that were refused.
    pub refused: u64,
    /// Bytes to the other side.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
    /// Hosts that were reached, in the order of the first connection; at most 100.
    pub hosts: Vec<String>,
}

/// The first frame of a connection to `egressd`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hello {
    /// The ticket of the call; none from a daemon, which is known by the socket that it came to.
    pub ticket: Option<String>,
}

/// Most bytes of a [`Hello`] with its NUL.
pub const MAX_HELLO: usize = 512;
