//! Logs in, and comes back as the same device after a restart.
//!
//! A session that the homeserver forgot, or stores that were lost, make a new device; the old stores are put aside, and
//! who signs devices heals the rest with the recovery key. With a token there is one device, and nothing to heal it by.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::ruma::api::client::keys::get_keys;
use matrix_sdk::ruma::{OwnedDeviceId, UserId};
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{SessionMeta, SessionTokens};
use matrix_sdk_crypto::types::DeviceKeys;
use testudo::config::Matrixd;
use thiserror::Error;
use tokio::time::sleep;

use super::backoff::{Backoff, chance};
use super::failure::{Failure, foreign};
use super::{Account, Login, OpenError, Phase};
use crate::store::{Store, StoreError};
use crate::trust::condition::Word;

/// Under which name the session is kept.
const SESSION: &str = "session";
/// Under which name it is kept for which device of a token the stores were made.
const DEVICE: &str = "session.device";
/// The SDK's store of keys: without it a session is worth nothing.
const KEYS: &str = "matrix-sdk-crypto.sqlite3";

/// Why an account stopped running.
#[derive(Debug, Error)]
pub enum RunError {
    /// The homeserver refuses us: a restart does not mend it.
    #[error(
        "cannot be {user} at the homeserver: {cause}; correct the credential, and start testudo-matrixd again"
    )]
    Refused {
        /// What status says of it.
        word: Word,
        /// Who we are.
        user: String,
        /// What it says.
        cause: String,
    },
    /// The homeserver ended our session: the next start logs in anew.
    #[error("the homeserver ended the session of this device")]
    LoggedOut,
    /// What must be kept cannot be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The SDK panics again and again.
    #[error("cannot sync: the library of Matrix panicked again and again")]
    Panicked,
}

/// The session to restore. None where there is none that is worth anything; the stores of another device are put aside.
pub(super) fn kept(
    store: &Store,
    config: &Matrixd,
    user: &UserId,
    login: &Login,
    sdk: &Path,
) -> Result<Option<MatrixSession>, OpenError> {
    if let (Login::Token(token), Some(device)) = (login, &config.device) {
        let meta = SessionMeta { user_id: user.to_owned(), device_id: OwnedDeviceId::from(device.as_str()) };
        let tokens = SessionTokens { access_token: token.to_string(), refresh_token: None };
        let is_ours = match read(store)? {
            Some(session) => session.meta == meta && sdk.join(KEYS).exists(),
            // The token was not shown to anybody yet.
            None => store.kept(DEVICE)?.as_deref() == Some(device.as_bytes()),
        };
        if !is_ours {
            leave(store, sdk)?;
        }
        store.keep(DEVICE, device.as_bytes())?;
        return Ok(Some(MatrixSession { meta, tokens }));
    }
    let session = read(store)?.filter(|session| session.meta.user_id == user && sdk.join(KEYS).exists());
    if session.is_none() {
        leave(store, sdk)?;
    }
    Ok(session)
}

/// What was of another device opens nothing for the next.
fn leave(store: &Store, sdk: &Path) -> Result<(), OpenError> {
    put_aside(sdk).map_err(OpenError::Aside)?;
    store.forget(SESSION)?;
    Ok(())
}

fn read(store: &Store) -> Result<Option<MatrixSession>, StoreError> {
    let session = store.kept(SESSION)?;
    session
        .map(|bytes| serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(SESSION, error)))
        .transpose()
}

fn write(store: &Store, session: Option<MatrixSession>) -> Result<(), StoreError> {
    let Some(session) = session else { return Ok(()) };
    let bytes = zeroize::Zeroizing::new(
        serde_json::to_vec(&session).map_err(|error| StoreError::damaged(SESSION, error))?,
    );
    store.keep(SESSION, &bytes)
}

/// The last stores that were put aside stay until others are.
fn put_aside(sdk: &Path) -> std::io::Result<()> {
    if !sdk.exists() {
        return Ok(());
    }
    let aside = sdk.with_extension("lost");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    tracing::warn!("the stores of a device that is gone were put aside in {}", aside.display());
    fs::rename(sdk, aside)
}

impl Account {
    /// Takes up a session, and keeps its tokens whenever the homeserver changes them.
    pub(super) async fn restore(&self, session: Option<MatrixSession>) -> Result<(), OpenError> {
        let wrong = |error| OpenError::Session(Box::new(error));
        let (reading, writing) = (self.store.clone(), self.store.clone());
        self.client
            .set_session_callbacks(
                Box::new(move |_| Ok(read(&reading)?.map(|kept| kept.tokens).ok_or("no session is kept")?)),
                Box::new(move |client| Ok(write(&writing, client.matrix_auth().session())?)),
            )
            .map_err(wrong)?;
        if let Some(session) = session {
            self.client
                .matrix_auth()
                .restore_session(session, RoomLoadSettings::default())
                .await
                .map_err(wrong)?;
        }
        Ok(())
    }

