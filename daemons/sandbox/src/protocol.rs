//! What is said over a sandbox socket: one JSON object per frame, ended by a NUL byte.
//!
//! A client sends one [`Request`] and waits for its [`Reply`] before it sends the next; hanging up
//! cancels the running call with everything that it started. Bulk (output, manifests, contents)
//! travels beside the frame as sealed memfds, in the order that each message states.
//! Unknown fields are refused, so that both ends always mean the same.

mod application;
mod outcome;
mod program;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use application::{Apply, Merge, Origin};
pub use outcome::{Done, Kept, Probe, Proposed, TIMED_OUT};
pub use program::{BUILTIN_FAILED, Builtin, MOST_GIVEN, Program, WriteMode};

pub use crate::identity::Identity;
pub use crate::limits::Limits;
pub use crate::template::{Profile, Template};

/// Largest frame in bytes, without its NUL.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Most descriptors that may travel beside one frame.
pub const MAX_DESCRIPTORS: usize = 4;

/// Where a call sees the workspace, and its directory at the start.
pub const WORKSPACE: &str = "/workspace";

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Say which sandbox this is (runner `zygote`). Asked before anything else.
    Hello {},
    /// Run one call (runner `zygote`).
    Run(Run),
    /// Keep a file for the calls to come, which find it in [`crate::inbox::INBOX`] (runner `zygote`). Descriptor: content.
    Receive {
        /// Its name there: as an id of a call.
        name: String,
    },
    /// Say what the kernel offers, found out by a trial call (runner `zygote`).
    Probe {},
    /// Apply a change set (runner `apply`). Descriptors: manifest, contents.
    Apply(Apply),
    /// Finish, discard or set aside what a crash interrupted (runner `apply`; also done when it starts).
    Recover {
        /// Applications whose fate is wanted. One that was never committed is given up for good.
        #[serde(default)]
        about: Vec<String>,
    },
    /// Make the change set that undoes an application (runner `apply`); nothing is applied by it.
    Invert {
        /// The application, or the call that it was of; none for the latest that is not undone.
        #[serde(default)]
        id: Option<String>,
    },
    /// List what was applied (runner `apply`).
    History {
        /// How many at most; 500 in any case.
        limit: u16,
    },
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The call's id, given back in the reply. 1–128 characters of `[A-Za-z0-9._:-]`.
    pub call: String,
    /// What runs.
    pub program: Program,
    /// Whether the workspace is writable, through an overlay whose upper side becomes the
    /// proposed change set. Otherwise it is read-only.
    #[serde(default)]
    pub overlay: bool,
    /// What the call may use up.
    #[serde(default)]
    pub limits: Limits,
    /// Added to (and winning over) the small fixed environment of a call.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Standard input; without it, `/dev/null`.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Which system calls it may make; refused when wider than the template's.
    #[serde(default)]
    pub profile: Profile,
    /// Its way out; refused in a template without a network.
    #[serde(default)]
    pub network: Option<Network>,
    /// Whether its output is also told while it runs, as [`Reply::Output`].
    #[serde(default)]
    pub stream: bool,
    /// The container that it runs in, by its name in the configuration (runner `container` only, which needs it).
    #[serde(default)]
    pub container: Option<String>,
}

impl Run {
    /// A call with nothing but its program: no overlay, no network, the usual limits.
    pub fn new(call: &str, program: Program) -> Self {
        Self {
            call: call.to_owned(),
            program,
            overlay: false,
            limits: Limits::default(),
            env: BTreeMap::new(),
            stdin: None,
            profile: Profile::default(),
            network: None,
            stream: false,
            container: None,
        }
    }
}

/// A call's way out: its connections end at `egressd`, which knows them by the ticket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What `egressd` gave out for this call. Never seen by the call itself.
    pub ticket: String,
    /// Names that lead to this call's own tunnels.
    #[serde(default)]
    pub tunnels: Vec<Tunnel>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("tunnels", &self.tunnels).finish_non_exhaustive()
    }
}

/// A TCP connection to one host and port, for one call: the host's name leads to the call's own loopback address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The host; an exact name, no address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where the call finds it: 1024 to 65535, on its loopback address.
    pub local: u16,
}

/// What a runner answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// A running call printed something; only where [`Run::stream`] asks for it. Its text is exact in [`Reply::Done`],
    /// here what is no UTF-8 becomes U+FFFD.
    Output {
        /// The call's id.
        call: String,
        /// From 0, without gaps, over both streams.
        seq: u64,
        /// Standard error rather than standard output.
        error: bool,
        /// What it printed.
        text: String,
    },
    /// A call ended. Descriptors: stdout, stderr and, for [`Proposed::Changes`], manifest and contents.
    Done(Done),
    /// The request was not carried out, and nothing happened.
    Refused {
        /// The call's or application's id, where one was readable.
        #[serde(default)]
        call: Option<String>,
        /// A sentence for people.
        reason: String,
    },
    /// Which sandbox this is; nothing where no service manager said so.
    Hello(Option<Identity>),
    /// The file is there.
    Received {},
    /// What the kernel offers.
    Probe(Probe),
    /// The change set is in the workspace, durably.
    Applied {
        /// Its id.
        id: String,
        /// How many entries it has.
        changes: usize,
        /// It had been applied before, and was left as it is.
        already: bool,
    },
    /// The workspace is no longer what the change set was made from; nothing was changed.
    Conflict {
        /// The application's id.
        id: String,
        /// The first path in conflict.
        path: String,
        /// What was expected and what was found.
        message: String,
    },
    /// The application was begun and is not complete. Recovery will complete it or set it aside.
    Unfinished {
        /// Its id.
        id: String,
        /// A sentence for people.
        reason: String,
    },
    /// The change set that undoes an application. Descriptors: manifest, contents.
    Inverse {
        /// What it undoes.
        of: Box<Merge>,
        /// SHA-256 of the manifest, hex.
        digest: String,
    },
    /// What was applied, the newest first.
    History {
        /// One for each application.
        merges: Vec<Merge>,
    },
    /// What recovery did, and what it knows of the ids that it was asked about.
    Recovered {
        /// Applications that were completed.
        completed: Vec<String>,
        /// Applications that had not been committed, and are gone.
        discarded: Vec<String>,
        /// Applications that cannot be completed, now or in an earlier recovery; part of them may be in the
        /// workspace. They lie in `.testudo/failed-ID` until somebody removes them.
        #[serde(default)]
        failed: Vec<String>,
    },
}

/// Whether an id may name a call or an application: it also becomes a file name.
pub fn valid_id(id: &str) -> bool {
    let fits = (1..=128).contains(&id.len());
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'));
    fits && plain && !id.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{"run":{"call":"a","program":{"exec":{"argv":["true"]}},"root":"/"}}"#;
        assert!(serde_json::from_str::<Request>(text).is_err());
    }

    #[test]
    fn the_shortest_run_has_every_default() {
        let text = r#"{"run":{"call":"a","program":{"exec":{"argv":["true"]}}}}"#;
        let Request::Run(run) = serde_json::from_str(text).unwrap() else { panic!("not a run") };
        assert_eq!(run.limits, Limits::default());
        assert!(!run.overlay);
    }

    #[test]
    fn ids_are_plain_names() {
        for good in ["a", "call-1", "01:ab.c_d"] {
            assert!(valid_id(good), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "a\0", &"x".repeat(129)] {
            assert!(!valid_id(bad), "{bad}");
        }
    }
}
