//! Sealing and verifying: a tree becomes a digest, and a digest says whether a tree is still that one.
//!
//! Both walk the tree alike and hash the files on two threads. Verification compares first what costs nothing, so
//! most differences are told at once, each by the path that it is at.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, Kind, Manifest, ManifestError, Origin};
use super::tree::{self, Owners, TreeError};

/// Threads that hash; more would wait for the disk.
const THREADS: usize = 2;

/// Why a root is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no such directory.
    #[error("cannot find the tool root {path}: {source}")]
    Find {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its manifest is missing or wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Something in it, or on the way to it, cannot be trusted.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// It is another root.
    #[error("cannot take the tool root: its digest is {found}, and {expected} is configured")]
    Other {
        /// What is configured.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It has something that its manifest has not.
    #[error("cannot take the tool root: {path} does not belong to it")]
    Extra {
        /// The entry.
        path: String,
    },
    /// Its manifest has something that it has not.
    #[error("cannot take the tool root: {path} is missing")]
    Missing {
        /// The entry.
        path: String,
    },
    /// Something in it was changed.
    #[error("cannot take the tool root: {path} has another {what} than when it was sealed")]
    Changed {
        /// The entry.
        path: String,
        /// Type, mode, size, target or content.
        what: &'static str,
    },
    /// It has no programs.
    #[error("cannot seal the tool root: it has no usr/bin")]
    Empty,
}

/// Writes the manifest of the tree at `root` into it, and returns the digest.
///
/// # Errors
/// The tree has something in it that verification would refuse, whoever owns it.
pub fn seal(root: &Path, origin: Origin) -> Result<String, VerifyError> {
    let root = found(root)?;
    let mut entries = tree::list(&root, Owners::Any)?;
    if !entries.iter().any(|entry| entry.path == "usr/bin" && matches!(entry.kind, Kind::Directory { .. })) {
        return Err(VerifyError::Empty);
    }
    for (at, hash) in hashes(&root, &entries)? {
        if let Some(Entry { kind: Kind::File { sha256, .. }, .. }) = entries.get_mut(at) {
            *sha256 = hash;
        }
    }
    Ok(Manifest { origin, entries }.store(&root)?)
}

/// Makes sure that the tree at `root` is the one of this digest, and root's alone to change.
///
/// # Errors
/// The first difference, with its path.
pub fn verify(root: &Path, digest: &str) -> Result<Manifest, VerifyError> {
    let root = found(root)?;
    tree::require_safe_way(&root)?;
    let entries = tree::list(&root, Owners::Root)?;
    let (manifest, is) = Manifest::load(&root)?;
    if is != digest {
        return Err(VerifyError::Other { expected: digest.to_owned(), found: is });
    }
    compare(&manifest.entries, &entries)?;
    for (at, hash) in hashes(&root, &entries)? {
        if let Some(Entry { path, kind: Kind::File { sha256, .. } }) = manifest.entries.get(at)
            && *sha256 != hash
        {
            return Err(VerifyError::Changed { path: path.clone(), what: "content" });
        }
    }
    Ok(manifest)
}

fn found(root: &Path) -> Result<PathBuf, VerifyError> {
    root.canonicalize().map_err(|source| VerifyError::Find { path: root.to_owned(), source })
}

/// Compares everything but contents; afterwards both lists have the same entries at the same places.
fn compare(sealed: &[Entry], found: &[Entry]) -> Result<(), VerifyError> {
    let mut sealed = sealed.iter();
    let mut found = found.iter();
    loop {
        let (was, is) = match (sealed.next(), found.next()) {
            (None, None) => return Ok(()),
            (Some(was), None) => return Err(VerifyError::Missing { path: was.path.clone() }),
            (None, Some(is)) => return Err(VerifyError::Extra { path: is.path.clone() }),
            (Some(was), Some(is)) if was.path < is.path => {
                return Err(VerifyError::Missing { path: was.path.clone() });
            }
            (Some(was), Some(is)) if was.path > is.path => {
                return Err(VerifyError::Extra { path: is.path.clone() });
            }
            (Some(was), Some(is)) => (was, is),
        };
        let what = match (&was.kind, &is.kind) {
            (Kind::Directory { mode: was }, Kind::Directory { mode: is }) => (was != is).then_some("mode"),
            (Kind::Link { target: was }, Kind::Link { target: is }) => (was != is).then_some("target"),
            (Kind::File { mode, .. }, Kind::File { mode: is, .. }) if mode != is => Some("mode"),
            (Kind::File { size, .. }, Kind::File { size: is, .. }) => (size != is).then_some("size"),
            _ => Some("type"),
        };
        if let Some(what) = what {
            return Err(VerifyError::Changed { path: was.path.clone(), what });
        }
    }
}

/// The hashes of all files, each with its place in the list.
fn hashes(root: &Path, entries: &[Entry]) -> Result<Vec<(usize, String)>, TreeError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(at) else { return Ok(done) };
            if matches!(entry.kind, Kind::File { .. }) {
                let path = root.join(&entry.path);
                let hash = hash(&path).map_err(|source| TreeError::Read { path, source })?;
                done.push((at, hash));
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            let died = || TreeError::Read {
                path: root.to_owned(),
                source: io::Error::other("a thread that hashes died"),
            };
            all.extend(thread.join().map_err(|_| died())??);
        }
        Ok(all)
    })
}

/// Hashes what is a plain file when it is open, too.
fn hash(path: &Path) -> io::Result<String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let status = file.metadata()?;
    if !status.is_file() || status.nlink() == 0 {
        return Err(io::Error::other("it is no file any more"));
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(length) => hasher.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
