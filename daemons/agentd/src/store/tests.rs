//! Files as they are after good and bad ends.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use testudo::turn::End;

use super::*;
use crate::said::Said;

const NOW: &str = "2026-01-02T03:04:05.006Z";

fn name() -> SessionName {
    SessionName::parse("main").unwrap()
}

fn lines() -> Vec<Line> {
    let (turn, at) = ("t-1".to_owned(), NOW.to_owned());
    let finished = Finished {
        session: "main".into(),
        turn: turn.clone(),
        reply: "hi".into(),
        calls: vec![],
        end: End::Replied,
    };
    vec![
        Line::Started { turn: turn.clone(), at: at.clone(), unattended: false },
        Line::Said { turn: turn.clone(), at: at.clone(), said: Said::by_owner("hello") },
        Line::Said { turn, at: at.clone(), said: Said::by_system("hi") },
        Line::Finished { at, finished },
    ]
}

/// A directory with one session of these lines, and the path of its file.
fn written(lines: &[Line]) -> (tempfile::TempDir, Store, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let (mut file, first) = store.file(&name(), NOW).unwrap();
    assert!(first.is_some());
    for line in lines {
        file.append(line).unwrap();
    }
    file.sync().unwrap();
    let path = store.path(&name());
    (directory, store, path)
}

#[test]
fn what_was_written_is_read_back() {
    let (_directory, store, path) = written(&lines());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let found = store.load(NOW).unwrap().found;
    assert_eq!((found.len(), found[0].conversation.messages, found[0].conversation.turns), (1, 2, 1));
    assert!(found[0].interrupted.is_none());
    assert!(store.file(&name(), NOW).unwrap().1.is_none(), "a second first line");
}

#[test]
fn what_stands_beside_the_messages_is_read_back() {
    let speaker =
        crate::speaker::Speaker { author: testudo::observation::Author::Owner, name: "root".into() };
    let (at, usage) = (NOW.to_owned(), testudo::model::Usage { input_tokens: 6, output_tokens: 4 });
    let estimated = testudo::model::Usage { input_tokens: 0, output_tokens: 5 };
    let compaction = crate::context::Compaction {
        at: at.clone(),
        by: "root".into(),
        covers: 1,
        summary: "s".into(),
        labels: testudo::label::Labels::of(testudo::label::Source::Model),
    };
    let mut all = lines();
    all.extend([
        Line::Model { at: at.clone(), model: "small".into() },
        Line::Pinned { pin: crate::context::Pin::by(&speaker, "a", 1, NOW) },
        Line::Pinned { pin: crate::context::Pin::by(&speaker, "b", 2, NOW) },
        Line::Unpinned { at: at.clone(), number: 2 },
        Line::Used { at: at.clone(), model: "small".into(), usage, estimated },
        Line::Compacted { compaction: compaction.clone() },
        Line::BudgetReached { at },
    ]);
    let (_directory, store, _path) = written(&all);
    let found = store.load(NOW).unwrap().found;
    let context = found[0].conversation.context();
    assert_eq!((context.model.as_deref(), context.pins.len(), context.next_pin()), (Some("small"), 1, 3));
    let used = context.usage["small"];
    assert_eq!((used.input, used.output, used.estimated), (6, 9, 5));
    assert_eq!(context.compaction.as_ref(), Some(&compaction));
    assert_eq!(context.budget_reached, context.last_day.map(|(day, _)| day));
}

