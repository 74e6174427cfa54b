//! Hints for a person whose command waits: what it waits for, and how to answer from another terminal.

use std::io::IsTerminal as _;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use testudo::approval::Approval;
use tokio::task::JoinHandle;

use crate::link::{self, Link};
use crate::{render, screen};

/// Says on standard error, if that is a terminal, what waits for a person while a command waits for its answer.
/// Losing it loses a hint and nothing else.
#[derive(Debug)]
pub struct Hints(Option<JoinHandle<Option<()>>>);

impl Hints {
    /// From now on, for one session, until it is dropped.
    pub fn start(link: &Link, session: &str) -> Self {
        let (link, session) = (link.clone(), session.to_owned());
        Self(std::io::stderr().is_terminal().then(|| tokio::spawn(hint(link, session))))
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn hint(link: Link, session: String) -> Option<()> {
    let policy = link.policy().await.ok()?;
    let mut requests = policy.receive_approval_requested().await.ok()?;
    policy.subscribe().await.ok()?;
    while let Some(signal) = requests.next().await {
        let Ok(args) = signal.args() else { continue };
        let Ok(approval) = link::read::<Approval>("policyd", &args.approval) else { continue };
        if approval.session == session {
            let (tool, id) = (screen::line(&approval.tool), screen::line(&approval.id));
            let expires = render::clock::until(&approval.expires_at, Timestamp::now());
            eprintln!("{tool} waits for approval {id}, which expires {expires}:");
            eprintln!("  testudoctl approvals; testudoctl approve {id}; testudoctl deny {id} --reason TEXT");
        }
    }
    None
}
