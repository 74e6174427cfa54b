use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::limits::Limits;
use crate::upper;

/// A workspace, and an edited copy of it standing in for what a call left behind.
struct Case {
    place: tempfile::TempDir,
    proposal: Proposal,
    digest: String,
}

impl Case {
    /// Every kind of change at once.
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (work, upper) = (place.path().join("work"), place.path().join("upper"));
        for directory in [work.join("dir/inner"), work.join("kept"), upper.clone()] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(work.join("edited"), "before").unwrap();
        fs::write(work.join("gone"), "old").unwrap();
        fs::write(work.join("dir/inner/file"), "in a directory").unwrap();
        fs::write(work.join("becomes-dir"), "a file").unwrap();
        fs::write(work.join("script"), "#!/bin/sh").unwrap();
        symlink("edited", work.join("link")).unwrap();
        fs::write(work.join("kept/moves"), "as it is").unwrap();
        fs::write(work.join("tale"), "one\ntwo\nthree\nfour\nfive\n").unwrap();
        fs::create_dir(work.join("empty")).unwrap();
        fs::write(work.join("binary"), [0, 159, 146, 150]).unwrap();

        fs::create_dir(upper.join("kept")).unwrap();
        whiteout(&upper.join("kept/moves"));
        whiteout(&upper.join("empty"));
        fs::create_dir(upper.join("new")).unwrap();
        fs::write(upper.join("new/moved"), "as it is").unwrap();
        fs::set_permissions(upper.join("new/moved"), fs::Permissions::from_mode(0o755)).unwrap();
        whiteout(&upper.join("tale"));
        fs::write(upper.join("tale2"), "one\ntwo\nthree\nfour\nsix\n").unwrap();
        fs::write(upper.join("binary"), [255, 0, 1]).unwrap();
        fs::write(upper.join("edited"), "after").unwrap();
        fs::write(upper.join("script"), "#!/bin/sh").unwrap();
        fs::set_permissions(upper.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(upper.join("new/deep")).unwrap();
        fs::write(upper.join("new/deep/file"), "fresh").unwrap();
        fs::set_permissions(upper.join("new/deep"), fs::Permissions::from_mode(0o555)).unwrap();
        symlink("deep/file", upper.join("new/link")).unwrap();
        fs::write(upper.join("link"), "no link any more").unwrap();
        fs::create_dir(upper.join("becomes-dir")).unwrap();
        fs::write(upper.join("becomes-dir/x"), "x").unwrap();
        // A directory that becomes a file, and a deletion: both need the marks of overlayfs.
        fs::write(upper.join("dir"), "a file now").unwrap();
        whiteout(&upper.join("gone"));

        let found = upper::read(&upper, &work, &Limits::default()).unwrap();
        let contents = crate::memfd::read_sealed(found.contents, u64::MAX).unwrap();
        let digest = found.set.digest().unwrap();
        Self { place, proposal: Proposal { set: found.set, contents }, digest }
    }

    fn work(&self) -> PathBuf {
        self.place.path().join("work")
    }

    fn place(&self) -> Place {
        Place::new(self.work(), Some(self.place.path().join("history.git")))
    }

    fn history(&self) -> Vec<Merge> {
        self.engine().merges(9).unwrap()
    }

    fn engine(&self) -> Engine {
        Engine::open(&self.place()).unwrap()
    }

    fn apply(&self, engine: &mut Engine) -> Result<bool, ApplyError> {
        engine.apply(&named("id", &self.digest), &self.proposal, 0)
    }

    /// Everything in the workspace but the runner's own directory: path, mode, content.
    fn state(&self) -> Vec<(String, u32, String)> {
        let mut state = Vec::new();
        let mut pending = vec![self.work()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                let path = entry.path();
                let name = path.strip_prefix(self.work()).unwrap().to_str().unwrap().to_owned();
                let about = fs::symlink_metadata(&path).unwrap();
                let content = if about.is_symlink() {
                    fs::read_link(&path).unwrap().to_str().unwrap().to_owned()
                } else if about.is_dir() {
                    if name == OWN_DIRECTORY {
                        continue;
                    }
                    pending.push(path);
                    "directory".to_owned()
                } else {
                    String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
                };
                let mode = if about.is_symlink() { 0 } else { about.permissions().mode() & 0o7777 };
                state.push((name, mode, content));
            }
        }
        state.sort();
        state
    }
}

fn named(id: &str, digest: &str) -> Apply {
    Apply { id: id.to_owned(), digest: digest.to_owned(), origin: None }
}

fn whiteout(path: &Path) {
    use nix::sys::stat::{SFlag, mknod};
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
}