    /// Logs in unless a session was restored; tries until the homeserver answers.
    ///
    /// # Errors
    /// When the homeserver refuses us, or the session cannot be kept.
    pub async fn log_in(&self) -> Result<(), RunError> {
        let mut backoff = Backoff::default();
        while let Err(failure) = self.attempt().await {
            let wait = match failure {
                Failure::Later { cause, retry_after } => {
                    let limit = retry_after.map(|_| format!("the homeserver wants us to wait: {cause}"));
                    self.conditions.set(Word::RateLimited, limit);
                    self.conditions.clear(Word::HomeserverUntrusted);
                    self.conditions.raise(Word::NotLoggedIn, format!("cannot log in yet: {cause}"));
                    retry_after
                }
                Failure::Foreign(cause) => {
                    self.conditions.raise(Word::HomeserverUntrusted, foreign(&cause));
                    None
                }
                Failure::LoggedOut { .. } => return Err(self.logged_out()),
                Failure::Never(cause) => return Err(self.refused(Word::LoginRefused, cause)),
            };
            sleep(backoff.failed(wait, chance())).await;
        }
        write(&self.store, self.client.matrix_auth().session())?;
        self.client.encryption().wait_for_e2ee_initialization_tasks().await;
        for word in [Word::NotLoggedIn, Word::RateLimited, Word::HomeserverUntrusted] {
            self.conditions.clear(word);
        }
        self.at_least(Phase::LoggedIn);
        Ok(())
    }

    /// Nothing is asked where a session was restored. A token is shown once before its session is kept as ours.
    async fn attempt(&self) -> Result<(), Failure> {
        let session = self.client.matrix_auth().session();
        let password = match (&self.login, session) {
            (Login::Password(_), Some(_)) => return Ok(()),
            (Login::Password(password), None) => password,
            (Login::Token(_), Some(session)) => return self.try_token(&session).await,
            (Login::Token(_), None) => return Err(Failure::Never("the token is of no session".into())),
        };
        self.client
            .matrix_auth()
            .login_username(&self.user, password)
            .initial_device_display_name(&self.config.device_name)
            .request_refresh_token()
            .send()
            .await
            .map(|answer| tracing::info!(device = %answer.device_id, "logged in as a new device"))
            .map_err(|error| Failure::of(&error))
    }

    /// Whether a token that is new to us is of the device that it is said to be of, and of one whose keys are here.
    async fn try_token(&self, session: &MatrixSession) -> Result<(), Failure> {
        let failed = |error| Failure::of_http(&error);
        let known = read(&self.store).map_err(|error| Failure::Never(error.to_string()))?;
        if known.is_some_and(|known| known == *session) {
            return Ok(());
        }
        let owner = self.client.whoami().await.map_err(failed)?;
        let (user, device) = (&session.meta.user_id, &session.meta.device_id);
        if owner.user_id != *user || owner.device_id.as_ref() != Some(device) {
            let is =
                owner.device_id.map_or_else(|| "no device".to_owned(), |device| format!("device {device}"));
            return Err(Failure::Never(format!(
                "the access token is of {} and {is}, not of {user} and device {device}",
                owner.user_id
            )));
        }
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(user.clone(), vec![device.clone()])].into();
        let answer = self.client.send(request).await.map_err(failed)?;
        let published = answer.device_keys.get(user).and_then(|devices| devices.get(device));
        let Some(published) = published.and_then(|keys| keys.deserialize_as_unchecked::<DeviceKeys>().ok())
        else {
            return Ok(());
        };
        let own = self.client.encryption().ed25519_key().await;
        if published.ed25519_key().map(|key| key.to_base64()) == own {
            return Ok(());
        }
        Err(Failure::Never(format!(
            "device {device} has keys already, and they are not here; make another device, and give its id and its token"
        )))
    }

    fn refused(&self, word: Word, cause: String) -> RunError {
        let refusal = RunError::Refused { word, user: self.user.to_string(), cause };
        self.conditions.raise(word, refusal.to_string());
        refusal
    }

    /// The homeserver does not know our token any more. With a password the session is forgotten, so that the next
    /// start logs in anew; with a token nothing can be done here.
    pub(super) fn logged_out(&self) -> RunError {
        if matches!(self.login, Login::Token(_)) {
            return self
                .refused(Word::TokenRevoked, "the access token is not valid; make another one".into());
        }
        self.conditions.raise(Word::TokenRevoked, "the homeserver ended the session of this device");
        match self.store.forget(SESSION) {
            Ok(_) => RunError::LoggedOut,
            Err(error) => error.into(),
        }
    }
}
