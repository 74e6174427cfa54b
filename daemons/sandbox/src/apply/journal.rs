//! The files of the apply runner in `.testudo`: staging directories, their journals, the list of what was applied.
//!
//! Whatever is replaced is written beside, made durable and renamed, so that each file is either the old
//! or the new one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::ApplyError;
use super::plan::Plan;
use crate::directory::{Directory, name};

/// The journal of a staging directory.
const JOURNAL: &str = "journal";
/// The list of applied ids with their digests, a line each, the newest last.
const APPLIED: &str = "applied";
/// What the names of directories begin with in which unreplayable applications lie; no id does.
pub(super) const FAILED: &str = "failed-";
/// Stands for the digest of an application that was given up: its id is applied never more.
const VOID: &str = "-";
/// How many are remembered.
const MOST_APPLIED: usize = 1000;

/// Makes a file in a directory, durable and with exactly this mode.
pub(super) fn write_file(directory: &Directory, file_name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(directory, file_name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    file.write_all(bytes)?;
    fchmod(&file, Mode::from_bits_truncate(mode))?;
    file.sync_all()
}

fn replace_file(directory: &Directory, file_name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{file_name}.new");
    write_file(directory, &beside, bytes, 0o600)?;
    renameat(directory, beside.as_str(), directory, file_name)?;
    directory.sync()
}

fn read_file(directory: &Directory, file_name: &str) -> io::Result<Option<String>> {
    let mut text = String::new();
    match directory.read(OsStr::new(file_name)) {
        Ok(mut file) => file.read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(text))
}

/// Makes the staging directory of an id.
pub(super) fn create_staging(own: &Directory, id: &str) -> io::Result<Directory> {
    mkdirat(own, id, Mode::S_IRWXU)?;
    own.enter(OsStr::new(id))
}

/// The ids that have a staging directory.
pub(super) fn staged_ids(own: &Directory) -> io::Result<Vec<String>> {
    Ok(directories(own)?.into_iter().filter(|name| !name.starts_with(FAILED)).collect())
}

/// The ids whose applications were set aside.
pub(super) fn failed_ids(own: &Directory) -> io::Result<Vec<String>> {
    Ok(directories(own)?.iter().filter_map(|name| name.strip_prefix(FAILED)).map(str::to_owned).collect())
}

/// Sets a staging directory aside, with its journal and everything that it took out of the workspace.
pub(super) fn set_aside(own: &Directory, id: &str) -> io::Result<()> {
    renameat(own, id, own, format!("{FAILED}{id}").as_str())?;
    own.sync()
}

fn directories(own: &Directory) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for bytes in own.names()? {
        if own.status(name(&bytes))?.is_some_and(|status| status.is_directory()) {
            ids.push(name(&bytes).to_string_lossy().into_owned());
        }
    }
    Ok(ids)
}

/// Writes the journal: from here on the application will be completed.
pub(super) fn commit(staging: &Directory, plan: &Plan) -> Result<(), ApplyError> {
    let failed = |source: io::Error| ApplyError::io("write the journal of", plan.id.clone())(source);
    let bytes = serde_json::to_vec(plan).map_err(|error| failed(error.into()))?;
    replace_file(staging, JOURNAL, &bytes).map_err(failed)
}

/// The journal of a staging directory, if it was committed.
pub(super) fn committed(staging: &Directory, id: &str) -> Result<Option<Plan>, ApplyError> {
    let text = read_file(staging, JOURNAL).map_err(ApplyError::io("read the journal of", id))?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|source| ApplyError::Journal { id: id.to_owned(), source })
}

/// Removes the journal: the application is complete, and recovery must not repeat it.
pub(super) fn close(staging: &Directory) -> io::Result<()> {
    unlinkat(staging, JOURNAL, UnlinkatFlags::NoRemoveDir)?;
    staging.sync()
}

/// Removes a staging directory, which holds no directories.
pub(super) fn discard(own: &Directory, id: &str) -> io::Result<()> {
    let staging = own.enter(OsStr::new(id))?;
    for bytes in staging.names()? {
        unlinkat(&staging, name(&bytes), UnlinkatFlags::NoRemoveDir)?;
    }
    unlinkat(own, id, UnlinkatFlags::RemoveDir)?;
    own.sync()
}

/// The digest with which an id was applied, if it was.
pub(super) fn applied(own: &Directory, id: &str) -> io::Result<Option<String>> {
    let text = read_file(own, APPLIED)?.unwrap_or_default();
    let found = text.lines().rev().filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == id);
    Ok(found.map(|(_, digest)| digest.to_owned()))
}

/// What became of an id that is neither staged nor set aside: whether it was applied. One that was not is given
/// up, so that a request which is still on its way cannot make the answer untrue. None when the list of what was
/// applied is so long that the id may have been forgotten.
pub(super) fn settled(own: &Directory, id: &str) -> io::Result<Option<bool>> {
    if let Some(digest) = applied(own, id)? {
        return Ok(Some(digest != VOID));
    }
    if read_file(own, APPLIED)?.is_some_and(|text| text.lines().count() >= MOST_APPLIED) {
        return Ok(None);
    }
    note_applied(own, id, VOID)?;
    Ok(Some(false))
}

/// Notes an id as applied; noting it again changes nothing.
pub(super) fn note_applied(own: &Directory, id: &str, digest: &str) -> io::Result<()> {
    if applied(own, id)?.is_some() {
        return Ok(());
    }
    let text = read_file(own, APPLIED)?.unwrap_or_default();
    let line = format!("{id} {digest}");
    let lines: Vec<&str> = text.lines().chain([line.as_str()]).collect();
    let kept = lines.get(lines.len().saturating_sub(MOST_APPLIED)..).unwrap_or_default();
    replace_file(own, APPLIED, format!("{}\n", kept.join("\n")).as_bytes())
}
