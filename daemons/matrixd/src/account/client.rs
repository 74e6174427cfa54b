//! The SDK's client, as this daemon wants it.
//!
//! Room keys go only to devices that their owner signed: a device that somebody adds to an account, or a homeserver to
//! a person, reads nothing. Who has a signed one and is in a room reads what is said there: [`super::company`] looks who
//! is. What an unsigned device says is decrypted all the same and marked [`crate::incoming::Trust`]
//! `Unverified`, since the person behind it must be told why it does not count; refusing to decrypt it would look to
//! him like a lost key.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matrix_sdk::config::RequestConfig;
use matrix_sdk::encryption::{BackupDownloadStrategy, EncryptionSettings};
use matrix_sdk::reqwest::{self, Certificate, redirect};
use matrix_sdk::{Client, ClientBuildError, SqliteStoreConfig};
use matrix_sdk_crypto::{CollectStrategy, DecryptionSettings, TrustRequirement};
use thiserror::Error;
use url::{Host, Url};

/// How long the homeserver may take to answer; a sync may take as long again as it waits for news.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL of the homeserver.
    #[error("cannot use `homeserver` {url} of [matrixd]: {cause}")]
    Homeserver {
        /// The URL.
        url: String,
        /// Why.
        cause: String,
    },
    /// A file of `authorities` is not there or is no certificate.
    #[error("cannot read the certificate authority {path}: {cause}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// No connections can be made.
    #[error(
        "cannot set up TLS: {cause}; install the certificates of your system (ca-certificates) or name some in `authorities`"
    )]
    Tls {
        /// What is wrong, to its root.
        cause: String,
    },
    /// The directory of the SDK's stores.
    #[error("cannot make {path}: {cause}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The SDK's stores.
    #[error("cannot open the stores of the SDK in {path}: {cause}")]
    Stores {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: Box<ClientBuildError>,
    },
}

/// Connections to the homeserver: to it alone, since a redirect would take the token and the traffic elsewhere.
/// One on this machine that needs no TLS needs no certificates of the system either.
pub(super) fn connections(homeserver: &Url, authorities: &[PathBuf]) -> Result<reqwest::Client, ClientError> {
    let mut trusted = Vec::new();
    for path in authorities {
        let wrong = |cause: String| ClientError::Authority { path: path.clone(), cause };
        let pem = fs::read(path).map_err(|cause| wrong(cause.to_string()))?;
        let found = Certificate::from_pem_bundle(&pem).map_err(|cause| wrong(cause.to_string()))?;
        if found.is_empty() {
            return Err(wrong("it holds no certificate in PEM".into()));
        }
        trusted.extend(found);
    }
    let builder = match homeserver.scheme() {
        "http" => reqwest::Client::builder().tls_certs_only(trusted),
        _ => reqwest::Client::builder().tls_certs_merge(trusted),
    };
    builder
        .user_agent(concat!("testudo-matrixd/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(PATIENCE)
        .build()
        .map_err(|error| ClientError::Tls { cause: to_its_root(&error) })
}

/// An error with what caused it: the outer one only says that something failed.
pub(super) fn to_its_root(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said.push_str(": ");
        said.push_str(&inner.to_string());
        cause = inner.source();
    }
    said
}

/// The homeserver's URL: encrypted on the way unless it does not leave this machine.
pub(super) fn homeserver(text: &str) -> Result<Url, ClientError> {
    let wrong = |cause: &str| ClientError::Homeserver { url: text.to_owned(), cause: cause.to_owned() };
    let url = Url::parse(text).map_err(|cause| wrong(&cause.to_string()))?;
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(wrong("it names no host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(wrong("http would show the access token to everybody on the way; use https")),
        _ => Err(wrong("it must begin with https://")),
    }
}

/// A client with its stores in `directory`, not logged in yet. No request is made.
pub(super) async fn build(
    homeserver: &Url,
    http: reqwest::Client,
    directory: &Path,
    key: &[u8; 32],
) -> Result<Client, ClientError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|cause| ClientError::Directory { path: directory.to_owned(), cause })?;
    let stores = SqliteStoreConfig::with_low_memory_config(directory).key(Some(key));
    let settings = EncryptionSettings {
        auto_enable_cross_signing: true,
        backup_download_strategy: BackupDownloadStrategy::AfterDecryptionFailure,
        // The backup is made together with its recovery key, by who shows that key.
        auto_enable_backups: false,
    };
    Client::builder()
        .homeserver_url(homeserver)
        .http_client(http)
        // Else whoever answers the login could send us to another homeserver.
        .respect_login_well_known(false)
        // Who asks decides when to ask again: the outbox, the loop that syncs.
        .request_config(RequestConfig::new().disable_retry().timeout(PATIENCE))
        .handle_refresh_tokens()
        // We invite nobody, and want no keys of what was said before we came.
        .with_enable_share_history_on_invite(false)
        .sqlite_store_with_config_and_cache_path(stores, None::<&Path>)
        .with_encryption_settings(settings)
        .with_room_key_recipient_strategy(CollectStrategy::IdentityBasedStrategy)
        .with_decryption_settings(DecryptionSettings {
            sender_device_trust_requirement: TrustRequirement::Untrusted,
        })
        .build()
        .await
        .map_err(|cause| ClientError::Stores { path: directory.to_owned(), cause: Box::new(cause) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_over_the_network_in_the_clear() {
        for good in [
            "https://matrix.example.org",
            "http://127.0.0.1:8008",
            "http://[::1]:8008",
            "http://localhost:1/",
        ] {
            assert!(homeserver(good).is_ok(), "{good}");
        }
        for bad in [
            "http://matrix.example.org",
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
            "ftp://localhost",
            "matrix.example.org",
            "file:///etc",
        ] {
            assert!(homeserver(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_no_authority_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let here = homeserver("http://127.0.0.1:9").unwrap();
        let text = |path: &PathBuf| connections(&here, std::slice::from_ref(path)).unwrap_err().to_string();
        assert!(text(&path).contains("ca.pem"));
        fs::write(&path, "no certificate").unwrap();
        assert!(text(&path).contains("holds no certificate"), "{}", text(&path));
    }
}
