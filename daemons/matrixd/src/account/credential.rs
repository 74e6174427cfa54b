//! What systemd hands over: the password or the token, the key of the store, the recovery key.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use testudo::config::Matrixd;
use testudo::daemon;
use testudo::diagnostic::Diagnostic;
use thiserror::Error;
use zeroize::Zeroizing;

use super::key::{KeyError, unlocking};

/// Largest credential that is read; a recovery key has 59 characters.
const LARGEST: u64 = 4096;

/// Why a credential cannot be used. Each says what mends it.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// Systemd handed over none at all.
    #[error("CREDENTIALS_DIRECTORY is not set: start this by its unit or by ./try")]
    Nowhere,
    /// It is there and cannot be read.
    #[error("cannot read the credential {path}: {cause}")]
    Read {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is too large to be one.
    #[error("cannot use the credential {0}: it is larger than 4 KiB")]
    Large(PathBuf),
    /// Without the key of the store nothing may be written.
    #[error(
        "the credential matrix-store-key is missing: write 64 random hex digits to it, such as with \
         `openssl rand -hex 32 | systemd-creds encrypt - /etc/credstore.encrypted/matrix-store-key`"
    )]
    NoStoreKey,
    /// It is no key.
    #[error("the credential matrix-store-key is no key: {0}")]
    StoreKey(#[from] KeyError),
    /// Nothing to log in with.
    #[error(
        "neither the credential matrix-password nor matrix-token is there: give the account's password, or the \
         access token of a device together with `device` in [matrixd]"
    )]
    NoLogin,
    /// A token is one device's; the mistake names its place in the configuration.
    #[error("{0}")]
    NoDevice(Box<Diagnostic>),
}

/// What we show to the homeserver.
#[derive(Clone)]
pub enum Login {
    /// The account's password: a new device is made with it wherever one is needed.
    Password(Zeroizing<String>),
    /// The access token of one device.
    Token(Zeroizing<String>),
}

/// All of them.
#[derive(Clone)]
pub struct Credentials {
    /// What we log in with.
    pub login: Login,
    /// What opens the key file, see [`crate::trust::keyring`].
    pub key: Zeroizing<[u8; 32]>,
    /// What opened it before the operator changed the credential.
    pub previous: Option<Zeroizing<[u8; 32]>>,
    /// What a lost store is healed with, where the operator left it here.
    pub recovery: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Reads those of the unit. A password is preferred to a token, since it can heal a lost device.
    pub fn read(config: &Matrixd) -> Result<Self, CredentialError> {
        let key = read("matrix-store-key")?.ok_or(CredentialError::NoStoreKey)?;
        let login = match (read("matrix-password")?, read("matrix-token")?, &config.no_device) {
            (Some(password), ..) => Login::Password(password),
            (None, Some(_), Some(mistake)) => return Err(CredentialError::NoDevice(mistake.clone())),
            (None, Some(token), None) => Login::Token(token),
            (None, None, _) => return Err(CredentialError::NoLogin),
        };
        let previous = read("matrix-store-key-previous")?.map(|key| unlocking(&key)).transpose()?;
        Ok(Self { login, key: unlocking(&key)?, previous, recovery: read("matrix-recovery-key")? })
    }
}

/// A credential without the end of its line; none where it is not there or empty.
fn read(name: &str) -> Result<Option<Zeroizing<String>>, CredentialError> {
    let path = daemon::credential(name).ok_or(CredentialError::Nowhere)?;
    match fs::metadata(&path) {
        Ok(about) if about.len() > LARGEST => return Err(CredentialError::Large(path)),
        Ok(_) => {}
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(CredentialError::Read { path, cause }),
    }
    let text = fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|cause| CredentialError::Read { path, cause })?;
    let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(Some(text).filter(|text| !text.is_empty()))
}
