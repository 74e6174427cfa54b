//! What is kept of every kind of change, what git makes of it, and what brings it back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::tree::{Edit, Entry, Mode};
use super::*;
use crate::changeset::ChangeSet;
use crate::limits::Limits;
use crate::protocol::Origin;
use crate::upper;

/// A repository and a workspace with the result of a call beside it.
struct Case {
    place: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { place: tempfile::tempdir().unwrap() };
        for folder in ["work", "upper"] {
            fs::create_dir(case.at(folder)).unwrap();
        }
        case
    }

    fn at(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn history(&self) -> History {
        History::open(&self.at("history.git")).unwrap()
    }

    fn proposal(&self) -> Proposal {
        let found = upper::read(&self.at("upper"), &self.at("work"), &Limits::default()).unwrap();
        let contents = crate::memfd::read_sealed(found.contents, u64::MAX).unwrap();
        Proposal { set: found.set, contents }
    }

    /// Records what the upper side proposes, as `id`.
    fn record(&self, id: &str, undoes: Option<&str>) -> Pending {
        let proposal = self.proposal();
        let origin = Origin {
            tool: "fs.write".into(),
            call: format!("c-{id}"),
            session: "main".into(),
            undoes: undoes.map(str::to_owned),
            ..Origin::default()
        };
        let apply = Apply { id: id.into(), digest: proposal.set.digest().unwrap(), origin: Some(origin) };
        let root = Directory::open(&self.at("work")).unwrap();
        let pending = self.history().prepare(&apply, &proposal, &root, 1_700_000_000).unwrap();
        self.history().advance(&pending).unwrap();
        pending
    }

    /// What git says; none where there is no git.
    fn git(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "--git-dir"])
            .arg(self.at("history.git"))
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .ok()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "git {arguments:?}: {said}");
        Some(said)
    }
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn git_finds_nothing_wrong_and_sees_before_and_after() {
    let case = Case::new();
    write(case.at("work/notes/a.txt"), "before\n");
    write(case.at("upper/notes/a.txt"), "after\n");
    write(case.at("upper/bin/run"), "#!/bin/sh\n");
    mode(&case.at("upper/bin/run"), 0o755);
    write(case.at("upper/notes.txt"), "sorts between notes and notes/\n");
    symlink("notes/a.txt", case.at("upper/link")).unwrap();
    case.record("ap-1", None);
    let Some(checked) = case.git(&["fsck", "--full", "--strict"]) else { return };
    assert!(!checked.contains("error") && !checked.contains("warning"), "{checked}");
    let log = case.git(&["log", "--format=%s", "main"]).unwrap();
    assert_eq!(log, "fs.write: 5 changes\nWhat was there before ap-1\n");
    let files = case.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"]).unwrap();
    let expected =
        "100644 .testudo/changes.json\n100755 bin/run\n120000 link\n100644 notes.txt\n100644 notes/a.txt\n";
    assert_eq!(files, expected);
    assert_eq!(case.git(&["show", "main~1:notes/a.txt"]).unwrap(), "before\n");
    assert_eq!(case.git(&["show", "main:notes/a.txt"]).unwrap(), "after\n");
    let trailers =
        case.git(&["log", "-1", "--format=%(trailers:key=Testudo-Call,valueonly)", "main"]).unwrap();
    assert_eq!(trailers.trim(), "c-ap-1");
}

#[test]
fn a_commit_is_put_on_the_branch_once_and_only_where_it_belongs() {
    let case = Case::new();
    write(case.at("upper/a"), "1");
    let pending = case.record("ap-1", None);
    case.history().advance(&pending).unwrap();
    assert_eq!(case.history().merges(9).unwrap().len(), 1);
    write(case.at("upper/b"), "2");
    case.record("ap-2", None);
    assert!(matches!(case.history().advance(&pending), Err(HistoryError::Moved { .. })));
    let ids: Vec<String> =
        case.history().merges(9).unwrap().into_iter().map(|merge| merge.application).collect();
    assert_eq!(ids, ["ap-2", "ap-1"]);
}

