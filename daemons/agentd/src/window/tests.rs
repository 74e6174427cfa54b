//! Windows over well-formed and damaged histories.

use proptest::prelude::*;
use serde_json::json;
use testudo::label::Source;
use testudo::model::ToolCall;
use testudo::observation::Author;

use super::*;
use crate::compaction::Covered;
use crate::context::{Compaction, Context, Pin};
use crate::conversation::{Conversation, Line};
use crate::speaker::Speaker;

fn call(id: usize) -> ToolCall {
    ToolCall { id: format!("c-{id}"), name: "fs.read".into(), arguments: json!({"path": "a"}) }
}

fn calls(ids: &[usize]) -> Said {
    Said::by_model("", ids.iter().map(|id| call(*id)).collect(), &Labels::default())
}

fn told(id: usize, length: usize) -> Said {
    Said::by_tool(&call(id), "x".repeat(length), Labels::of(Source::File))
}

/// Every message as one word: `q:text`, `a:text`, `a[ids]`, `o:id`.
fn shape(window: &Window) -> Vec<String> {
    let words = window.messages.iter().map(|message| match (&message.role, &message.tool_call_id) {
        (Role::User, _) => format!("q:{}", message.content),
        (_, Some(id)) => format!("o:{id}"),
        _ if message.tool_calls.is_empty() => format!("a:{}", message.content),
        _ => format!(
            "a[{}]",
            message.tool_calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>().join(",")
        ),
    });
    words.collect()
}

#[test]
fn windows_are_as_the_table_says() {
    let q = Said::by_owner;
    let a = Said::by_system;
    let table: Vec<(&str, usize, Vec<Said>, &[&str])> = vec![
        ("nothing", 20, vec![], &[]),
        ("the question alone", 20, vec![q("1")], &["q:1"]),
        ("all of it", 20, vec![q("1"), a("2"), q("3")], &["q:1", "a:2", "q:3"]),
        ("older messages go first", 2, vec![q("1"), a("2"), q("3"), a("4"), q("5")], &["q:3", "a:4", "q:5"]),
        ("it begins with a person", 3, vec![q("1"), a("2"), q("3"), a("4"), q("5")], &["q:3", "a:4", "q:5"]),
        (
            "of this turn all is shown whatever the number",
            0,
            vec![q("0"), a("0"), q("1"), calls(&[1, 2]), told(1, 9), told(2, 9), calls(&[3]), told(3, 9)],
            &["q:1", "a[c-1,c-2]", "o:c-1", "o:c-2", "a[c-3]", "o:c-3"],
        ),
        (
            "a call without outcome is left out",
            20,
            vec![q("1"), calls(&[1, 2]), told(2, 9)],
            &["q:1", "a[c-2]", "o:c-2"],
        ),
        ("so is an outcome without a call", 20, vec![q("1"), told(7, 9), a("2")], &["q:1", "a:2"]),
        (
            "and a second outcome",
            20,
            vec![q("1"), calls(&[1]), told(1, 9), told(1, 9)],
            &["q:1", "a[c-1]", "o:c-1"],
        ),
    ];
    for (name, messages, history, expected) in table {
        assert_eq!(shape(&window(&[], &history, Bounds { messages, bytes: 100_000 })), expected, "{name}");
    }
}

#[test]
fn when_room_is_short_older_outcomes_of_this_turn_are_shown_in_brief() {
    let old = "o".repeat(2_000);
    let mut history = vec![Said::by_owner(&old), Said::by_system(&old), Said::by_owner("q")];
    for id in 0..4 {
        history.push(calls(&[id]));
        history.push(told(id, 1000));
    }
    let window = window(&[], &history, Bounds { messages: 20, bytes: 3_000 });
    let whole: Vec<bool> =
        window.messages.iter().filter(|m| m.role == Role::Tool).map(|m| m.content.len() == 1000).collect();
    assert_eq!(whole, [false, false, true, true]);
    assert_eq!(window.messages.iter().filter(|message| message.role == Role::User).count(), 1);
}

#[test]
fn the_labels_are_those_of_what_is_shown() {
    let history = [Said::by_owner("old"), calls(&[1]), told(1, 9), Said::by_owner("new")];
    assert!(
        window(&[], &history, Bounds { messages: 20, bytes: 9_000 }).labels.sources.contains(&Source::File)
    );
    let short = window(&[], &history, Bounds { messages: 0, bytes: 9_000 });
    assert_eq!(short.labels, Labels::of(Source::Owner));
}

fn pin(text: &str) -> Pin {
    let speaker = Speaker { author: Author::Owner, name: "root".into() };
    Pin::by(&speaker, text, 1, "2026-01-01T00:00:00Z")
}

#[test]
fn what_is_pinned_is_first_and_whole_however_short_the_room_is() {
    let mut context = Context::default();
    context.pinned(pin(&"p".repeat(1_000)));
    let history = [Said::by_owner("old"), calls(&[1]), told(1, 900), Said::by_owner("new")];
    for bytes in [0, 500, 2_000, 100_000] {
        let window = window(&context.head(), &history, Bounds { messages: 20, bytes });
        assert!(window.messages[0].content.ends_with(&"p".repeat(1_000)), "{bytes}");
        assert_eq!(window.messages.last().unwrap().content, "new", "{bytes}");
        // What is pinned takes room from what is older, and has its labels with it.
        assert_eq!(window.messages.len() > 3, bytes > 2_500, "{bytes}");
        assert!(window.labels.sources.is_superset(&[Source::Owner, Source::System].into()));
    }
}

