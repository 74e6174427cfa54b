//! Tickets: which running call a connection belongs to.
//!
//! ```text
//!  toold ──Open(pass)──▶ ticket ──▶ sandbox ──first frame──▶ found by its hash ──▶ traveller
//!    └──── Close(call), gone from the bus, or the lifetime is over ────▶ closed with all of its connections
//! ```
//! A ticket is 244 random bits in 64 hexadecimal digits. Only its hash is kept, so nothing here could give one away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testudo::canonical;
use testudo::config::egress::Egressd;
use testudo::egress::{Endpoint, HostPattern, Pass, Scheme};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use crate::account::Account;
use crate::gate::{Traveller, Who};

/// Most calls with a ticket at one time.
const MOST: usize = 256;
/// Most listed destinations of a call.
const MOST_LISTED: usize = 64;
/// Most tunnels of a call.
const MOST_TUNNELS: usize = 16;
/// Longest id, name of a session or name of a tool, in bytes.
const LONGEST: usize = 256;

/// Why there is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TicketError {
    /// The pass is not one.
    #[error("cannot open a pass: {0}")]
    Pass(&'static str),
    /// The call has one.
    #[error("cannot open a pass for {0}: it has one already")]
    Twice(String),
    /// Too many.
    #[error("cannot open a pass: {MOST} calls have one")]
    Full,
}

/// A call that may reach out.
#[derive(Debug, Clone)]
pub struct Opened {
    /// It, as the data path knows it.
    pub traveller: Arc<Traveller>,
    /// What it carried.
    pub account: Arc<Account>,
    /// Of its ticket; empty once it is closed.
    hash: String,
    owner: String,
    until: Instant,
}

/// All tickets.
#[derive(Debug)]
pub struct Tickets {
    config: Egressd,
    calls: Mutex<HashMap<String, Opened>>,
}

impl Tickets {
    /// None yet.
    pub fn new(config: Egressd) -> Self {
        Self { config, calls: Mutex::default() }
    }

    /// Makes the ticket of a call; `owner` is the connection to the bus with which it ends.
    ///
    /// # Errors
    /// Why not; nothing is open then.
    pub fn open(&self, pass: Pass, owner: &str, now: Instant) -> Result<String, TicketError> {
        check(&pass)?;
        let ticket = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut calls = self.lock();
        calls.retain(|_, opened| opened.is_valid(now));
        if calls.contains_key(&pass.call) {
            return Err(TicketError::Twice(pass.call));
        }
        if calls.len() >= MOST {
            return Err(TicketError::Full);
        }
        let call = pass.call.clone();
        let opened = Opened {
            traveller: Arc::new(Traveller::new(Who::Call(pass), &self.config)),
            account: Arc::default(),
            hash: hash(&ticket),
            owner: owner.to_owned(),
            until: now + self.config.lifetime,
        };
        calls.insert(call, opened);
        Ok(ticket)
    }

    /// The call that a ticket belongs to.
    pub fn find(&self, ticket: &str, now: Instant) -> Option<Arc<Traveller>> {
        let hash = hash(ticket);
        let mut calls = self.lock();
        calls.retain(|_, opened| opened.is_valid(now));
        calls.values().find(|opened| opened.hash == hash).map(|opened| Arc::clone(&opened.traveller))
    }

    /// What a call carries; none when it is not open.
    pub fn account(&self, call: &str) -> Option<Arc<Account>> {
        self.lock().get(call).map(|opened| Arc::clone(&opened.account))
    }

    /// Ends the ticket of a call and all of its connections. Its account stays until [`Tickets::forget`], so that what
    /// those connections still have to say is counted.
    pub fn close(&self, call: &str) -> Option<Opened> {
        let mut calls = self.lock();
        let opened = calls.get_mut(call).filter(|opened| !opened.hash.is_empty())?;
        opened.hash.clear();
        opened.traveller.close();
        Some(opened.clone())
    }

    /// Forgets a call that was closed.
    pub fn forget(&self, call: &str) {
        let mut calls = self.lock();
        if calls.get(call).is_some_and(|opened| opened.hash.is_empty()) {
            calls.remove(call);
        }
    }

    /// Ends all tickets of a connection that left the bus; says how many.
    pub fn depart(&self, owner: &str) -> usize {
        let mut calls = self.lock();
        let before = calls.len();
        calls.retain(|_, opened| {
            let stays = opened.owner != owner;
            if !stays {
                opened.traveller.close();
            }
            stays
        });
        before - calls.len()
    }

    /// Ends everything.
    pub fn close_all(&self) {
        self.lock().drain().for_each(|(_, opened)| opened.traveller.close());
    }

    /// Everybody who may reach out now, by call id.
    pub fn list(&self, now: Instant) -> Vec<Opened> {
        let mut calls = self.lock();
        calls.retain(|_, opened| opened.is_valid(now));
        let mut all: Vec<(&String, &Opened)> = calls.iter().collect();
        all.sort_by_key(|(call, _)| *call);
        let open = all.into_iter().map(|(_, opened)| opened).filter(|opened| !opened.hash.is_empty());
        open.cloned().collect()
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Opened>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// False for one whose time is over; its connections are ended by the asking.
    fn is_valid(&self, now: Instant) -> bool {
        let valid = now < self.until;
        if !valid {
            self.traveller.close();
        }
        valid
    }
}

fn hash(ticket: &str) -> String {
    canonical::digest("testudo.ticket.v1", ticket)
}

fn check(pass: &Pass) -> Result<(), TicketError> {
    let named = |text: &str| (1..=LONGEST).contains(&text.len());
    if !named(&pass.call) || !named(&pass.session) || !named(&pass.tool) {
        return Err(TicketError::Pass("call, session and tool have 1 to 256 bytes"));
    }
    if pass.listed.len() > MOST_LISTED || pass.tunnels.len() > MOST_TUNNELS {
        return Err(TicketError::Pass("at most 64 destinations can be listed, and 16 tunnels"));
    }
    let formed = |endpoint: &Endpoint| endpoint.port > 0 && endpoint.path.starts_with('/');
    if !pass.listed.iter().chain(&pass.tunnels).all(formed) {
        return Err(TicketError::Pass("a destination has a port, and a path that begins with /"));
    }
    let exact = |host: &HostPattern| matches!(host, HostPattern::Exact(_));
    if !pass.tunnels.iter().all(|tunnel| tunnel.scheme == Scheme::Tcp && exact(&tunnel.host)) {
        return Err(TicketError::Pass("a tunnel is tcp:// to one host"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
