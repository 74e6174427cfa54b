//! Tables of streams, well and badly formed, and what comes of them.

#![expect(clippy::needless_pass_by_value, clippy::type_complexity, reason = "tables of JSON read better")]

use proptest::prelude::*;
use serde_json::{Value, json};
use testudo::model::{Completion, Finish, ToolSpec};

use super::{Answer, Flaw, LIMIT};
use crate::openai::names::Names;

fn names() -> Names {
    let tool = |name: &str| ToolSpec { name: name.into(), description: String::new(), parameters: json!({}) };
    Names::of(&[tool("fs.read"), tool("time.now")]).unwrap()
}

fn run(events: &[Value]) -> Result<Completion, Flaw> {
    let mut answer = Answer::default();
    for event in events {
        answer.take(&event.as_str().map_or_else(|| event.to_string(), str::to_owned))?;
    }
    answer.conclude(&names(), "asked", "openai")
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn call(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": arguments}}]}))
}

#[test]
fn text_and_usage_come_together() {
    let completion = run(&[
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": "lo", "reasoning_content": "hidden"})),
        json!({"choices": [{"index": 1, "delta": {"content": "other choice"}}]}),
        end("stop"),
        json!({"choices": [], "model": "m-1", "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}),
        json!("[DONE]"),
    ])
    .unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("Hello", Finish::Stop));
    assert_eq!((completion.usage.input_tokens, completion.usage.output_tokens), (5, 2));
    assert_eq!((completion.model.as_str(), completion.provider.as_str()), ("m-1", "openai"));
}

#[test]
fn calls_come_in_every_known_way() {
    let null = || Value::Null;
    let a = || json!({"path": "a"});
    let table: Vec<(&str, Vec<Value>, Vec<(&str, Value)>)> = vec![
        (
            "in fragments, by index, mixed",
            vec![
                call(json!(0), json!("x"), json!("fs_read"), json!("")),
                call(json!(1), json!("y"), json!("time_now"), json!("{")),
                call(json!(0), null(), null(), json!("{\"pa")),
                call(json!(1), null(), null(), json!("}")),
                call(json!(0), null(), null(), json!("th\": \"a\"}")),
            ],
            vec![("fs.read", a()), ("time.now", json!({}))],
        ),
        (
            "whole, all with the same index",
            vec![
                call(json!(0), json!("x"), json!("fs_read"), json!("{\"path\": \"a\"}")),
                call(json!(0), json!("y"), json!("time_now"), json!("{}")),
            ],
            vec![("fs.read", a()), ("time.now", json!({}))],
        ),
        (
            "whole, without index and id",
            vec![
                call(null(), null(), json!("fs_read"), a()),
                call(null(), null(), json!("time_now"), null()),
            ],
            vec![("fs.read", a()), ("time.now", json!({}))],
        ),
        (
            "with name and id in each fragment",
            vec![
                call(json!(0), json!("x"), json!("fs_read"), json!("{\"path\"")),
                call(json!(0), json!("x"), json!("fs_read"), json!(": \"a\"}")),
            ],
            vec![("fs.read", a())],
        ),
        (
            "with arguments that are no JSON, or no object",
            vec![
                call(json!(0), json!("x"), json!("fs_read"), json!("{\"path\": ")),
                call(json!(1), json!("y"), json!("made_up"), json!("[1]")),
            ],
            vec![("fs.read", json!("{\"path\": ")), ("made_up", json!([1]))],
        ),
        (
            "nested too deeply",
            vec![call(json!(7), json!("x"), json!("fs_read"), json!("[".repeat(100)))],
            vec![("fs.read", json!("[".repeat(100)))],
        ),
    ];
    for (case, mut events, expected) in table {
        events.push(end("tool_calls"));
        let completion = run(&events).unwrap();
        let calls: Vec<_> =
            completion.tool_calls.iter().map(|call| (call.name.as_str(), call.arguments.clone())).collect();
        assert_eq!(calls, expected, "{case}");
        assert_eq!(completion.finish, Finish::ToolCalls, "{case}");
        let ids: std::collections::BTreeSet<_> = completion.tool_calls.iter().map(|call| &call.id).collect();
        assert_eq!(ids.len(), expected.len(), "{case}: ids clash");
        assert!(ids.iter().all(|id| !id.is_empty()), "{case}: an id is empty");
    }
}

#[test]
fn ends_are_told_apart() {
    let text = delta(json!({"content": "x"}));
    let call = call(json!(0), json!("x"), json!("fs_read"), json!("{}"));
    assert_eq!(run(&[call.clone(), end("stop")]).unwrap().finish, Finish::ToolCalls);
    assert_eq!(run(&[text.clone(), end("length")]).unwrap().finish, Finish::Length);
    assert_eq!(run(&[text.clone(), json!("[DONE]")]).unwrap().finish, Finish::Stop);
    assert_eq!(run(&[text.clone(), end("content_filter")]), Err(Flaw::Filtered));
    assert_eq!(run(std::slice::from_ref(&text)), Err(Flaw::BrokeOff));
    assert_eq!(run(&[]), Err(Flaw::BrokeOff));
    let whole = json!({"choices": [{"message": {"content": "x", "tool_calls": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": null}});
    assert_eq!(run(&[whole]).unwrap().text, "x");
}

#[test]
fn what_is_no_answer_is_refused() {
    let said = |text: &str| Err(Flaw::Failed(text.to_owned()));
    assert_eq!(run(&[json!({"error": {"message": "overloaded"}})]), said("overloaded"));
    assert_eq!(run(&[json!({"error": "overloaded"})]), said("overloaded"));
    for event in
        ["", "{", "[]", "\"x\"", "{\"choices\": 1}", "{\"choices\": [{\"delta\": {\"content\": 1}}]}"]
    {
        let mut answer = Answer::default();
        assert!(matches!(answer.take(event), Err(Flaw::Malformed(_))), "{event}");
    }
    let nameless = call(json!(0), json!("x"), Value::Null, json!("{}"));
    assert!(matches!(run(&[nameless, end("stop")]), Err(Flaw::Malformed(_))));
    let many: Vec<Value> =
        (0..200).map(|at| call(json!(at), Value::Null, json!("fs_read"), json!("{}"))).collect();
    assert!(matches!(run(&many), Err(Flaw::Malformed(_))));
    assert_eq!(run(&[delta(json!({"content": "x".repeat(LIMIT + 1)}))]), Err(Flaw::TooLarge));
    let much = call(json!(0), json!("x"), json!("fs_read"), json!("x".repeat(LIMIT / 2)));
    assert_eq!(run(&[much.clone(), much]), Err(Flaw::TooLarge));
}

proptest! {
    #[test]
    fn no_text_stops_it(events in proptest::collection::vec(any::<String>(), 0..8)) {
        let mut answer = Answer::default();
        let _ends = events.iter().try_for_each(|event| answer.take(event).map(drop));
        let _ends = answer.conclude(&names(), "asked", "openai");
    }

    #[test]
    fn fragments_join_however_they_are_cut(text in "[a-zé\"{} ]{0,40}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let whole = json!({"path": text}).to_string();
        let chars: Vec<char> = whole.chars().collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len())).chain([0, chars.len()]).collect();
        ends.sort_unstable();
        let mut events = vec![call(json!(0), json!("x"), json!("fs_read"), json!(""))];
        events.extend(ends.windows(2).map(|cut| {
            let piece: String = chars[cut[0]..cut[1]].iter().collect();
            call(json!(0), Value::Null, Value::Null, json!(piece))
        }));
        events.push(end("tool_calls"));
        prop_assert_eq!(&run(&events).unwrap().tool_calls[0].arguments, &json!({"path": text}));
    }
}
