//! Why the ledger did not do what it was asked.

use testudo::approval::State;
use testudo::verdict::Weight;
use thiserror::Error;

/// Why the ledger did not do what it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("cannot use the ledger of approvals: {0}")]
    Database(#[from] rusqlite::Error),
    /// What stands in it is not what this program writes.
    #[error("cannot read {id}: {source}")]
    Damaged {
        /// Which approval or lease.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It was written by a newer version.
    #[error(
        "cannot use the ledger of approvals: its version {version} is newer than {known}; install the newer Testudo"
    )]
    Newer {
        /// What it is.
        version: i64,
        /// What this program knows.
        known: i64,
    },
    /// No such approval or lease.
    #[error("there is no {kind} `{id}`")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// By which id.
        id: String,
    },
    /// It is not in the state that this needs.
    #[error("approval {id} is {} already", .state.word())]
    Settled {
        /// Which one.
        id: String,
        /// Where it stands.
        state: State,
    },
    /// The digest is another one.
    #[error("approval {id} is for another action: its digest is {expected}, not {given}")]
    OtherDigest {
        /// Which one.
        id: String,
        /// What was asked.
        expected: String,
        /// What was given.
        given: String,
    },
    /// It cannot be shown whole.
    #[error("approval {0} cannot be given: not all of the action can be shown")]
    NotApprovable(String),
    /// It was not looked at whole, and that is what it wants.
    #[error(
        "approval {id} cannot be given unseen: its long values were cut; `testudoctl approvals show {id} --whole` shows them"
    )]
    NotSeen {
        /// Which one.
        id: String,
    },
    /// The person saw something else.
    #[error("approval {id} has changed since it was shown: look at it again")]
    OtherView {
        /// Which one.
        id: String,
    },
    /// The answer weighs too little.
    #[error("approval {id} wants {}, and this is {}", needs(*.wanted), has(*.given))]
    TooLight {
        /// Which one.
        id: String,
        /// What it wants.
        wanted: Weight,
        /// What was given.
        given: Weight,
    },
    /// It cannot be answered for longer than once.
    #[error("approval {id} can only be given once: {why}")]
    OnceOnly {
        /// Which one.
        id: String,
        /// What asks each time.
        why: &'static str,
    },
    /// Too many wait.
    #[error("too many approvals are waiting already: answer some of them first")]
    Full,
    /// Nobody could read it all.
    #[error("cannot ask about {0} bytes at once: make smaller changes")]
    TooLong(usize),
}

fn needs(weight: Weight) -> &'static str {
    match weight {
        Weight::Reaction => "an answer",
        Weight::Reply => "an answer in words",
        Weight::Otp => "a one-time code (--code)",
        Weight::Local => "an answer at this machine (--local)",
    }
}

fn has(weight: Weight) -> &'static str {
    match weight {
        Weight::Reaction => "a reaction",
        Weight::Reply => "an answer without one",
        Weight::Otp => "an answer with a one-time code",
        Weight::Local => "an answer at this machine",
    }
}
