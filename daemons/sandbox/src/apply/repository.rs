//! Directories that git takes for a repository though they are not called `.git`.
//!
//! Git looks for `HEAD`, `objects` and `refs` (or `HEAD` and `commondir`) wherever it is run, and what is inside can
//! run programs. So a bare repository that a change makes, touches or takes apart is pointed out, whatever its name:
//! one that is taken apart can come back by an undoing. Whoever proposes says them, and they are looked for anew here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;

use super::check::parent;
use crate::changeset::{Change, ChangeKind};
use crate::directory::Directory;

/// Every directory above a change, or one itself, that looks like a repository before or after all of them, sorted;
/// `.` is the workspace. The changes are in the order of a change set.
pub(crate) fn repositories(changes: &[Change], root: &Directory) -> io::Result<Vec<String>> {
    let mut stays = BTreeMap::new();
    let mut folders = BTreeSet::from([""]);
    for change in changes {
        // A rename is what it comes to: one file goes, and another comes.
        let goes = matches!(change.kind, ChangeKind::Delete | ChangeKind::Rmdir);
        let from = change.from.as_deref().map(|from| (from, false));
        for (path, is_there) in from.into_iter().chain([(change.path.as_str(), !goes)]) {
            // Of two changes of one path the later one is what remains.
            stays.insert(path, is_there);
            folders.extend(path.match_indices('/').filter_map(|(at, _)| path.get(..at)));
            folders.insert(path);
        }
    }
    let nothing = BTreeMap::new();
    let mut found = Vec::new();
    for folder in folders {
        // What lies in `.git` is known by that name.
        if folder.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
            continue;
        }
        if looks_like_one(&stays, root, folder)? || looks_like_one(&nothing, root, folder)? {
            found.push(if folder.is_empty() { ".".to_owned() } else { folder.to_owned() });
        }
    }
    found.sort();
    Ok(found)
}

fn looks_like_one(stays: &BTreeMap<&str, bool>, root: &Directory, folder: &str) -> io::Result<bool> {
    let has = |name: &str| is_there(stays, root, folder, name);
    Ok(has("HEAD")? && (has("commondir")? || (has("objects")? && has("refs")?)))
}

/// Whether a name is there when what is known to stay or to go has done so.
fn is_there(stays: &BTreeMap<&str, bool>, root: &Directory, folder: &str, name: &str) -> io::Result<bool> {
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    match stays.get(path.as_str()) {
        Some(is_there) => Ok(*is_there),
        None => match parent(root, &path)? {
            Some((directory, _)) => Ok(directory.status(OsStr::new(name))?.is_some()),
            None => Ok(false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn root(paths: &[&str]) -> (tempfile::TempDir, Directory) {
        let place = tempfile::tempdir().unwrap();
        for path in paths {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let directory = Directory::open(place.path()).unwrap();
        (place, directory)
    }

    fn changes(list: &[(&str, ChangeKind)]) -> Vec<Change> {
        list.iter().map(|(path, kind)| Change::plain(path, *kind, None)).collect()
    }

    #[test]
    fn a_repository_is_known_whatever_of_it_was_there_before() {
        use ChangeKind::{Add, Mkdir};
        let all = [("r", Mkdir), ("r/HEAD", Add), ("r/objects", Mkdir), ("r/refs", Mkdir)];
        let (_place, empty) = root(&[]);
        assert_eq!(repositories(&changes(&all), &empty).unwrap(), ["r"]);
        let (_place, there) = root(&["r/HEAD", "r/objects/x", "r/refs/x"]);
        assert_eq!(repositories(&changes(&[("r/hooks/post-checkout", Add)]), &there).unwrap(), ["r"]);
        let (_place, part) = root(&["r/HEAD", "r/objects/x"]);
        assert_eq!(repositories(&changes(&[("r/refs", Mkdir)]), &part).unwrap(), ["r"]);
        assert_eq!(repositories(&changes(&[("HEAD", Add), ("commondir", Add)]), &empty).unwrap(), ["."]);
    }

    #[test]
    fn one_that_is_taken_apart_is_known_and_one_that_a_rename_completes() {
        let (_place, there) = root(&["r/HEAD", "r/objects/x", "r/refs/x", "half/objects/x", "half/refs/x"]);
        let found = repositories(&changes(&[("r/HEAD", ChangeKind::Delete)]), &there).unwrap();
        assert_eq!(found, ["r"], "an undoing brings it back");
        let rename = |from: &str, to: &str| {
            let from = Some(from.to_owned());
            [Change { from, ..Change::plain(to, ChangeKind::Rename, None) }]
        };
        assert_eq!(repositories(&rename("r/HEAD", "a"), &there).unwrap(), ["r"]);
        assert_eq!(repositories(&rename("a", "half/HEAD"), &there).unwrap(), ["half"]);
    }

    #[test]
    fn what_lacks_a_part_is_none() {
        use ChangeKind::Add;
        let (_place, there) = root(&["r/HEAD", "r/objects/x", "r/refs/x", "other/HEAD", "x/.git/HEAD"]);
        assert!(repositories(&changes(&[("other/refs", Add)]), &there).unwrap().is_empty());
        assert!(repositories(&changes(&[("a.txt", Add)]), &there).unwrap().is_empty());
        let git = [("x/.git/objects", Add), ("x/.git/refs", Add)];
        assert!(repositories(&changes(&git), &there).unwrap().is_empty(), "known by its name");
    }
}
