//! Where the kernel refuses an overlay of the workspace, calls write to a copy, and all else stays the same.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::changes::applier;
use crate::launch::{Place, Runner, WORK, shell, text};
use testudo_sandbox::changeset::{ChangeKind, Proposal};
use testudo_sandbox::client::{Application, ClientError};
use testudo_sandbox::protocol::{Kept, Limits, Proposed, Run};

#[test]
fn the_probe_says_which_way_it_is() {
    let mut plain = Place::new().zygote();
    let probe = plain.instance.probe().unwrap();
    assert_eq!((probe.ready, probe.workspace), (true, Kept::Overlay), "{probe:?}");
    let mut copying = Place::new().copying().zygote();
    let probe = copying.instance.probe().unwrap();
    assert_eq!((probe.ready, probe.workspace), (true, Kept::Copy), "{probe:?}");
    assert!(serde_json::to_string(&probe).unwrap().contains(r#""workspace":"copy""#));
}

#[test]
fn a_workspace_that_is_too_large_is_refused_in_words() {
    let place = Place::new().copying().with_scratch("8m,nr_inodes=1000");
    place.file("large", &"x".repeat(4 * 1024 * 1024 + 1));
    let mut runner = place.zygote();
    let refused = |runner: &mut Runner| match runner.instance.run(&shell("true")) {
        Err(ClientError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let reason = refused(&mut runner);
    assert!(reason.contains("more than 4194304 bytes"), "{reason}");
    let read_only = Run { overlay: false, ..shell("wc -c < large") };
    assert_eq!(text(&runner.instance.run(&read_only).unwrap().stdout), "4194305", "nothing is copied for it");
    fs::remove_file(runner.place.workspace().join("large")).unwrap();
    for number in 0..501 {
        runner.place.file(&format!("{number}"), "");
    }
    let reason = refused(&mut runner);
    assert!(reason.contains("more than 500 entries"), "{reason}");
    fs::remove_file(runner.place.workspace().join("500")).unwrap();
    let outcome = runner.shell("ls | wc -l");
    assert_eq!((text(&outcome.stdout).as_str(), outcome.done.changes), ("500", Proposed::Nothing));
}

#[test]
fn a_copy_is_what_the_workspace_is_and_shares_nothing_with_it() {
    let place = Place::new().copying();
    place.file("file", "kept");
    place.file("dir/locked/file", "x");
    place.file("secret", "not for the owner");
    place.file(".testudo/journal", "own");
    let (work, host) = (place.workspace(), place.host());
    fs::write(host.join("outside"), "outside").unwrap();
    fs::hard_link(work.join("file"), work.join("linked")).unwrap();
    symlink(&host, work.join("out")).unwrap();
    symlink("file", work.join("in")).unwrap();
    nix::unistd::mkfifo(&work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::set_permissions(work.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(work.join("dir/locked"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(work.join("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let times = fs::metadata(work.join("file")).unwrap().mtime();
    let mut runner = place.zygote();
    let outcome = runner.shell(
        "stat -c '%n %a %F %h' file linked dir/locked pipe secret .testudo out in; readlink out; cat in; echo
         cat out/outside; ls -A .testudo; stat -c %Y file; echo x > pipe; echo x > secret; rm -r .testudo; echo more >> linked",
    );
    let seen = text(&outcome.stdout);
    let expected = [
        "file 640 regular file 1",
        "linked 640 regular file 1",
        "dir/locked 500 directory 2",
        ".testudo 555 directory 2",
        "out 777 symbolic link 1",
        "in 777 symbolic link 1",
        host.to_str().unwrap(),
        "kept",
        &times.to_string(),
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{}", text(&outcome.stderr));
    let set = outcome.proposal.unwrap().set;
    let changes: Vec<_> = set.changes.iter().map(|change| (change.kind, change.path.as_str())).collect();
    assert_eq!(changes, [(ChangeKind::Modify, "linked")]);
    let skipped: Vec<_> = set.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, ["pipe", "secret"]);
    assert_eq!(runner.place.read("file"), "kept");
}

#[test]
fn what_others_wrote_since_is_a_conflict_and_the_next_copy_has_it() {
    let place = Place::new().copying();
    place.file("file", "before");
    place.file("other", "before");
    let mut runner = place.zygote();
    let proposal = runner.shell("echo after > file").proposal.unwrap();
    runner.place.file("file", "of others");
    let (mut apply, mut process) = applier(&runner.place);
    assert!(matches!(apply.apply("one", &proposal), Ok(Application::Conflict { .. })));
    assert_eq!(runner.place.read("file"), "of others");
    let outcome = runner.shell("cat file; echo after > other");
    assert_eq!(text(&outcome.stdout), "of others");
    let applied = apply.apply("two", &outcome.proposal.unwrap()).unwrap();
    assert_eq!(applied, Application::Applied { changes: 1, already: false });
    assert_eq!(runner.place.read("other"), "after\n");
    drop(apply);
    assert!(process.wait().unwrap().success());
}

/// One step of a call, as shell. Left out is where overlayfs itself is not as other file systems are: hard links, whose
/// other name shows an old size for a while, and moving a directory that is locked, which is copied instead.
fn step() -> impl Strategy<Value = String> {
    let path = || prop::sample::select(vec!["a", "b", "d", "d/e", "d/f", "d/g/h", "l", "n", "n/o", "n/o/p"]);
    let text = || prop::sample::select(vec!["one\n", "two\n", "same\n", "a\nb\nc\nd\n", ""]);
    prop_oneof![
        (path(), text()).prop_map(|(path, text)| format!("printf '{text}' > {path}")),
        (path(), text()).prop_map(|(path, text)| format!("printf '{text}' >> {path}")),
        path().prop_map(|path| format!("rm -rf {path}")),
        path().prop_map(|path| format!("mkdir -p {path}")),
        path().prop_map(|path| format!("touch {path}")),
        (path(), path()).prop_map(|(from, to)| format!("mv {from} {to}")),
        (path(), path()).prop_map(|(from, to)| format!("cp {from} {to}")),
        (path(), path()).prop_map(|(target, link)| format!("ln -sfn {target} {link}")),
        (path(), prop::sample::select(vec!["700", "711", "750", "755"]))
            .prop_map(|(path, mode)| format!("chmod {mode} {path}")),
    ]
}

#[test]
fn the_same_edits_give_the_same_change_set_either_way() {
    let project = || {
        let place = Place::new();
        for (name, content) in [
            ("a", "a\nb\nc\nd\n"),
            ("b", "same\n"),
            ("d/e", "one\n"),
            ("d/f", "same\n"),
            ("d/g/h", "two\n"),
            ("d/g/i", "left\n"),
        ] {
            place.file(name, content);
        }
        symlink("d/e", place.workspace().join("l")).unwrap();
        std::os::unix::fs::lchown(place.workspace().join("l"), Some(WORK), Some(WORK)).unwrap();
        place
    };
    let runners = std::cell::RefCell::new((project().zygote(), project().copying().zygote()));
    let mut seen = std::collections::BTreeSet::new();
    let found = std::cell::RefCell::new(&mut seen);
    TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() })
        .run(&prop::collection::vec(step(), 1..12), |steps| {
            let mut runners = runners.borrow_mut();
            let script = steps.join(" 2>/dev/null\n") + " 2>/dev/null; true";
            let (one, other) = (runners.0.shell(&script), runners.1.shell(&script));
            prop_assert_eq!(
                &one.done.changes,
                &other.done.changes,
                "{:#?}\n{:#?}",
                one.proposal,
                other.proposal
            );
            prop_assert_eq!(&one.proposal, &other.proposal);
            let changes = one.proposal.map(|proposal| proposal.set.changes).unwrap_or_default();
            found.borrow_mut().extend(changes.iter().map(|change| change.kind));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.len(), 8, "every kind of change was made: {seen:?}");
}

#[test]
fn a_call_may_lock_and_deepen_its_copy() {
    let place = Place::new().copying();
    place.file("dir/file", "x");
    place.file("dir/other", "x");
    let mut runner = place.zygote();
    let outcome = runner.shell("echo y > dir/file; chmod 000 dir");
    let changes = |proposal: Proposal| -> Vec<_> {
        proposal.set.changes.into_iter().map(|change| (change.kind, change.path, change.mode)).collect()
    };
    let expected = [
        (ChangeKind::Mode, "dir".to_owned(), Some(0)),
        (ChangeKind::Modify, "dir/file".to_owned(), Some(0o644)),
    ];
    assert_eq!(changes(outcome.proposal.unwrap()), expected);
    let limits = Limits { change_entries: 3, ..Limits::default() };
    let script = "i=0; while test $i -lt 150; do mkdir d 2>/dev/null; cd d; i=$((i+1)); done";
    let outcome = runner.instance.run(&Run { limits, ..shell(script) }).unwrap();
    assert!(matches!(outcome.done.changes, Proposed::Refused { .. }), "{:?}", outcome.done.changes);
    assert_eq!(text(&runner.shell("ls").stdout), "dir");
}
