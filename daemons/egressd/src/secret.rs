//! A secret's value, which cannot be printed.
//!
//! [`Secret`] has neither `Debug` nor `Display` nor any serialisation, and is overwritten when it is dropped. It leaves
//! this process in the header of one request.

use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// The shortest value that is taken, in bytes: a shorter one could not be told from other text when it comes back.
pub const SHORTEST: usize = 8;
/// The longest value that is taken, in bytes.
pub const LONGEST: usize = 8 * 1024;

/// The value of a secret.
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the credential {name}: {source}")]
    Read {
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The content is not taken.
    #[error(
        "cannot use the credential {name}: it must be one line of {SHORTEST} to {LONGEST} visible ASCII characters"
    )]
    Content {
        /// Its name.
        name: String,
    },
}

impl Secret {
    /// Reads the credential `name` in the service's `directory` of credentials; none when it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no value of a header.
    pub fn read(directory: &Path, name: &str) -> Result<Option<Self>, SecretError> {
        let file = match std::fs::File::open(directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file,
        };
        let mut value = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
        file.and_then(|file| file.take(LONGEST as u64 + 2).read_to_end(&mut value))
            .map_err(|source| SecretError::Read { name: name.to_owned(), source })?;
        let end = value.trim_ascii_end().len();
        value.truncate(end);
        if (SHORTEST..=LONGEST).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic) {
            Ok(Some(Self(value)))
        } else {
            Err(SecretError::Content { name: name.to_owned() })
        }
    }

    /// The value itself.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_line_and_refuses_what_is_no_value() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, content: &[u8]| std::fs::write(directory.path().join(name), content).unwrap();
        write("good", b"sk-0123456789abcdef\n");
        write("short", b"sk-0123");
        write("two", b"sk-01234\nsk-56789\n");
        write("space", b"sk-01234 56789\n");
        write("binary", b"sk-01234567\xff");
        write("long", &[b'a'; LONGEST + 1]);
        let read = |name| Secret::read(directory.path(), name);
        assert_eq!(read("good").unwrap().unwrap().expose(), b"sk-0123456789abcdef");
        assert!(read("absent").unwrap().is_none());
        for name in ["short", "two", "space", "binary", "long", "."] {
            assert!(read(name).is_err(), "{name}");
        }
    }
}
