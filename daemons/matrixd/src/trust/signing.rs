//! Makes the account's identity, signs this device with it, and brings both back after a loss.
//!
//! What the homeserver has is asked of the homeserver: a start that was killed between making keys and uploading them
//! has them in its store, and nobody else has.

use matrix_sdk::Client;
use matrix_sdk::ruma::api::client::keys::get_keys;
use matrix_sdk::ruma::api::client::uiaa;
use matrix_sdk::ruma::{OwnedUserId, UserId};

use super::condition::Word;
use super::healing::{self, Found, Step};
use super::stage::Stage;
use super::{Trust, TrustError};

/// More steps than any way to rest has.
const STEPS: usize = 8;

impl Trust {
    /// Looks and does what is missing, until everything is as it should be or an operator is needed.
    ///
    /// # Errors
    /// When the homeserver or the store fails; calling it again continues.
    pub async fn heal(&self) -> Result<(), TrustError> {
        let client = self.client()?;
        let _turn = self.turn.lock().await;
        let mut credential = self.secrets.recovery.is_some();
        let mut before = None;
        for _ in 0..STEPS {
            let found = self.find(&client, credential).await?;
            let step = healing::next(found);
            if matches!(step, Step::Rest | Step::Wait) || before == Some(step) {
                self.say(found);
                break;
            }
            tracing::info!("trust: {step:?}");
            before = Some(step);
            match step {
                Step::Bootstrap => self.bootstrap(&client).await?,
                Step::Recover => {
                    credential = false;
                    self.recover_by_credential(&client).await?;
                }
                Step::Sign => sign(&client).await?,
                Step::Enable => self.enable(&client).await?,
                Step::Continue => self.settle(&client).await?,
                Step::Backup => self.back_up(&client).await?,
                Step::Rest | Step::Wait => {}
            }
        }
        self.check_credential(&client).await?;
        self.know_people(&client).await;
        self.look_at_owners(&client).await;
        Ok(())
    }

    /// Learns the devices of who may be heard: what a device asks that is not known is not heard by the SDK, and before
    /// the first room is shared with somebody nothing else would make it ask.
    async fn know_people(&self, client: &Client) {
        let config = self.config();
        for name in config.owners.iter().chain(&config.members) {
            let Ok(user) = UserId::parse(name) else { continue };
            if let Err(error) = client.encryption().request_user_identity(&user).await {
                tracing::debug!("the devices of {user} are not known: {error}");
            }
        }
    }

    /// What there is, here and at the homeserver.
    pub(super) async fn find(&self, client: &Client, credential: bool) -> Result<Found, TrustError> {
        let encryption = client.encryption();
        encryption.wait_for_e2ee_initialization_tasks().await;
        let own = own(client)?;
        let failed = |cause: &dyn std::fmt::Display| TrustError::Homeserver {
            doing: "look at the account's identity",
            cause: cause.to_string(),
        };
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(own.clone(), Vec::new())].into();
        let answer = client.send(request).await.map_err(|error| failed(&error))?;
        // The same question by the SDK, which remembers the answer.
        encryption.request_user_identity(&own).await.map_err(|error| failed(&error))?;
        let device = encryption.get_own_device().await.map_err(|error| failed(&error))?;
        let status = encryption.cross_signing_status().await;
        let storage = encryption.secret_storage().is_enabled().await.map_err(|error| failed(&error))?;
        Ok(Found {
            identity: answer.master_keys.contains_key(&own),
            keys: status.is_some_and(|status| status.is_complete()),
            signed: device.is_some_and(|device| device.is_cross_signed_by_owner()),
            storage,
            backup: encryption.backups().are_enabled().await,
            credential,
            unsettled: self.stage()? != Stage::Settled,
        })
    }

    async fn bootstrap(&self, client: &Client) -> Result<(), TrustError> {
        let failed = |error: &matrix_sdk::Error| TrustError::Homeserver {
            doing: "make the account's cross-signing identity",
            cause: error.to_string(),
        };
        let encryption = client.encryption();
        let Err(error) = encryption.bootstrap_cross_signing(None).await else { return Ok(()) };
        let Some(asked) = error.as_uiaa_response() else { return Err(failed(&error)) };
        let Some(password) = &self.secrets.password else {
            let text = "the homeserver wants the account's password to make its identity: give it as matrix-password";
            self.conditions.raise(Word::PasswordNeeded, text);
            return Err(failed(&error));
        };
        let user = uiaa::UserIdentifier::Matrix(uiaa::MatrixUserIdentifier::new(own(client)?.to_string()));
        let mut proof = uiaa::Password::new(user, password.to_string());
        proof.session.clone_from(&asked.session);
        let proof = uiaa::AuthData::Password(proof);
        encryption.bootstrap_cross_signing(Some(proof)).await.map_err(|error| failed(&error))?;
        self.conditions.clear(Word::PasswordNeeded);
        Ok(())
    }

    /// Says what is missing still.
    pub(super) fn say(&self, found: Found) {
        let when = |is: bool, text: &str| is.then(|| text.to_owned());
        let lost = found.identity && !found.keys;
        let conditions = self.conditions();
        conditions.set(
            Word::IdentityMissing,
            when(!found.identity, "the account has no cross-signing identity: people's clients warn of it"),
        );
        conditions.set(
            Word::RecoveryKeyNeeded,
            when(
                lost,
                "this device lost the account's identity: give its recovery key by `testudoctl matrix recover`, or as the \
                 credential matrix-recovery-key",
            ),
        );
        conditions.set(
            Word::DeviceUnsigned,
            when(
                !lost && found.identity && !found.signed,
                "this device is not signed by the account's identity",
            ),
        );
        conditions.set(
            Word::BackupMissing,
            when(
                !lost && !found.backup,
                "room keys are not backed up: connect this device to the backup by `testudoctl matrix recover`",
            ),
        );
        conditions.set(
            Word::RecoveryUnsettled,
            when(found.unsettled, "a change of the recovery key was begun and is not ended; it is continued"),
        );
    }

    /// Whether what owners say can count.
    pub(super) async fn look_at_owners(&self, client: &Client) {
        let (mut unverified, mut changed) = (Vec::new(), Vec::new());
        for (owner, identity) in self.owners(client).await {
            match identity {
                super::status::Identity::Verified => {}
                super::status::Identity::Changed => changed.push(owner),
                _ => unverified.push(owner),
            }
        }
        let sentence = |owners: &[String], what: &str| {
            (!owners.is_empty())
                .then(|| format!("{}: {what}, `testudoctl matrix verify USER`", owners.join(", ")))
        };
        let what = "not verified, so no answer and no command counts as his";
        self.conditions.set(Word::OwnerUnverified, sentence(&unverified, what));
        let what = "was verified and has another identity now; ask him, then verify him again";
        self.conditions.set(Word::OwnerChanged, sentence(&changed, what));
    }
}

async fn sign(client: &Client) -> Result<(), TrustError> {
    let failed = |cause: &dyn std::fmt::Display| TrustError::Homeserver {
        doing: "sign this device",
        cause: cause.to_string(),
    };
    let device = client.encryption().get_own_device().await.map_err(|error| failed(&error))?;
    let device = device.ok_or_else(|| failed(&"the homeserver does not know it"))?;
    device.verify().await.map_err(|error| failed(&error))
}

pub(super) fn own(client: &Client) -> Result<OwnedUserId, TrustError> {
    client.user_id().map(ToOwned::to_owned).ok_or(TrustError::NotLoggedIn)
}
