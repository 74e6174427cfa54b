//! The secret behind the codes: it cannot be printed, and it is overwritten when it is dropped.

use std::io::Read as _;
use std::path::Path;

use data_encoding::BASE32_NOPAD;
use testudo::canonical;
use zeroize::Zeroizing;

/// The credential, by its file name.
pub const CREDENTIAL: &str = "testudo.policyd.totp";
/// The shortest secret, in bytes, as RFC 4226 recommends.
const SHORTEST: usize = 20;
/// The longest that is taken.
const LONGEST: u64 = 256;

/// A secret of at least 20 bytes.
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the credential {CREDENTIAL}: {0}")]
    Read(#[from] std::io::Error),
    /// It is no secret.
    #[error(
        "cannot use the credential {CREDENTIAL}: it must be base32 of at least {SHORTEST} bytes (32 characters), \
         or as many bytes that are not base32; such as `head -c 20 /dev/urandom | base32`"
    )]
    Content,
}

impl Secret {
    /// The credential at this path; none when it was not given.
    ///
    /// # Errors
    /// When it was given and is no secret.
    pub fn read(path: Option<&Path>) -> Result<Option<Self>, SecretError> {
        let Some(path) = path else { return Ok(None) };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default() + 2));
        file.take(LONGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(SecretError::Content);
        }
        Self::from_text(&text).map(Some)
    }

    /// Base32 with blanks and padding or without; anything else is taken as it is.
    ///
    /// # Errors
    /// When it is too short. Base32 that is too short is not taken for raw bytes, which nobody means.
    pub fn from_text(text: &[u8]) -> Result<Self, SecretError> {
        let trimmed = text.trim_ascii();
        let letters: Zeroizing<Vec<u8>> = Zeroizing::new(
            trimmed
                .iter()
                .filter(|byte| !matches!(byte, b' ' | b'-' | b'\n' | b'='))
                .map(u8::to_ascii_uppercase)
                .collect(),
        );
        let is_base32 = letters.iter().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte));
        let bytes = if is_base32 {
            Zeroizing::new(BASE32_NOPAD.decode(&letters).map_err(|_| SecretError::Content)?)
        } else {
            Zeroizing::new(trimmed.to_vec())
        };
        if bytes.len() < SHORTEST { Err(SecretError::Content) } else { Ok(Self(bytes)) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Tells one secret from another without telling either.
    pub(super) fn fingerprint(&self) -> String {
        canonical::digest("testudo.totp.v1", &self.base32())
    }

    /// What an authenticator takes, as text or in a QR code.
    pub(super) fn uri(&self) -> String {
        format!(
            "otpauth://totp/Testudo:approvals?secret={}&issuer=Testudo&algorithm=SHA1&digits=6&period=30",
            *self.base32()
        )
    }

    fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_and_raw_bytes_are_taken() {
        let encoded = Secret::from_text(b"GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ\n").unwrap();
        let raw = Secret::from_text(b"12345678901234567890").unwrap();
        assert_eq!(encoded.bytes(), raw.bytes());
        assert_eq!(encoded.fingerprint(), raw.fingerprint());
        let uri = raw.uri();
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&"), "{uri}");
    }

    #[test]
    fn what_is_too_short_is_refused() {
        let short: [&[u8]; 5] =
            [b"", b"12345", b"GEZDGNBVGY3TQOJQ", b"JBSWY3DPEHPK3PXPJBSWY3DPEH", b"1234567890123456789"];
        for text in short {
            assert!(Secret::from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_credential_that_is_not_there_is_none_and_a_bad_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CREDENTIAL);
        assert!(Secret::read(None).unwrap().is_none());
        assert!(Secret::read(Some(&path)).unwrap().is_none());
        std::fs::write(&path, "short").unwrap();
        assert!(Secret::read(Some(&path)).is_err());
        std::fs::write(&path, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n").unwrap();
        assert!(Secret::read(Some(&path)).unwrap().is_some());
    }
}
