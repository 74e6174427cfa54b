//! The inbox: files that people sent into the session, which its calls find in [`INBOX`] and can only read.
//!
//! The zygote keeps them in its scratch, of which calls see this one directory. They are bounded: the oldest makes room
//! for the newest, and all of them are gone with the instance. Whoever wants them to last gives them again.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::memfd;
use crate::protocol::valid_id;

/// Where calls see the files.
pub const INBOX: &str = "/inbox";
/// The most bytes of one file.
pub const MOST_BYTES: u64 = 16 << 20;
/// The most bytes of all of them together.
const MOST_TOGETHER: u64 = 64 << 20;
/// The most files.
const MOST_FILES: usize = 64;

/// Where the files of an instance are on the host.
pub(crate) fn directory(scratch: &Path) -> PathBuf {
    scratch.join("inbox")
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboxError {
    /// Its name could lead elsewhere.
    #[error("cannot keep the file: its name is no plain one")]
    Name,
    /// There was no room for any.
    #[error("cannot keep the file: this sandbox has no inbox")]
    Closed,
    /// There is not exactly one descriptor beside the request.
    #[error("cannot keep the file: its content is not with it")]
    Missing,
    /// It cannot be read or written.
    #[error("cannot keep the file: {0}")]
    Io(#[from] io::Error),
}

/// The files of one instance.
#[derive(Debug)]
pub(crate) struct Inbox {
    directory: PathBuf,
    /// Their names and sizes, the oldest first.
    files: VecDeque<(String, u64)>,
}

impl Inbox {
    /// Makes an empty one.
    pub(crate) fn create(scratch: &Path) -> io::Result<Self> {
        let directory = directory(scratch);
        match fs::create_dir(&directory) {
            // Left by an instance that was killed where the scratch outlived it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                for entry in fs::read_dir(&directory)? {
                    fs::remove_file(entry?.path())?;
                }
            }
            other => other?,
        }
        Ok(Self { directory, files: VecDeque::new() })
    }

    /// Keeps a file; one of this name that is there already stays as it is.
    pub(crate) fn take(&mut self, name: &str, content: Option<&OwnedFd>) -> Result<(), InboxError> {
        if !valid_id(name) {
            return Err(InboxError::Name);
        }
        let content = content.ok_or(InboxError::Missing)?.try_clone()?;
        if self.files.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let bytes = memfd::read_sealed(content, MOST_BYTES)?;
        let size = bytes.len() as u64;
        while self.files.len() >= MOST_FILES || self.together().saturating_add(size) > MOST_TOGETHER {
            let Some((oldest, _)) = self.files.pop_front() else { break };
            fs::remove_file(self.directory.join(oldest))?;
        }
        let path = self.directory.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path)?;
        if let Err(error) = file.write_all(&bytes) {
            // Half a file is none.
            fs::remove_file(&path)?;
            return Err(error.into());
        }
        self.files.push_back((name.to_owned(), size));
        Ok(())
    }

    fn together(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(inbox: &mut Inbox, name: &str, bytes: &[u8]) -> Result<(), InboxError> {
        inbox.take(name, Some(&memfd::sealed(c"file", bytes).unwrap()))
    }

    #[test]
    fn a_file_is_kept_once_and_stays_as_it_came() {
        let scratch = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::create(scratch.path()).unwrap();
        give(&mut inbox, "1-a.txt", b"one").unwrap();
        give(&mut inbox, "1-a.txt", b"another").unwrap();
        assert_eq!(fs::read(directory(scratch.path()).join("1-a.txt")).unwrap(), b"one");
        // The next instance in the same place begins with nothing.
        drop(Inbox::create(scratch.path()).unwrap());
        assert_eq!(fs::read_dir(directory(scratch.path())).unwrap().count(), 0);
    }

    #[test]
    fn names_that_lead_elsewhere_and_content_that_is_not_there_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::create(scratch.path()).unwrap();
        for name in ["", "..", "../x", "a/b", ".hidden", "a b", "a\0"] {
            assert!(matches!(give(&mut inbox, name, b"x"), Err(InboxError::Name)), "{name}");
        }
        assert!(matches!(inbox.take("a", None), Err(InboxError::Missing)));
        let open = OwnedFd::from(memfd::create(c"open").unwrap());
        assert!(matches!(inbox.take("a", Some(&open)), Err(InboxError::Io(_))));
    }

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let scratch = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::create(scratch.path()).unwrap();
        for number in 0..=MOST_FILES {
            give(&mut inbox, &format!("{number}-x"), b"x").unwrap();
        }
        let there = |name: &str| directory(scratch.path()).join(name).exists();
        assert!(!there("0-x") && there("1-x") && there(&format!("{MOST_FILES}-x")));
    }
}