fn said(said: &Said) -> Line {
    Line::Said { turn: "t".into(), at: "2026-01-01T00:00:00Z".into(), said: said.clone() }
}

fn compacted(covered: &Covered) -> Line {
    let compaction = Compaction {
        at: "2026-01-01T00:00:00Z".into(),
        by: "root".into(),
        covers: covered.messages,
        summary: "SUMMARY".into(),
        labels: covered.summary_labels(),
    };
    Line::Compacted { compaction }
}

#[test]
fn what_has_left_the_memory_is_in_the_labels_of_a_summary() {
    let mut conversation = Conversation::default();
    conversation.take(said(&Said::by_owner("read")));
    conversation.take(said(&calls(&[1])));
    conversation.take(said(&told(1, 9)));
    for _ in 0..1_100 {
        conversation.take(said(&Said::by_owner("x")));
    }
    for line in conversation.interruption("main", "9") {
        conversation.take(line);
    }
    conversation.take(Line::Started { turn: "t".into(), at: "9".into(), unattended: false });
    for line in conversation.interruption("main", "9") {
        conversation.take(line);
    }
    assert!(!conversation.spoken().any(|spoken| spoken.said.labels.sources.contains(&Source::File)));
    let covered = conversation.to_compact().unwrap();
    assert_eq!(covered.messages, 1_102, "all but the last question and what answers it");
    assert!(covered.labels.sources.contains(&Source::File));
    conversation.take(compacted(&covered));
    assert_eq!(conversation.uncovered().count(), 2);
    assert!(conversation.to_compact().is_none());
}

fn any_history() -> impl Strategy<Value = Vec<Said>> {
    let message = prop_oneof![
        Just(Said::by_owner("question")),
        Just(Said::by_system("answer")),
        prop::collection::vec(0usize..6, 0..4).prop_map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            calls(&ids)
        }),
        (0usize..6, 0usize..3000).prop_map(|(id, length)| told(id, length)),
    ];
    prop::collection::vec(message, 0..40)
}

proptest! {
    /// However often it is summed up: nothing that was covered is shown, all of its labels are, and no call is split.
    #[test]
    fn a_summary_has_all_labels_of_what_it_stands_for(
        history in any_history(), more in any_history(), messages in 0usize..25, bytes in 0usize..9_000
    ) {
        let (mut conversation, mut labels, mut count) = (Conversation::default(), Labels::default(), 0);
        for part in [history, more] {
            for one in &part {
                conversation.take(said(one));
            }
            let Some(covered) = conversation.to_compact() else { continue };
            for spoken in conversation.spoken().take(usize::try_from(covered.messages).unwrap()) {
                labels.absorb(&spoken.said.labels);
            }
            prop_assert!(covered.messages > count, "it gets further");
            count = covered.messages;
            conversation.take(compacted(&covered));
        }
        let head = conversation.context().head();
        let window = window(&head, conversation.uncovered(), Bounds { messages, bytes });
        prop_assert!(window.labels.sources.is_superset(&labels.sources));
        prop_assert_eq!(count > 0, window.messages.iter().any(|message| message.content.ends_with("SUMMARY")));
        prop_assert_eq!(conversation.uncovered().count() as u64, conversation.messages - count);
        if count > 0 {
            let first = conversation.uncovered().next().map(|said| said.message.role);
            prop_assert_eq!(first, Some(Role::User), "it begins with a question");
        }
    }

    #[test]
    fn no_call_is_without_its_outcome(history in any_history(), messages in 0usize..25, bytes in 0usize..9_000) {
        let window = window(&[], &history, Bounds { messages, bytes });
        let mut open: Vec<String> = Vec::new();
        for message in &window.messages {
            if let Some(id) = &message.tool_call_id {
                let at = open.iter().position(|other| other == id);
                prop_assert!(at.is_some(), "an outcome without a call");
                open.remove(at.unwrap_or_default());
            } else {
                prop_assert!(open.is_empty(), "a call without an outcome");
                open = message.tool_calls.iter().map(|call| call.id.clone()).collect();
            }
        }
        prop_assert!(open.is_empty(), "a call without an outcome at the end");
    }

    #[test]
    fn the_question_is_there_and_the_size_is_kept(history in any_history(), messages in 0usize..25, bytes in 0usize..9_000) {
        let window = window(&[], &history, Bounds { messages, bytes });
        let has_question = history.iter().any(|said| said.message.role == Role::User);
        prop_assert_eq!(window.messages.iter().any(|message| message.role == Role::User), has_question);
        // The question and the newest group may go beyond the limit: one reply with up to four outcomes here.
        let size: usize = window.messages.iter().map(|m| serde_json::to_string(m).unwrap().len()).sum();
        prop_assert!(size <= bytes + 4 * 3_200 + 1_000, "{} > {}", size, bytes);
    }
}
