//! By which identity each person is known: the first that was seen of him, or one that an operator verified or accepted.
//!
//! Only the homeserver says which cross-signing identity somebody has. It can make one up with a device that it signs,
//! and the SDK gives that device the keys of every room in which he is. So an identity is pinned when it is first seen,
//! in our own store, which outlives the SDK's; who has another one later must not hear anything until an operator says
//! that it is his, also when the homeserver takes it back: nobody can, who reset his. What the first one was is the
//! homeserver's word: only comparing emoji is proof against that.
//!
//! ```text
//!  the SDK's stream ──▶ heard ──▶ weighed beside the pin ──▶ to be recorded ──▶ auditd
//!  who is to hear something ───────────▶┘
//! ```
//! Nothing here waits for what stands right of it: the stream drops what is not read at once, and to say something must
//! not take as long as `auditd` is away.

mod following;
mod heard;
mod notes;
mod pin;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use matrix_sdk::Client;
use matrix_sdk::encryption::identities::UserIdentity;
use matrix_sdk::ruma::{OwnedUserId, UserId};
use serde::Serialize;
use testudo::recorder::Recorder;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::store::{Store, StoreError};
use heard::Heard;
use pin::{Judgement, Pin, Seen, judge};

/// How long who wants to know an identity waits for those of people to be followed.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

/// Why it is not known by which identity somebody goes; nothing may be said to him then.
#[derive(Debug, Error)]
pub enum PinningError {
    /// The SDK's store, or the homeserver.
    #[error("cannot look up the identity of {user}: {cause}")]
    Identity {
        /// Whose.
        user: OwnedUserId,
        /// Why.
        cause: String,
    },
    /// Our own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to be kept cannot be written.
    #[error("cannot write by which identity {0} is known")]
    Unwritable(OwnedUserId),
    /// What the homeserver shows in between would not be seen.
    #[error("cannot know the identity of {0}: the identities of people are not followed now")]
    NotFollowed(OwnedUserId),
}

/// Somebody who has another identity than the one that he is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Who.
    pub user: String,
    /// The identity that he has now: its public master key, in base64.
    pub identity: String,
    /// The one that he is known by. The same, where it was verified and is not any more; `unreadable`, where what was
    /// kept of him is damaged.
    pub before: String,
}

/// The identities by which people are known.
pub struct Pins {
    store: Store,
    changed: Mutex<BTreeMap<OwnedUserId, Change>>,
    heard: Mutex<Heard<UserIdentity>>,
    /// Something was heard.
    news: Notify,
    /// Changes that are to be recorded, one of each person.
    noted: Mutex<BTreeMap<OwnedUserId, Change>>,
    /// One was noted.
    notes: Notify,
    recorder: OnceLock<Recorder>,
    is_followed: watch::Sender<bool>,
    /// One is looked at or accepted at a time. Who has it waits for nothing but stores.
    turn: tokio::sync::Mutex<()>,
}

impl Pins {
    /// Those that this store has.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            changed: Mutex::default(),
            heard: Mutex::default(),
            news: Notify::new(),
            noted: Mutex::default(),
            notes: Notify::new(),
            recorder: OnceLock::new(),
            is_followed: watch::Sender::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// From now on, changes are recorded by it, also those that were seen before.
    pub fn record_with(&self, recorder: Recorder) {
        // It is given once.
        let _ = self.recorder.set(recorder);
    }

    /// Who has another identity than the one that he is known by, as it was looked at last.
    pub fn changes(&self) -> Vec<Change> {
        self.changed().values().cloned().collect()
    }

    /// Waits until the identities of people are followed.
    async fn followed(&self) {
        // The sender is here.
        let _ = self.is_followed.subscribe().wait_for(|is_followed| *is_followed).await;
    }

    /// Looks at the identity of somebody who is to hear something: none where he is known by it, or has none, so that he
    /// gets no keys. The first that is seen is pinned, and so is one that an operator verified.
    ///
    /// # Errors
    /// When it cannot be known, such as while [`Pins::follow`] does not follow.
    pub async fn look(&self, client: &Client, user: &UserId) -> Result<Option<Change>, PinningError> {
        // It begins right after the login, with which a start has more to say.
        let followed = timeout(FOLLOWED_WITHIN, self.followed()).await;
        followed.map_err(|_| PinningError::NotFollowed(user.to_owned()))?;
        if self.pin(user)?.is_some() && known(client, user).await?.is_none() {
            // The SDK's store was lost: it would ask for it in the middle of sharing keys. What comes is in its store.
            let asked = client.encryption().request_user_identity(user).await;
            asked.map_err(|error| failed(user, &error))?;
        }
        let _turn = self.turn.lock().await;
        self.weigh_heard(client, user).await?;
        let change = match known(client, user).await? {
            Some(identity) => self.weigh(client, user, &identity).await?,
            None => None,
        };
        match &change {
            Some(change) => drop(self.changed().insert(user.to_owned(), change.clone())),
            None => drop(self.changed().remove(user)),
        }
        Ok(change)
    }

