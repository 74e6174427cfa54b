//! The built-in tools: small programs that run inside of a confined child without being executed.
//!
//! They have no rights of their own: paths are checked for a clear message only, and it is the mounts and
//! Landlock that keep them where they belong. One JSON object goes to standard output either way; only what [`give`]
//! gives is bytes.

mod fetch;
mod file;
mod give;
mod patch;
mod search;

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::inbox::INBOX;
use crate::protocol::{BUILTIN_FAILED, Builtin, WORKSPACE};

/// Why a built-in tool failed; becomes its error object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuiltinError {
    /// A path or pattern that cannot mean anything here.
    #[error("{0}")]
    Invalid(String),
    /// The file system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file system said no to a path.
    #[error("cannot {verb} {path}: {source}")]
    At { verb: &'static str, path: String, source: io::Error },
    /// There is no page.
    #[error(transparent)]
    Fetch(#[from] fetch::FetchError),
}

impl BuiltinError {
    fn kind(&self) -> &'static str {
        let error = match self {
            Self::Io(error) | Self::At { source: error, .. } => error,
            Self::Invalid(_) => return "invalid",
            Self::Fetch(_) => return "fetch",
        };
        match error.kind() {
            io::ErrorKind::NotFound => "not_found",
            io::ErrorKind::PermissionDenied => "denied",
            io::ErrorKind::ReadOnlyFilesystem => "read_only",
            io::ErrorKind::AlreadyExists => "exists",
            io::ErrorKind::IsADirectory => "is_directory",
            io::ErrorKind::NotADirectory => "not_directory",
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                "too_large"
            }
            _ => "io",
        }
    }
}

/// Runs a tool and prints its answer, of at most `room` bytes where it comes from elsewhere; gives the exit status.
/// `connection` leads to the proxy.
pub(crate) fn run(builtin: &Builtin, workspace: &Path, connection: Option<OwnedFd>, room: u64) -> i32 {
    let (printed, status) = match printed(builtin, workspace, connection, room) {
        Ok(printed) => (printed, 0),
        Err(error) => (
            line(&json!({ "error": { "kind": error.kind(), "message": error.to_string() } })),
            BUILTIN_FAILED,
        ),
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&printed).and_then(|()| stdout.flush()) {
        Ok(()) => status,
        Err(_) => BUILTIN_FAILED,
    }
}

/// What a tool prints when it did its work: an answer, or the bytes of a file.
fn printed(
    builtin: &Builtin,
    workspace: &Path,
    connection: Option<OwnedFd>,
    room: u64,
) -> Result<Vec<u8>, BuiltinError> {
    let here = |path: &Option<String>| place(workspace, path.as_deref().unwrap_or("."));
    let answer = match builtin {
        Builtin::Read { path, offset, limit } => {
            file::read(&readable(workspace, path)?, path, *offset, *limit)?
        }
        Builtin::Give { path } => return give::content(workspace, path),
        Builtin::List { path } => file::list(&readable(workspace, path)?, path)?,
        Builtin::Exists { path } => file::exists(&readable(workspace, path)?, path)?,
        Builtin::Write { path, content, mode } => {
            file::write(&place(workspace, path)?, path, content, *mode)?
        }
        Builtin::Grep { pattern, path, glob, max } => {
            search::grep(workspace, &here(path)?, pattern, glob.as_deref(), *max)?
        }
        Builtin::Glob { pattern, path } => search::glob(workspace, &here(path)?, pattern)?,
        Builtin::Fetch { url, limit } => fetch::fetch(connection.map(UnixStream::from), url, *limit, room)?,
        Builtin::Patch { diff } => patch::apply(workspace, diff)?,
    };
    Ok(line(&answer))
}

fn line(answer: &Value) -> Vec<u8> {
    format!("{answer}\n").into_bytes()
}

/// Where a path that is only looked at lies: in the workspace, or in the inbox.
fn readable(workspace: &Path, path: &str) -> Result<PathBuf, BuiltinError> {
    match Path::new(path).strip_prefix(INBOX) {
        Ok(inside) if inside.as_os_str().is_empty() => Ok(PathBuf::from(INBOX)),
        Ok(inside) => place(Path::new(INBOX), &inside.to_string_lossy()),
        Err(_) => place(workspace, path),
    }
}

/// Where a path of a request lies. `/workspace/…` is accepted, `..` is not.
pub(crate) fn place(workspace: &Path, path: &str) -> Result<PathBuf, BuiltinError> {
    let invalid = |why: &str| BuiltinError::Invalid(format!("cannot use the path {path:?}: {why}"));
    if path.is_empty() || path.contains('\0') {
        return Err(invalid("it is empty or holds a NUL byte"));
    }
    let given = Path::new(path);
    let inside = given.strip_prefix(WORKSPACE).unwrap_or(given);
    let mut place = workspace.to_owned();
    for part in inside.components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(invalid("it contains \"..\"")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(invalid("it lies outside of the workspace"));
            }
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_workspace() {
        let workspace = Path::new("/w");
        for (path, lies) in
            [("a/b", "/w/a/b"), ("./a", "/w/a"), ("/workspace/a", "/w/a"), (".", "/w"), ("/workspace", "/w")]
        {
            assert_eq!(place(workspace, path).unwrap(), Path::new(lies), "{path}");
        }
        assert_eq!(readable(workspace, "/inbox/1-a").unwrap(), Path::new("/inbox/1-a"));
        assert_eq!(readable(workspace, "inbox/1-a").unwrap(), Path::new("/w/inbox/1-a"));
        assert!(
            readable(workspace, "/inbox/../etc/passwd").is_err() && place(workspace, "/inbox/a").is_err()
        );
        for path in ["", "..", "a/../b", "/etc/passwd", "/workspace/../etc", "/workspaces/a", "a\0"] {
            assert!(place(workspace, path).is_err(), "{path:?}");
        }
    }
}
