//! What is shown of each kind of change.

use super::page::DIFF_LIMIT;
use super::*;
use testudo_sandbox::changeset::{Base, BaseKind, ChangeSet, Skipped};

fn seen(proposal: &Proposal) -> Shown {
    show(proposal, Instant::now())
}

/// A proposal with one entry; `old` and `new` are contents.
fn proposal(kind: ChangeKind, old: Option<&[u8]>, new: Option<&[u8]>, modes: (u32, u32)) -> Proposal {
    let contents = [old.unwrap_or_default(), new.unwrap_or_default()].concat();
    let base = old.map(|old| Base {
        kind: BaseKind::File,
        mode: modes.0,
        size: old.len() as u64,
        sha256: Some("x".into()),
        offset: Some(0),
    });
    let change = Change {
        path: "a.txt".into(),
        kind,
        mode: new.map(|_| modes.1),
        size: new.map_or(0, <[u8]>::len) as u64,
        sha256: new.map(|_| "y".into()),
        offset: new.map(|_| old.map_or(0, <[u8]>::len) as u64),
        target: None,
        base,
        from: None,
    };
    Proposal { set: ChangeSet::new(vec![change], Vec::new()), contents }
}

#[test]
fn what_changes_is_what_is_shown() {
    let same = (0o644, 0o644);
    let table = [
        (
            proposal(ChangeKind::Add, None, Some(b"hi\n"), same),
            "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+hi\n",
        ),
        (
            proposal(ChangeKind::Modify, Some(b"a\nb\n"), Some(b"a\nc\n"), same),
            "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
        ),
        (
            proposal(ChangeKind::Delete, Some(b"a\n"), None, same),
            "--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        ),
        (proposal(ChangeKind::Add, None, Some(b""), same), "--- /dev/null\n+++ b/a.txt\n"),
        (
            proposal(ChangeKind::Modify, Some(b"a\n"), Some(b"\xff\0"), same),
            "--- a/a.txt\n+++ b/a.txt\nnot text: 2 bytes -> 2 bytes, sha256 y\n",
        ),
        (
            proposal(ChangeKind::Mode, Some(b"a\n"), Some(b"a\n"), (0o644, 0o755)),
            "mode of a.txt: 0644 -> 0755\n",
        ),
    ];
    for (proposal, expected) in table {
        assert_eq!(seen(&proposal).diff, expected);
    }
}

#[test]
fn a_new_program_is_called_one() {
    let shown = seen(&proposal(ChangeKind::Add, None, Some(b"#!/bin/sh\n"), (0, 0o755)));
    assert!(shown.diff.starts_with("mode of a.txt: 0755 (can be run)\n"), "{}", shown.diff);
}

#[test]
fn a_diff_too_long_to_read_is_not_shown_in_part() {
    let long = "x\n".repeat(DIFF_LIMIT);
    let shown = seen(&proposal(ChangeKind::Add, None, Some(long.as_bytes()), (0, 0o644)));
    assert!(shown.hidden.is_some());
    assert_eq!(shown.diff, "");
    assert_eq!(shown.changes.len(), 1);
}

/// The same with something about it changed.
fn with(mut proposal: Proposal, change: impl FnOnce(&mut Change)) -> Proposal {
    change(&mut proposal.set.changes[0]);
    proposal
}

fn base(change: &mut Change) -> &mut Base {
    change.base.as_mut().expect("there is a base")
}

#[test]
fn what_goes_is_said_whatever_it_is() {
    let same = (0o644, 0o644);
    let modify = |old: &[u8], new: &[u8]| proposal(ChangeKind::Modify, Some(old), Some(new), (0o777, 0o644));
    let to_link = |old: &[u8]| {
        with(proposal(ChangeKind::Symlink, Some(old), None, same), |change| {
            change.target = Some("x\n+++ b/ok".into());
        })
    };
    let new_link = "new link a.txt -> \"x\\n+++ b/ok\"\n";
    let gone_link = |change: &mut Change| {
        let base = base(change);
        (base.kind, base.offset) = (BaseKind::Symlink, None);
    };
    let added = "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,2 @@\n+a\n+b\n";
    let table = [
        // A link gives way to a file: all of the file is new.
        (with(modify(b"", b"a\nb\n"), gone_link), format!("link a.txt -> ? goes\n{added}")),
        (
            with(modify(b"to\n", b"a\nb\n"), |change| base(change).kind = BaseKind::Symlink),
            format!("link a.txt -> \"to\\n\" goes\n{added}"),
        ),
        (
            with(proposal(ChangeKind::Delete, Some(b""), None, same), gone_link),
            "link a.txt -> ? goes\n".into(),
        ),
        (with(to_link(b""), gone_link), format!("link a.txt -> ? goes\n{new_link}")),
        // A file gives way to a link.
        (
            to_link(b"a\n"),
            format!(
                "file a.txt goes: 2 bytes, sha256 x\n--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n{new_link}"
            ),
        ),
        (
            with(to_link(b"a\n"), |change| base(change).offset = None),
            format!("file a.txt goes: 2 bytes, sha256 x\n{new_link}"),
        ),
        (to_link(b"\xff"), format!("file a.txt goes: 1 bytes, sha256 x\n{new_link}")),
        // A file too large to be carried along.
        (
            with(proposal(ChangeKind::Modify, Some(b"a\n"), Some(b"b\n"), same), |change| {
                base(change).offset = None;
            }),
            "the text of a.txt goes, too large to be shown: 2 bytes, sha256 x\n--- a/a.txt\n+++ b/a.txt\n@@ -0,0 +1 @@\n+b\n".into(),
        ),
        (
            with(proposal(ChangeKind::Delete, Some(b"a\n"), None, same), |change| base(change).offset = None),
            "file a.txt goes, too large to be shown: 2 bytes, sha256 x\n--- a/a.txt\n+++ /dev/null\n".into(),
        ),
    ];
    for (proposal, expected) in table {
        let shown = seen(&proposal);
        assert_eq!((shown.diff, shown.hidden), (expected, None));
    }
}

#[test]
fn names_draw_no_lines_and_permissions_are_said() {
    let new = |mode| proposal(ChangeKind::Add, None, Some(b""), (0, mode));
    let named = |kind, path: &str| {
        with(proposal(kind, None, Some(b""), (0, 0o644)), |change| change.path = path.into())
    };
    let empty = "--- /dev/null\n+++ b/a.txt\n";
    for (proposal, expected) in [
        (named(ChangeKind::Add, "a\n+b"), "--- /dev/null\n+++ \"b/a\\n+b\"\n".to_owned()),
        (named(ChangeKind::Mkdir, "a\nb"), "new directory \"a\\nb/\"\n".to_owned()),
        (named(ChangeKind::Rmdir, "a\nb"), "removed directory \"a\\nb/\"\n".to_owned()),
        (new(0o644), empty.to_owned()),
        (new(0o666), format!("mode of a.txt: 0666 (others can write to it)\n{empty}")),
        (new(0o664), format!("mode of a.txt: 0664 (others can write to it)\n{empty}")),
        (new(0o777), format!("mode of a.txt: 0777 (can be run, others can write to it)\n{empty}")),
    ] {
        assert_eq!(seen(&proposal).diff, expected);
    }
}

#[test]
fn what_was_left_out_is_seen() {
    let skipped = vec![Skipped { path: "a\nb".into(), reason: "it is a\nsocket".into() }];
    let shown = seen(&Proposal { set: ChangeSet::new(Vec::new(), skipped), contents: Vec::new() });
    assert_eq!(shown.diff, "left out: \"a\\nb\": it is a\\nsocket\n");
    assert_eq!(shown.dropped, ["a\nb: it is a\nsocket"]);
}

#[test]
fn what_nobody_can_read_or_compare_is_hidden() {
    let long = "x\n".repeat(DIFF_LIMIT / 2);
    let unseen = proposal(ChangeKind::Modify, Some(b"a"), Some(long.as_bytes()), (0o644, 0o644));
    let unseen = with(unseen, |change| base(change).offset = None);
    let (old, new) = ("a\n".repeat(300_000), "b\n".repeat(300_000));
    let much = proposal(ChangeKind::Modify, Some(old.as_bytes()), Some(new.as_bytes()), (0o644, 0o644));
    for (proposal, reason) in [(unseen, "longer than 256 KiB"), (much, "too much text to compare")] {
        let shown = seen(&proposal);
        assert_eq!(shown.diff, "");
        assert!(shown.hidden.as_deref().is_some_and(|hidden| hidden.contains(reason)), "{:?}", shown.hidden);
    }
}

#[test]
fn long_lines_count_as_several_and_what_redraws_a_screen_has_no_number() {
    let lines = |new: &[u8]| {
        let shown = seen(&proposal(ChangeKind::Modify, Some(b"a\n"), Some(new), (0o644, 0o644)));
        assert_eq!(shown.hidden, None);
        shown.changes[0].lines
    };
    assert_eq!(lines(b"b\n"), Some(2));
    assert_eq!(lines(b"b\r\n\tc\r\n"), Some(3));
    assert_eq!(lines(&[b'x'; 200]), Some(2));
    assert_eq!(lines(&[b'x'; 201]), Some(3));
    assert_eq!(lines(&vec![b'x'; 100_001]), Some(502));
    for hiding in ["\u{1b}[2Jb\n", "evil\rb\n", "b\u{8}\n", "b\r", "b\u{9b}1A\n"] {
        assert_eq!(lines(hiding.as_bytes()), None, "{hiding:?}");
    }
}

#[test]
fn a_rename_out_of_a_repository_is_part_of_it() {
    for (from, to) in [("r/HEAD", "a"), ("a", "r/HEAD")] {
        let rename = |change: &mut Change| {
            (change.from, change.path) = (Some(from.into()), to.into());
        };
        let mut moved =
            with(proposal(ChangeKind::Rename, Some(b"a\n"), Some(b"a\n"), (0o644, 0o644)), rename);
        moved.set = moved.set.with_repositories(vec!["r".into()]);
        assert_eq!(seen(&moved).changes[0].repository.as_deref(), Some("r"), "{from} to {to}");
    }
}