fn expected() -> Vec<String> {
    [
        "becomes-dir directory",
        "becomes-dir/x x",
        "binary \u{fffd}\0\u{1}",
        "dir a file now",
        "edited after",
        "kept directory",
        "link no link any more",
        "new directory",
        "new/deep directory",
        "new/deep/file fresh",
        "new/link deep/file",
        "new/moved as it is",
        "script #!/bin/sh",
        "tale2 one\ntwo\nthree\nfour\nsix\n",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn every_kind_of_change_is_applied() {
    let case = Case::new();
    assert!(!case.apply(&mut case.engine()).unwrap());
    let state = case.state();
    let plain: Vec<String> = state.iter().map(|(path, _, content)| format!("{path} {content}")).collect();
    assert_eq!(plain, expected());
    let mode = |path: &str| state.iter().find(|(name, ..)| name == path).unwrap().1;
    assert_eq!((mode("script"), mode("new/deep"), mode("new/moved")), (0o755, 0o555, 0o755));
    let own: Vec<_> =
        fs::read_dir(case.work().join(OWN_DIRECTORY)).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(own, ["applied"], "nothing is left but the list");
}

#[test]
fn renames_are_found_and_move_the_file_itself() {
    let case = Case::new();
    let renames: Vec<(&str, &str)> = case
        .proposal
        .set
        .changes
        .iter()
        .filter_map(|change| Some((change.from.as_deref()?, change.path.as_str())))
        .collect();
    assert_eq!(renames, [("kept/moves", "new/moved"), ("tale", "tale2")]);
    let inode =
        |path: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(case.work().join(path)).unwrap());
    let before = inode("kept/moves");
    case.apply(&mut case.engine()).unwrap();
    assert_eq!(inode("new/moved"), before);
}

#[test]
fn everything_is_undone_exactly_and_the_undoing_too() {
    let case = Case::new();
    let untouched = case.state();
    case.apply(&mut case.engine()).unwrap();
    let done = case.state();
    for (id, state) in [("undo", &untouched), ("redo", &done)] {
        let latest = case.history().into_iter().next().unwrap().application;
        let (merge, proposal) = case.engine().invert(Some(&latest)).unwrap();
        let digest = proposal.set.digest().unwrap();
        let manifest = proposal.set.canonical().unwrap();
        assert!(Proposal::verified(&manifest, proposal.contents.clone(), &digest).is_ok());
        let origin = crate::protocol::Origin { undoes: Some(merge.application), ..Default::default() };
        let apply = Apply { origin: Some(origin), ..named(id, &digest) };
        case.engine().apply(&apply, &proposal, 0).unwrap();
        assert_eq!(&case.state(), state, "{id}");
    }
    let undone: Vec<_> =
        case.history().into_iter().map(|merge| (merge.application, merge.undone_by)).collect();
    let expected = [("redo", None), ("undo", Some("redo")), ("id", None)];
    assert_eq!(undone, expected.map(|(id, by)| (id.to_owned(), by.map(str::to_owned))));
}

#[test]
fn what_was_touched_since_is_not_undone() {
    type Edit = fn(&Path);
    let edits: [(&str, Edit); 4] = [
        ("edited", |work| fs::write(work.join("edited"), "by hand").unwrap()),
        ("new/moved", |work| fs::remove_file(work.join("new/moved")).unwrap()),
        ("tale", |work| fs::write(work.join("tale"), "a new one").unwrap()),
        ("gone", |work| symlink("edited", work.join("gone")).unwrap()),
    ];
    for (at, edit) in edits {
        let case = Case::new();
        case.apply(&mut case.engine()).unwrap();
        edit(&case.work());
        match case.engine().invert(None) {
            Err(ApplyError::Conflict { path, .. }) => assert_eq!(path, at),
            other => panic!("{at}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_kept_in_the_history_is_not_applied() {
    let case = Case::new();
    let before = case.state();
    let place = case.place.path().join("history.git");
    drop(case.engine());
    fs::remove_dir_all(place.join("objects")).unwrap();
    fs::write(place.join("objects"), "no directory").unwrap();
    assert!(matches!(case.apply(&mut case.engine()), Err(ApplyError::History(_))));
    assert_eq!(case.state(), before);
    assert!(journal::staged_ids(&case.engine().own).unwrap().is_empty());
}

#[test]
fn the_same_id_is_applied_once() {
    let case = Case::new();
    case.apply(&mut case.engine()).unwrap();
    fs::write(case.work().join("edited"), "and edited by hand").unwrap();
    assert!(case.apply(&mut case.engine()).unwrap(), "says that it was done before");
    assert_eq!(fs::read_to_string(case.work().join("edited")).unwrap(), "and edited by hand");
    let other = Proposal::default();
    let digest = other.set.digest().unwrap();
    assert!(matches!(case.engine().apply(&named("id", &digest), &other, 0), Err(ApplyError::Reused { .. })));
}

#[test]
fn a_crash_at_any_step_leaves_all_or_nothing_and_never_twice() {
    let untouched = Case::new().state();
    let mut committed = 0;
    for steps in 0.. {
        let case = Case::new();
        let mut engine = case.engine();
        engine.steps_left = Some(steps);
        if case.apply(&mut engine).is_ok() {
            assert!(steps > 20 && committed > 10, "{steps} steps, {committed} of them after the journal");
            return;
        }
        drop(engine);
        // The recovery crashes as well, once at each of its own first steps.
        for again in 0..3 {
            let mut engine = case.engine();
            engine.steps_left = Some(again);
            let _ = engine.recover(&[]);
        }
        case.engine().recover(&[]).unwrap();
        assert_eq!(case.engine().recover(&[]).unwrap(), Recovery::default(), "nothing is left to recover");
        let applied = journal::applied(&case.engine().own, "id").unwrap().is_some();
        let state = case.state();
        let plain: Vec<String> = state.iter().map(|(path, _, content)| format!("{path} {content}")).collect();
        assert_eq!(case.history().len(), usize::from(applied), "crash at step {steps}");
        if applied {
            committed += 1;
            assert_eq!(plain, expected(), "crash at step {steps}");
        } else {
            assert_eq!(state, untouched, "crash at step {steps}");
        }
        assert_eq!(case.apply(&mut case.engine()).unwrap(), applied, "crash at step {steps}");
        assert_eq!(case.state().len(), expected().len());
    }
}

#[test]
fn recovery_does_not_undo_what_came_after_the_change() {
    let case = Case::new();
    // Crash when everything is carried out, and only the note is missing.
    let operations = Plan::new("id", &case.digest, &case.proposal.set).unwrap().operations.len();
    let mut engine = case.engine();
    let staging = 1 + case.proposal.set.changes.len() + 2;
    engine.steps_left = Some(u32::try_from(staging + operations).unwrap());
    assert!(matches!(case.apply(&mut engine), Err(ApplyError::Unfinished(_))));
    drop(engine);
    fs::write(case.work().join("edited"), "by hand").unwrap();
    fs::write(case.work().join("gone"), "made anew by hand").unwrap();
    assert_eq!(case.engine().recover(&[]).unwrap().completed, ["id"]);
    assert_eq!(fs::read_to_string(case.work().join("edited")).unwrap(), "by hand");
    assert_eq!(fs::read_to_string(case.work().join("gone")).unwrap(), "made anew by hand");
}

#[test]
fn a_workspace_that_changed_meanwhile_is_a_conflict_and_stays() {
    type Edit = fn(&Path);
    let edits: [(&str, Edit); 11] = [
        ("kept/moves", |work| fs::write(work.join("kept/moves"), "other").unwrap()),
        ("kept/moves", |work| {
            fs::remove_file(work.join("kept/moves")).unwrap();
            symlink("../edited", work.join("kept/moves")).unwrap();
        }),
        ("tale2", |work| fs::write(work.join("tale2"), "taken").unwrap()),
        ("empty/x", |work| fs::write(work.join("empty/x"), "came in").unwrap()),
        ("edited", |work| fs::write(work.join("edited"), "other").unwrap()),
        ("edited", |work| fs::remove_file(work.join("edited")).unwrap()),
        ("edited", |work| {
            fs::remove_file(work.join("edited")).unwrap();
            symlink("/etc/passwd", work.join("edited")).unwrap();
        }),
        ("new", |work| fs::write(work.join("new"), "taken").unwrap()),
        ("dir/inner/other", |work| fs::write(work.join("dir/inner/other"), "came in").unwrap()),
        ("script", |work| {
            fs::set_permissions(work.join("script"), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("link", |work| {
            fs::remove_file(work.join("link")).unwrap();
            symlink("script", work.join("link")).unwrap();
        }),
    ];
    for (at, edit) in edits {
        let case = Case::new();
        edit(&case.work());
        let before = case.state();
        match case.apply(&mut case.engine()) {
            Err(ApplyError::Conflict { path, .. }) => assert_eq!(path, at),
            other => panic!("{at}: {other:?}"),
        }
        assert_eq!(case.state(), before, "{at}");
        assert!(journal::staged_ids(&case.engine().own).unwrap().is_empty(), "{at}");
    }
}

#[test]
fn a_directory_that_became_a_link_is_not_followed() {
    let case = Case::new();
    let outside = case.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, case.work().join("new")).unwrap();
    assert!(matches!(case.apply(&mut case.engine()), Err(ApplyError::Conflict { .. })));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
