//! The overlay's directories of one call, in the instance's scratch.
//!
//! Each call gets a directory of its own with a fresh upper side, and it goes when the call is over.
//! Removal copes with whatever a hostile program left: unreadable directories, names without end, and trees
//! deeper than any stack, by moving each nested directory up before it is emptied.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::copied::Entries;
use crate::layers::{Layer, Layers};

/// Names below a call's own directory.
pub(crate) const UPPER: &str = "upper";
const WORK: &str = "work";
pub(crate) const SESSION: &str = "session";

/// The directories of one call.
#[derive(Debug)]
pub(crate) struct Directories {
    /// Holds all others.
    pub(crate) top: PathBuf,
    /// What the call writes.
    pub(crate) upper: PathBuf,
    /// Whether that is a copy of the workspace, and not an overlay's upper side.
    pub(crate) copying: bool,
    /// What the copy was made of, once there is one.
    pub(crate) copied: Option<Entries>,
    /// Overlayfs's own.
    work: PathBuf,
    /// What the session's shell keeps.
    pub(crate) session: PathBuf,
    /// Where the call's root is mounted.
    pub(crate) root: PathBuf,
    kept: bool,
}

impl Directories {
    /// Makes them. `number` counts the calls of this instance.
    pub(crate) fn create(scratch: &Path, number: u64, layers: Layers) -> io::Result<Self> {
        let kept = !layers.has(Layer::ScratchIsolation);
        let name = if kept { "shared".to_owned() } else { format!("call-{}-{number}", std::process::id()) };
        let top = scratch.join(name);
        let [upper, work, root, session] = [UPPER, WORK, "root", SESSION].map(|name| top.join(name));
        let made = Self { top, upper, copying: false, copied: None, work, session, root, kept };
        match fs::create_dir(&made.top) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && kept => return Ok(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Left by an instance that was killed and had our process id.
                made.remove()?;
                fs::create_dir(&made.top)?;
            }
            other => other?,
        }
        for directory in [&made.upper, &made.work, &made.root, &made.session] {
            fs::create_dir(directory)?;
        }
        // The upper side's own mode is that of the workspace as the call sees it.
        fs::set_permissions(&made.upper, fs::Permissions::from_mode(0o755))?;
        Ok(made)
    }

    /// Mount options of the overlay over `lower`, for one who sees these directories below `top`.
    pub(crate) fn options(lower: &Path, top: &Path) -> OsString {
        let mut options = OsString::from("userxattr");
        let (upper, work) = (top.join(UPPER), top.join(WORK));
        for (name, path) in [("lowerdir", lower), ("upperdir", &upper), ("workdir", &work)] {
            options.push(format!(",{name}="));
            options.push(escaped(path.as_os_str()));
        }
        options
    }

    /// Removes them with everything that is in them.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if self.kept { Ok(()) } else { remove_tree(&self.top) }
    }
}

/// Overlayfs splits its options at commas and its layers at colons.
fn escaped(path: &OsStr) -> OsString {
    let mut bytes = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if matches!(byte, b'\\' | b',' | b':') {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    OsString::from_vec(bytes)
}

/// Removes a directory that only this process still uses.
pub(crate) fn remove_tree(top: &Path) -> io::Result<()> {
    let mut pending = vec![top.to_owned()];
    let mut number = 0_u64;
    while let Some(directory) = pending.last().cloned() {
        let mut moved = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                fs::remove_file(&path)?;
            } else if fs::remove_dir(&path).is_err() {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
                let flat = loop {
                    number += 1;
                    let candidate = top.join(format!(".{number}"));
                    if candidate == path || fs::symlink_metadata(&candidate).is_err() {
                        break candidate;
                    }
                };
                if directory == top {
                    moved.push(path);
                } else {
                    fs::rename(&path, &flat)?;
                    moved.push(flat);
                }
            }
        }
        if moved.is_empty() {
            fs::remove_dir(&directory)?;
            pending.pop();
        } else {
            pending.extend(moved);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_and_locked_tree_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().join("top");
        fs::create_dir(&top).unwrap();
        let start = std::env::current_dir().unwrap();
        std::env::set_current_dir(&top).unwrap();
        for _ in 0..3000 {
            fs::create_dir("deeper").unwrap();
            std::env::set_current_dir("deeper").unwrap();
        }
        fs::write("file", "x").unwrap();
        fs::set_permissions(".", fs::Permissions::from_mode(0o000)).unwrap();
        std::env::set_current_dir(start).unwrap();
        fs::create_dir(top.join(".1")).unwrap();
        fs::write(top.join(".1/file"), "x").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn separators_in_paths_are_escaped() {
        assert_eq!(escaped(OsStr::new("/a:b,c\\d")), OsStr::new("/a\\:b\\,c\\\\d"));
    }
}
