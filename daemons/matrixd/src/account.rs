//! The Matrix account: one device of one user, and what comes and goes through it.
//!
//! ```text
//!  open ──▶ log in (or restore) ──▶ sync ──▶ events into the inbox, then the token ──▶ sync …
//!                 └─ refused: ends          └─ away: waits 1 s … 5 min
//! ```
//! Promises: what a sync brought is in the inbox before the next one is asked for; what was missed is fetched; rooms
//! are entered by an owner's invitation and talked in only when they are encrypted. [`Account::open`] needs no
//! homeserver, [`Account::run`] does everything else, and [`crate::homeserver::Homeserver`] is how the rest sends.

mod backoff;
mod client;
mod company;
mod credential;
mod download;
mod failure;
mod floor;
mod gap;
mod invitation;
mod key;
mod login;
mod original;
mod owners_room;
mod proof;
mod receiving;
mod revival;
mod rooms;
mod sending;
mod skew;
mod sync;
mod taking;
mod transport;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::{EventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use matrix_sdk::{Client, reqwest};
use testudo::config::Matrixd;
use thiserror::Error;
use tokio::sync::watch;

pub use client::ClientError;
pub use credential::{CredentialError, Credentials, Login};
pub use key::KeyError;
pub use login::RunError;

use crate::controls::Controls;
use crate::homeserver::SendError;
use crate::store::{Arrival, Store, StoreError};
use crate::trust::condition::Conditions;
use crate::trust::keyring::StoreKey;
use crate::trust::pinning::Pins;
use failure::Failure;
use skew::Skew;

/// How long a room is left alone in which something was refused, such as joining it.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(10);

/// Why an account was not opened. A restart does not mend it.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No homeserver is configured.
    #[error(
        "[matrixd] has no `homeserver` and `user`: there is nobody to talk to; set both, or do not start testudo-matrixd"
    )]
    NotConfigured,
    /// The account is no user id.
    #[error("cannot use `user` {user} of [matrixd]: {cause}; it must look like @testudo:example.org")]
    User {
        /// What is configured.
        user: String,
        /// Why.
        cause: matrix_sdk::IdParseError,
    },
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Our own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A session that the SDK does not take.
    #[error("cannot restore the session: {0}")]
    Session(Box<matrix_sdk::Error>),
    /// The stores of a device that is gone cannot be put aside.
    #[error("cannot put the stores of a lost device aside: {0}")]
    Aside(std::io::Error),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody is logged in yet.
    Opened,
    /// Logged in, and the device's keys are made.
    LoggedIn,
    /// At least one sync was taken in since the start.
    Synced,
}

/// The account.
pub struct Account {
    client: Client,
    http: reqwest::Client,
    config: Arc<Matrixd>,
    controls: Controls,
    user: OwnedUserId,
    login: Login,
    store: Store,
    skew: Skew,
    conditions: Arc<Conditions>,
    phase: watch::Sender<Phase>,
    turns: watch::Sender<u64>,
    owner_room: watch::Sender<Option<OwnedRoomId>>,
    company: company::Company,
    pins: Arc<Pins>,
    floors: floor::Floors,
    spoken: owners_room::Spoken,
    /// Rooms that are being entered or left.
    settling: Arc<Mutex<HashSet<OwnedRoomId>>>,
}

impl Account {
    /// Opens the stores and restores the session where there is one; `directory` is the daemon's state directory. No
    /// request is made.
    pub async fn open(
        config: Arc<Matrixd>,
        controls: Controls,
        credentials: &Credentials,
        directory: &Path,
        key: &StoreKey,
        store: Store,
        conditions: Arc<Conditions>,
    ) -> Result<Self, OpenError> {
        let (Some(homeserver), Some(user)) = (&config.homeserver, &config.user) else {
            return Err(OpenError::NotConfigured);
        };
        let user = UserId::parse(user).map_err(|cause| OpenError::User { user: user.clone(), cause })?;
        let homeserver = client::homeserver(homeserver)?;
        let http = client::connections(&homeserver, &config.authorities)?;
        let sdk = directory.join("sdk");
        let session = login::kept(&store, &config, &user, &credentials.login, &sdk)?;
        let client = client::build(&homeserver, http.clone(), &sdk, key.bytes()).await?;
        let account = Self {
            client,
            http,
            config,
            controls,
            user,
            login: credentials.login.clone(),
            skew: Skew::of(store.clone())?,
            pins: Arc::new(Pins::new(store.clone())),
            store,
            conditions,
            phase: watch::Sender::new(Phase::Opened),
            turns: watch::Sender::new(0),
            owner_room: watch::Sender::new(None),
            company: company::Company::default(),
            floors: floor::Floors::default(),
            spoken: owners_room::Spoken::default(),
            settling: Arc::default(),
        };
        account.restore(session).await?;
        Ok(account)
    }

    /// The SDK's client: for who signs, verifies and recovers.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The user that we are.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The identities by which people are known.
    pub const fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// How far it has come, and every change of it.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Counts the turns of the loop that syncs, failed ones too: who watches it sees whether it still turns. A turn
    /// takes at most six minutes, or as long as the homeserver asks for.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// The room where owners are found when none is configured: one with nobody but owners in it, in which one of them
    /// spoke from a device that is proved to be his.
    pub fn owner_room(&self) -> watch::Receiver<Option<OwnedRoomId>> {
        self.owner_room.subscribe()
    }

    /// Reads one event again, such as when its key came; none where it says nothing to us.
    pub async fn again(&self, room: &RoomId, event: &EventId) -> Result<Option<Arrival>, SendError> {
        let Some(known) = self.client.get_room(room) else {
            return Err(Failure::Never("we are not in the room".into()).sending(room));
        };
        let found = known.event(event, None).await.map_err(|error| Failure::of(&error).sending(room))?;
        let found = self.read_one(&known, &found).await.map_err(|failure| failure.sending(room))?;
        // The homeserver answers with what it likes; only the event that was asked for counts.
        Ok(found.filter(|found| found.incoming.origin().event == event))
    }

    fn at_least(&self, phase: Phase) {
        self.phase.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }

    /// Does something about a room in the background, once at a time.
    fn settle<F>(&self, room: &RoomId, work: F)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let settling = Arc::clone(&self.settling);
        let room = room.to_owned();
        if settling.lock().unwrap_or_else(PoisonError::into_inner).insert(room.clone()) {
            tokio::spawn(async move {
                // Where it failed, the next sync after the pause finds the room as it was: one that comes with every event
                // of every other room would be refused again and again.
                // A bug in it is a failure, too, and not the end of all that is done about the room.
                if !tokio::spawn(work).await.unwrap_or_default() {
                    tokio::time::sleep(AFTER_A_REFUSAL).await;
                }
                settling.lock().unwrap_or_else(PoisonError::into_inner).remove(&room);
            });
        }
    }
}
