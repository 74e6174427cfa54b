//! A change set: what a call proposes to do to the workspace, entry by entry.
//!
//! The manifest's canonical bytes are the compact JSON of [`ChangeSet`] with its entries in order; their
//! SHA-256 is the digest that people approve, and it covers every content by its own SHA-256.
//! [`Proposal`] puts manifest and contents together and is the only way to read contents out.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Larger old contents are hashed, but not carried along for a diff.
pub(crate) const MOST_BASE: u64 = 1024 * 1024;

/// What happens to one path. The order is the order of entries that share a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A file or symlink goes.
    Delete,
    /// A directory, empty by then, goes.
    Rmdir,
    /// A directory comes.
    Mkdir,
    /// A file comes where nothing was.
    Add,
    /// A file gets other content (and mode), or takes the place of a symlink.
    Modify,
    /// A symlink comes, in the place of a file or symlink or of nothing.
    Symlink,
    /// Only the permissions change.
    Mode,
    /// A file moves here from elsewhere, as it is or with other content and mode.
    Rename,
}

/// What a path was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseKind {
    /// A regular file.
    File,
    /// A symlink; `sha256` is of its target.
    Symlink,
    /// A directory.
    Directory,
}

/// The state that a change was made from; applying it to any other is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// What it was.
    pub kind: BaseKind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of a file or of a symlink's target.
    pub size: u64,
    /// Of the content or target, hex; none for a directory.
    pub sha256: Option<String>,
    /// Where the old content lies in the contents; none if it was too large to carry along.
    pub offset: Option<u64>,
}

/// One entry of a change set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Relative to the workspace: no empty, `.` or `..` part, nothing under `.testudo`.
    pub path: String,
    /// What happens.
    pub kind: ChangeKind,
    /// Permission bits afterwards (never set-id or sticky); none when the path goes, or for a symlink.
    pub mode: Option<u32>,
    /// Bytes of the new content; 0 where there is none.
    pub size: u64,
    /// Of the new content, hex.
    pub sha256: Option<String>,
    /// Where the new content lies in the contents; none for a file that is renamed as it is.
    pub offset: Option<u64>,
    /// A symlink's target: relative, and inside of the workspace.
    pub target: Option<String>,
    /// What was there, or at `from`; none when nothing was.
    pub base: Option<Base>,
    /// Where a renamed file comes from, written as `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Change {
    /// A change with nothing but these.
    pub(crate) fn plain(path: &str, kind: ChangeKind, mode: Option<u32>) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            mode,
            size: 0,
            sha256: None,
            offset: None,
            target: None,
            base: None,
            from: None,
        }
    }
}

/// Something in the overlay that cannot be proposed, and is dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Its path; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// The manifest: everything that a call proposes to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSet {
    /// Sorted by path, then kind.
    pub changes: Vec<Change>,
    /// Sorted; what was dropped.
    pub skipped: Vec<Skipped>,
    /// Sorted; directories that will look like a bare git repository and in which something changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

impl ChangeSet {
    /// Puts entries into the canonical order.
    pub fn new(mut changes: Vec<Change>, mut skipped: Vec<Skipped>) -> Self {
        changes.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
        skipped.sort();
        Self { changes, skipped, repositories: Vec::new() }
    }

    /// The same with directories that will look like a bare git repository.
    #[must_use]
    pub fn with_repositories(mut self, mut repositories: Vec<String>) -> Self {
        repositories.sort();
        repositories.dedup();
        self.repositories = repositories;
        self
    }

    /// The bytes that are hashed, carried and stored.
    ///
    /// # Errors
    /// None for these types; the signature is that of the serializer.
    pub fn canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// SHA-256 of the canonical bytes, hex.
    ///
    /// # Errors
    /// As [`ChangeSet::canonical`].
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        Ok(sha256(&self.canonical()?))
    }

    /// Nothing is proposed and nothing was dropped.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.skipped.is_empty()
    }
}

/// A change set with its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The manifest.
    pub set: ChangeSet,
    /// New and old contents, one after the other, found by the offsets of the manifest.
    pub contents: Vec<u8>,
}

