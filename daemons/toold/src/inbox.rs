//! Files that people sent into sessions, kept until the session is closed.
//!
//! A sandbox ends when nobody needed it for a while; what was sent to the agent does not. So the files lie here, and each
//! instance of the session is given those that it has not yet (`instances/delivery.rs`). Nothing here looks into them.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use testudo::fault::Fault;
use testudo_sandbox::inbox::{INBOX, MOST_BYTES};
use thiserror::Error;

/// The most files of one session; the oldest makes room.
const MOST_FILES: usize = 32;
/// The most bytes of all sessions together.
const MOST_TOGETHER: u64 = 1 << 30;
/// How long a file makes no room for those of other sessions.
const KEPT: Duration = Duration::from_hours(7 * 24);
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
        "cannot keep the file: the sessions were sent more than {MOST_TOGETHER} bytes of files within a week; an operator \
         can have one forget its own (CloseSession of org.testudo.Tools1)"
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

    /// Keeps a file of a session, whose name must be one, and gives the path at which its calls find it. Where all have
    /// too much, files of a week ago make room, the oldest first.
    ///
    /// # Errors
    /// When it is no file, too long, there is no room, or it cannot be written.
    pub fn keep(
        &self,
        session: &str,
        name: &str,
        mut content: File,
        now: SystemTime,
    ) -> Result<String, InboxError> {
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
        self.make_room(bytes.len() as u64, now)?;
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

    /// Forgets as many files of a week ago as a new one of this size needs, or none where that would not do.
    fn make_room(&self, size: u64, now: SystemTime) -> Result<(), InboxError> {
        let mut files = Vec::new();
        for session in fs::read_dir(&self.directory)? {
            for file in fs::read_dir(session?.path())? {
                let file = file?;
                let about = file.metadata()?;
                files.push((about.modified()?, about.len(), file.path()));
            }
        }
        files.sort_unstable();
        let mut together = files.iter().map(|(_, length, _)| *length).fold(size, u64::saturating_add);
        let mut leaving = Vec::new();
        for (since, length, path) in files {
            if together <= MOST_TOGETHER || now.duration_since(since).unwrap_or_default() < KEPT {
                break;
            }
            together -= length;
            leaving.push(path);
        }
        if together > MOST_TOGETHER {
            return Err(InboxError::Full);
        }
        leaving.into_iter().try_for_each(fs::remove_file)?;
        Ok(())
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
            assert_eq!(inbox.keep("s", given, file(b"x"), SystemTime::now()).unwrap(), kept);
        }
        let long =
            inbox.keep("s", &format!("{}.png", "x".repeat(300)), file(b"x"), SystemTime::now()).unwrap();
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
        assert!(matches!(inbox.keep("s", "a", file(&long), SystemTime::now()), Err(InboxError::Long)));
        assert!(matches!(
            inbox.keep("s", "a", File::open("/dev/zero").unwrap(), SystemTime::now()),
            Err(InboxError::Kind)
        ));
        for _ in 0..=MOST_FILES {
            inbox.keep("s", "a", file(b"x"), SystemTime::now()).unwrap();
        }
        let kept = inbox.of("s").unwrap();
        assert_eq!((kept.len(), kept[0].name.as_str()), (MOST_FILES, "2-a"));
    }

    #[test]
    fn when_all_have_too_much_files_of_a_week_ago_make_room_and_younger_ones_do_not() {
        let state = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(state.path().join("inbox")).unwrap();
        let now = SystemTime::now();
        let day = Duration::from_hours(24);
        // A file that takes no room on this disk, but is as long.
        let sent = |session: &str, length: u64, days: u32| {
            inbox.keep(session, "a", file(b""), now).unwrap();
            let path = inbox.of(session).unwrap().pop().unwrap().path;
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            file.set_modified(now - day * days).unwrap();
            path
        };
        let [old, older, recent] =
            [sent("s", 16 << 20, 8), sent("t", 16 << 20, 9), sent("u", MOST_TOGETHER - (32 << 20), 6)];
        let keep = |length: usize| inbox.keep("mine", "b", file(&vec![1; length]), now);
        keep(1).unwrap();
        assert!(!older.exists() && old.exists() && recent.exists(), "the oldest alone was enough");
        keep(16 << 20).unwrap();
        assert!(!old.exists() && recent.exists());
        assert!(matches!(keep(16 << 20), Err(InboxError::Full)));
        assert!(recent.exists() && inbox.of("mine").unwrap().len() == 2);
    }
}
