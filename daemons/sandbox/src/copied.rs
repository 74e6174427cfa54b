//! A workspace that was copied for a call, where the kernel refuses an overlay of it.
//!
//! What each path was when it was copied is kept: that, and not what the workspace has become meanwhile, is what the
//! call has seen and what its changes are made from. Afterwards the copy takes the place of an overlay's upper side.

mod bound;
mod copier;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::directory::{Directory, Status, name};

pub(crate) use bound::Bound;
pub(crate) use copier::{CopyError, copy};

/// What one directory of a copy was made of, by name.
#[derive(Debug, Default)]
pub(crate) struct Entries(BTreeMap<OsString, Entry>);

/// One name of it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) status: Status,
    pub(crate) what: What,
    /// Known once the copy has been compared.
    pub(crate) unchanged: bool,
}

/// What was copied.
#[derive(Debug)]
pub(crate) enum What {
    Directory(Entries),
    File {
        size: u64,
        sha256: String,
    },
    Symlink(OsString),
    /// Nothing: it is special, or cannot be read.
    LeftOut,
}

impl Entries {
    pub(crate) fn get(&self, name: &OsStr) -> Option<&Entry> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.keys().map(OsString::as_os_str)
    }

    /// Marks what is still as it was copied, by content; says whether everything is. Only what was copied is entered,
    /// so that what the call made costs nothing here.
    pub(crate) fn compare(&mut self, copy: &Directory) -> io::Result<bool> {
        let mut all = true;
        for (name, entry) in &mut self.0 {
            entry.unchanged = entry.is_in(copy, name)?;
            all &= entry.unchanged;
        }
        Ok(all && copy.names()?.iter().all(|now| self.0.contains_key(name(now))))
    }
}

impl Entry {
    fn is_in(&mut self, copy: &Directory, name: &OsStr) -> io::Result<bool> {
        let Some(now) = copy.status(name)? else { return Ok(matches!(self.what, What::LeftOut)) };
        let same_mode = now.mode() == self.status.mode();
        match &mut self.what {
            What::Directory(below) if now.is_directory() => {
                let locked = now.mode() & 0o500 != 0o500;
                if locked {
                    copy.set_mode(name, 0o700)?;
                }
                let same = below.compare(&copy.enter(name)?)?;
                if locked {
                    // The change set will have it.
                    copy.set_mode(name, now.mode())?;
                }
                Ok(same && same_mode)
            }
            What::File { size, sha256 } if now.is_file() && same_mode && now.size() == *size => {
                Ok(digest(&mut copy.read(name)?)? == *sha256)
            }
            What::Symlink(target) if now.is_symlink() => Ok(copy.target(name)? == *target),
            _ => Ok(false),
        }
    }
}

fn digest(file: &mut File) -> io::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), [0_u8; 16 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(length) => hash.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
