//! The recovery key: made once, shown once, rotated, and used to come back.
//!
//! Until it is shown it lies sealed in the store; then it is forgotten here. Rotating leaves no copy of the account's
//! secrets under an older key: clients add a copy for the new key beside the others, and who found the old key would
//! still open those.

use matrix_sdk::Client;
use matrix_sdk::encryption::recovery::{Recovery, RecoveryError};
use matrix_sdk::encryption::secret_storage::SecretStorageError;
use matrix_sdk::ruma::events::GlobalAccountDataEventType;
use matrix_sdk::ruma::serde::Raw;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::condition::Word;
use super::healing::Found;
use super::stage::{Next, Stage};
use super::{Trust, TrustError};
use crate::store::StoreError;

/// Where the key lies until it is shown.
const KEY: &str = "recovery.key";
/// Where a change's mark lies.
const STAGE: &str = "recovery.stage";
/// Fewest characters of a passphrase that stands for a key that was not made yet.
const LEAST: usize = 20;

impl Trust {
    /// The recovery key, once.
    ///
    /// # Errors
    /// When it was shown already or was not made here.
    pub fn show_recovery_key(&self) -> Result<Zeroizing<String>, TrustError> {
        let key = self.unshown()?.ok_or(TrustError::Shown)?;
        // Before it is forgotten: should the answer be lost, this tells why no key can be shown.
        tracing::info!("the recovery key is handed to an operator");
        self.store.forget(KEY)?;
        // What was forgotten must not stand in the journal of the file either. Busy only means that it goes later.
        self.store
            .with(|database| Ok(database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))?;
        self.conditions.clear(Word::RecoveryKeyUnshown);
        Ok(key)
    }

    /// Makes another recovery key and shows it; the one before opens nothing any more.
    ///
    /// # Errors
    /// When the homeserver fails; it is continued then by itself, and the key can be shown later.
    pub async fn rotate(&self) -> Result<Zeroizing<String>, TrustError> {
        let client = self.client()?;
        let _turn = self.turn.lock().await;
        let found = self.find(&client, false).await?;
        if !found.identity || !found.keys {
            return Err(TrustError::NoIdentity);
        }
        self.mark(Stage::Started)?;
        self.settle(&client).await?;
        self.check_credential(&client).await?;
        self.show_recovery_key()
    }

    /// Takes the account's identity and its backup back with its recovery key, and says what there is then.
    ///
    /// # Errors
    /// When it is another key, or the homeserver fails.
    pub async fn recover(&self, key: &str) -> Result<Found, TrustError> {
        let client = self.client()?;
        let _turn = self.turn.lock().await;
        restore(&client, key).await?;
        let found = self.find(&client, false).await?;
        self.say(found);
        self.look_at_owners(&client).await;
        Ok(found)
    }

    /// Where a change of the key stands.
    pub(super) fn stage(&self) -> Result<Stage, TrustError> {
        let word = self.store.kept(STAGE)?;
        Ok(Stage::read(word.as_deref().and_then(|word| std::str::from_utf8(word).ok())))
    }

    /// Whether a key waits to be shown.
    pub(super) fn is_unshown(&self) -> Result<bool, TrustError> {
        Ok(self.store.kept(KEY)?.is_some())
    }

    /// Makes the first recovery key, and the backup of room keys with it.
    pub(super) async fn enable(&self, client: &Client) -> Result<(), TrustError> {
        self.mark(Stage::Started)?;
        self.settle(client).await
    }

    /// Does what is left of a change.
    pub(super) async fn settle(&self, client: &Client) -> Result<(), TrustError> {
        loop {
            let stage = self.stage()?;
            match stage.next() {
                Next::Rest => return Ok(()),
                Next::Make => {
                    let key = self.make(client).await?;
                    self.store.keep(KEY, key.as_bytes())?;
                    let text = "a recovery key was made: write it down, `testudoctl matrix recovery-key` shows it once";
                    self.conditions.raise(Word::RecoveryKeyUnshown, text);
                }
                Next::Prune => prune(client).await?,
            }
            self.mark(stage.then())?;
        }
    }

    /// Comes back by the credential; one that does not open is said and not tried again in this round.
    pub(super) async fn recover_by_credential(&self, client: &Client) -> Result<(), TrustError> {
        let Some(key) = &self.secrets.recovery else { return Ok(()) };
        match restore(client, key).await {
            Err(TrustError::WrongKey | TrustError::NoStorage) => {
                self.stale();
                Ok(())
            }
            other => other,
        }
    }

    /// Whether the recovery key of the credentials would heal this account, should its store be lost.
    pub(super) async fn check_credential(&self, client: &Client) -> Result<(), TrustError> {
        if self.is_unshown()? {
            let text = "a recovery key was made and nobody has seen it: `testudoctl matrix recovery-key` shows it once";
            self.conditions.raise(Word::RecoveryKeyUnshown, text);
        }
        let Some(key) = &self.secrets.recovery else { return Ok(()) };
        match client.encryption().secret_storage().open_secret_store(key).await {
            Ok(_) => self.conditions.clear(Word::RecoveryKeyStale),
            Err(error) => match failure(error.into()) {
                TrustError::WrongKey => self.stale(),
                TrustError::NoStorage => {}
                error => return Err(error),
            },
        }
        Ok(())
    }