    /// What an identity is beside the one that is pinned, and keeps that; the caller has the turn.
    async fn weigh(
        &self,
        client: &Client,
        user: &UserId,
        identity: &UserIdentity,
    ) -> Result<Option<Change>, PinningError> {
        let Some(seen) = seen(client, identity).await else { return Ok(None) };
        let pin = self.pin(user)?;
        match judge(pin.as_ref(), &seen) {
            Judgement::Known => Ok(None),
            Judgement::Pin => {
                self.keep(user, &Pin::of(seen.key))?;
                Ok(None)
            }
            Judgement::Changed => {
                let changed = Pin::with_another(pin.clone(), &seen.key);
                if pin.as_ref() != Some(&changed) {
                    self.keep(user, &changed)?;
                }
                let change =
                    Change { user: user.to_string(), identity: seen.key, before: changed.key.clone() };
                self.note(user, &changed, &change);
                Ok(Some(change))
            }
        }
    }

    /// From now on somebody is known by this identity, which must be the one that he has now, whatever was kept
    /// of him before.
    ///
    /// # Errors
    /// `Err` of the inner result says what he has instead; none where he has no identity.
    pub(super) async fn accept(
        &self,
        client: &Client,
        user: &UserId,
        key: &str,
    ) -> Result<Result<(), Option<String>>, PinningError> {
        let _turn = self.turn.lock().await;
        // What he was before must not be held against him afterwards.
        self.weigh_heard(client, user).await?;
        let Some(identity) = known(client, user).await? else { return Ok(Err(None)) };
        let now = key_of(&identity);
        if now.as_deref() != Some(key) {
            return Ok(Err(now));
        }
        self.keep(user, &Pin::of(key.to_owned()))?;
        // The SDK has pins of its own, and gives nothing to who was verified and is not any more.
        let pinned = if identity.has_verification_violation() {
            identity.withdraw_verification().await
        } else {
            identity.pin().await
        };
        pinned.map_err(|error| failed(user, &error))?;
        self.changed().remove(user);
        Ok(Ok(()))
    }

    fn pin(&self, user: &UserId) -> Result<Option<Pin>, PinningError> {
        match self.store.kept(&name(user)) {
            Ok(kept) => Ok(kept.map(|kept| Pin::read(&kept))),
            Err(StoreError::Damaged { .. }) => Ok(Some(Pin::unreadable())),
            Err(error) => Err(error.into()),
        }
    }

    fn keep(&self, user: &UserId, pin: &Pin) -> Result<(), PinningError> {
        let text = serde_json::to_vec(pin).map_err(|_| PinningError::Unwritable(user.to_owned()))?;
        Ok(self.store.keep(&name(user), &text)?)
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<OwnedUserId, Change>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn known(client: &Client, user: &UserId) -> Result<Option<UserIdentity>, PinningError> {
    client.encryption().get_user_identity(user).await.map_err(|error| failed(user, &error))
}

async fn seen(client: &Client, identity: &UserIdentity) -> Option<Seen> {
    // While our own identity is not here nobody counts as verified, and the SDK shares no keys.
    let own = match client.user_id() {
        Some(own) => client.encryption().get_user_identity(own).await.ok().flatten(),
        None => None,
    };
    let is_violation = identity.has_verification_violation() && own.is_some_and(|own| own.is_verified());
    Some(Seen { key: key_of(identity)?, is_verified: identity.is_verified(), is_violation })
}

fn key_of(identity: &UserIdentity) -> Option<String> {
    identity.master_key().get_first_key().map(|key| key.to_base64())
}

fn failed(user: &UserId, cause: &dyn std::fmt::Display) -> PinningError {
    PinningError::Identity { user: user.to_owned(), cause: cause.to_string() }
}

/// Where the pin of somebody is kept.
fn name(user: &UserId) -> String {
    format!("identity of {user}")
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;
    use crate::store::testing::opened;

    #[test]
    fn a_pin_outlives_a_restart_and_is_of_one_person() {
        let directory = tempfile::tempdir().unwrap();
        let (ann, bob) = (user_id!("@ann:home.org"), user_id!("@bob:home.org"));
        let pin = Pin { other: Some("b".into()), is_recorded: true, ..Pin::of("a".into()) };
        Pins::new(opened(directory.path())).keep(ann, &pin).unwrap();
        let pins = Pins::new(opened(directory.path()));
        assert_eq!(pins.pin(ann).unwrap(), Some(pin));
        assert_eq!(pins.pin(bob).unwrap(), None);
        pins.store.keep(&name(bob), b"{}").unwrap();
        assert_eq!(pins.pin(bob).unwrap(), Some(Pin::unreadable()), "what is broken is not seen first");
        pins.keep(bob, &Pin::of("b".into())).unwrap();
        assert_eq!(pins.pin(bob).unwrap(), Some(Pin::of("b".into())), "and what was accepted replaces it");
    }
}
