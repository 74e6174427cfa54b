//! The loop that syncs: asks for news, puts what it brought into the inbox, and only then asks for the next.
//!
//! Not the SDK's own loop, which sleeps a second whenever the homeserver answers quickly. The SDK keeps a token of its
//! own and drops an answer that it saw already; so where ours is older, because a kill came between the two or the
//! SDK's stores were lost, what lies between them is fetched before anything else.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use matrix_sdk::config::{SyncSettings, SyncToken};
use matrix_sdk::ruma::api::client::filter::{Filter, FilterDefinition, LazyLoadOptions};
use matrix_sdk::ruma::{OwnedRoomId, UInt};
use matrix_sdk::store::{StateStoreDataKey, StateStoreDataValue};
use matrix_sdk::sync::SyncResponse;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::backoff::{Backoff, chance};
use super::failure::{Failure, foreign};
use super::login::RunError;
use super::{Account, Phase};
use crate::store::{Arrival, Inbox, StoreError};
use crate::trust::condition::Word;

/// How long the homeserver may hold a sync back while there is no news.
const HELD: Duration = Duration::from_secs(30);
/// Shortest time between two syncs that bring nothing, so that a homeserver that answers at once is not asked at once.
const PACE: Duration = Duration::from_millis(100);
/// So many failures in a row, the last a panic of the SDK, end the daemon, which begins anew with what is on the disk.
const PANICS: u32 = 5;
/// Most events of one room in one sync; what is more is fetched in pages of as many.
pub(super) const PAGE: u32 = 100;

/// Why a turn did not succeed. It is tried again.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// The homeserver.
    #[error("{0:?}")]
    Homeserver(Failure),
    /// Our own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The SDK.
    #[error("cannot sync: the library of Matrix panicked; the journal has more")]
    Panicked,
}

impl From<matrix_sdk::Error> for Trouble {
    fn from(error: matrix_sdk::Error) -> Self {
        Self::Homeserver(Failure::of(&error))
    }
}

/// How far the loop has come.
struct Progress {
    /// What the inbox has.
    taken: Option<String>,
    /// What the SDK has.
    token: Option<String>,
    /// What the SDK has and the inbox has not.
    pending: Option<Pending>,
}

/// What a sync brought.
pub(super) struct Pending {
    pub(super) response: SyncResponse,
    /// The rooms that we were in before it.
    pub(super) joined: HashSet<OwnedRoomId>,
    /// The SDK knew nothing before it: it brought all rooms and the end of each, not what is new.
    pub(super) is_anew: bool,
}

impl Account {
    /// Syncs for as long as the homeserver lets us; [`Account::log_in`] comes before it.
    ///
    /// # Errors
    /// When the homeserver refuses us, or our own store cannot be read. What passes by is waited for.
    pub async fn run(&self, inbox: &Inbox) -> Result<Infallible, RunError> {
        let token = self.token_of_sdk().await;
        let mut progress = Progress { taken: inbox.sync_token()?, token, pending: None };
        let mut backoff = Backoff::default();
        loop {
            self.turns.send_modify(|turns| *turns = turns.wrapping_add(1));
            match self.turn(inbox, &mut progress).await {
                Ok(()) => {
                    if backoff.failures() > 0 {
                        tracing::info!(failures = backoff.failures(), "the homeserver is back");
                    }
                    backoff.reset();
                    self.is_well();
                }
                Err(Trouble::Homeserver(Failure::LoggedOut { .. })) => return Err(self.logged_out()),
                // What it leaves behind may be of no use any more.
                Err(Trouble::Panicked) if backoff.failures() >= PANICS => return Err(RunError::Panicked),
                Err(trouble) => {
                    if matches!(trouble, Trouble::Panicked) && progress.taken.is_some() {
                        // The SDK may have kept what came before it panicked; then that is fetched before anything else.
                        progress.token = self.token_of_sdk().await;
                    }
                    let wait = backoff.failed(self.notice(&trouble), chance());
                    sleep(wait).await;
                }
            }
        }
    }

