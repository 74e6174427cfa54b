//! Reads dead letters again when their keys come.

use std::pin::pin;

use futures_util::StreamExt as _;
use matrix_sdk::ruma::RoomId;

use super::sync::now_ms;
use super::{Account, Phase};
use crate::store::{DeadLetter, DeadLetters, Inbox, StoreError};

/// Most dead letters that are tried at once when it is not known which keys came.
const MOST: u32 = 1000;

impl Account {
    /// Reads dead letters again as their keys come, and all of them once after the start; for ever.
    pub async fn revive(&self, inbox: &Inbox, letters: &DeadLetters) {
        let mut phase = self.phase();
        if phase.wait_for(|phase| *phase >= Phase::Synced).await.is_err() {
            return;
        }
        let Some(keys) = self.client.encryption().room_keys_received_stream().await else { return };
        let mut keys = pin!(keys);
        self.try_again(inbox, letters.list(MOST)).await;
        while let Some(came) = keys.next().await {
            match came {
                Ok(keys) => {
                    for key in keys {
                        let waiting = letters.waiting_for(key.room_id.as_str(), Some(&key.session_id));
                        self.try_again(inbox, waiting).await;
                    }
                }
                // So many came that we do not know which.
                Err(_) => self.try_again(inbox, letters.list(MOST)).await,
            }
        }
    }

    async fn try_again(&self, inbox: &Inbox, letters: Result<Vec<DeadLetter>, StoreError>) {
        let letters = match letters {
            Ok(letters) => letters,
            Err(error) => return tracing::error!("{error}"),
        };
        for letter in letters {
            if let Err(error) = self.try_one(inbox, &letter.room, &letter).await {
                tracing::error!("{error}");
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