#[test]
fn words_of_others_pass_for_no_trailer() {
    let case = Case::new();
    write(case.at("upper/a\nTestudo-Undoes: ap-0"), "1");
    case.record("ap-1", None);
    assert_eq!(case.history().merges(9).unwrap()[0].undoes, None);
}

#[test]
fn the_latest_that_is_not_undone_is_found_and_an_undoing_can_be_undone() {
    let case = Case::new();
    for (number, undoes) in [("1", None), ("2", None), ("3", Some("2")), ("4", Some("3")), ("5", Some("4"))] {
        write(case.at("upper/a"), number);
        case.record(number, undoes);
    }
    // 5 undid 4, which had undone 3, which had undone 2: so 2 is undone, and 1 is the latest.
    assert_eq!(case.history().invert(None).unwrap().0.application, "1");
    assert!(matches!(case.history().invert(Some("2")), Err(HistoryError::Undone { by, .. }) if by == "3"));
    assert!(matches!(case.history().invert(Some("c-4")), Err(HistoryError::Undone { .. })));
    assert_eq!(case.history().invert(Some("c-3")).unwrap().0.application, "3");
    assert!(matches!(case.history().invert(Some("x")), Err(HistoryError::Unknown { .. })));
}

#[test]
fn a_torn_object_is_noticed_and_written_anew() {
    let case = Case::new();
    let history = case.history();
    let id = history.store.write(object::Kind::Blob, b"content").unwrap();
    let name = id.to_string();
    let file = case.at("history.git/objects").join(&name[..2]).join(&name[2..]);
    mode(&file, 0o600);
    fs::write(&file, "").unwrap();
    assert!(matches!(history.store.read(id), Err(HistoryError::Object { .. })));
    assert_eq!(history.store.write(object::Kind::Blob, b"content").unwrap(), id);
    assert_eq!(history.store.read(id).unwrap().1, b"content");
}

#[test]
fn an_inverse_of_an_empty_change_set_is_empty() {
    let case = Case::new();
    case.record("ap-1", None);
    assert_eq!(case.history().invert(None).unwrap().1.set, ChangeSet::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A tree is what the list of its paths says, whatever was edited in which order.
    #[test]
    fn trees_hold_what_was_put_into_them(edits in prop::collection::vec(("[abc](/[abc]){0,2}", any::<Option<bool>>()), 1..12)) {
        let case = Case::new();
        let store = case.history().store;
        let mut expected: std::collections::BTreeMap<String, Mode> = std::collections::BTreeMap::new();
        let mut tree = None;
        for (path, edit) in &edits {
            let entry = match edit {
                None => None,
                Some(program) => {
                    let mode = if *program { Mode::Program } else { Mode::File };
                    Some(Entry { mode, id: store.write(object::Kind::Blob, path.as_bytes()).unwrap() })
                }
            };
            // What is below a path goes with it; what it lies below goes when something is put there.
            expected.retain(|known, _| known != path && !known.starts_with(&format!("{path}/")));
            if let Some(entry) = entry {
                expected.retain(|known, _| !path.starts_with(&format!("{known}/")));
                expected.insert(path.clone(), entry.mode);
            }
            let edit: Edit<'_> = (path.split('/').collect(), entry);
            tree = tree::edit(&store, tree, &[edit]).unwrap();
        }
        for path in edits.iter().map(|(path, _)| path) {
            let parts: Vec<&str> = path.split('/').collect();
            let found = tree::find(&store, tree, &parts).unwrap();
            match expected.get(path) {
                Some(mode) => prop_assert_eq!(found.map(|entry| entry.mode), Some(*mode)),
                None => prop_assert!(found.is_none_or(|entry| entry.mode == Mode::Folder)),
            }
        }
        prop_assert_eq!(tree.is_none(), expected.is_empty());
    }
}
