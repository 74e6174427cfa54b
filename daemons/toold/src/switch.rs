//! The stop switch: sessions in which nothing runs until a person says so again.
//!
//! It is a file in the state directory, so a restart changes nothing, and a flag in memory, so that it takes effect
//! before the disk has it. No other daemon is asked: whatever hangs or is gone, what is stopped stays stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use testudo::refusal::{Code, Refusal};
use thiserror::Error;

/// Who stopped something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// The operator.
    pub by: String,
    /// RFC 3339 in UTC.
    pub at: String,
}

/// What is stopped; the JSON of `Tools1.Stops`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stops {
    /// Everything, if it is.
    pub all: Option<Stopped>,
    /// Sessions by name.
    pub sessions: BTreeMap<String, Stopped>,
}

/// Why the switch could not be kept.
#[derive(Debug, Error)]
#[error("cannot {verb} the stop switch {}: {source}", path.display())]
pub struct SwitchError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The switch.
#[derive(Debug)]
pub struct Switch {
    path: PathBuf,
    stops: Mutex<Stops>,
}

impl Switch {
    /// Reads what was stopped before.
    ///
    /// # Errors
    /// When the file is there and cannot be read: then nobody knows what may run, and nothing does.
    pub fn open(path: &Path) -> Result<Self, SwitchError> {
        let failed = |source| SwitchError { verb: "read", path: path.to_owned(), source };
        let stops = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stops::default(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path: path.to_owned(), stops: Mutex::new(stops) })
    }

    /// Stops a session, or everything. In force when this returns; [`Switch::keep`] makes it last.
    pub fn stop(&self, session: Option<&str>, stopped: Stopped) {
        let mut stops = self.lock();
        match session {
            Some(session) => {
                stops.sessions.insert(session.to_owned(), stopped);
            }
            None => stops.all = Some(stopped),
        }
    }

    /// Waits until what is stopped now survives a restart.
    ///
    /// # Errors
    /// When it does not.
    pub fn keep(&self) -> Result<(), SwitchError> {
        let stops = self.lock();
        self.write(&stops)
    }

    /// Lets a session go on, or everything. False when that was not stopped.
    ///
    /// # Errors
    /// When it cannot be kept; then it stays stopped.
    pub fn resume(&self, session: Option<&str>) -> Result<bool, SwitchError> {
        let mut stops = self.lock();
        let mut resumed = stops.clone();
        match session {
            Some(session) => {
                resumed.sessions.remove(session);
            }
            None => resumed = Stops::default(),
        }
        if resumed == *stops {
            return Ok(false);
        }
        self.write(&resumed)?;
        *stops = resumed;
        Ok(true)
    }

    /// Whether calls of a session are refused, as stage 4 says it.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&self, session: &str) -> Result<(), Refusal> {
        let stops = self.lock();
        let (what, how, stopped) = match (&stops.all, stops.sessions.get(session)) {
            (Some(stopped), _) => ("everything", "--all", stopped),
            (None, Some(stopped)) => ("this session", session, stopped),
            (None, None) => return Ok(()),
        };
        let Stopped { by, at } = stopped;
        let message =
            format!("{what} was stopped by {by} at {at}; only a person can go on: testudoctl resume {how}");
        Err(Refusal::new(Code::Unauthorized, message))
    }

    /// What is stopped.
    pub fn stops(&self) -> Stops {
        self.lock().clone()
    }

    /// Durable when this returns.
    fn write(&self, stops: &Stops) -> Result<(), SwitchError> {
        let failed = |source| SwitchError { verb: "write", path: self.path.clone(), source };
        let text = serde_json::to_vec(stops).map_err(|error| failed(error.into()))?;
        let fresh = self.path.with_extension("new");
        let carry_out = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        carry_out().map_err(failed)
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
    fn lock(&self) -> MutexGuard<'_, Stops> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(who: &str) -> Stopped {
        Stopped { by: who.into(), at: "2026-01-01T00:00:00Z".into() }
    }

    #[test]
    fn a_stop_holds_for_its_session_over_a_restart_until_it_is_lifted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stops.json");
        let switch = Switch::open(&path).unwrap();
        assert!(switch.admit("main").is_ok());
        switch.stop(Some("main"), by("ada"));
        switch.keep().unwrap();
        let again = Switch::open(&path).unwrap();
        for switch in [&switch, &again] {
            let refusal = switch.admit("main").unwrap_err();
            assert_eq!((refusal.code, refusal.stage), (Code::Unauthorized, Some(4)));
            assert!(refusal.message.contains("stopped by ada"), "{}", refusal.message);
            assert!(switch.admit("other").is_ok());
        }
        assert!(again.resume(Some("main")).unwrap());
        assert!(!again.resume(Some("main")).unwrap());
        assert!(Switch::open(&path).unwrap().admit("main").is_ok());
    }

    #[test]
    fn everything_can_be_stopped_and_only_lifted_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let switch = Switch::open(&directory.path().join("s")).unwrap();
        switch.stop(None, by("ada"));
        switch.stop(Some("main"), by("bob"));
        assert!(switch.admit("new").is_err());
        assert!(switch.resume(Some("main")).unwrap());
        assert!(switch.admit("main").is_err(), "everything is still stopped");
        switch.stop(Some("main"), by("bob"));
        assert!(switch.resume(None).unwrap());
        assert!(switch.admit("main").is_ok() && switch.admit("new").is_ok());
    }

    #[test]
    fn a_stop_that_cannot_be_kept_is_in_force_and_a_switch_that_cannot_be_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let switch = Switch::open(&directory.path().join("gone/s")).unwrap();
        switch.stop(Some("main"), by("ada"));
        assert!(switch.keep().is_err());
        assert!(switch.admit("main").is_err());
        assert!(switch.resume(Some("main")).is_err());
        assert!(switch.admit("main").is_err(), "lifted without being kept");
        let path = directory.path().join("torn");
        fs::write(&path, "{\"all\": nul").unwrap();
        assert!(Switch::open(&path).is_err());
    }
}
