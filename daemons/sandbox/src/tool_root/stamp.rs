//! What verification found, for the runners and for people: a small file of root's below `/run`, gone with the boot.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The kernel's overflow user, unless somebody changes that setting; then no stamp is believed.
const UNMAPPED: u32 = 65534;

/// A verification that found nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// The root.
    pub root: PathBuf,
    /// Its digest.
    pub digest: String,
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How many entries it has.
    pub entries: usize,
    /// When it was verified, in seconds since 1970.
    pub verified_at: u64,
}

/// Why there is no stamp.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// There is none, or it cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else than root wrote it, or could have.
    #[error("cannot trust {path}: others than root may write to it")]
    Owner {
        /// Where it is.
        path: PathBuf,
    },
    /// It cannot be written or removed.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Stamp {
    /// Reads one that only root can have written.
    ///
    /// # Errors
    /// There is none that can be trusted.
    pub fn read(path: &Path) -> Result<Self, StampError> {
        let failed = |source| StampError::Read { path: path.to_owned(), source };
        let status = fs::symlink_metadata(path).map_err(failed)?;
        let maps = fs::read_to_string("/proc/self/uid_map").map_err(failed)?;
        if !status.is_file() || status.uid() != root(&maps) || status.mode() & 0o022 != 0 {
            return Err(StampError::Owner { path: path.to_owned() });
        }
        let text = fs::read(path).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|error| failed(error.into()))
    }

    /// Writes it, in one step.
    ///
    /// # Errors
    /// The place cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), StampError> {
        let draft = path.with_extension("draft");
        let write = || {
            let text = serde_json::to_vec(self)?;
            let _ = fs::remove_file(&draft);
            let mut file = fs::File::options().write(true).create_new(true).mode(0o644).open(&draft)?;
            file.write_all(&text)?;
            fs::rename(&draft, path)
        };
        write().map_err(|source| StampError::Write { path: path.to_owned(), source })
    }

    /// Removes one; there may be none.
    ///
    /// # Errors
    /// It is there and stays.
    pub fn remove(path: &Path) -> Result<(), StampError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StampError::Write { path: path.to_owned(), source: error })
            }
            _ => Ok(()),
        }
    }
}

/// What root's files show as their owner in a user namespace with these maps: where root itself is not mapped, the
/// number that the kernel has for all who are not.
fn root(maps: &str) -> u32 {
    let mapped = maps.lines().any(|line| line.split_whitespace().next() == Some("0"));
    if mapped { 0 } else { UNMAPPED }
}
