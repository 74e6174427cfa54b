//! What the runner finds out by itself, whatever a change set says: repositories, and files with other names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::changeset::{ChangeSet, sha256};
use crate::limits::Limits;
use crate::upper;

struct Case {
    place: tempfile::TempDir,
}

impl Case {
    fn new(files: &[&str]) -> Self {
        let case = Self { place: tempfile::tempdir().unwrap() };
        fs::create_dir(case.at("work")).unwrap();
        for file in files {
            case.write(&format!("work/{file}"));
        }
        case
    }

    fn at(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn write(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), "x\n").unwrap();
    }

    fn engine(&self) -> Engine {
        Engine::open(&Place::new(self.at("work"), Some(self.at("history.git")))).unwrap()
    }

    /// What the upper side proposes, which is empty afterwards.
    fn proposal(&self, prepare: impl FnOnce()) -> Proposal {
        let _ = fs::remove_dir_all(self.at("upper"));
        fs::create_dir(self.at("upper")).unwrap();
        prepare();
        let found = upper::read(&self.at("upper"), &self.at("work"), &Limits::default()).unwrap();
        let contents = crate::memfd::read_sealed(found.contents, u64::MAX).unwrap();
        Proposal { set: found.set, contents }
    }

    fn apply(&self, id: &str, proposal: &Proposal) -> Result<bool, ApplyError> {
        let digest = proposal.set.digest().unwrap();
        self.engine().apply(&Apply { id: id.to_owned(), digest, origin: None }, proposal, 0)
    }
}

fn conflict_at(result: Result<bool, ApplyError>) -> String {
    match result {
        Err(ApplyError::Conflict { path, .. }) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_undoing_says_which_repository_it_completes() {
    let case = Case::new(&["r/HEAD", "r/objects/x", "r/refs/x"]);
    let gone = Change {
        base: Some(crate::changeset::Base {
            kind: crate::changeset::BaseKind::File,
            mode: fs::metadata(case.at("work/r/HEAD")).unwrap().permissions().mode() & 0o777,
            size: 2,
            sha256: Some(sha256(b"x\n")),
            offset: None,
        }),
        ..Change::plain("r/HEAD", ChangeKind::Delete, None)
    };
    let set = ChangeSet::new(vec![gone], vec![]).with_repositories(vec!["r".into()]);
    case.apply("ap-1", &Proposal { set, contents: vec![] }).unwrap();
    let poison = case.proposal(|| case.write("upper/r/config"));
    assert!(poison.set.repositories.is_empty(), "it looks like none now");
    case.apply("ap-2", &poison).unwrap();
    let (_, undoing) = case.engine().invert(Some("ap-1")).unwrap();
    assert_eq!(undoing.set.repositories, ["r"]);
}

#[test]
fn a_repository_that_is_not_said_or_none_is_a_conflict() {
    let case = Case::new(&["r/HEAD", "r/objects/x", "r/refs/x"]);
    let honest = case.proposal(|| case.write("upper/r/config"));
    assert_eq!(honest.set.repositories, ["r"]);
    let forged = Proposal { set: honest.set.clone().with_repositories(vec![]), ..honest.clone() };
    assert_eq!(conflict_at(case.apply("forged", &forged)), "r");
    let more = honest.set.clone().with_repositories(vec!["r".into(), "s".into()]);
    assert_eq!(conflict_at(case.apply("more", &Proposal { set: more, ..honest.clone() })), "s");
    assert!(!case.at("work/r/config").exists());
    case.apply("honest", &honest).unwrap();
}

#[test]
fn new_permissions_of_a_file_with_other_names_are_a_conflict() {
    for renamed in [false, true] {
        let case = Case::new(&["a"]);
        let proposal = case.proposal(|| {
            let path = if renamed { "upper/b" } else { "upper/a" };
            case.write(path);
            fs::set_permissions(case.at(path), fs::Permissions::from_mode(0o755)).unwrap();
            if renamed {
                use nix::sys::stat::{SFlag, mknod};
                mknod(&case.at("upper/a"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
            }
        });
        let kind = if renamed { ChangeKind::Rename } else { ChangeKind::Mode };
        assert_eq!(proposal.set.changes[0].kind, kind);
        fs::hard_link(case.at("work/a"), case.at("other")).unwrap();
        assert_eq!(conflict_at(case.apply("linked", &proposal)), "a");
        assert_eq!(fs::metadata(case.at("other")).unwrap().permissions().mode() & 0o111, 0);
        fs::remove_file(case.at("other")).unwrap();
        case.apply("alone", &proposal).unwrap();
    }
}

#[test]
fn a_link_to_our_own_directory_through_another_is_not_proposed() {
    let case = Case::new(&[]);
    let proposal = case.proposal(|| {
        symlink(".", case.at("upper/dot")).unwrap();
        symlink("dot/.testudo/applied", case.at("upper/l")).unwrap();
        symlink("dot/.TESTUDO", case.at("upper/m")).unwrap();
    });
    let paths: Vec<&str> = proposal.set.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["dot"]);
    assert_eq!(proposal.set.skipped.len(), 2);
}

#[test]
fn a_link_in_the_place_of_a_directory_is_refused_before_anything_is_done() {
    let case = Case::new(&["d/x"]);
    let mode = fs::metadata(case.at("work/d")).unwrap().permissions().mode() & 0o777;
    let link = Change {
        target: Some("x".into()),
        base: Some(crate::changeset::Base {
            kind: crate::changeset::BaseKind::Directory,
            mode,
            size: 0,
            sha256: None,
            offset: None,
        }),
        ..Change::plain("d", ChangeKind::Symlink, None)
    };
    let set = ChangeSet::new(vec![link, Change::plain("a", ChangeKind::Mkdir, Some(0o755))], vec![]);
    let forged = Proposal { set, contents: vec![] };
    assert!(matches!(case.apply("forged", &forged), Err(ApplyError::Invalid { .. })));
    assert!(!case.at("work/a").exists() && case.at("work/d/x").exists());
}
