//! The key of everything that is stored: random, and kept in `store.key` under the credential that opens it.
//!
//! Changing the credential rewraps that one file and touches nothing else: the operator gives the new one as
//! `matrix-store-key`, the old one as `matrix-store-key-previous`, and starts the daemon; [`super::rekey`] decides what
//! is done. The new file is written beside the old one, brought to the disk, and takes its place by a rename.
//!
//! Both files say in clear which key they hold (a hash of 256 random bits), so that a file put there by anybody else
//! is not taken for the rest of an interrupted change.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::rekey::{self, Fits, Found, Refusal, Step};
use super::sealing::{Seal, SealError};

const KEY: &str = "store.key";
const PENDING: &str = "store.key.pending";
const PURPOSE: &str = "store.key";
/// Bytes of the hash in clear.
const PRINT: usize = 32;
/// More steps than any change has.
const STEPS: usize = 8;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyringError {
    /// Neither credential opens it.
    #[error(
        "cannot open {0}: it is kept under another credential; give that one as matrix-store-key-previous, or remove the state \
        of matrixd to start over with the recovery key"
    )]
    Wrong(PathBuf),
    /// There is a store, and its key is gone.
    #[error(
        "cannot open the store: {0} is missing; put it back, or remove the state of matrixd to start over with the recovery key"
    )]
    Missing(PathBuf),
    /// The disk does not do it.
    #[error("cannot keep {path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cipher does not do it.
    #[error("cannot wrap the store's key: {0}")]
    Seal(#[from] SealError),
}

impl KeyringError {
    /// One stable word, for status and programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "store-key-wrong",
            Self::Missing(_) => "store-key-missing",
            Self::Disk { .. } | Self::Seal(_) => "store-key-unusable",
        }
    }
}

/// The key of everything that is stored: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl StoreKey {
    /// The bytes, for who encrypts with them.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    fn print(&self) -> [u8; PRINT] {
        Sha256::new()
            .chain_update(b"testudo matrixd store key")
            .chain_update(self.0.as_slice())
            .finalize()
            .into()
    }
}

/// The key file in a state directory, and the credentials for it.
pub struct Keyring<'a> {
    directory: &'a Path,
    current: Seal,
    previous: Option<Seal>,
}

impl<'a> Keyring<'a> {
    /// In this directory, with the credential in force and, while it is changed, the one before it.
    pub fn new(directory: &'a Path, current: &[u8; 32], previous: Option<&[u8; 32]>) -> Self {
        Self { directory, current: Seal::new(current), previous: previous.map(Seal::new) }
    }

    /// The store's key; made at the first start, kept under the credential in force whenever this succeeds.
    ///
    /// # Errors
    /// When no credential opens it, or the disk fails. Calling it again continues what was begun.
    pub fn open(&self) -> Result<StoreKey, KeyringError> {
        for _ in 0..STEPS {
            if let Some(key) = self.advance()? {
                return Ok(key);
            }
        }
        Err(KeyringError::Wrong(self.path(KEY)))
    }

    /// Looks and does one step; the key once there is nothing left to do.
    fn advance(&self) -> Result<Option<StoreKey>, KeyringError> {
        let key = self.look(KEY)?;
        let pending = self.look(PENDING)?;
        let same = key.print.is_some() && key.print == pending.print;
        let found = Found { key: key.fits, pending: pending.fits, same, stored: self.stored() };
        let step = rekey::next(found);
        if step != Step::Use {
            tracing::info!("the store's key file: {step:?}");
        }
        match step {
            Step::Use => return Ok(key.key),
            Step::Make => self.write_pending(&StoreKey::random())?,
            Step::Rewrap => {
                let key = key.key.ok_or_else(|| KeyringError::Wrong(self.path(KEY)))?;
                self.write_pending(&key)?;
            }
            Step::Promote => {
                let (from, to) = (self.path(PENDING), self.path(KEY));
                fs::rename(&from, &to).and_then(|()| self.settle()).map_err(disk(&to))?;
            }
            Step::Drop => {
                let path = self.path(PENDING);
                fs::remove_file(&path).and_then(|()| self.settle()).map_err(disk(&path))?;
            }
            Step::Refuse(Refusal::Wrong) => return Err(KeyringError::Wrong(self.path(KEY))),
            Step::Refuse(Refusal::Missing) => return Err(KeyringError::Missing(self.path(KEY))),
        }
        Ok(None)
    }

