//! What a runner was told to expect: a root, its digest, and where verification says what it found.

use std::path::{Path, PathBuf};

use super::stamp::{Stamp, StampError};

/// Where a runner finds the stamp, in its own view of the file system.
pub const STAMP: &str = "/run/tool-root.json";

/// A root that calls see the programs of, once it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The root.
    pub root: PathBuf,
    /// Its digest, hex.
    pub digest: String,
    /// Where the stamp is.
    pub stamp: PathBuf,
}

/// Why no call may see the root.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    /// It was not verified since the start of the system, or in vain.
    #[error("cannot use the tool root: it is not verified: {0}")]
    Absent(#[from] StampError),
    /// Another one was.
    #[error("cannot use the tool root: {is} was verified, and {expected} is configured")]
    Other {
        /// What is configured.
        expected: String,
        /// What was verified.
        is: String,
    },
}

impl Expected {
    /// Makes sure that verification found this very root to be this very digest.
    ///
    /// # Errors
    /// It did not, whatever the reason.
    pub fn require(&self) -> Result<(), Unverified> {
        let stamp = Stamp::read(&self.stamp)?;
        if stamp.digest != self.digest {
            return Err(Unverified::Other { expected: self.digest.clone(), is: stamp.digest });
        }
        if stamp.root != self.root {
            let [expected, is] = [&self.root, &stamp.root].map(|root| Path::display(root).to_string());
            return Err(Unverified::Other { expected, is });
        }
        Ok(())
    }
}