    /// Connects to the account's backup, or makes one where there is none.
    pub(super) async fn back_up(&self, client: &Client) -> Result<(), TrustError> {
        match client.encryption().recovery().enable_backup().await {
            Ok(()) | Err(RecoveryError::BackupExistsOnServer) => Ok(()),
            Err(error) => Err(failure(error)),
        }
    }

    async fn make(&self, client: &Client) -> Result<Zeroizing<String>, TrustError> {
        let encryption = client.encryption();
        let recovery = encryption.recovery();
        let storage = encryption.secret_storage().is_enabled().await;
        let storage = storage.map_err(|error| failure(error.into()))?;
        if storage {
            return recovery.reset_key().await.map(Zeroizing::new).map_err(failure);
        }
        if !encryption.backups().are_enabled().await {
            let exists = encryption.backups().fetch_exists_on_server().await;
            if exists.map_err(|error| failure(error.into()))? {
                // Without secret storage nobody has the key of that backup.
                let deleted = encryption.backups().disable_and_delete().await;
                deleted.map_err(|error| failure(error.into()))?;
            }
        }
        // A passphrase that is among the credentials already heals from the first day on.
        let passphrase = self.secrets.recovery.as_ref().filter(|text| text.chars().count() >= LEAST);
        let enable = recovery.enable();
        let key = match passphrase {
            Some(passphrase) => enable.with_passphrase(passphrase).await,
            None => enable.await,
        };
        key.map(Zeroizing::new).map_err(failure)
    }

    fn mark(&self, stage: Stage) -> Result<(), StoreError> {
        match stage.word() {
            Some(word) => self.store.keep(STAGE, word.as_bytes()),
            None => self.store.forget(STAGE).map(drop),
        }
    }

    fn unshown(&self) -> Result<Option<Zeroizing<String>>, TrustError> {
        let key = self.store.kept(KEY)?.map(Zeroizing::new);
        Ok(key.map(|key| Zeroizing::new(String::from_utf8_lossy(&key).into_owned())))
    }

    fn stale(&self) {
        let text = "the credential matrix-recovery-key does not open the account's secret storage: it would not heal a lost \
                    store; give the key that is in force";
        self.conditions.raise(Word::RecoveryKeyStale, text);
    }
}

async fn restore(client: &Client, key: &str) -> Result<(), TrustError> {
    client.encryption().recovery().recover_and_fix_backup(key.trim()).await.map_err(failure)
}

fn failure(error: RecoveryError) -> TrustError {
    match error {
        RecoveryError::SecretStorage(SecretStorageError::SecretStorageKey(_)) => TrustError::WrongKey,
        RecoveryError::SecretStorage(SecretStorageError::MissingKeyInfo { .. }) => TrustError::NoStorage,
        other => {
            TrustError::Homeserver { doing: "use the account's secret storage", cause: other.to_string() }
        }
    }
}

/// Takes the copies of the secrets away that older keys open, and the descriptions of these keys.
async fn prune(client: &Client) -> Result<(), TrustError> {
    let failed = |cause: &dyn std::fmt::Display| TrustError::Homeserver {
        doing: "take older copies of the secrets away",
        cause: cause.to_string(),
    };
    let account = client.account();
    let default = client.encryption().secret_storage().fetch_default_key_id().await;
    let default = default.map_err(|error| failed(&error))?.and_then(|raw| raw.deserialize().ok());
    let Some(default) = default else { return Err(TrustError::NoStorage) };
    for name in Recovery::KNOWN_SECRETS {
        let kind = GlobalAccountDataEventType::from(name.clone());
        let Some(raw) = account.fetch_account_data(kind.clone()).await.map_err(|error| failed(&error))?
        else {
            continue;
        };
        let Ok(content) = serde_json::from_str::<Value>(raw.json().get()) else { continue };
        let Some((content, dropped)) = only(content, &default.key_id) else { continue };
        let content = Raw::new(&content).map_err(|error| failed(&error))?.cast_unchecked();
        account.set_account_data_raw(kind, content).await.map_err(|error| failed(&error))?;
        for key in dropped {
            let kind = GlobalAccountDataEventType::SecretStorageKey(key);
            let content = Raw::new(&json!({})).map_err(|error| failed(&error))?.cast_unchecked();
            account.set_account_data_raw(kind, content).await.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// A secret with its copy under this key alone, and the keys of the copies that went; none where there is nothing to
/// take away, or no copy under this key.
fn only(mut content: Value, key: &str) -> Option<(Value, Vec<String>)> {
    let copies = content.get_mut("encrypted")?.as_object_mut()?;
    if !copies.contains_key(key) {
        return None;
    }
    let dropped: Vec<String> = copies.keys().filter(|other| *other != key).cloned().collect();
    copies.retain(|other, _| other == key);
    (!dropped.is_empty()).then_some((content, dropped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_under_older_keys_go_and_the_only_one_stays() {
        let two = json!({"encrypted": {"old": {"mac": "a"}, "new": {"mac": "b"}}});
        let (left, dropped) = only(two.clone(), "new").unwrap();
        assert_eq!(
            (left.clone(), dropped),
            (json!({"encrypted": {"new": {"mac": "b"}}}), vec!["old".to_owned()])
        );
        assert_eq!(only(left, "new"), None, "nothing to do a second time");
        assert_eq!(only(two, "newest"), None, "a secret is never left without a copy");
        assert_eq!(only(json!({"encrypted": 1}), "new"), None);
    }
}
