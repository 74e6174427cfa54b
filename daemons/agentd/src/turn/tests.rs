//! The loop against a model and tools that are lists.

use serde_json::{Value, json};
use testudo::label::Source;
use testudo::model::{Role, Usage};
use testudo::tool::Output;

use super::*;

fn completion(text: &str, calls: &[(&str, Value)]) -> Completion {
    let tool_calls = calls.iter().map(|(name, arguments)| ToolCall {
        id: "same".into(),
        name: (*name).into(),
        arguments: arguments.clone(),
    });
    Completion {
        text: text.into(),
        tool_calls: tool_calls.collect(),
        usage: Usage::default(),
        finish: if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls },
        model: "m".into(),
        provider: "p".into(),
    }
}

fn model(text: &str, calls: &[(&str, Value)]) -> Input {
    Input::Completion(completion(text, calls), Labels::of(Source::Owner))
}

fn outcome(result: Result<Value, Code>) -> Input {
    let (result, error) = match result {
        Ok(content) => (Some(Output { content, ..Output::default() }), None),
        Err(code) => (None, Some(Refusal::new(code, "no"))),
    };
    Input::Outcome(Outcome {
        call: "t".into(),
        tool: "t".into(),
        verdict: None,
        duration_ms: 1,
        result,
        error,
    })
}

/// Feeds the inputs and returns the steps, in short, and everything that was said.
fn play(limit: u32, inputs: Vec<Input>) -> (Vec<String>, Vec<Said>, Turn) {
    let mut count = 0;
    let mut turn = Turn::new(limit, move || {
        count += 1;
        format!("c-{count}")
    });
    let (mut steps, mut said) = (Vec::new(), Vec::new());
    for input in inputs {
        let next = turn.advance(input);
        said.extend(next.said);
        steps.push(match next.step {
            Step::Ask => "ask".to_owned(),
            Step::Call(call) => format!("{} {}", call.id, call.name),
            Step::End { end, .. } => format!("{end:?}"),
        });
    }
    (steps, said, turn)
}

/// What must hold at the end of any turn: every call has exactly one outcome, and the last word is a reply.
fn assert_whole(said: &[Said]) {
    let asked: Vec<&str> =
        said.iter().flat_map(|said| &said.message.tool_calls).map(|call| call.id.as_str()).collect();
    let mut told: Vec<&str> = said.iter().filter_map(|said| said.message.tool_call_id.as_deref()).collect();
    told.sort_by_key(|id| asked.iter().position(|other| other == id));
    assert_eq!(asked, told);
    let last = &said.last().unwrap().message;
    assert!(last.role == Role::Assistant && last.tool_calls.is_empty() && !last.content.is_empty());
}

