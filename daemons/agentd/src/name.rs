//! Names of sessions, which are also names of files: nothing that a path could be made of gets through.

use std::fmt;

use testudo::fault::Fault;
use thiserror::Error;

/// The most characters of a name.
const LONGEST: usize = 64;
/// The session that is meant when none is named.
const DEFAULT: &str = "main";

/// The name of a session: a letter or digit, then letters, digits, `_` and `-`, at most 64, all ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cannot use {shown:?} as the name of a session: it is a letter or digit, then letters, digits, _ and -, at most {LONGEST}"
)]
pub struct NameError {
    /// The beginning of the text.
    shown: String,
}

impl SessionName {
    /// Takes a name from outside; the empty one means `main`.
    ///
    /// # Errors
    /// When it is no name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = if text.is_empty() { DEFAULT } else { text };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if is_plain && text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError { shown: text.chars().take(LONGEST).collect() })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<NameError> for Fault {
    fn from(error: NameError) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain() {
        let longest = "a".repeat(64);
        for good in ["main", "0", "Ab_c-9", longest.as_str()] {
            assert_eq!(SessionName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(SessionName::parse("").unwrap().as_str(), "main");
        let long = "a".repeat(65);
        for bad in ["_a", "-a", ".", "..", "a/b", "a.b", "a b", "ä", "a\0", long.as_str()] {
            assert!(SessionName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_a_directory(text in ".{0,80}") {
            if let Ok(name) = SessionName::parse(&text) {
                let path = std::path::Path::new("/d").join(format!("{name}.jsonl"));
                prop_assert_eq!(path.parent(), Some(std::path::Path::new("/d")));
                prop_assert_eq!(path.components().count(), 3);
            }
        }
    }
}