    fn look(&self, name: &str) -> Result<Looked, KeyringError> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Looked::nothing(Fits::Absent));
            }
            Err(source) => return Err(KeyringError::Disk { path, source }),
        };
        let Some((print, sealed)) = bytes.split_at_checked(PRINT) else {
            return Ok(Looked::nothing(Fits::Neither));
        };
        let seals = [(Fits::Current, Some(&self.current)), (Fits::Previous, self.previous.as_ref())];
        for (fits, seal) in seals {
            let Some(Ok(plain)) = seal.map(|seal| seal.open(PURPOSE, sealed)) else { continue };
            let Ok(bytes) = <[u8; 32]>::try_from(plain.as_slice()) else { continue };
            let key = StoreKey(Zeroizing::new(bytes));
            if key.print() == print {
                return Ok(Looked { fits, print: Some(key.print()), key: Some(key) });
            }
        }
        Ok(Looked { fits: Fits::Neither, print: print.try_into().ok(), key: None })
    }

    fn write_pending(&self, key: &StoreKey) -> Result<(), KeyringError> {
        let path = self.path(PENDING);
        let bytes = [key.print().as_slice(), &self.current.seal(PURPOSE, key.0.as_slice())?].concat();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&path).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.and_then(|()| self.settle()).map_err(disk(&path))
    }

    /// Brings renames and new names to the disk.
    fn settle(&self) -> io::Result<()> {
        File::open(self.directory)?.sync_all()
    }

    fn stored(&self) -> bool {
        ["sdk", "matrixd.db"].iter().any(|name| self.path(name).exists())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

struct Looked {
    fits: Fits,
    print: Option<[u8; PRINT]>,
    key: Option<StoreKey>,
}

impl Looked {
    const fn nothing(fits: Fits) -> Self {
        Self { fits, print: None, key: None }
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> KeyringError {
    let path = path.to_owned();
    move |source| KeyringError::Disk { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const A: [u8; 32] = [1; 32];
    const B: [u8; 32] = [2; 32];

    fn stored(key: &[u8; 32]) -> (tempfile::TempDir, StoreKey) {
        let directory = tempfile::tempdir().unwrap();
        let made = Keyring::new(directory.path(), key, None).open().unwrap();
        fs::create_dir(directory.path().join("sdk")).unwrap();
        (directory, made)
    }

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let (directory, made) = stored(&A);
        assert_eq!(Keyring::new(directory.path(), &A, None).open().unwrap(), made);
        let mode = fs::metadata(directory.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!directory.path().join(PENDING).exists());
    }

    #[test]
    fn another_credential_is_refused_and_the_previous_one_lets_it_change() {
        let (directory, made) = stored(&A);
        let at = directory.path();
        assert_eq!(Keyring::new(at, &B, None).open().unwrap_err().word(), "store-key-wrong");
        assert_eq!(Keyring::new(at, &B, Some(&A)).open().unwrap(), made);
        assert_eq!(Keyring::new(at, &B, None).open().unwrap(), made);
        assert_eq!(Keyring::new(at, &A, None).open().unwrap_err().word(), "store-key-wrong");
    }

    #[test]
    fn a_change_that_was_killed_after_any_step_is_continued() {
        for killed_after in 0..3 {
            for still_given in [true, false] {
                let (directory, made) = stored(&A);
                let at = directory.path();
                let changing = Keyring::new(at, &B, Some(&A));
                for _ in 0..killed_after {
                    let _ = changing.advance().unwrap();
                }
                let again = if still_given { changing } else { Keyring::new(at, &B, None) };
                let opened = again.open();
                if killed_after == 0 && !still_given {
                    assert_eq!(opened.unwrap_err().word(), "store-key-wrong");
                    continue;
                }
                assert_eq!(opened.unwrap(), made, "killed after {killed_after}");
            }
        }
    }

    #[test]
    fn a_pending_file_that_was_torn_anywhere_is_written_again() {
        let (directory, made) = stored(&A);
        let at = directory.path();
        let _ = Keyring::new(at, &B, Some(&A)).advance().unwrap();
        let whole = fs::read(at.join(PENDING)).unwrap();
        for length in 0..whole.len() {
            fs::write(at.join(PENDING), &whole[..length]).unwrap();
            // Who goes back to the old credential is served too.
            let old = fs::read(at.join(KEY)).unwrap();
            assert_eq!(Keyring::new(at, &A, None).open().unwrap(), made);
            fs::write(at.join(PENDING), &whole[..length]).unwrap();
            assert_eq!(Keyring::new(at, &B, Some(&A)).open().unwrap(), made);
            fs::write(at.join(KEY), old).unwrap();
        }
    }

    #[test]
    fn a_store_without_its_key_is_refused_and_none_is_made() {
        let (directory, _) = stored(&A);
        let at = directory.path();
        fs::remove_file(at.join(KEY)).unwrap();
        assert_eq!(Keyring::new(at, &A, None).open().unwrap_err().word(), "store-key-missing");
        assert!(!at.join(KEY).exists());
    }

    #[test]
    fn a_pending_file_of_somebody_else_is_not_taken() {
        let (directory, made) = stored(&A);
        let (other, _) = stored(&B);
        let at = directory.path();
        fs::copy(other.path().join(KEY), at.join(PENDING)).unwrap();
        assert_eq!(Keyring::new(at, &B, None).open().unwrap_err().word(), "store-key-wrong");
        assert_eq!(Keyring::new(at, &B, Some(&A)).open().unwrap(), made);
    }
}
