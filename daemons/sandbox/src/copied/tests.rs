use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::changeset::{BaseKind, Change, ChangeKind, sha256};
use crate::limits::Limits;
use crate::upper;

const ROOM: Bound = Bound { bytes: 1 << 20, entries: 100 };

struct Place {
    top: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        for name in ["work", "copy", "outside"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        Self { top }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    fn copy(&self, bound: Bound) -> Result<Entries, CopyError> {
        copy(&self.at("work"), &self.at("copy"), bound)
    }

    fn changes(&self, was: &mut Entries) -> Vec<Change> {
        let found = upper::read_copy(&self.at("copy"), was, &self.at("work"), &Limits::default()).unwrap();
        assert!(found.set.skipped.is_empty(), "{:?}", found.set.skipped);
        found.set.changes
    }
}

#[test]
fn nothing_changed_is_nothing_whatever_is_in_the_workspace() {
    let place = Place::new();
    place.write("work/dir/file", "x");
    place.write("work/.testudo/journal", "own");
    place.write(&format!("work{}/deep", "/d".repeat(90)), "x");
    symlink("/etc/passwd", place.at("work/out")).unwrap();
    let odd = OsString::from_vec(b"work/odd\xff".to_vec());
    fs::write(place.top.path().join(odd), "x").unwrap();
    fs::set_permissions(place.at("work/dir"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut was = place.copy(Bound { entries: 1000, ..ROOM }).unwrap();
    assert!(place.changes(&mut was).is_empty());
    assert_eq!(fs::read_dir(place.at("copy/.testudo")).unwrap().count(), 0, "out of sight");
}

#[test]
fn the_workspace_may_change_under_the_call() {
    let place = Place::new();
    for name in ["edited", "both", "theirs", "gone", "turned"] {
        place.write(&format!("work/{name}"), "before");
    }
    place.write("work/dir/file", "before");
    let mut was = place.copy(ROOM).unwrap();
    // Others, meanwhile.
    place.write("work/both", "of others");
    place.write("work/theirs", "of others");
    place.write("work/new", "of others");
    fs::remove_file(place.at("work/gone")).unwrap();
    fs::remove_file(place.at("work/turned")).unwrap();
    fs::create_dir(place.at("work/turned")).unwrap();
    fs::remove_dir_all(place.at("work/dir")).unwrap();
    symlink(place.at("outside"), place.at("work/dir")).unwrap();
    place.write("outside/file", "outside");
    // The call.
    for name in ["edited", "both", "gone", "turned", "dir/file"] {
        place.write(&format!("copy/{name}"), "after");
    }
    let changes = place.changes(&mut was);
    let seen: Vec<_> = changes.iter().map(|change| (change.kind, change.path.as_str())).collect();
    let modified = ["both", "dir/file", "edited", "gone", "turned"].map(|path| (ChangeKind::Modify, path));
    assert_eq!(seen, modified, "what only others did is not undone");
    for change in changes {
        let base = change.base.unwrap();
        assert_eq!((base.kind, base.size, base.sha256), (BaseKind::File, 6, Some(sha256(b"before"))));
        // What the call saw is still there to be shown for this one alone; the rest will be conflicts.
        assert_eq!(base.offset.is_some(), change.path == "edited", "{}", change.path);
    }
}

#[test]
fn an_edit_that_keeps_size_and_time_is_seen() {
    let place = Place::new();
    place.write("work/file", "one");
    let mut was = place.copy(ROOM).unwrap();
    let time = fs::metadata(place.at("copy/file")).unwrap().modified().unwrap();
    assert_eq!(time, fs::metadata(place.at("work/file")).unwrap().modified().unwrap(), "kept for make");
    place.write("copy/file", "two");
    File::options().write(true).open(place.at("copy/file")).unwrap().set_modified(time).unwrap();
    assert_eq!(place.changes(&mut was).len(), 1);
}

#[test]
fn the_bounds_hold_to_the_last_page_and_entry() {
    let place = Place::new();
    place.write("work/a", &"x".repeat(4097));
    place.write("work/b", "x");
    let room = |bytes, entries| Bound { bytes, entries };
    let again = |bound| {
        fs::remove_dir_all(place.at("copy")).unwrap();
        fs::create_dir(place.at("copy")).unwrap();
        place.copy(bound)
    };
    assert!(again(room(3 * 4096, 2)).is_ok());
    assert!(matches!(again(room(3 * 4096 - 1, 2)), Err(CopyError::Bytes { most: 12287 })));
    assert!(matches!(again(room(3 * 4096, 1)), Err(CopyError::Entries { most: 1 })));
    fs::create_dir_all(place.at(&format!("work{}", "/d".repeat(101)))).unwrap();
    assert!(matches!(again(room(1 << 62, 1000)), Err(CopyError::Depth { .. })));
}

#[test]
fn no_link_is_followed() {
    let place = Place::new();
    place.write("outside/secret", "secret");
    symlink(place.at("outside"), place.at("work/dir")).unwrap();
    symlink(place.at("outside/secret"), place.at("work/file")).unwrap();
    place.copy(ROOM).unwrap();
    for name in ["dir", "file"] {
        assert!(fs::symlink_metadata(place.at("copy").join(name)).unwrap().is_symlink());
    }
    // Nor is the workspace itself, nor the place for the copy.
    assert!(copy(&place.at("work/dir"), &place.at("copy"), ROOM).is_err());
    assert!(copy(&place.at("work"), &place.at("work/dir"), ROOM).is_err());
    assert_eq!(fs::read_dir(place.at("outside")).unwrap().count(), 1);
}

#[test]
fn what_may_not_be_read_is_left_out_and_what_went_is_not_there() {
    let entry = OsStr::new("x");
    for (errno, expected) in [
        (nix::libc::EACCES, Some(copier::Met::Unreadable)),
        (nix::libc::ELOOP, Some(copier::Met::Unreadable)),
        (nix::libc::ENOENT, Some(copier::Met::Gone)),
        (nix::libc::EIO, None),
    ] {
        let result: io::Result<()> = Err(io::Error::from_raw_os_error(errno));
        assert_eq!(copier::met(result, entry).ok(), expected, "{errno}");
    }
    assert!(Bound::of(Path::new("/")).unwrap().bytes > 0);
}
