//! Who this device is to people's clients, and who people are to it.
//!
//! The account has one cross-signing identity, made at the first start, and one recovery key, shown once. A device that
//! lost its store logs in again and comes back by that key; nobody has to do anything when it is among the
//! credentials. People are verified by operators alone, and known by the identity that was seen first ([`pinning`]).
//!
//! The deciding parts are pure and say what is next: [`healing`] for a start, [`stage`] for the recovery key, [`rekey`]
//! for the store's key, [`flow`] for one verification. Around them [`signing`], [`recovery`], [`keyring`] and
//! [`verification`] do it. What is wrong is said in the words of [`condition`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matrix_sdk::Client;
use testudo::config::Matrixd;
use thiserror::Error;
use zeroize::Zeroizing;

pub mod condition;
pub mod flow;
pub mod healing;
pub mod keyring;
pub mod pinning;
pub mod recovery;
pub mod rekey;
pub mod sealing;
pub mod signing;
pub mod stage;
pub mod status;
pub mod verification;

mod accepting;
mod book;
mod following;
mod listening;

use condition::Conditions;
use pinning::Pins;
use verification::Verifications;

use crate::account::{Credentials, Login};
use crate::store::{Store, StoreError};

/// Between two looks at whether everything is as it should be.
const LOOK: Duration = Duration::from_mins(10);
/// Until a look that failed is taken again; it doubles each time.
const AGAIN: Duration = Duration::from_secs(1);

/// Why trust is not as it should be.
#[derive(Debug, Error)]
pub enum TrustError {
    /// There is no session with the homeserver yet.
    #[error("cannot do that yet: nobody is logged in at the homeserver")]
    NotLoggedIn,
    /// The homeserver did not do it.
    #[error("cannot {doing}: {cause}")]
    Homeserver {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        cause: String,
    },
    /// It is not the account's recovery key.
    #[error("cannot recover with this key: it does not open the account's secret storage")]
    WrongKey,
    /// There is nothing that a recovery key could open.
    #[error("cannot recover: the account has no secret storage")]
    NoStorage,
    /// This device has nothing to put under a new key.
    #[error("cannot make a recovery key: this device does not hold the account's identity; recover it first")]
    NoIdentity,
    /// An identity of somebody cannot be accepted.
    #[error("cannot accept an identity of {user}: {why}")]
    Acceptance {
        /// Whose.
        user: String,
        /// Why.
        why: String,
    },
    /// There is no key to show.
    #[error("the recovery key was shown already, or was not made here; rotate it to get another one")]
    Shown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the unit was given for healing.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The account's password, where it logs in by one.
    pub password: Option<Zeroizing<String>>,
    /// The account's recovery key, or a passphrase in its place.
    pub recovery: Option<Zeroizing<String>>,
}

impl Secrets {
    /// Those of the unit's credentials.
    pub fn of(credentials: &Credentials) -> Self {
        let password = match &credentials.login {
            Login::Password(password) => Some(password.clone()),
            Login::Token(_) => None,
        };
        Self { password, recovery: credentials.recovery.clone() }
    }
}

/// The trust of one account.
pub struct Trust {
    config: Arc<Matrixd>,
    store: Store,
    secrets: Secrets,
    client: Mutex<Option<Client>>,
    conditions: Arc<Conditions>,
    pins: Arc<Pins>,
    verifications: Verifications,
    /// One change of keys at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Trust {
    /// Before anybody is logged in.
    pub fn new(
        config: Arc<Matrixd>,
        store: Store,
        secrets: Secrets,
        conditions: Arc<Conditions>,
        pins: Arc<Pins>,
    ) -> Arc<Self> {
        let verifications = Verifications::new(Arc::clone(&config));
        let (client, turn) = (Mutex::new(None), tokio::sync::Mutex::new(()));
        Arc::new(Self { config, store, secrets, client, conditions, pins, verifications, turn })
    }

    /// The client, once it is logged in and before its first sync: verifications that come with it are heard.
    pub fn attach(&self, client: &Client) {
        self.verifications.listen(client);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
    }

    /// What is wrong now, also for other parts to say so.
    pub const fn conditions(&self) -> &Arc<Conditions> {
        &self.conditions
    }

    /// The verifications.
    pub const fn verifications(&self) -> &Verifications {
        &self.verifications
    }

    /// The configuration of the account.
    pub fn config(&self) -> &Matrixd {
        &self.config
    }

    /// The client.
    ///
    /// # Errors
    /// Until somebody is logged in.
    pub fn client(&self) -> Result<Client, TrustError> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(TrustError::NotLoggedIn)
    }

    /// Heals again and again, until it is dropped: at once, then from time to time; sooner after a failure.
    pub async fn tend(self: Arc<Self>) {
        let mut again = AGAIN;
        loop {
            let wait = match self.heal().await {
                Ok(()) => {
                    again = AGAIN;
                    LOOK
                }
                Err(TrustError::NotLoggedIn) => AGAIN,
                Err(error) => {
                    tracing::warn!("trust is looked after again in {} s: {error}", again.as_secs());
                    let now = again;
                    again = (again * 2).min(LOOK);
                    now
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}
