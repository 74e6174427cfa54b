//! Windows over well-formed and damaged histories.

use proptest::prelude::*;
use serde_json::json;
use testudo::label::Source;
use testudo::model::ToolCall;

use super::*;

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
        assert_eq!(shape(&window(&history, Bounds { messages, bytes: 100_000 })), expected, "{name}");
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
    let window = window(&history, Bounds { messages: 20, bytes: 3_000 });
    let whole: Vec<bool> =
        window.messages.iter().filter(|m| m.role == Role::Tool).map(|m| m.content.len() == 1000).collect();
    assert_eq!(whole, [false, false, true, true]);
    assert_eq!(window.messages.iter().filter(|message| message.role == Role::User).count(), 1);
}

#[test]
fn the_labels_are_those_of_what_is_shown() {
    let history = [Said::by_owner("old"), calls(&[1]), told(1, 9), Said::by_owner("new")];
    assert!(window(&history, Bounds { messages: 20, bytes: 9_000 }).labels.sources.contains(&Source::File));
    let short = window(&history, Bounds { messages: 0, bytes: 9_000 });
    assert_eq!(short.labels, Labels::of(Source::Owner));
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
    #[test]
    fn no_call_is_without_its_outcome(history in any_history(), messages in 0usize..25, bytes in 0usize..9_000) {
        let window = window(&history, Bounds { messages, bytes });
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
        let window = window(&history, Bounds { messages, bytes });
        let has_question = history.iter().any(|said| said.message.role == Role::User);
        prop_assert_eq!(window.messages.iter().any(|message| message.role == Role::User), has_question);
        // The question and the newest group may go beyond the limit: one reply with up to four outcomes here.
        let size: usize = window.messages.iter().map(|m| serde_json::to_string(m).unwrap().len()).sum();
        prop_assert!(size <= bytes + 4 * 3_200 + 1_000, "{} > {}", size, bytes);
    }
}
