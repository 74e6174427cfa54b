//! The manifest of a tool root: what it is called, what it was built from, and every entry in it.
//!
//! Its digest is the SHA-256 of its canonical text, which is the compact JSON of [`Manifest`] with the entries in the
//! order of their paths' bytes. Times and owners are no part of it, so the same packages give the same digest
//! wherever and whenever the tree is made.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::changeset::sha256;

/// The manifest's name at the top of a root; it is the one file that is not in it.
pub const MANIFEST: &str = "testudo-root.json";

/// Largest manifest that is read, in bytes: a hundred thousand entries and more.
const MOST: u64 = 64 * 1024 * 1024;

/// Where a root comes from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What it is called.
    pub name: String,
    /// Its version, by whatever counts versions where it is built.
    pub version: String,
    /// What it was built from, such as packages with their versions; sorted.
    pub built_from: Vec<String>,
}

/// Everything about a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Where it comes from.
    pub origin: Origin,
    /// What is in it, in the order of the paths' bytes.
    pub entries: Vec<Entry>,
}

/// One entry of a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the root.
    pub path: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What an entry is. Devices, sockets and the like are in no root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Kind {
    /// A directory.
    Directory {
        /// The permission bits.
        mode: u32,
    },
    /// A file.
    File {
        /// The permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
        /// SHA-256 of its content, hex.
        sha256: String,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as it stands.
        target: String,
    },
}

/// As it lies in the file: the manifest beside its digest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    digest: String,
    manifest: Manifest,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read {MANIFEST}: {0}")]
    Read(#[source] io::Error),
    /// It is no manifest.
    #[error("cannot read {MANIFEST}: {0}")]
    Parse(#[from] serde_json::Error),
    /// It says another digest than its own.
    #[error("cannot take {MANIFEST}: it says {said} and is {is}")]
    Digest {
        /// What it says.
        said: String,
        /// What it is.
        is: String,
    },
    /// It cannot be written.
    #[error("cannot write {MANIFEST}: {0}")]
    Write(#[source] io::Error),
}

impl Manifest {
    /// What names the whole root.
    ///
    /// # Errors
    /// It does not serialize.
    pub fn digest(&self) -> Result<String, ManifestError> {
        Ok(sha256(&serde_json::to_vec(self)?))
    }

    /// Reads the one of a root, with its digest.
    ///
    /// # Errors
    /// There is none, or it contradicts itself.
    pub fn load(root: &Path) -> Result<(Self, String), ManifestError> {
        let path = root.join(MANIFEST);
        let length = fs::symlink_metadata(&path).map_err(ManifestError::Read)?.len();
        if length > MOST {
            return Err(ManifestError::Read(io::ErrorKind::FileTooLarge.into()));
        }
        let sealed: Sealed = serde_json::from_slice(&fs::read(&path).map_err(ManifestError::Read)?)?;
        let is = sealed.manifest.digest()?;
        if is == sealed.digest {
            Ok((sealed.manifest, is))
        } else {
            Err(ManifestError::Digest { said: sealed.digest, is })
        }
    }

    /// Writes it to its place in a root, in one step, and returns the digest.
    ///
    /// # Errors
    /// The root cannot be written to.
    pub fn store(&self, root: &Path) -> Result<String, ManifestError> {
        let digest = self.digest()?;
        let sealed = Sealed { digest: digest.clone(), manifest: self.clone() };
        let text = serde_json::to_vec(&sealed)?;
        let (draft, place) = (root.join(format!(".{MANIFEST}")), root.join(MANIFEST));
        let write = || {
            let mut file = fs::File::create(&draft)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&draft, &place)
        };
        write().map_err(ManifestError::Write)?;
        Ok(digest)
    }
}
