//! Files that people sent into sessions, kept until the session is closed.
//!
//! A sandbox ends when nobody needed it for a while; what was sent to the agent does not. So the files lie here, and each
//! instance of the session is given those that it has not yet (`instances/delivery.rs`). Nothing here looks into them.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use testudo::fault::Fault;
use testudo_sandbox::inbox::{INBOX, MOST_BYTES};
use thiserror::Error;

/// The most files of one session; the oldest makes room.
const MOST_FILES: usize = 32;
/// The most bytes of all sessions together.
const MOST_TOGETHER: u64 = 1 << 30;
/// The longest name, without the number before it.
const LONGEST: usize = 80;

/// Why a file was not kept.
#[derive(Debug, Error)]
pub enum InboxError {
    /// It is something that reading may never come to the end of.
    #[error("cannot keep the file: it is no file but a pipe, a socket or a directory")]
    Kind,
    /// It is too long.
    #[error("cannot keep the file: it is longer than {MOST_BYTES} bytes")]
    Long,
    /// All sessions together have too much.
    #[error(
        "cannot keep the file: the sessions have more than {MOST_TOGETHER} bytes of files; close some of them"
    )]
    Full,
    /// The disk says no.
    #[error("cannot keep the file: {0}")]
    Io(#[from] io::Error),
}

impl From<InboxError> for Fault {
    fn from(error: InboxError) -> Self {
        let text = error.to_string();
        match error {
            InboxError::Kind => Self::InvalidArgument(text),
            InboxError::Long => Self::TooLarge(text),
            InboxError::Full => Self::Busy(text),
            InboxError::Io(_) => Self::Internal(text),
        }
    }
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Counts up in a session.
    number: u64,
    /// Its name in the inbox.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// The files of all sessions.
#[derive(Debug)]
pub struct Inbox {
    directory: PathBuf,
    /// Held while one is added.
    adding: Mutex<()>,
}

impl Inbox {
    /// Opens or makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, adding: Mutex::default() })
    }

    /// Keeps a file of a session, whose name must be one, and gives the path at which its calls find it.
    ///
    /// # Errors
    /// When it is no file, too long, or cannot be written.
    pub fn keep(&self, session: &str, name: &str, mut content: File) -> Result<String, InboxError> {
        if !content.metadata()?.is_file() {
            return Err(InboxError::Kind);
        }
        // Whoever wrote it may have left it standing at its end.
        content.rewind()?;
        let mut bytes = Vec::new();
        content.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(InboxError::Long);
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.together()?.saturating_add(bytes.len() as u64) > MOST_TOGETHER {
            return Err(InboxError::Full);
        }
        let known = self.of(session)?;
        let number = known.last().map_or(1, |last| last.number + 1);
        let name = format!("{number}-{}", plain(name));
        let folder = self.directory.join(session);
        fs::create_dir_all(&folder)?;
        let unfinished = folder.join(".unfinished");
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, folder.join(&name))?;
        for oldest in known.iter().take((known.len() + 1).saturating_sub(MOST_FILES)) {
            fs::remove_file(&oldest.path)?;
        }
        Ok(format!("{INBOX}/{name}"))
    }

    /// The files of a session, the oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn of(&self, session: &str) -> io::Result<Vec<Kept>> {
        let entries = match fs::read_dir(self.directory.join(session)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.split_once('-').and_then(|(number, _)| number.parse().ok());
            kept.extend(number.map(|number| Kept { number, name, path: entry.path() }));
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Forgets the files of a session.
    pub fn forget(&self, session: &str) {
        if let Err(error) = fs::remove_dir_all(self.directory.join(session))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("the files that were sent into session {session} stay behind: {error}");
        }
    }

    fn together(&self) -> io::Result<u64> {
        let mut bytes: u64 = 0;
        for session in fs::read_dir(&self.directory)? {
            for file in fs::read_dir(session?.path())? {
                bytes = bytes.saturating_add(file?.metadata()?.len());
            }
        }
        Ok(bytes)
    }
}

/// A name in which nothing but plain characters is left, from its end, where a file's kind is.
pub(crate) fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let skipped = name.chars().count().saturating_sub(LONGEST);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = name.chars().skip(skipped).map(plain).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn files_last_in_their_session_under_names_that_lead_nowhere() {
        let state = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(state.path().join("inbox")).unwrap();
        for (given, kept) in [
            ("plan.pdf", "/inbox/1-plan.pdf"),
            ("plan.pdf", "/inbox/2-plan.pdf"),
            ("../../etc/passwd", "/inbox/3-passwd"),
            ("..", "/inbox/4-.."),
            ("", "/inbox/5-file"),
            ("r\u{202e}fdp.exe now obey\n", "/inbox/6-r_fdp.exe_now_obey_"),
        ] {
            assert_eq!(inbox.keep("s", given, file(b"x")).unwrap(), kept);
        }
        let long = inbox.keep("s", &format!("{}.png", "x".repeat(300)), file(b"x")).unwrap();
        assert!(long.len() < 100 && long.ends_with("xx.png"), "{long}");
        let inbox = Inbox::open(state.path().join("inbox")).unwrap();
        let names: Vec<u64> = inbox.of("s").unwrap().into_iter().map(|kept| kept.number).collect();
        assert_eq!(names, [1, 2, 3, 4, 5, 6, 7]);
        assert!(inbox.of("other").unwrap().is_empty());
        inbox.forget("s");
        assert!(inbox.of("s").unwrap().is_empty());
    }

    #[test]
    fn what_is_too_much_is_refused_or_makes_room() {
        let state = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(state.path().join("inbox")).unwrap();
        let long = vec![0; usize::try_from(MOST_BYTES).unwrap() + 1];
        assert!(matches!(inbox.keep("s", "a", file(&long)), Err(InboxError::Long)));
        assert!(matches!(inbox.keep("s", "a", File::open("/dev/zero").unwrap()), Err(InboxError::Kind)));
        for _ in 0..=MOST_FILES {
            inbox.keep("s", "a", file(b"x")).unwrap();
        }
        let kept = inbox.of("s").unwrap();
        assert_eq!((kept.len(), kept[0].name.as_str()), (MOST_FILES, "2-a"));
    }
}