    /// One step: catches up, or asks for news and takes them in.
    async fn turn(&self, inbox: &Inbox, progress: &mut Progress) -> Result<(), Trouble> {
        if progress.pending.is_none() {
            if let (Some(taken), Some(token)) = (&progress.taken, &progress.token)
                && taken != token
            {
                self.fill_all(inbox, taken, token).await?;
                inbox.take::<Arrival>(&[], token, now_ms())?;
            }
            progress.taken.clone_from(&progress.token);
            progress.pending = Some(self.ask(progress.token.as_ref()).await?);
        }
        if let Some(pending) = &progress.pending {
            progress.token = Some(pending.response.next_batch.clone());
            let taken = if pending.is_anew { inbox.sync_token()? } else { progress.taken.clone() };
            self.take(inbox, pending, taken.as_deref()).await?;
            progress.taken.clone_from(&progress.token);
            progress.pending = None;
            self.at_least(Phase::Synced);
        }
        Ok(())
    }

    async fn ask(&self, token: Option<&String>) -> Result<Pending, Trouble> {
        let joined = self.client.joined_rooms().iter().map(|room| room.room_id().to_owned()).collect();
        let asked = Instant::now();
        // The first answer after a start comes at once, so that nobody waits for half a minute to know how it is.
        let held = if *self.phase.borrow() == Phase::Synced { HELD } else { Duration::ZERO };
        let settings = SyncSettings::new()
            .token(token.map_or(SyncToken::NoToken, |token| SyncToken::Specific(token.clone())))
            .filter(filter().into())
            .timeout(held);
        // A task of its own: in the SDK's sync, which also sends what its verifications want said, a panic is possible.
        let client = self.client.clone();
        let mut asking = JoinSet::new();
        asking.spawn(async move { client.sync_once(settings).await });
        let response = match asking.join_next().await {
            Some(Ok(response)) => response?,
            _ => return Err(Trouble::Panicked),
        };
        if token == Some(&response.next_batch) && asked.elapsed() < PACE {
            sleep(PACE).await;
        }
        Ok(Pending { response, joined, is_anew: token.is_none() })
    }

    async fn token_of_sdk(&self) -> Option<String> {
        let kept = self.client.state_store().get_kv_data(StateStoreDataKey::SyncToken).await;
        kept.ok().flatten().and_then(StateStoreDataValue::into_sync_token)
    }

    /// Raises what is wrong; how long the homeserver wants us to wait.
    fn notice(&self, trouble: &Trouble) -> Option<Duration> {
        let (word, text, wait) = match trouble {
            Trouble::Homeserver(Failure::Later { cause, retry_after: Some(wait) }) => {
                (Word::RateLimited, format!("the homeserver wants us to wait: {cause}"), Some(*wait))
            }
            Trouble::Homeserver(Failure::Later { cause, retry_after: None }) => {
                (Word::HomeserverAway, format!("cannot reach the homeserver: {cause}"), None)
            }
            Trouble::Homeserver(Failure::Foreign(cause)) => (Word::HomeserverUntrusted, foreign(cause), None),
            Trouble::Homeserver(Failure::LoggedOut { .. }) => return None,
            Trouble::Homeserver(Failure::Never(cause)) => {
                (Word::SyncFailing, format!("the homeserver refuses to sync: {cause}"), None)
            }
            Trouble::Store(error) => (Word::StoreUnusable, error.to_string(), None),
            Trouble::Panicked => (Word::SyncFailing, trouble.to_string(), None),
        };
        self.conditions.raise(word, text);
        wait
    }

    fn is_well(&self) {
        for word in [
            Word::RateLimited,
            Word::HomeserverAway,
            Word::HomeserverUntrusted,
            Word::SyncFailing,
            Word::StoreUnusable,
        ] {
            self.conditions.clear(word);
        }
    }
}

/// Only what is used: nobody's presence, nobody's typing, members when they speak.
fn filter() -> FilterDefinition {
    let mut filter = FilterDefinition::default();
    filter.presence = Filter::ignore_all();
    filter.room.ephemeral = matrix_sdk::ruma::api::client::filter::RoomEventFilter::ignore_all();
    filter.room.timeline.limit = Some(UInt::from(PAGE));
    filter.room.state.lazy_load_options = LazyLoadOptions::Enabled { include_redundant_members: false };
    filter
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
