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

    /// Keeps the note of a call whose application nobody knows the end of, whatever becomes of the call: from now
    /// on it is the application's, until a restart finds out.
    pub fn keep(&self, call: &str, application: &str) {
        let kept = fs::rename(self.path(call), self.path(application));
        // Kept since an earlier restart.
        if let Err(error) = kept
            && !self.path(application).exists()
        {
            tracing::error!("the note of {application} is lost: {error}");
        }
    }

    /// The notes of a crash; they stay until each is [settled](Self::settled). One that cannot be read is removed
    /// with a warning: it was being written.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn found(&self) -> std::io::Result<Vec<Inflight>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(call) => found.push(call),
                Err(error) => {
                    tracing::warn!("the note {} cannot be read: {error}", path.display());
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(found)
    }

    /// What became of a found note is known and in the record.
    pub fn settled(&self, note: &Inflight) {
        self.clear(&note.call);
        if let Some(application) = &note.application {
            self.clear(application);
        }
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
        assert_eq!(journal.found().unwrap(), [call("c-2")]);
        assert!(!directory.path().join("inflight/c-3.json").exists());
        journal.settled(&call("c-2"));
        assert_eq!(journal.found().unwrap(), []);
    }

    #[test]
    fn what_is_kept_outlives_its_call_until_it_is_settled() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path().join("inflight")).unwrap();
        let note = Inflight {
            call: "c-1".into(),
            session: "main".into(),
            tool: "fs.write".into(),
            phase: Phase::Apply,
            application: Some("ap-1".into()),
        };
        journal.note(&note).unwrap();
        journal.keep("c-1", "ap-1");
        journal.clear("c-1");
        journal.keep("c-1", "ap-1");
        assert_eq!(journal.found().unwrap(), std::slice::from_ref(&note));
        journal.settled(&note);
        assert_eq!(journal.found().unwrap(), []);
    }
}
