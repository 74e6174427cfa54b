use super::*;
use testudo::refusal::Refusal;

fn call(tool: &str, error: Option<Code>, duration_ms: u64) -> Call {
    let error = error.map(|code| Refusal::new(code, "why"));
    Call { id: "c".into(), tool: tool.into(), verdict: None, error, duration_ms, files: Vec::new() }
}

fn text(delta: &str) -> Event {
    Event::Text { turn: "t".into(), delta: delta.into() }
}

fn started(tool: &str) -> Event {
    Event::CallStarted {
        turn: "t".into(),
        request: "r".into(),
        tool: tool.into(),
        arguments: serde_json::json!({}),
    }
}

fn over(reply: &str, end: End, calls: Vec<Call>) -> Finished {
    Finished { session: "m".into(), turn: "t".into(), reply: reply.into(), calls, end }
}

#[test]
fn words_between_calls_make_way_for_later_ones() {
    let mut draft = Draft::default();
    assert_eq!(draft.unfinished(), "*waiting for what was asked before…*");
    draft.take(Event::TurnStarted { turn: "t".into(), text: "?".into() });
    assert_eq!(draft.unfinished(), "*thinking…*");
    draft.take(text("I will "));
    draft.take(text("look."));
    assert_eq!(draft.unfinished(), "I will look.\n\n*…*");
    draft.take(started("fs.read"));
    assert_eq!(draft.unfinished(), "I will look.\n\n*… `fs.read`*");
    draft.take(Event::CallFinished {
        turn: "t".into(),
        request: "r".into(),
        call: call("fs.read", None, 120),
        preview: String::new(),
        changes: Vec::new(),
    });
    draft.take(text("It says "));
    assert_eq!(draft.unfinished(), "It says\n\n🛠 `fs.read` · 0.1 s · *…*");
}

#[test]
fn calls_are_one_line() {
    let calls = vec![
        call("fs.read", None, 1_000),
        call("shell.run", Some(Code::ConfirmationDenied), 2_150),
        call("fs.read", None, 50),
        call("a`b*[c](http://evil)", Some(Code::UnknownTool), 0),
    ];
    assert_eq!(
        finished(&over("Done.", End::Replied, calls)),
        "Done.\n\n🛠 `fs.read` ×2 · `shell.run` ✗ denied · `abchttpevil` ✗ failed · 3.2 s"
    );
    let many = (0..9).map(|n| call(&format!("t{n}"), None, 0)).collect();
    assert!(finished(&over("", End::Cancelled, many)).ends_with("`t5` · 3 more · 0.0 s"));
    assert_eq!(finished(&over(" ", End::Cancelled, vec![])), "*Stopped.*");
}

#[test]
fn of_a_long_text_the_end_is_shown() {
    let mut draft = Draft::default();
    draft.take(text(&format!("first\n{}\nlast", "x".repeat(SHOWN - 10))));
    let shown = draft.unfinished();
    assert!(!shown.contains("first") && shown.contains("last"), "{}", shown.len());
    let mut draft = Draft::default();
    draft.take(text(&"ä".repeat(3 * SHOWN)));
    assert!(draft.unfinished().chars().count() <= SHOWN + 20);
}
