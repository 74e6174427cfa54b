//! Files that calls give to people: kept as they were at the call, until people have them.
//!
//! The bytes stay in the sealed memory in which a sandbox handed them over. It counts as the sandbox's: whoever gives much
//! fills his own, and this daemon holds descriptors however many give at once. Nothing of it is on the disk, so none
//! outlives the daemon.
//!
//! What nobody has fetched yet makes no room for anything, be it of the same session. Where there is no room left, the call
//! fails and says what helps.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testudo::fault::Fault;
use testudo::tool::GivenFile;
use testudo_sandbox::memfd::Sealed;
use thiserror::Error;

mod naming;
#[cfg(test)]
mod tests;

/// The most files of one session.
const MOST_FILES: usize = 32;
/// The most bytes of one session.
const MOST_BYTES: u64 = 48 << 20;
/// The most files of all sessions together: each is a descriptor of this daemon, which may have 1024.
const MOST_FILES_TOGETHER: usize = 256;
/// The most bytes of all sessions together.
const MOST_TOGETHER: u64 = 192 << 20;
/// How long what was fetched makes no room either: who dies before he has passed it on fetches it once more.
const PASSING_ON: Duration = Duration::from_mins(1);
/// How long what was fetched is kept where nobody needs the room.
const FETCHED: Duration = Duration::from_hours(1);
/// How long it is kept for people who do not come.
const UNFETCHED: Duration = Duration::from_hours(24);

/// Why a file cannot be fetched.
#[derive(Debug, Error)]
pub enum GivenError {
    /// It was never given in this session, or is forgotten.
    #[error("cannot find the file: this session has none of this id, or it is forgotten by now")]
    Unknown,
    /// No descriptor is left.
    #[error("cannot hand out the file: {0}")]
    Io(#[from] io::Error),
}

impl From<GivenError> for Fault {
    fn from(error: GivenError) -> Self {
        let text = error.to_string();
        match error {
            GivenError::Unknown => Self::NotFound(text),
            GivenError::Io(_) => Self::Internal(text),
        }
    }
}

/// Why a file cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FullError {
    /// Its session has too much.
    #[error(
        "cannot keep the file: people have not got yet what this session gave before, and more than {} files or {} MiB do \
         not wait for them; they get it when you have answered, or with `testudoctl file`, so give the rest then, or several \
         files as one archive",
        MOST_FILES,
        MOST_BYTES >> 20
    )]
    Session,
    /// All sessions together have too much.
    #[error(
        "cannot keep the file: people have not got yet what all sessions gave before, and more than {} files or {} MiB do \
         not wait for them; give it again when they have",
        MOST_FILES_TOGETHER,
        MOST_TOGETHER >> 20
    )]
    Together,
}

/// The files of all sessions, the oldest first.
#[derive(Debug, Default)]
pub struct Given(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    session: String,
    file: GivenFile,
    content: OwnedFd,
    since: Instant,
    /// When it was last.
    fetched: Option<Instant>,
}

impl Kept {
    /// Whether people have it, so that nothing is lost with it.
    fn makes_room(&self, now: Instant) -> bool {
        self.fetched.is_some_and(|fetched| now.saturating_duration_since(fetched) >= PASSING_ON)
    }

    fn is_over(&self, now: Instant) -> bool {
        let (since, longest) = self.fetched.map_or((self.since, UNFETCHED), |fetched| (fetched, FETCHED));
        now.saturating_duration_since(since) >= longest
    }
}

impl Given {
    /// Keeps a file of a session under an id that nobody can guess. Files that people have make room for it, the oldest
    /// first, and no others.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn keep(
        &self,
        session: &str,
        name: &str,
        found: Sealed,
        now: Instant,
    ) -> Result<GivenFile, FullError> {
        let name = naming::name_of(name);
        let file = GivenFile {
            id: format!("f-{}", uuid::Uuid::new_v4()),
            mime: naming::mime(&name).to_owned(),
            name,
            size: found.length,
            sha256: found.sha256,
        };
        let mut files = self.lock();
        files.retain(|kept| !kept.is_over(now));
        let leaving = leaving(&files, session, file.size, now)?;
        files.retain(|kept| !leaving.contains(&kept.file.id));
        let (session, content, file_kept) = (session.to_owned(), found.content, file.clone());
        files.push_back(Kept { session, file: file_kept, content, since: now, fetched: None });
        Ok(file)
    }

    /// The bytes of a file of this session and no other: sealed, to be read from their beginning whatever its position
    /// is. It can be fetched again, for an hour at least where nobody needs the room.
    ///
    /// # Errors
    /// [`GivenError::Unknown`].
    pub fn fetch(&self, session: &str, id: &str, now: Instant) -> Result<OwnedFd, GivenError> {
        let mut files = self.lock();
        let kept = files.iter_mut().find(|kept| kept.session == session && kept.file.id == id);
        let kept = kept.filter(|kept| !kept.is_over(now)).ok_or(GivenError::Unknown)?;
        let content = kept.content.try_clone()?;
        kept.fetched = Some(now);
        Ok(content)
    }

    /// Forgets the files of a session.
    pub fn forget(&self, session: &str) {
        self.lock().retain(|kept| kept.session != session);
    }

    /// Forgets what was kept for long enough.
    pub fn forget_old(&self, now: Instant) {
        self.lock().retain(|kept| !kept.is_over(now));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Nothing that holds the lock can panic, so a poisoned one still guards a whole list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that make room for one more of a session: no more than it needs.
fn leaving(files: &VecDeque<Kept>, session: &str, size: u64, now: Instant) -> Result<Vec<String>, FullError> {
    let mut leaving = Vec::new();
    for (full, most_files, most_bytes) in [
        (FullError::Session, MOST_FILES, MOST_BYTES),
        (FullError::Together, MOST_FILES_TOGETHER, MOST_TOGETHER),
    ] {
        let counts = |kept: &&Kept| full == FullError::Together || kept.session == session;
        let staying: Vec<&Kept> =
            files.iter().filter(counts).filter(|kept| !leaving.contains(&kept.file.id)).collect();
        let mut count = staying.len() + 1;
        let mut bytes = staying.iter().map(|kept| kept.file.size).fold(size, u64::saturating_add);
        let mut spare = staying.into_iter().filter(|kept| kept.makes_room(now));
        while count > most_files || bytes > most_bytes {
            let next = spare.next().ok_or(full)?;
            leaving.push(next.file.id.clone());
            count -= 1;
            bytes = bytes.saturating_sub(next.file.size);
        }
    }
    Ok(leaving)
}
