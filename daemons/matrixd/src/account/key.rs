//! The key that opens the store, from a credential and never from the state directory: who has the disk alone reads
//! nothing.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// Fewest bytes of a passphrase.
const LEAST: usize = 16;
/// What makes these keys others than anybody else's of the same passphrase.
const SALT: &[u8] = b"testudo-matrixd store key 1";
/// What it is for.
const PURPOSE: &[u8] = b"store.key";

/// Why a credential is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It can be guessed.
    #[error(
        "cannot use the store key: it has {0} bytes and needs 64 hex digits, or a passphrase of at least 16 bytes"
    )]
    Short(usize),
    /// The cryptography refuses it.
    #[error("cannot derive a key from the store key")]
    Derivation,
}

/// The key that opens the store, from what the credential says: 64 hex digits, or a passphrase of at least 16 bytes.
pub(super) fn unlocking(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut digits = Zeroizing::new([0_u8; 32]);
    let raw: &[u8] = if hex::decode_to_slice(text, digits.as_mut_slice()).is_ok() {
        digits.as_slice()
    } else if text.len() >= LEAST {
        text.as_bytes()
    } else {
        return Err(KeyError::Short(text.len()));
    };
    // HKDF (RFC 5869): extraction, and expansion to one block.
    let extracted = authenticate(SALT, &[raw])?;
    authenticate(extracted.as_slice(), &[PURPOSE, &[1]])
}

fn authenticate(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| KeyError::Derivation)?;
    for part in parts {
        mac.update(part);
    }
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_always_the_same_key() {
        let one = unlocking("a passphrase that is long").unwrap();
        assert_eq!(one, unlocking("a passphrase that is long").unwrap());
        assert_ne!(one, unlocking("a passphrase that is lonG").unwrap());
    }

    #[test]
    fn digits_are_taken_for_the_bytes_they_write() {
        assert_eq!(unlocking(&"ab".repeat(32)).unwrap(), unlocking(&"AB".repeat(32)).unwrap());
        assert_ne!(unlocking(&"ab".repeat(32)).unwrap(), unlocking(&"ab".repeat(31)).unwrap());
    }

    #[test]
    fn what_can_be_guessed_is_no_key() {
        assert_eq!(unlocking("short").err(), Some(KeyError::Short(5)));
        assert_eq!(unlocking("").err(), Some(KeyError::Short(0)));
        assert!(unlocking("exactly sixteen!").is_ok());
    }
}