#[test]
fn a_torn_last_line_is_cut_and_writing_goes_on_behind_it() {
    let (_directory, store, path) = written(&lines());
    let whole = std::fs::read(&path).unwrap();
    for torn in [&b"{\"line\":\"said\",\"tu"[..], b"\0\0\0\0", b"\xff"] {
        std::fs::write(&path, [&whole, torn].concat()).unwrap();
        assert_eq!(store.load(NOW).unwrap().found[0].conversation.messages, 2);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn an_interrupted_turn_is_closed_once() {
    let (_directory, store, _path) = written(&lines()[..2]);
    let found = &store.load(NOW).unwrap().found[0];
    assert_eq!(found.interrupted.as_ref().unwrap().turn, "t-1");
    let again = &store.load(NOW).unwrap().found[0];
    assert!(again.interrupted.is_none());
    assert_eq!(again.conversation, found.conversation);
}

#[test]
fn a_damaged_file_is_set_aside_whole() {
    let (directory, store, path) = written(&lines());
    let good = std::fs::read_to_string(&path).unwrap();
    for damaged in [
        good.replacen("{\"line\":\"started\"", "{\"line\":\"started", 1),
        good.replacen("\"line\":\"started\"", "\"lime\":\"started\"", 1),
        good.replacen("\"version\":1", "\"version\":0", 1),
        good.replacen("\"version\":1", "\"version\":\"1\"", 1),
        good.replacen("\"session\":\"main\"", "\"session\":\"other\"", 1),
        good.split_once('\n').unwrap().1.to_owned(),
        "\n".to_owned(),
    ] {
        std::fs::write(&path, &damaged).unwrap();
        assert!(store.load(NOW).unwrap().found.is_empty());
        assert!(!path.exists());
        let aside = directory.path().join("sessions/main.damaged-2026-01-02T03-04-05.006Z");
        assert_eq!(std::fs::read_to_string(&aside).unwrap(), damaged);
    }
}

#[test]
fn what_another_version_wrote_is_left_to_the_byte_and_others_go_on() {
    let (_directory, store, path) = written(&lines());
    let good = std::fs::read_to_string(&path).unwrap();
    let other = SessionName::parse("other").unwrap();
    store.file(&other, NOW).unwrap();
    let newer = r#"{"line":"session","version":2,"name":"main"}"#;
    for (foreign, why) in [
        (
            format!("{newer}\nwhatever it is\n"),
            "its format is version 2, and this testudo-agentd knows version 1",
        ),
        (format!("{newer}\n{{\"line\":\"sa"), "its format is version 2"),
        (
            format!("{good}{{\"line\":\"taken-back\",\"message\":1}}\n"),
            "its line 6, of the kind \"taken-back\",",
        ),
        (format!("{good}{{\"line\":\"taken-back\",\"message\":1}}\n{{\"li"), "its line 6, of the kind"),
        (
            good.replacen("{\"line\":\"said\"", "{\"line\":\"said\",\"hidden\":true", 1),
            "its line 3, of the kind \"said\",",
        ),
        (
            good.replacen("\"end\":\"replied\"", "\"end\":\"paused\"", 1),
            "its line 5, of the kind \"finished\",",
        ),
    ] {
        std::fs::write(&path, &foreign).unwrap();
        let loaded = store.load(NOW).unwrap();
        assert_eq!(loaded.found.iter().map(|found| &found.name).collect::<Vec<_>>(), [&other], "{foreign}");
        let said = loaded.sealed[0].to_string();
        for part in [
            "cannot open session main",
            path.to_str().unwrap(),
            why,
            "Install the version",
            "move the file away",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign, "a byte was changed");
    }
}

#[test]
fn other_files_are_left_alone() {
    let (directory, store, _path) = written(&lines());
    for other in ["main.damaged-x", ".jsonl", "a b.jsonl", "notes.txt"] {
        std::fs::write(directory.path().join("sessions").join(other), "x").unwrap();
    }
    assert_eq!(store.load(NOW).unwrap().found.len(), 1);
}

proptest! {
    #[test]
    fn a_file_cut_anywhere_is_never_damaged(at in 0usize..2_000) {
        let (_directory, store, path) = written(&lines());
        let whole = std::fs::read(&path).unwrap();
        let at = at.min(whole.len());
        std::fs::write(&path, &whole[..at]).unwrap();
        let found = store.load(NOW).unwrap().found;
        // The first line is there or it is not; with it there is a session.
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        prop_assert_eq!(found.len(), usize::from(at >= first));
        prop_assert!(store.load(NOW).unwrap().found.iter().all(|found| found.interrupted.is_none()));
    }

    #[test]
    fn any_bytes_are_read_or_set_aside(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_directory, store, path) = written(&[]);
        std::fs::write(&path, &bytes).unwrap();
        store.load(NOW).unwrap();
        store.load(NOW).unwrap();
    }
}
