//! Logs in, and comes back as the same device after a restart.
//!
//! A session that the homeserver forgot, or stores that were lost, make a new device; the old stores are put aside, and
//! who signs devices heals the rest with the recovery key. With a token there is one device, and nothing to heal it by.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::ruma::{OwnedDeviceId, UserId};
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{SessionMeta, SessionTokens};
use testudo::config::Matrixd;
use thiserror::Error;
use tokio::time::sleep;

use super::backoff::{Backoff, chance};
use super::failure::Failure;
use super::{Account, Login, OpenError, Phase};
use crate::store::{Store, StoreError};
use crate::trust::condition::Word;

/// Under which name the session is kept.
const SESSION: &str = "session";
/// The SDK's store of keys: without it a session is worth nothing.
const KEYS: &str = "matrix-sdk-crypto.sqlite3";

/// Why an account stopped running.
#[derive(Debug, Error)]
pub enum RunError {
    /// The homeserver refuses us: a restart does not mend it.
    #[error(
        "the homeserver refuses to log {user} in: {cause}; correct the credential, and start testudo-matrixd again"
    )]
    Refused {
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
}

/// The session to restore. None where there is none that is worth anything; the stores of another one are put aside.
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
        return Ok(Some(MatrixSession { meta, tokens }));
    }
    let session = read(store)?.filter(|session| session.meta.user_id == user && sdk.join(KEYS).exists());
    if session.is_none() {
        put_aside(sdk).map_err(OpenError::Aside)?;
        store.forget(SESSION)?;
    }
    Ok(session)
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
        while !self.client.matrix_auth().logged_in() {
            match self.attempt().await {
                Ok(()) => {}
                Err(Failure::Later { cause, retry_after }) => {
                    self.conditions.raise(Word::NotLoggedIn, format!("cannot log in yet: {cause}"));
                    sleep(backoff.failed(retry_after, chance())).await;
                }
                Err(Failure::LoggedOut { .. }) => return Err(RunError::LoggedOut),
                Err(Failure::Never(cause)) => return Err(self.refused(cause)),
            }
        }
        write(&self.store, self.client.matrix_auth().session())?;
        self.client.encryption().wait_for_e2ee_initialization_tasks().await;
        self.conditions.clear(Word::NotLoggedIn);
        self.at_least(Phase::LoggedIn);
        Ok(())
    }

    async fn attempt(&self) -> Result<(), Failure> {
        let Login::Password(password) = &self.login else {
            return Err(Failure::Never("the token is of no session".into()));
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

    fn refused(&self, cause: String) -> RunError {
        self.conditions.raise(Word::LoginRefused, format!("the homeserver refuses to log us in: {cause}"));
        RunError::Refused { user: self.user.to_string(), cause }
    }

    /// The homeserver does not know our token any more. With a password the session is forgotten, so that the next
    /// start logs in anew; with a token nothing can be done here.
    pub(super) fn logged_out(&self) -> RunError {
        if matches!(self.login, Login::Token(_)) {
            return self.refused("the access token is not valid any more; make another one".into());
        }
        self.conditions.raise(Word::TokenRevoked, "the homeserver ended the session of this device");
        match self.store.forget(SESSION) {
            Ok(_) => RunError::LoggedOut,
            Err(error) => error.into(),
        }
    }
}
