//! Small secrets at rest: sealed with the store's key and bound to what they are for.
//!
//! What was sealed for one purpose cannot be opened for another, so that nobody who can write the disk can put one
//! secret in the place of another. XChaCha20-Poly1305 with a random nonce, which stands before the ciphertext.

use chacha20poly1305::aead::{Aead as _, AeadCore as _, OsRng, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Why something sealed was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// Another key, another purpose, or changed bytes: they cannot be told apart.
    #[error("cannot open what is sealed: it was sealed with another key, for something else, or was changed")]
    Foreign,
    /// It is larger than anything that may be sealed.
    #[error("cannot seal that much")]
    TooLarge,
}

/// Seals and opens with one key.
#[derive(Clone)]
pub struct Seal(XChaCha20Poly1305);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// With this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals for a purpose.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] beyond what the cipher can do, which is 256 GiB.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed = self.0.encrypt(&nonce, payload).map_err(|_| SealError::TooLarge)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for that purpose.
    ///
    /// # Errors
    /// [`SealError::Foreign`] for anything else.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(SealError::Foreign)?;
        let payload = Payload { msg: sealed, aad: purpose.as_bytes() };
        let plain = self.0.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError::Foreign)?;
        Ok(Zeroizing::new(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_the_same_purpose_and_key_only(plain: Vec<u8>, key: [u8; 32], other: [u8; 32], at: usize) {
            let seal = Seal::new(&key);
            let sealed = seal.seal("session", &plain).unwrap();
            let opened = seal.open("session", &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert_eq!(seal.open("recovery", &sealed), Err(SealError::Foreign));
            prop_assert!(key == other || Seal::new(&other).open("session", &sealed).is_err());
            let mut changed = sealed.clone();
            let at = at % changed.len();
            changed[at] ^= 1;
            prop_assert_eq!(seal.open("session", &changed), Err(SealError::Foreign));
            prop_assert_eq!(seal.open("session", &sealed[..at]), Err(SealError::Foreign));
        }
    }
}
