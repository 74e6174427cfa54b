//! Reading, listing, looking for and writing single files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;
use serde_json::{Value, json};

use super::BuiltinError;
use crate::protocol::WriteMode;

const DEFAULT_READ: u64 = 256 * 1024;
const MOST_READ: u64 = 1024 * 1024;
const MOST_ENTRIES: usize = 2000;

pub(super) fn read(place: &Path, path: &str, offset: u64, limit: Option<u64>) -> Result<Value, BuiltinError> {
    let failed = |source| BuiltinError::At { verb: "read", path: path.to_owned(), source };
    // A FIFO must not hold the call up.
    let mut file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(place).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !about.is_file() {
        return Err(BuiltinError::Invalid(format!("cannot read {path}: it is no regular file")));
    }
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit.unwrap_or(DEFAULT_READ).min(MOST_READ)).read_to_end(&mut bytes).map_err(failed)?;
    let more = offset.saturating_add(bytes.len() as u64) < about.len();
    if more {
        bytes.truncate(whole_characters(&bytes));
    }
    let next = offset.saturating_add(bytes.len() as u64);
    let binary = std::str::from_utf8(&bytes).is_err();
    Ok(json!({
        "path": path, "content": String::from_utf8_lossy(&bytes), "binary": binary,
        "size": about.len(), "offset": offset, "next": next, "truncated": more,
    }))
}

/// How many bytes remain when a character that is cut at the end is left to the next read.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

pub(super) fn list(place: &Path, path: &str) -> Result<Value, BuiltinError> {
    let failed = |source| BuiltinError::At { verb: "list", path: path.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != ".testudo" {
            let about = entry.metadata().map_err(failed)?;
            entries.push((name, kind(&about), about.len()));
        }
    }
    entries.sort();
    let truncated = entries.len() > MOST_ENTRIES;
    entries.truncate(MOST_ENTRIES);
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(name, kind, size)| json!({ "name": name, "kind": kind, "size": size }))
        .collect();
    Ok(json!({ "path": path, "entries": entries, "truncated": truncated }))
}

pub(super) fn exists(place: &Path, path: &str) -> Result<Value, BuiltinError> {
    match fs::symlink_metadata(place) {
        Ok(about) => Ok(json!({ "path": path, "exists": true, "kind": kind(&about) })),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(json!({ "path": path, "exists": false, "kind": null }))
        }
        Err(source) => Err(BuiltinError::At { verb: "look for", path: path.to_owned(), source }),
    }
}

fn kind(about: &fs::Metadata) -> &'static str {
    match about.file_type() {
        kind if kind.is_file() => "file",
        kind if kind.is_dir() => "directory",
        kind if kind.is_symlink() => "symlink",
        _ => "other",
    }
}

pub(super) fn write(place: &Path, path: &str, content: &str, mode: WriteMode) -> Result<Value, BuiltinError> {
    let failed = |source| BuiltinError::At { verb: "write", path: path.to_owned(), source };
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let created = fs::symlink_metadata(place).is_err();
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    match mode {
        WriteMode::Overwrite => options.create(true).truncate(true),
        WriteMode::Append => options.create(true).append(true),
        WriteMode::Create => options.create_new(true),
    };
    let mut file: File = options.open(place).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    Ok(json!({ "path": path, "bytes": content.len(), "created": created }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_on_gives_every_character_once() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a");
        fs::write(&place, "aßc→d").unwrap();
        let (mut text, mut offset) = (String::new(), 0);
        loop {
            let answer = read(&place, "a", offset, Some(3)).unwrap();
            text.push_str(answer["content"].as_str().unwrap());
            assert_eq!(answer["binary"], false);
            offset = answer["next"].as_u64().unwrap();
            if answer["truncated"] == false {
                break;
            }
        }
        assert_eq!(text, "aßc→d");
    }

    #[test]
    fn writing_has_three_modes() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("deep/er/a");
        write(&place, "a", "1", WriteMode::Create).unwrap();
        write(&place, "a", "2", WriteMode::Append).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "12");
        assert!(write(&place, "a", "3", WriteMode::Create).is_err());
        write(&place, "a", "4", WriteMode::Overwrite).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "4");
    }
}
