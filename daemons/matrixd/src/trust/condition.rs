//! What is wrong now, by stable words: for status, for programs, for the log.
//!
//! Whoever notices something raises its word with a sentence, and clears it when it is over. A word never changes its
//! meaning and is never used for something else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Something that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// No homeserver is configured.
    NotConfigured,
    /// Nobody is logged in yet.
    NotLoggedIn,
    /// The homeserver refuses the password or the token.
    LoginRefused,
    /// The homeserver ended our session: a person signed this device out, or the token was revoked.
    TokenRevoked,
    /// The homeserver does not answer.
    HomeserverAway,
    /// Who answers cannot show by its certificate that it is the homeserver.
    HomeserverUntrusted,
    /// The homeserver answers what cannot be used.
    SyncFailing,
    /// The homeserver wants us to wait.
    RateLimited,
    /// The account has no identity yet and none could be made.
    IdentityMissing,
    /// The homeserver wants a password to make the identity, and there is none.
    PasswordNeeded,
    /// The account's identity is not on this device: its recovery key is needed.
    RecoveryKeyNeeded,
    /// The recovery key of the credentials does not open the account's secret storage.
    RecoveryKeyStale,
    /// A recovery key was made and nobody has seen it.
    RecoveryKeyUnshown,
    /// A change of the recovery key was begun and is not ended.
    RecoveryUnsettled,
    /// Room keys are not backed up.
    BackupMissing,
    /// This device is not signed by the account's identity.
    DeviceUnsigned,
    /// An owner's identity is not verified, so nothing that he says counts as his.
    OwnerUnverified,
    /// An owner's identity was verified and is another one now.
    OwnerChanged,
    /// Somebody of no list is in an encrypted room, so nothing is said there.
    StrangerInRoom,
    /// Somebody behind a bridge is in an encrypted room where none is expected, so nothing is said there.
    BridgedInRoom,
    /// Somebody in an encrypted room has another identity than the one that was known, so nothing is said there.
    IdentityChanged,
    /// Messages wait that cannot be read.
    DeadLetters,
    /// What must be sent could not be sent.
    OutboxFailing,
    /// What is stored cannot be used.
    StoreUnusable,
}

impl Word {
    /// Whether nobody can be talked with while it lasts.
    pub const fn silences(self) -> bool {
        matches!(
            self,
            Self::NotConfigured
                | Self::NotLoggedIn
                | Self::LoginRefused
                | Self::TokenRevoked
                | Self::HomeserverAway
                | Self::HomeserverUntrusted
                | Self::StoreUnusable
        )
    }
}

/// A word with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The word.
    pub word: Word,
    /// What is wrong and what helps, in a sentence for people.
    pub text: String,
}

/// What is wrong now.
#[derive(Debug, Default)]
pub struct Conditions {
    all: Mutex<BTreeMap<Word, String>>,
    held: Mutex<BTreeMap<String, String>>,
}

impl Conditions {
    /// Something is wrong; said again it replaces the sentence. Logged when it is new.
    pub fn raise(&self, word: Word, text: impl Into<String>) {
        let text = text.into();
        let mut all = self.lock();
        if all.get(&word) != Some(&text) {
            tracing::warn!("{text}");
            all.insert(word, text);
        }
    }

    /// It is over, if it was at all.
    pub fn clear(&self, word: Word) {
        self.lock().remove(&word);
    }

    /// Raises it with this sentence, or clears it.
    pub fn set(&self, word: Word, text: Option<String>) {
        match text {
            Some(text) => self.raise(word, text),
            None => self.clear(word),
        }
    }

    /// Everything that is wrong, what silences first.
    pub fn list(&self) -> Vec<Condition> {
        let all = self.lock();
        let mut list: Vec<_> =
            all.iter().map(|(word, text)| Condition { word: *word, text: text.clone() }).collect();
        list.sort_by_key(|condition| (!condition.word.silences(), condition.word));
        list
    }

    /// Keeps why nothing is said in a room now, or that something may be.
    pub fn hold(&self, room: &str, why: Option<String>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => held.insert(room.to_owned(), why),
            None => held.remove(room),
        };
    }

    /// Why nothing is said in a room, as it was looked at last.
    pub fn held(&self, room: &str) -> Option<String> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Word, String>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_silences_stands_first_and_what_is_over_is_gone() {
        let conditions = Conditions::default();
        conditions.raise(Word::OwnerUnverified, "verify him");
        conditions.raise(Word::HomeserverAway, "it does not answer");
        let words = |conditions: &Conditions| -> Vec<Word> {
            conditions.list().iter().map(|condition| condition.word).collect()
        };
        assert_eq!(words(&conditions), [Word::HomeserverAway, Word::OwnerUnverified]);
        conditions.set(Word::HomeserverAway, None);
        assert_eq!(words(&conditions), [Word::OwnerUnverified]);
        let json = serde_json::to_value(conditions.list()).unwrap();
        assert_eq!(json, serde_json::json!([{"word": "owner-unverified", "text": "verify him"}]));
    }
}
