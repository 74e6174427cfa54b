//! The shelf: where amendments lie, each with the text before it, in a folder that only `policyd` can write.
//!
//! ```text
//!  NAME.toml        in force, sealed: its last line names the digest of all that stands before it
//!  NAME.toml.last   what was in force before, sealed
//!  DIGEST.proposed  waits for a person's answer
//! ```
//! Every file is written beside its place, synced and renamed, so a crash leaves the old one or the new one.
//! A file without its seal, cut short or edited by hand, is damaged and not used.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::digest;

/// What stands before the digest in the last line.
const SEAL: &str = "\n# sealed ";
const CURRENT: &str = ".toml";
const LAST: &str = ".toml.last";
const PROPOSED: &str = ".proposed";
/// What is being written; of no use after a crash.
const UNFINISHED: &str = ".new";

/// Why the shelf did not do what it was asked.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// The file system failed.
    #[error("cannot {action} the policy file {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what was written there.
    #[error("cannot use the policy file {name}: {cause}")]
    Damaged {
        /// Which file.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl ShelfError {
    pub(super) fn damaged(name: &str, cause: &str) -> Self {
        Self::Damaged { name: name.to_owned(), cause: cause.to_owned() }
    }
}

/// The folder.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// Opens or makes it, and clears away what a crash left unfinished.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(folder: &Path) -> Result<Self, ShelfError> {
        let shelf = Self { folder: folder.to_path_buf() };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| failed("make", folder, source))?;
        for file in shelf.files()? {
            if file.ends_with(UNFINISHED) {
                let path = folder.join(file);
                fs::remove_file(&path).map_err(|source| failed("clear away", &path, source))?;
            }
        }
        Ok(shelf)
    }

    /// The names of all amendments, in force or taken out.
    ///
    /// # Errors
    /// The file system's.
    pub fn names(&self) -> Result<BTreeSet<String>, ShelfError> {
        let files = self.files()?;
        let name =
            |file: &String| file.strip_suffix(CURRENT).or_else(|| file.strip_suffix(LAST)).map(str::to_owned);
        Ok(files.iter().filter_map(name).collect())
    }

    /// Where the text of an amendment lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{CURRENT}"))
    }

    /// The text in force; an inner error when it is damaged.
    ///
    /// # Errors
    /// The file system's.
    pub fn current(&self, name: &str) -> Result<Option<Result<String, ShelfError>>, ShelfError> {
        self.unsealed(&format!("{name}{CURRENT}"))
    }

    /// The text before it; an inner error when it is damaged.
    ///
    /// # Errors
    /// The file system's.
    pub fn last(&self, name: &str) -> Result<Option<Result<String, ShelfError>>, ShelfError> {
        self.unsealed(&format!("{name}{LAST}"))
    }

    /// Puts a text in force, or takes the amendment out with none; what is in force now is kept as the last good one.
    ///
    /// # Errors
    /// The file system's: what was in force still is.
    pub fn put(&self, name: &str, text: Option<&str>) -> Result<(), ShelfError> {
        let (current, last) = (format!("{name}{CURRENT}"), format!("{name}{LAST}"));
        let before = self.current(name)?.and_then(Result::ok);
        // A damaged text is no good one, so the last one stays.
        if let Some(before) = &before {
            self.write(&last, &sealed(before))?;
        }
        let moved = match text {
            Some(text) => self.write(&current, &sealed(text)),
            None => self.remove(&current),
        };
        if let (Err(_), Some(before)) = (&moved, &before) {
            // Without a sync nobody knows which of the two a crash would leave; make it the old one.
            let _ = self.write(&current, &sealed(before));
        }
        moved
    }

    /// Keeps a text until a person answered, by its digest.
    ///
    /// # Errors
    /// The file system's.
    pub fn propose(&self, text: &str) -> Result<String, ShelfError> {
        let digest = digest(text);
        self.write(&format!("{digest}{PROPOSED}"), text)?;
        Ok(digest)
    }

    /// The text with this digest, if it was proposed and is whole.
    ///
    /// # Errors
    /// When it is not what was proposed, or not there.
    pub fn proposed(&self, wanted: &str) -> Result<String, ShelfError> {
        let file = format!("{wanted}{PROPOSED}");
        let text = self.read(&file)?.ok_or_else(|| ShelfError::damaged(&file, "it is not there any more"))?;
        if digest(&text) == wanted {
            Ok(text)
        } else {
            Err(ShelfError::damaged(&file, "it is not what was proposed"))
        }
    }

    /// Forgets all proposals but these.
    ///
    /// # Errors
    /// The file system's.
    pub fn forget_proposals_but(&self, wanted: &BTreeSet<String>) -> Result<(), ShelfError> {
        for file in self.files()? {
            if file.strip_suffix(PROPOSED).is_some_and(|digest| !wanted.contains(digest)) {
                self.remove(&file)?;
            }
        }
        Ok(())
    }

    fn unsealed(&self, file: &str) -> Result<Option<Result<String, ShelfError>>, ShelfError> {
        match self.read(file) {
            Ok(text) => Ok(text.map(|text| unseal(file, &text))),
            Err(damaged @ ShelfError::Damaged { .. }) => Ok(Some(Err(damaged))),
            Err(error) => Err(error),
        }
    }

    fn read(&self, file: &str) -> Result<Option<String>, ShelfError> {
        let path = self.folder.join(file);
        match fs::read(&path) {
            Ok(bytes) => {
                String::from_utf8(bytes).map(Some).map_err(|_| ShelfError::damaged(file, "it is no text"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    fn write(&self, file: &str, text: &str) -> Result<(), ShelfError> {
        let path = self.folder.join(file);
        let unfinished = self.folder.join(format!("{file}{UNFINISHED}"));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| failed("write", &path, source))
    }

    fn remove(&self, file: &str) -> Result<(), ShelfError> {
        let path = self.folder.join(file);
        let remove = || -> io::Result<()> {
            fs::remove_file(&path)?;
            File::open(&self.folder)?.sync_all()
        };
        remove().map_err(|source| failed("remove", &path, source))
    }

    fn files(&self) -> Result<Vec<String>, ShelfError> {
        let list = || -> io::Result<Vec<String>> {
            fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        list().map_err(|source| failed("list", &self.folder, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> ShelfError {
    ShelfError::File { action, path: path.to_path_buf(), source }
}

fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", digest(text))
}

fn unseal(file: &str, sealed: &str) -> Result<String, ShelfError> {
    let parts = sealed.strip_suffix('\n').and_then(|sealed| sealed.rsplit_once(SEAL));
    match parts {
        Some((text, seal)) if digest(text) == seal => Ok(text.to_owned()),
        Some(_) => Err(ShelfError::damaged(file, "its text is not the one that was sealed")),
        None => Err(ShelfError::damaged(file, "it has no seal at its end")),
    }
}

#[cfg(test)]
mod tests;
