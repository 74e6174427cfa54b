//! Sealing what lies in the database: XChaCha20-Poly1305, each value bound to the place where it lies.
//!
//! The SDK's own store cipher would do, but that it binds a value to nothing: who can write to the file could give an
//! old message the place of a new one. Values are sealed with a random data key, which lies beside them sealed with a
//! key derived from the store key. So a new store key is one small row that changes in one transaction, and nothing
//! that a crash can leave half done.

use std::fs::File;
use std::io::Read as _;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::StoreError;

/// Bytes of a nonce: large enough to be random for as many values as there will ever be.
const NONCE: usize = 24;
/// What the sealed data key is bound to.
const DATA_KEY: &str = "data key";

/// A key that is wiped when it is let go.
type Key = Zeroizing<[u8; 32]>;

/// Seals and opens values.
pub(super) struct Sealer {
    data_key: Key,
    cipher: XChaCha20Poly1305,
    random: File,
}

impl Sealer {
    /// The sealer of a database; a new database gets a new data key.
    pub(super) fn of(database: &mut Connection, store_key: &[u8; 32]) -> Result<Self, StoreError> {
        let random = File::open("/dev/urandom")?;
        let outer = outer(store_key);
        let wrapped: Option<Vec<u8>> =
            database.query_row("SELECT wrapped FROM sealing", [], |row| row.get(0)).optional()?;
        let mut data_key = Key::default();
        if let Some(wrapped) = wrapped {
            let opened = Zeroizing::new(open(&outer, DATA_KEY, &wrapped).ok_or(StoreError::WrongKey)?);
            *data_key = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| StoreError::WrongKey)?;
        } else {
            (&random).read_exact(data_key.as_mut_slice())?;
            let wrapped = seal(&outer, &random, DATA_KEY, data_key.as_slice())?;
            database.execute("INSERT INTO sealing (one, wrapped) VALUES (1, ?1)", [wrapped])?;
        }
        let cipher = XChaCha20Poly1305::new(data_key.as_slice().into());
        Ok(Self { data_key, cipher, random })
    }

    /// Seals a value for the place where it will lie.
    pub(super) fn seal(&self, place: &str, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(&self.cipher, &self.random, place, content)
    }

    /// Opens a value that was sealed for this place.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        open(&self.cipher, place, sealed)
            .ok_or_else(|| StoreError::damaged(place, "it was changed, or it belongs to another place"))
    }

    /// From now on another store key opens the database, and the old one does not.
    pub(super) fn rekey(&self, database: &Connection, store_key: &[u8; 32]) -> Result<(), StoreError> {
        let wrapped = seal(&outer(store_key), &self.random, DATA_KEY, self.data_key.as_slice())?;
        database.execute("UPDATE sealing SET wrapped = ?1", params![wrapped])?;
        Ok(())
    }
}

/// The key around the data key. The SDK's stores are sealed with the store key itself, so this one is another.
fn outer(store_key: &[u8; 32]) -> XChaCha20Poly1305 {
    let digest =
        Sha256::new_with_prefix("testudo matrixd.db, first version:").chain_update(store_key).finalize();
    XChaCha20Poly1305::new(&digest)
}

fn seal(
    cipher: &XChaCha20Poly1305,
    mut random: &File,
    place: &str,
    content: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0_u8; NONCE];
    random.read_exact(&mut nonce)?;
    let sealed =
        cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: content, aad: place.as_bytes() }).map_err(
            |_| StoreError::Unwritable { what: place.to_owned(), cause: "it is too long to seal".into() },
        )?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(cipher: &XChaCha20Poly1305, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: place.as_bytes() }).ok()
}