/// Why bytes are no valid proposal.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// The manifest is no JSON of a change set.
    #[error("cannot read the manifest: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Its bytes are not the canonical ones.
    #[error("cannot accept the manifest: it is not in canonical form")]
    NotCanonical,
    /// Its SHA-256 is not the expected one.
    #[error("cannot accept the manifest: its digest is {found}, not {expected}")]
    Digest {
        /// What was asked for.
        expected: String,
        /// What the bytes give.
        found: String,
    },
    /// An entry points outside of the contents, or its content has another hash.
    #[error("cannot accept the content of {path}: it is not what the manifest says")]
    Content {
        /// The entry's path.
        path: String,
    },
}

impl Proposal {
    /// Reads a proposal and verifies all of it: canonical form, digest, each new and old content.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verified(manifest: &[u8], contents: Vec<u8>, digest: &str) -> Result<Self, ProposalError> {
        let found = sha256(manifest);
        if found != digest {
            return Err(ProposalError::Digest { expected: digest.to_owned(), found });
        }
        let set: ChangeSet = serde_json::from_slice(manifest)?;
        let ordered = ChangeSet::new(set.changes.clone(), set.skipped.clone())
            .with_repositories(set.repositories.clone());
        if ordered.canonical()? != manifest {
            return Err(ProposalError::NotCanonical);
        }
        let proposal = Self { set, contents };
        for change in &proposal.set.changes {
            let moved = change.kind == ChangeKind::Rename && change.offset.is_none();
            let new = change.sha256.as_ref().filter(|_| !moved);
            let new = new.map(|hash| (hash, proposal.new_content(change)));
            let old = change.base.as_ref().and_then(|base| {
                base.offset.and(base.sha256.as_ref()).map(|hash| (hash, proposal.old_content(change)))
            });
            for (hash, bytes) in [new, old].into_iter().flatten() {
                if bytes.is_none_or(|bytes| sha256(bytes) != *hash) {
                    return Err(ProposalError::Content { path: change.path.clone() });
                }
            }
        }
        Ok(proposal)
    }

    /// The content that an entry gives its path.
    pub fn new_content(&self, change: &Change) -> Option<&[u8]> {
        self.slice(change.offset?, change.size)
    }

    /// The content that an entry's path had; none if nothing was there or it was too large to carry.
    pub fn old_content(&self, change: &Change) -> Option<&[u8]> {
        let base = change.base.as_ref()?;
        self.slice(base.offset?, base.size)
    }

    fn slice(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.contents.get(start..end)
    }
}

/// SHA-256, hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &str, content: &[u8], offset: u64) -> Change {
        Change {
            size: content.len() as u64,
            sha256: Some(sha256(content)),
            offset: Some(offset),
            ..Change::plain(path, ChangeKind::Add, Some(0o644))
        }
    }

    #[test]
    fn order_does_not_change_the_digest() {
        let (a, b) = (add("a", b"1", 0), add("b", b"2", 1));
        let one = ChangeSet::new(vec![a.clone(), b.clone()], vec![]);
        let two = ChangeSet::new(vec![b, a], vec![]);
        assert_eq!(one.digest().unwrap(), two.digest().unwrap());
    }

    #[test]
    fn every_tampering_is_noticed() {
        let set = ChangeSet::new(vec![add("a", b"1", 0)], vec![]);
        let (bytes, digest) = (set.canonical().unwrap(), set.digest().unwrap());
        assert!(Proposal::verified(&bytes, b"1".to_vec(), &digest).is_ok());
        assert!(matches!(
            Proposal::verified(&bytes, b"2".to_vec(), &digest),
            Err(ProposalError::Content { .. })
        ));
        assert!(matches!(Proposal::verified(&bytes, vec![], &digest), Err(ProposalError::Content { .. })));
        assert!(matches!(Proposal::verified(b"{}", vec![], &digest), Err(ProposalError::Digest { .. })));
        let spaced = [bytes.as_slice(), b" "].concat();
        let other = sha256(&spaced);
        assert!(matches!(
            Proposal::verified(&spaced, b"1".to_vec(), &other),
            Err(ProposalError::NotCanonical)
        ));
    }
}
