//! Giving the bytes of one file of the workspace, for people.
//!
//! Unlike reading, it follows no link: what is decided is the path that a call names, and through a link another file
//! than that one would be given to somebody.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use super::{BuiltinError, readable};
use crate::directory::Directory;
use crate::inbox::INBOX;
use crate::protocol::MOST_GIVEN;

/// The bytes of the regular file at `path`.
pub(super) fn content(workspace: &Path, path: &str) -> Result<Vec<u8>, BuiltinError> {
    let failed = |source| BuiltinError::At { verb: "give", path: path.to_owned(), source };
    let invalid = |why: &str| BuiltinError::Invalid(format!("cannot give {path}: {why}"));
    let place = readable(workspace, path)?;
    let root = if place.starts_with(INBOX) { Path::new(INBOX) } else { workspace };
    let inside = place.strip_prefix(root).unwrap_or(&place);
    let Some(name) = inside.file_name() else { return Err(invalid("it is no regular file")) };
    let refused = |directory: &Directory, name: &OsStr, source: io::Error| match directory.status(name) {
        Ok(Some(status)) if status.is_symlink() => invalid("a link leads there; name the file itself"),
        Ok(Some(status)) if !status.is_file() && !status.is_directory() => invalid("it is no regular file"),
        _ if source.kind() == io::ErrorKind::InvalidInput => invalid("it is no regular file"),
        _ => failed(source),
    };
    let mut directory = Directory::open(root).map_err(failed)?;
    for part in inside.parent().into_iter().flat_map(Path::components) {
        let part = part.as_os_str();
        directory = directory.enter(part).map_err(|source| refused(&directory, part, source))?;
    }
    let file = directory.read(name).map_err(|source| refused(&directory, name, source))?;
    let mut bytes = Vec::new();
    // One that grows meanwhile is as long as it gets here, and what counts is that.
    file.take(MOST_GIVEN + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_GIVEN {
        return Err(invalid(&format!("it has more than {} MiB", MOST_GIVEN >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn said(workspace: &Path, path: &str) -> String {
        content(workspace, path).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_given_byte_by_byte_up_to_the_limit() {
        let workspace = tempfile::tempdir().unwrap();
        let place = workspace.path();
        fs::create_dir(place.join("out")).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        fs::write(place.join("out/a.bin"), &bytes).unwrap();
        for path in ["out/a.bin", "./out/a.bin", "/workspace/out/a.bin"] {
            assert_eq!(content(place, path).unwrap(), bytes, "{path}");
        }
        fs::write(place.join("empty"), "").unwrap();
        assert_eq!(content(place, "empty").unwrap(), b"");
        let file = fs::File::create(place.join("large")).unwrap();
        file.set_len(MOST_GIVEN).unwrap();
        assert_eq!(content(place, "large").unwrap().len() as u64, MOST_GIVEN);
        file.set_len(MOST_GIVEN + 1).unwrap();
        assert_eq!(said(place, "large"), "cannot give large: it has more than 16 MiB");
    }

    #[test]
    fn nothing_but_the_named_file_is_given() {
        let (outside, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = workspace.path();
        fs::write(outside.path().join("secret"), "s").unwrap();
        fs::create_dir(place.join("d")).unwrap();
        fs::write(place.join("d/.env"), "s").unwrap();
        symlink(outside.path().join("secret"), place.join("out")).unwrap();
        symlink(outside.path(), place.join("far")).unwrap();
        symlink("d/.env", place.join("harmless.txt")).unwrap();
        symlink("d", place.join("e")).unwrap();
        nix::unistd::mkfifo(&place.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in ["out", "far/secret", "harmless.txt", "e/.env"] {
            assert_eq!(
                said(place, path),
                format!("cannot give {path}: a link leads there; name the file itself")
            );
        }
        for path in ["pipe", "d", ".", "/workspace"] {
            assert_eq!(said(place, path), format!("cannot give {path}: it is no regular file"));
        }
        for path in ["..", "d/../../x", "/etc/passwd", ""] {
            assert!(said(place, path).starts_with("cannot use the path"), "{path}");
        }
        assert!(matches!(content(place, "none"), Err(BuiltinError::At { verb: "give", .. })));
        assert!(matches!(content(place, "none/a"), Err(BuiltinError::At { verb: "give", .. })));
    }
}