/// Name, limit, inputs, expected steps, expected number of calls.
type Row = (&'static str, u32, Vec<Input>, &'static [&'static str], usize);

#[test]
fn turns_go_as_the_table_says() {
    let read = || ("fs.read", json!({"path": "a"}));
    let bad = || ("fs.read", json!("{\"path\": "));
    let table: Vec<Row> = vec![
        ("reply at once", 25, vec![model("hi", &[])], &["Replied"], 0),
        (
            "a call, then a reply",
            25,
            vec![model("", &[read()]), outcome(Ok(json!("x"))), model("done", &[])],
            &["c-1 fs.read", "ask", "Replied"],
            1,
        ),
        (
            "two calls in one reply run one after the other",
            25,
            vec![
                model("", &[read(), read()]),
                outcome(Ok(json!(1))),
                outcome(Ok(json!(2))),
                model("done", &[]),
            ],
            &["c-1 fs.read", "c-2 fs.read", "ask", "Replied"],
            2,
        ),
        (
            "an error is returned and the model corrects itself",
            25,
            vec![
                model("", &[read()]),
                outcome(Err(Code::ConfirmationDenied)),
                model("", &[("fs.list", json!({}))]),
                outcome(Ok(json!([]))),
                model("there is nothing", &[]),
            ],
            &["c-1 fs.read", "ask", "c-2 fs.list", "ask", "Replied"],
            2,
        ),
        (
            "the limit of completions",
            2,
            vec![model("", &[read()]), outcome(Ok(json!(1))), model("", &[read()])],
            &["c-1 fs.read", "ask", "TurnLimit"],
            1,
        ),
        ("a reply may be the last completion", 1, vec![model("hi", &[])], &["Replied"], 0),
        ("cancelled while the model thinks", 25, vec![Input::Stop(Stop::Cancelled)], &["Cancelled"], 0),
        (
            "cancelled while a tool runs",
            25,
            vec![model("", &[read(), read()]), Input::Stop(Stop::Cancelled)],
            &["c-1 fs.read", "Cancelled"],
            1,
        ),
        (
            "the daemon stops while a tool runs",
            25,
            vec![model("", &[read()]), Input::Stop(Stop::Ending)],
            &["c-1 fs.read", "Failed"],
            1,
        ),
        (
            "three unreadable calls are borne",
            25,
            vec![
                model("", &[bad()]),
                outcome(Err(Code::ValidationFailed)),
                model("", &[bad(), bad()]),
                outcome(Err(Code::ValidationFailed)),
                outcome(Err(Code::ValidationFailed)),
                model("", &[read()]),
                outcome(Ok(json!(1))),
                model("done", &[]),
            ],
            &["c-1 fs.read", "ask", "c-2 fs.read", "c-3 fs.read", "ask", "c-4 fs.read", "ask", "Replied"],
            4,
        ),
        (
            "the fourth is not, and what follows it does not run",
            25,
            vec![
                model("", &[bad(), bad(), bad(), bad(), read()]),
                outcome(Err(Code::ValidationFailed)),
                outcome(Err(Code::ValidationFailed)),
                outcome(Err(Code::ValidationFailed)),
            ],
            &["c-1 fs.read", "c-2 fs.read", "c-3 fs.read", "Failed"],
            3,
        ),
        ("no model", 25, vec![Input::NoCompletion("the model is gone".into())], &["Failed"], 0),
        (
            "no model after a call",
            25,
            vec![model("", &[read()]), outcome(Ok(json!(1))), Input::NoCompletion("gone".into())],
            &["c-1 fs.read", "ask", "Failed"],
            1,
        ),
        (
            "no tools: the turn goes on",
            25,
            vec![model("", &[read()]), outcome(Err(Code::PluginUnavailable)), model("I cannot", &[])],
            &["c-1 fs.read", "ask", "Replied"],
            1,
        ),
        ("an outcome out of nowhere", 25, vec![outcome(Ok(json!(1)))], &["Failed"], 0),
    ];
    for (name, limit, inputs, expected, calls) in table {
        let (steps, said, turn) = play(limit, inputs);
        assert_eq!(steps, expected, "{name}");
        assert_eq!(turn.calls().len(), calls, "{name}");
        assert_whole(&said);
    }
}

#[test]
fn the_model_sees_the_error_object() {
    let (_, said, _) =
        play(9, vec![model("", &[("fs.read", json!({}))]), outcome(Err(Code::PluginUnavailable))]);
    let told: Value = serde_json::from_str(&said[1].message.content).unwrap();
    assert_eq!(
        (&told["error"]["code"], &told["error"]["retriable"]),
        (&json!("PLUGIN_UNAVAILABLE"), &json!(true))
    );
}

#[test]
fn what_a_completion_that_was_stopped_asks_for_is_not_done() {
    let mut stopped = completion("part", &[("fs.write", json!({}))]);
    stopped.finish = Finish::Cancelled;
    let (steps, said, _) = play(9, vec![Input::Completion(stopped, Labels::default())]);
    assert_eq!(steps, ["Failed"]);
    assert!(said.iter().all(|said| said.message.tool_calls.is_empty()));
}

#[test]
fn a_flood_of_calls_is_cut_and_the_model_is_told() {
    let flood = vec![("echo", json!({})); 1000];
    let mut inputs = vec![model("", &flood)];
    inputs.extend((0..CALLS_AT_ONCE).map(|_| outcome(Ok(json!(1)))));
    inputs.push(model("done", &[]));
    let (steps, said, turn) = play(9, inputs);
    assert_eq!((turn.calls().len(), steps.last().unwrap().as_str()), (CALLS_AT_ONCE, "Replied"));
    assert!(said[1].message.content.contains("1000 calls in one reply are too many"));
    assert_whole(&said);
}

#[test]
fn names_and_ids_of_a_model_are_not_trusted() {
    let long = "x".repeat(5000);
    let names = ["fs.read\0", "a\nb", "", long.as_str()];
    let calls: Vec<_> = names.iter().map(|name| (*name, json!({}))).collect();
    let (_, said, _) = play(9, vec![model("", &calls)]);
    let tamed: Vec<&str> = said[0].message.tool_calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(tamed, ["fs.read_", "a_b", "_", &long[..64]]);
    assert_eq!(said[0].message.tool_calls[1].id, "c-2");
}

#[test]
fn long_arguments_are_run_whole_and_kept_short() {
    let arguments = json!({"path": "a", "content": "x".repeat(50_000)});
    let mut turn = Turn::new(9, || "c-1".into());
    let next = turn.advance(model("", &[("fs.write", arguments.clone())]));
    assert!(matches!(next.step, Step::Call(call) if call.arguments == arguments));
    assert!(next.said[0].message.tool_calls[0].arguments.to_string().len() <= LONGEST_ARGUMENTS);
}

#[test]
fn deep_arguments_are_run_as_they_are_and_kept_as_text() {
    let deep: Value =
        serde_json::from_str(&format!("{{\"a\":{}{}}}", "[".repeat(60), "]".repeat(60))).unwrap();
    let mut turn = Turn::new(9, || "c-1".into());
    let next = turn.advance(model("", &[("fs.write", deep.clone())]));
    assert!(matches!(next.step, Step::Call(call) if call.arguments == deep));
    assert!(next.said[0].message.tool_calls[0].arguments.is_string());
}

#[test]
fn what_the_model_says_has_the_labels_of_what_it_read() {
    let read = Labels::of(Source::File).private();
    let (_, said, _) = play(9, vec![Input::Completion(completion("hi", &[]), read)]);
    assert!(said[0].labels.private);
    assert!(
        said[0].labels.sources.contains(&Source::File) && said[0].labels.sources.contains(&Source::Model)
    );
}

#[test]
fn a_parked_call_ends_the_turn_as_blocked_and_names_its_question() {
    let refusal = Refusal::new(Code::ConfirmationTimeout, "parked").parked_at("a-7");
    let Input::Outcome(mut parked) = outcome(Err(Code::ConfirmationTimeout)) else { unreachable!() };
    parked.error = Some(refusal);
    let calls = [("fs.write", json!({})), ("echo", json!({}))];
    let mut turn = Turn::new(9, || "c-1".into());
    let mut said = turn.advance(model("", &calls)).said;
    let next = turn.advance(Input::Outcome(parked));
    said.extend(next.said);
    let Step::End { end, reply } = next.step else { panic!("the turn goes on") };
    assert_eq!(end, End::Blocked);
    assert!(reply.contains("a-7") && reply.contains("fs.write"), "{reply}");
    assert_whole(&said);
}

#[test]
fn when_the_tokens_are_used_up_the_turn_ends_and_says_so() {
    let mut turn = Turn::new(9, || "c-1".into());
    let next = turn.advance(Input::Spent("Used up.".into()));
    assert_eq!(next.step, Step::End { end: End::BudgetReached, reply: "Used up.".into() });
    assert_eq!((next.said.len(), turn.completions()), (1, 0));
}
