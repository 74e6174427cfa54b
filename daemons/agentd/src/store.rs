//! Sessions on the disk: one file of JSON lines each, which only ever grows.
//!
//! Reading is forgiving in two ways. A last line without its end was being written when the power or the daemon
//! went: it is cut off. A file that is broken otherwise is set aside under another name, whole, and its session starts anew.
//!
//! What is not broken and not understood either was written by another version: its head names a later format, or a line
//! that is whole JSON has a kind or a member that there is not here. Such a file is **sealed**: not a byte of it is changed,
//! also no torn end, and its session can be neither shown nor gone on with until a version that understands it is back. To
//! keep the line and go on without it would not do: it may take a message back, or say who could have written one,
//! and then the model would be shown what it must not see, or trusted words of somebody else. What a sealed session used of
//! the day's tokens is not known.
//!
//! None of these stops the daemon or touches other sessions, and all are said in the journal.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use testudo::turn::Finished;
use thiserror::Error;

use self::lines::{Foreign, Unread, VERSION, fold};
use crate::conversation::{Conversation, Line};
use crate::name::SessionName;

mod lines;

/// How the files are called, behind the session's name.
const SUFFIX: &str = ".jsonl";

/// Why a conversation could not be kept or found.
#[derive(Debug, Error)]
#[error("cannot {verb} {}: {source}", path.display())]
pub struct StoreError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { verb, path, source }
    }
}

/// A session as it was found, and the turn that was running when the daemon went, if one was.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub name: SessionName,
    /// Its conversation, with the interruption already in it and on the disk.
    pub conversation: Conversation,
    /// What became of the turn that was interrupted.
    pub interrupted: Option<Finished>,
}

/// A session whose file this version does not understand, and leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cannot open session {name}: {}: {foreign}. Nothing in it was changed. Install the version of Testudo that wrote it (this is {}), \
     or move the file away to begin the session anew, and restart testudo-agentd",
    path.display(),
    env!("CARGO_PKG_VERSION")
)]
pub struct Sealed {
    /// Its name.
    pub name: SessionName,
    path: PathBuf,
    foreign: Foreign,
}

/// All sessions that there were at start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Those that go on.
    pub found: Vec<Found>,
    /// Those that cannot.
    pub sealed: Vec<Sealed>,
}

/// The directory of all sessions.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens `sessions` in the daemon's state directory, and makes it where it is not there yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let directory = state.join("sessions");
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&directory);
        made.map_err(StoreError::at("make the directory", &directory))?;
        Ok(Self { directory })
    }

    /// Reads all sessions, mends what was torn, and closes what was interrupted.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file cannot be mended.
    pub fn load(&self, now: &str) -> Result<Loaded, StoreError> {
        let failed = || StoreError::at("list the sessions in", &self.directory);
        let mut loaded = Loaded::default();
        for entry in self.directory.read_dir().map_err(failed())? {
            let file_name = entry.map_err(failed())?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let Some(name) =
                name.filter(|name| !name.is_empty()).and_then(|name| SessionName::parse(name).ok())
            else {
                continue;
            };
            match self.read(name, now)? {
                Read::Found(found) => loaded.found.push(*found),
                Read::Sealed(sealed) => {
                    tracing::error!("{sealed}");
                    loaded.sealed.push(sealed);
                }
                Read::Nothing => {}
            }
        }
        Ok(loaded)
    }

    /// The file of a session, to write on; a new one gets its first line.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(&self, name: &SessionName, now: &str) -> Result<(SessionFile, Option<Line>), StoreError> {
        let path = self.path(name);
        let open = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = open.map_err(StoreError::at("open", &path))?;
        let length = file.metadata().map_err(StoreError::at("measure", &path))?.len();
        let mut file = SessionFile { file, path, length };
        if length > 0 {
            return Ok((file, None));
        }
        let first = Line::Session { version: VERSION, session: name.to_string(), at: now.to_owned() };
        file.append(&first)?;
        // The name of a new file is on the disk only when its directory is.
        let directory = File::open(&self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(StoreError::at("sync", &self.directory))?;
        Ok((file, Some(first)))
    }

    fn path(&self, name: &SessionName) -> PathBuf {
        self.directory.join(format!("{name}{SUFFIX}"))
    }

    fn read(&self, name: SessionName, now: &str) -> Result<Read, StoreError> {
        let path = self.path(&name);
        let bytes = std::fs::read(&path).map_err(StoreError::at("read", &path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, torn) = bytes.split_at(whole);
        // Before the file is changed at all: one that is not understood is nobody's to mend.
        let folded = fold(&name, lines);
        if let Err(Unread::Foreign(foreign)) = folded {
            return Ok(Read::Sealed(Sealed { name, path, foreign }));
        }
        if let Err(Unread::Damaged(damage)) = folded {
            let aside = self.directory.join(format!("{name}.damaged-{}", now.replace(':', "-")));
            std::fs::rename(&path, &aside).map_err(StoreError::at("set aside", &path))?;
            let (path, aside) = (path.display(), aside.display());
            tracing::warn!(
                "{path} is damaged ({damage}): it was set aside as {aside}, and {name} starts anew"
            );
            return Ok(Read::Nothing);
        }
        if !torn.is_empty() {
            tracing::warn!(
                "the last line of {} was torn: its {} bytes were cut off",
                path.display(),
                torn.len()
            );
            let file = OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(whole as u64)).map_err(StoreError::at("mend", &path))?;
        }
        let Some(mut conversation) = folded.ok().filter(|_| !lines.is_empty()) else {
            return Ok(Read::Nothing);
        };
        let lines = conversation.interruption(name.as_str(), now);
        let interrupted = match lines.last() {
            Some(Line::Interrupted { finished, .. }) => Some(finished.clone()),
            _ => None,
        };
        if !lines.is_empty() {
            let (mut file, _) = self.file(&name, now)?;
            for line in lines {
                file.append(&line)?;
                conversation.take(line);
            }
            file.sync()?;
        }
        Ok(Read::Found(Box::new(Found { name, conversation, interrupted })))
    }
}

/// What became of one file.
enum Read {
    Found(Box<Found>),
    Sealed(Sealed),
    /// There is no conversation in it any more, or not yet.
    Nothing,
}

/// The file of one session, open for writing.
#[derive(Debug)]
pub struct SessionFile {
    file: File,
    path: PathBuf,
    length: u64,
}

impl SessionFile {
    /// Adds a line, whole or not at all. It outlives the daemon, and after [`SessionFile::sync`] the power.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn append(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut text =
            serde_json::to_vec(line).map_err(|error| StoreError::at("write", &self.path)(error.into()))?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            // Half a line in the middle of the file would cost the whole conversation at the next start.
            let mended = self.file.set_len(self.length);
            return Err(StoreError::at("write", &self.path)(mended.err().unwrap_or(error)));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// When the disk says that it is not.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::at("sync", &self.path))
    }

    /// Another handle, to wait for the disk without holding this one.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn second_handle(&self) -> Result<Self, StoreError> {
        let file = self.file.try_clone().map_err(StoreError::at("open", &self.path))?;
        Ok(Self { file, path: self.path.clone(), length: self.length })
    }
}

#[cfg(test)]
mod tests;
