//! Files that calls give to people: kept as they were at the call, until they are fetched, forgotten, or too many.
//!
//! They lie in sealed memory and nowhere on the disk, so none outlives the daemon. What is kept counts as memory of this
//! daemon, which is why there is so little of it: who is to have a file fetches it when its call has ended.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use testudo::fault::Fault;
use testudo::tool::GivenFile;
use testudo_sandbox::{changeset, memfd};
use thiserror::Error;

use crate::inbox;

/// The most files of one session; the oldest makes room.
const MOST_FILES: usize = 32;
/// The most bytes of one session.
const MOST_BYTES: u64 = 48 << 20;
/// The most bytes of all sessions together.
const MOST_TOGETHER: u64 = 96 << 20;

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

/// The files of all sessions, the oldest first.
#[derive(Debug, Default)]
pub struct Given(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    session: String,
    file: GivenFile,
    content: OwnedFd,
}

impl Given {
    /// Keeps a file of a session under an id that nobody can guess. What is too much then makes room, the oldest first.
    ///
    /// # Errors
    /// No memory or no descriptor is left.
    pub fn keep(&self, session: &str, name: &str, bytes: &[u8]) -> io::Result<GivenFile> {
        let name = name_of(name);
        let file = GivenFile {
            id: format!("f-{}", uuid::Uuid::new_v4()),
            mime: mime(&name).to_owned(),
            name,
            size: bytes.len() as u64,
            sha256: changeset::sha256(bytes),
        };
        let content = memfd::sealed(c"given", bytes)?;
        let mut files = self.lock();
        files.push_back(Kept { session: session.to_owned(), file: file.clone(), content });
        while let Some(oldest) = oldest_too_many(&files, session) {
            files.remove(oldest);
        }
        Ok(file)
    }

    /// The bytes of a file of this session and no other: sealed, to be read from their beginning whatever its position
    /// is.
    ///
    /// # Errors
    /// [`GivenError::Unknown`].
    pub fn fetch(&self, session: &str, id: &str) -> Result<OwnedFd, GivenError> {
        let files = self.lock();
        let kept = files.iter().find(|kept| kept.session == session && kept.file.id == id);
        Ok(kept.ok_or(GivenError::Unknown)?.content.try_clone()?)
    }

    /// Forgets the files of a session.
    pub fn forget(&self, session: &str) {
        self.lock().retain(|kept| kept.session != session);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Nothing that holds the lock can panic, so a poisoned one still guards a whole list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which file makes room, where a session that was just given one has too much, or all have.
fn oldest_too_many(files: &VecDeque<Kept>, session: &str) -> Option<usize> {
    let is_of = |kept: &&Kept| kept.session == session;
    let count = files.iter().filter(is_of).count();
    let bytes: u64 = files.iter().filter(is_of).map(|kept| kept.file.size).sum();
    let together: u64 = files.iter().map(|kept| kept.file.size).sum();
    if count > MOST_FILES || bytes > MOST_BYTES {
        return files.iter().position(|kept| kept.session == session);
    }
    (together > MOST_TOGETHER).then_some(0)
}

/// A name for people, who may save the file under it: no path, nothing hidden, and nothing that a program takes for one
/// of its options.
fn name_of(name: &str) -> String {
    let name = inbox::plain(name);
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

/// A type by the name. A client may show what is listed here; HTML, SVG and whatever else could run something where it
/// is shown is not, and is something to be saved.
fn mime(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("diff" | "patch") => "text/x-diff",
        Some("json") => "application/json",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_fetched_as_it_was_and_by_its_session_alone() {
        let given = Given::default();
        let file = given.keep("s", "../out/report.pdf", b"abc").unwrap();
        assert_eq!((file.name.as_str(), file.mime.as_str(), file.size), ("report.pdf", "application/pdf", 3));
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for _ in 0..2 {
            let content = given.fetch("s", &file.id).unwrap();
            assert_eq!(memfd::read_sealed(content, 3).unwrap(), b"abc");
        }
        for (session, id) in [("t", file.id.as_str()), ("s", "f-1"), ("s", ""), ("", file.id.as_str())] {
            assert!(matches!(given.fetch(session, id), Err(GivenError::Unknown)), "{session} {id}");
        }
        let other = given.keep("t", "a", b"").unwrap();
        given.forget("s");
        assert!(given.fetch("s", &file.id).is_err() && given.fetch("t", &other.id).is_ok());
    }

    /// Keeps a file that is said to have this size.
    fn sized(given: &Given, session: &str, size: u64) -> GivenFile {
        let file = given.keep(session, "a", b"x").unwrap();
        given.lock().back_mut().unwrap().file.size = size;
        // What is too much is seen with the next one.
        file
    }

    #[test]
    fn what_is_too_much_makes_room_in_its_session_first() {
        let given = Given::default();
        let is_there = |session: &str, file: &GivenFile| given.fetch(session, &file.id).is_ok();
        let first = given.keep("s", "a", b"x").unwrap();
        let others = given.keep("t", "a", b"x").unwrap();
        for _ in 0..MOST_FILES {
            given.keep("s", "a", b"x").unwrap();
        }
        assert!(!is_there("s", &first), "it was the oldest of 33");
        assert!(is_there("t", &others), "another session's stays");
        let large: Vec<_> = (0..4).map(|_| sized(&given, "u", 15 << 20)).collect();
        given.keep("u", "a", b"x").unwrap();
        assert_eq!(
            large.iter().map(|file| is_there("u", file)).collect::<Vec<_>>(),
            [false, true, true, true]
        );
        assert!(is_there("t", &others));
        for _ in 0..3 {
            sized(&given, "v", 16 << 20);
        }
        given.keep("v", "a", b"x").unwrap();
        sized(&given, "w", 40 << 20);
        given.keep("w", "a", b"x").unwrap();
        assert!(!is_there("t", &others), "all have too much, and this one is the oldest");
        let together: u64 = given.lock().iter().map(|kept| kept.file.size).sum();
        assert!(together <= MOST_TOGETHER, "{together}");
    }

    #[test]
    fn names_are_safe_to_save_and_types_safe_to_show() {
        for (name, called, kind) in [
            ("report.PDF", "report.PDF", "application/pdf"),
            ("out/chart.png", "chart.png", "image/png"),
            (".bashrc", "bashrc", "application/octet-stream"),
            ("..", "file", "application/octet-stream"),
            ("-rf.txt", "rf.txt", "text/plain"),
            ("page.html", "page.html", "application/octet-stream"),
            ("logo.svg", "logo.svg", "application/octet-stream"),
            ("a\u{202e}fdp.exe", "a_fdp.exe", "application/octet-stream"),
            ("x.tar.gz", "x.tar.gz", "application/gzip"),
            ("", "file", "application/octet-stream"),
        ] {
            assert_eq!((name_of(name).as_str(), mime(&name_of(name))), (called, kind), "{name:?}");
        }
    }
}
