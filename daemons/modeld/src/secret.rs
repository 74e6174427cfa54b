//! A key that cannot be printed.
//!
//! [`Secret`] has neither `Debug` nor `Display` nor any serialisation, and is overwritten when it is
//! dropped. It reaches the network as the value of one header, marked so that no log shows it.

use std::io::Read as _;
use std::path::Path;

use reqwest::header::HeaderValue;

/// The longest key that is taken, in bytes.
const LONGEST: u64 = 8 * 1024;

/// An API key.
pub struct Secret(Vec<u8>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The name could lead out of the directory of credentials.
    #[error("cannot read the credential {name:?}: it must be the plain name of a file")]
    Name {
        /// The configured name.
        name: String,
    },
    /// The service manager gave no credentials.
    #[error(
        "cannot read the credential {name}: CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential={name}:…"
    )]
    NoDirectory {
        /// The configured name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the credential {name}")]
    Read {
        /// The configured name.
        name: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The content is no key.
    #[error(
        "cannot use the credential {name}: it must be one line of 1 to {LONGEST} visible ASCII characters"
    )]
    Content {
        /// The configured name.
        name: String,
    },
}

impl Secret {
    /// Reads the credential `name` from the service's `directory` of credentials.
    pub fn from_credential(directory: Option<&Path>, name: &str) -> Result<Self, SecretError> {
        let owned = || name.to_owned();
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(SecretError::Name { name: owned() });
        }
        let directory = directory.ok_or_else(|| SecretError::NoDirectory { name: owned() })?;
        let file = std::fs::File::open(directory.join(name));
        let mut secret = Self(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default() + 2));
        file.and_then(|file| file.take(LONGEST + 2).read_to_end(&mut secret.0))
            .map_err(|source| SecretError::Read { name: owned(), source })?;
        let end = secret.0.trim_ascii_end().len();
        secret.0.truncate(end);
        let fits = (1..=LONGEST).contains(&(secret.0.len() as u64));
        if fits && secret.0.iter().all(u8::is_ascii_graphic) {
            Ok(secret)
        } else {
            Err(SecretError::Content { name: owned() })
        }
    }

    /// The value of an `Authorization` header, which logs show as `Sensitive`.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let mut bytes = b"Bearer ".to_vec();
        bytes.extend_from_slice(&self.0);
        let mut value = HeaderValue::from_bytes(&bytes).ok()?;
        bytes.fill(0);
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` with every occurrence of the key blotted out, also of its first or last half.
    pub(crate) fn blot(&self, text: &str) -> String {
        const SHORTEST: usize = 6;
        let key = String::from_utf8_lossy(&self.0);
        let (head, tail) = key.split_at(key.len() / 2);
        let parts = [&*key, head, tail];
        parts
            .iter()
            .filter(|part| part.len() >= SHORTEST || part.len() == key.len())
            .fold(text.to_owned(), |text, part| text.replace(part, "[key]"))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Best effort: keeps the compiler from leaving the overwriting out as useless.
        std::hint::black_box(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_key_without_its_newline() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "sk-0123456789abcdef\n").unwrap();
        let secret = Secret::from_credential(Some(directory.path()), "key").unwrap();
        assert_eq!(secret.0, b"sk-0123456789abcdef");
        let header = secret.bearer().unwrap();
        assert_eq!(header, "Bearer sk-0123456789abcdef");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert_eq!(secret.blot("bad sk-0123456789abcdef!"), "bad [key]!");
        assert_eq!(secret.blot("bad sk-012345… and …6789abcdef"), "bad [key]… and …[key]");
    }

    #[test]
    fn refuses_what_is_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, content: &[u8]| std::fs::write(directory.path().join(name), content).unwrap();
        write("empty", b"\n");
        write("two", b"sk-a\nsk-b\n");
        write("binary", b"sk\xff");
        write("long", &[b'a'; 8 * 1024 + 1]);
        for name in ["empty", "two", "binary", "long", "absent", "", "../key", ".hidden", "a/b"] {
            assert!(Secret::from_credential(Some(directory.path()), name).is_err(), "{name}");
        }
        assert!(Secret::from_credential(None, "key").is_err());
    }
}
