//! Reads dead letters again when their keys come.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use matrix_sdk::ruma::RoomId;

use super::sync::now_ms;
use super::{Account, Phase};
use crate::store::{DeadLetter, DeadLetters, Inbox, StoreError};

/// Most dead letters that are tried at once when it is not known which keys came.
const MOST: u32 = 1000;

/// How long nobody listens for keys where the library does not tell of them.
const UNTIL_TOLD: Duration = Duration::from_secs(10);

impl Account {
    /// Reads dead letters again as their keys come, and all of them once after the start; for ever.
    pub async fn revive(self: Arc<Self>, inbox: Inbox, letters: DeadLetters) {
        let mut phase = self.phase();
        if phase.wait_for(|phase| *phase >= Phase::Synced).await.is_err() {
            // Who would say so is gone with the account, which is ours.
            return std::future::pending().await;
        }
        loop {
            let keys = self.client.encryption().room_keys_received_stream().await;
            if let Some(keys) = keys {
                let mut keys = pin!(keys);
                // Nor is it known which came while nobody listened.
                self.try_again(&inbox, letters.list(MOST)).await;
                while let Some(came) = keys.next().await {
                    match came {
                        Ok(keys) => {
                            for key in keys {
                                let waiting =
                                    letters.waiting_for(key.room_id.as_str(), Some(&key.session_id));
                                self.try_again(&inbox, waiting).await;
                            }
                        }
                        // So many came that we do not know which.
                        Err(_) => self.try_again(&inbox, letters.list(MOST)).await,
                    }
                }
            }
            // The library tells of no keys before it has its own, nor after it made them anew.
            tokio::time::sleep(UNTIL_TOLD).await;
        }
    }

    /// Reads these again, each by itself: one at which the library panics is given up until its key comes once more, and
    /// not the end of all that reads.
    async fn try_again(self: &Arc<Self>, inbox: &Inbox, letters: Result<Vec<DeadLetter>, StoreError>) {
        let letters = match letters {
            Ok(letters) => letters,
            Err(error) => return tracing::error!("{error}"),
        };
        for letter in letters {
            let (account, inbox, event) = (Arc::clone(self), inbox.clone(), letter.event.clone());
            let tried = tokio::spawn(async move { account.try_one(&inbox, &letter.room, &letter).await });
            match tried.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("{error}"),
                Err(panic) => tracing::error!(%event, "a dead letter is given up: {panic}"),
            }
        }
    }

    async fn try_one(&self, inbox: &Inbox, room: &RoomId, letter: &DeadLetter) -> Result<(), StoreError> {
        match self.again(room, &letter.event).await {
            Ok(Some(incoming)) => inbox.take_late(&[incoming], now_ms()).map(drop),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::debug!(event = %letter.event, "cannot fetch a dead letter: {error}");
                Ok(())
            }
        }
    }
}
