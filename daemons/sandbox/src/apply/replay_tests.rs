//! Replays that have to get into directories which are closed by then, and replays that can never work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::unistd::{Uid, setfsuid};

use super::*;
use crate::limits::Limits;
use crate::upper;

/// New directories, of which `zz/n` is closed at the end.
struct Case {
    place: tempfile::TempDir,
    proposal: Proposal,
    digest: String,
}

impl Case {
    fn closing(mode: u32) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (work, upper) = (place.path().join("work"), place.path().join("upper"));
        fs::create_dir(&work).unwrap();
        fs::create_dir_all(upper.join("zz/n/c")).unwrap();
        fs::write(upper.join("zz/n/c/f"), "inside").unwrap();
        let mut found = upper::read(&upper, &work, &Limits::default()).unwrap();
        let closed = found.set.changes.iter_mut().find(|change| change.path == "zz/n").unwrap();
        closed.mode = Some(mode);
        let contents = crate::memfd::read_sealed(found.contents, u64::MAX).unwrap();
        let digest = found.set.digest().unwrap();
        Self { place, proposal: Proposal { set: found.set, contents }, digest }
    }

    fn work(&self) -> PathBuf {
        self.place.path().join("work")
    }

    fn engine(&self) -> Engine {
        Engine::open(&Place::new(self.work(), None)).unwrap()
    }

    fn apply(&self, id: &str, steps: Option<u32>) -> Result<bool, ApplyError> {
        let mut engine = self.engine();
        engine.steps_left = steps;
        let apply = Apply { id: id.to_owned(), digest: self.digest.clone(), origin: None };
        engine.apply(&apply, &self.proposal, 0)
    }

    /// Applies up to the moment when the first directory was made.
    fn crash_after_the_first_directory(&self) {
        let before = u32::try_from(1 + self.proposal.set.changes.len() + 2 + 1).unwrap();
        assert!(matches!(self.apply("id", Some(before)), Err(ApplyError::Unfinished(_))));
        assert!(self.work().join("zz").is_dir() && !self.work().join("zz/n").exists());
    }

    fn put_in(&self, path: &str) {
        fs::write(self.work().join(path), "by hand").unwrap();
    }
}

/// As a user whom permissions stop, which they do not do to root.
fn as_somebody<T>(act: impl FnOnce() -> T) -> T {
    let before = setfsuid(Uid::from_raw(65534));
    let result = act();
    setfsuid(before);
    result
}

#[test]
fn a_directory_that_is_closed_at_the_end_does_not_stop_a_replay() {
    for mode in [0o000, 0o555] {
        let mut replayed = 0;
        for steps in 0.. {
            let case = as_somebody(|| {
                let case = Case::closing(mode);
                if case.apply("id", Some(steps)).is_err() {
                    let recovery = case.engine().recover(&[]).unwrap();
                    assert_eq!(recovery.failed, Vec::<String>::new(), "{mode:o}, crash at step {steps}");
                    replayed += recovery.completed.len();
                    case.apply("id", None).unwrap();
                    return Some(case);
                }
                None
            });
            let Some(case) = case else { break };
            // By root, whom the mode does not stop.
            let closed = fs::metadata(case.work().join("zz/n")).unwrap().permissions().mode() & 0o777;
            assert_eq!(closed, mode, "crash at step {steps}");
            if Uid::effective().is_root() {
                assert_eq!(fs::read_to_string(case.work().join("zz/n/c/f")).unwrap(), "inside");
            }
        }
        assert!(replayed >= 7, "{replayed} replays with mode {mode:o}");
    }
}

#[test]
fn a_plan_that_cannot_be_replayed_is_set_aside_and_the_next_change_works() {
    type Edit = fn(&Case);
    let edits: [Edit; 3] = [
        // A file where the plan needs a directory.
        |case| {
            fs::remove_dir(case.work().join("zz")).unwrap();
            case.put_in("zz");
        },
        // A directory where the plan puts a file.
        |case| fs::create_dir_all(case.work().join("zz/n/c/f")).unwrap(),
        |case| fs::write(case.work().join(".testudo/id/journal"), "{\"torn").unwrap(),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let case = Case::closing(0o755);
        case.crash_after_the_first_directory();
        edit(&case);
        assert_eq!(case.engine().recover(&[]).unwrap().failed, ["id"], "edit {number}");
        let asked = case.engine().recover(&["id".to_owned()]).unwrap();
        assert_eq!((asked.failed.len(), asked.completed.len(), asked.discarded.len()), (1, 0, 0));
        let aside = case.work().join(".testudo/failed-id");
        assert!(aside.join("journal").exists(), "edit {number}");
        assert!(matches!(case.apply("id", None), Err(ApplyError::SetAside { .. })), "not a second time");

        fs::remove_dir_all(case.work().join("zz"))
            .or_else(|_| fs::remove_file(case.work().join("zz")))
            .unwrap();
        assert!(!case.apply("next", None).unwrap(), "edit {number}");
        assert_eq!(fs::read_to_string(case.work().join("zz/n/c/f")).unwrap(), "inside");
    }
}

#[test]
fn a_parent_that_was_removed_meanwhile_does_not_block_either() {
    let case = Case::closing(0o755);
    let first = 1 + case.proposal.set.changes.len() + 2;
    // All three directories are there, the file is not.
    assert!(case.apply("id", Some(u32::try_from(first + 3).unwrap())).is_err());
    fs::remove_dir_all(case.work().join("zz")).unwrap();
    assert_eq!(case.engine().recover(&[]).unwrap().completed, ["id"], "they are simply made again");
    assert_eq!(fs::read_to_string(case.work().join("zz/n/c/f")).unwrap(), "inside");
}

#[test]
fn a_directory_in_place_of_what_was_to_go_stays() {
    let case = Case::closing(0o755);
    case.apply("id", None).unwrap();
    let staging = journal::create_staging(&case.engine().own, "del").unwrap();
    let operations =
        vec![super::super::plan::Operation::Remove { path: "zz/n".into(), kept: "old-0".into() }];
    let plan = Plan { id: "del".into(), digest: "d".into(), operations, history: None };
    journal::commit(&staging, &plan).unwrap();
    assert_eq!(case.engine().recover(&[]).unwrap().completed, ["del"]);
    assert!(case.work().join("zz/n/c/f").exists());
}

#[test]
fn who_asks_about_an_application_learns_the_truth_for_good() {
    let case = Case::closing(0o755);
    let about = |id: &str| case.engine().recover(&[id.to_owned()]).unwrap();
    assert_eq!(about("never").discarded, ["never"]);
    assert!(matches!(case.apply("never", None), Err(ApplyError::Reused { .. })), "it is given up");
    assert_eq!(about("never").discarded, ["never"]);
    case.apply("id", None).unwrap();
    assert_eq!(about("id").completed, ["id"]);
}

#[test]
fn only_what_may_pass_by_itself_is_tried_for_ever() {
    let stuck = |errno: Errno| ApplyError::Stuck { path: "a".into(), source: errno.into() };
    for errno in [Errno::ENOSPC, Errno::EROFS, Errno::EIO] {
        assert!(!stuck(errno).is_lasting(), "{errno}");
    }
    for errno in [Errno::EACCES, Errno::EISDIR, Errno::EEXIST, Errno::ENOTDIR] {
        assert!(stuck(errno).is_lasting(), "{errno}");
    }
}
