//! Calls under way, as small files, so that a restart knows what a crash cut off.
//!
//! The files are not synced: they are for a daemon that was killed. After a power cut the record itself shows calls
//! that were decided and never finished.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use testudo::action::Phase;

/// A call that was under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inflight {
    /// Its id.
    pub call: String,
    /// Its session.
    pub session: String,
    /// Its tool.
    pub tool: String,
    /// How far it was.
    pub phase: Phase,
    /// The id under which its change set was being applied.
    pub application: Option<String>,
}

/// The directory of them.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
}

impl Journal {
    /// Opens or makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(directory: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Notes that a call is under way, or further than before.
    ///
    /// # Errors
    /// When it cannot be written: then the call must not go on.
    pub fn note(&self, call: &Inflight) -> std::io::Result<()> {
        fs::write(self.path(&call.call), serde_json::to_vec(call)?)
    }

    /// Notes that a call ended.
    pub fn clear(&self, call: &str) {
        // A call that was refused early has no note.
        if let Err(error) = fs::remove_file(self.path(call))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("the note of {call} stays behind: {error}");
        }
    }

    /// Takes the notes of a crash. A note that cannot be read is removed with a warning: it was being written.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn take(&self) -> std::io::Result<Vec<Inflight>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(call) => found.push(call),
                Err(error) => tracing::warn!("the note {} cannot be read: {error}", path.display()),
            }
            fs::remove_file(&path)?;
        }
        Ok(found)
    }

    fn path(&self, call: &str) -> PathBuf {
        // Call ids are checked at the door: letters, digits and hyphens only.
        self.directory.join(format!("{call}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_cleared_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path().join("inflight")).unwrap();
        let call = |id: &str| Inflight {
            call: id.into(),
            session: "main".into(),
            tool: "fs.write".into(),
            phase: Phase::Apply,
            application: Some("ap-1".into()),
        };
        journal.note(&call("c-1")).unwrap();
        journal.note(&call("c-2")).unwrap();
        journal.clear("c-1");
        fs::write(directory.path().join("inflight/c-3.json"), "{\"torn").unwrap();
        assert_eq!(journal.take().unwrap(), [call("c-2")]);
        assert_eq!(journal.take().unwrap(), []);
    }
}
