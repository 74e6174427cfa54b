//! Applies a unified diff, git's included: every file of it, or none.
//!
//! All files are read and changed in memory first, and written only when each hunk fits. Context must be exact; where
//! it is may differ from what the hunk's header says, and the nearest place is taken. Errors name file, hunk and
//! line, so that whoever wrote the patch can mend it. Nothing outside of the workspace, below `.git` or through a
//! symlink is touched.

mod hunk;
mod parse;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::{BuiltinError, place};
use parse::{Deed, FilePatch};

/// Largest diff and largest file, in bytes.
const MOST: usize = 16 * 1024 * 1024;

/// A file as it will be; none when it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    mode: Option<u32>,
}

pub(super) fn apply(workspace: &Path, diff: &str) -> Result<Value, BuiltinError> {
    if diff.len() > MOST {
        return Err(BuiltinError::Invalid(format!("the patch is longer than {MOST} bytes")));
    }
    let patches = parse::parse(diff).map_err(BuiltinError::Invalid)?;
    let mut tree = Tree { workspace, files: BTreeMap::new() };
    let mut told = Vec::new();
    for patch in &patches {
        told.push(tree.change(patch)?);
    }
    tree.write()?;
    Ok(json!({ "files": told }))
}

/// The files that the patch is about, as they become.
struct Tree<'w> {
    workspace: &'w Path,
    /// What they are now and what they will be.
    files: BTreeMap<String, (Option<Content>, Option<Content>)>,
}

impl Tree<'_> {
    fn change(&mut self, patch: &FilePatch<'_>) -> Result<Value, BuiltinError> {
        let refused = |path: &str, why: &str| BuiltinError::Invalid(format!("cannot patch {path}: {why}"));
        let (from, to) = (patch.old.as_deref(), patch.new.as_deref());
        let before = match from {
            Some(path) => {
                let content = self.now(path)?;
                Some(content.ok_or_else(|| refused(path, "it is not there; a new file has --- /dev/null"))?)
            }
            None => None,
        };
        if let Some(path) = to.filter(|_| from != to)
            && self.now(path)?.is_some()
        {
            return Err(refused(path, "it is there already"));
        }
        let name = to.or(from).unwrap_or_default();
        let old = before.as_ref().map_or(&[][..], |content| content.bytes.as_slice());
        let (bytes, added, removed) = hunk::apply(old, &patch.hunks, name).map_err(BuiltinError::Invalid)?;
        if to.is_none() && !bytes.is_empty() {
            return Err(refused(name, "it is to be deleted, and the patch leaves some of it"));
        }
        if let Some(path) = from.filter(|_| from != to && patch.deed != Deed::Copy) {
            self.set(path, None)?;
        }
        if let Some(path) = to {
            let mode = patch.mode.or_else(|| before.as_ref().and_then(|content| content.mode));
            self.set(path, Some(Content { bytes, mode }))?;
        }
        Ok(json!({
            "path": name, "from": from.filter(|_| to.is_some() && from != to), "created": from.is_none(),
            "removed": to.is_none(), "hunks": patch.hunks.len(), "lines_added": added, "lines_removed": removed,
        }))
    }

    fn now(&mut self, path: &str) -> Result<Option<Content>, BuiltinError> {
        if let Some((_, now)) = self.files.get(path) {
            return Ok(now.clone());
        }
        let content = self.read(path)?;
        self.files.insert(path.to_owned(), (content.clone(), content.clone()));
        Ok(content)
    }

    fn set(&mut self, path: &str, content: Option<Content>) -> Result<(), BuiltinError> {
        let _ = self.now(path)?;
        if let Some((_, now)) = self.files.get_mut(path) {
            *now = content;
        }
        Ok(())
    }

    fn read(&self, path: &str) -> Result<Option<Content>, BuiltinError> {
        let at = self.check(path)?;
        let failed = |source| BuiltinError::At { verb: "read", path: path.to_owned(), source };
        let about = match fs::symlink_metadata(&at) {
            Ok(about) => about,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !about.is_file() {
            return Err(BuiltinError::Invalid(format!("cannot patch {path}: it is no regular file")));
        }
        if about.len() > MOST as u64 {
            return Err(BuiltinError::Invalid(format!(
                "cannot patch {path}: it is longer than {MOST} bytes"
            )));
        }
        let bytes = fs::read(&at).map_err(failed)?;
        Ok(Some(Content { bytes, mode: Some(about.permissions().mode() & 0o777) }))
    }

    /// Where a path lies, if a patch may name it and no symlink is on the way.
    fn check(&self, path: &str) -> Result<PathBuf, BuiltinError> {
        let refused = |why: &str| BuiltinError::Invalid(format!("cannot patch {path}: {why}"));
        if path.starts_with('/') {
            return Err(refused("paths of a patch are relative to the workspace"));
        }
        if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(refused("what belongs to git is not for patches"));
        }
        let at = place(self.workspace, path)?;
        let mut way = self.workspace.to_owned();
        for part in at.strip_prefix(self.workspace).unwrap_or(&at).components() {
            if let Component::Normal(name) = part {
                way.push(name);
            }
            if fs::symlink_metadata(&way).is_ok_and(|about| about.is_symlink()) {
                return Err(refused("a symlink is on the way"));
            }
        }
        Ok(at)
    }

    /// What goes, goes first: a folder may take its place.
    fn write(&self) -> Result<(), BuiltinError> {
        for (path, (before, after)) in &self.files {
            if before.is_some() && after.is_none() {
                let failed = |source| BuiltinError::At { verb: "delete", path: path.clone(), source };
                fs::remove_file(self.check(path)?).map_err(failed)?;
            }
        }
        for (path, (before, after)) in &self.files {
            let Some(after) = after.as_ref().filter(|_| before != after) else { continue };
            let at = self.check(path)?;
            let put = || -> io::Result<()> {
                if let Some(parent) = at.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut options = fs::OpenOptions::new();
                options.write(true).create(true).truncate(true).custom_flags(nix::libc::O_NOFOLLOW);
                let mut file = options.open(&at)?;
                file.write_all(&after.bytes)?;
                let mode = after.mode.unwrap_or(0o644);
                file.set_permissions(fs::Permissions::from_mode(mode))
            };
            put().map_err(|source| BuiltinError::At { verb: "write", path: path.clone(), source })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
