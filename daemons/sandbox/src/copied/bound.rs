//! How large a workspace may be that is copied: half of the scratch, so that the call can write as well.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::CopyError;

/// However large the scratch is.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
const MOST_ENTRIES: u64 = 100_000;

/// Files take up whole pages of a tmpfs.
const PAGE: u64 = 4096;

/// What a copy may take up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Bound {
    /// The bound of copies into this file system.
    pub(crate) fn of(scratch: &Path) -> io::Result<Self> {
        let room = statvfs(scratch)?;
        let bytes = room.blocks().saturating_mul(room.fragment_size());
        // Some file systems do not count their files.
        let entries = match room.files() {
            0 => MOST_ENTRIES,
            files => files / 2,
        };
        Ok(Self { bytes: MOST_BYTES.min(bytes / 2), entries: MOST_ENTRIES.min(entries) })
    }
}

/// What a copy takes up so far.
#[derive(Debug)]
pub(super) struct Used {
    bound: Bound,
    bytes: u64,
    entries: u64,
}

impl Used {
    pub(super) fn nothing(bound: Bound) -> Self {
        Self { bound, bytes: 0, entries: 0 }
    }

    /// Makes room for one more entry.
    pub(super) fn entry(&mut self) -> Result<(), CopyError> {
        self.entries += 1;
        let most = self.bound.entries;
        if self.entries > most { Err(CopyError::Entries { most }) } else { Ok(()) }
    }

    /// Makes room for a file of so many bytes.
    pub(super) fn file(&mut self, size: u64) -> Result<(), CopyError> {
        self.fits(size)?;
        self.bytes += size.next_multiple_of(PAGE);
        Ok(())
    }

    /// Whether a file of so many bytes would have room.
    pub(super) fn fits(&self, size: u64) -> Result<(), CopyError> {
        let most = self.bound.bytes;
        let whole = size.checked_next_multiple_of(PAGE).and_then(|size| size.checked_add(self.bytes));
        if whole.is_none_or(|whole| whole > most) { Err(CopyError::Bytes { most }) } else { Ok(()) }
    }
}
