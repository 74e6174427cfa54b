//! The head file: what was last acknowledged, beside the database.
//!
//! A chain cannot show that its end was cut off, so the end is kept a second time: one line of fixed length,
//! `<sequence, 20 digits> <hash>`, overwritten in place after each commit. It is not synced: the commit before it
//! is, so after a power failure the file may be behind the database, which is harmless, and never ahead of it. One
//! line in place stays within one sector, needs no free space and leaves no half-renamed file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::chain::Tip;
use crate::walk::Expected;

/// The file's name in the state directory.
pub const FILE: &str = "head";

/// A line's length in bytes: sequence, space, hash, line feed.
const LINE: u64 = 20 + 1 + 64 + 1;
/// More than a line is long, so that a longer file is seen to be one.
const BUFFER: usize = 128;

/// An open head file.
#[derive(Debug)]
pub struct Head {
    file: File,
}

impl Head {
    /// Opens the file for this process alone, creating it where there is none.
    ///
    /// # Errors
    /// When it can be neither read nor created; [`io::ErrorKind::WouldBlock`] when another process has it open.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        })?;
        Ok(Self { file })
    }

    /// What the file says about the database.
    ///
    /// `fresh` says that the database is new and empty, so that nothing can be missing. A head file that is missing
    /// or unreadable otherwise is itself a finding: somebody who cuts the record would begin with it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn expected(&self, fresh: bool) -> io::Result<Expected> {
        let mut buffer = [0; BUFFER];
        let length = self.file.read_at(&mut buffer, 0)?;
        let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("?");
        Ok(match (parse(text), text.is_empty()) {
            (Some(tip), _) => Expected::AtLeast(tip),
            (None, true) if fresh => Expected::AtLeast(Tip::genesis()),
            (None, true) => {
                Expected::Unknown("the head file beside the database is missing or empty".to_owned())
            }
            (None, false) => Expected::Unknown("the head file beside the database is damaged".to_owned()),
        })
    }

    /// Overwrites the line.
    ///
    /// # Errors
    /// When it cannot be written; the file then is behind, which is harmless.
    pub fn write(&self, tip: &Tip) -> io::Result<()> {
        self.file.write_all_at(format!("{:020} {}\n", tip.seq, tip.hash).as_bytes(), 0)
    }

    /// Writes the first line of a start: gives the file its length for good and puts it on the disk, so that
    /// after a power failure it is there, with this line or a later one.
    ///
    /// # Errors
    /// As [`Head::write`].
    pub fn begin(&self, tip: &Tip) -> io::Result<()> {
        self.write(tip)?;
        self.file.set_len(LINE)?;
        self.file.sync_all()
    }
}

fn parse(text: &str) -> Option<Tip> {
    let (seq, hash) = text.strip_suffix('\n')?.split_once(' ')?;
    let hexadecimal = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = seq.len() == 20 && seq.bytes().all(|byte| byte.is_ascii_digit());
    (hexadecimal && digits).then(|| seq.parse().ok())?.map(|seq| Tip { seq, hash: hash.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path, fresh: bool) -> Expected {
        Head::open(path).unwrap().expected(fresh).unwrap()
    }

    #[test]
    fn what_was_written_is_expected_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(at(&path, true), Expected::AtLeast(Tip::genesis()));
        for seq in [7, 123_456] {
            let tip = Tip { seq, hash: "ab".repeat(32) };
            Head::open(&path).unwrap().begin(&tip).unwrap();
            assert_eq!(at(&path, false), Expected::AtLeast(tip));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), LINE);
        }
    }

    #[test]
    fn a_missing_or_damaged_file_is_never_taken_for_nothing_missing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert!(matches!(at(&path, false), Expected::Unknown(_)));
        let long = format!("{:020} {}\n", 7, "ab".repeat(32)).repeat(2);
        for text in ["7", "x\n", "00000000000000000007 ab\n", "\u{0}\u{0}", &long] {
            std::fs::write(&path, text).unwrap();
            for fresh in [true, false] {
                assert!(matches!(at(&path, fresh), Expected::Unknown(_)), "{text:?}");
            }
        }
        Head::open(&path).unwrap().begin(&Tip { seq: 1, hash: "cd".repeat(32) }).unwrap();
        assert!(matches!(at(&path, false), Expected::AtLeast(Tip { seq: 1, .. })));
    }

    #[test]
    fn a_second_daemon_does_not_get_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let first = Head::open(&path).unwrap();
        assert_eq!(Head::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(Head::open(&path).is_ok());
    }
}
