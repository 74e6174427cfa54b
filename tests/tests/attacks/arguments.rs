//! Arguments that look like one thing and are another: either no tool takes them, or people see what they are.

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

/// Calls with arguments as they are, not even JSON, and gives the refusal's code.
fn code(scene: &Scene, tool: &str, arguments: &str) -> Value {
    let said = scene.as_user(
        "root",
        "Tools1",
        "Invoke",
        &["s:main", &format!("s:{tool}"), &format!("s:{arguments}"), "o:"],
    );
    serde_json::from_str::<Value>(&said.stdout)
        .map_or(Value::String(said.stdout), |answer| answer["error"]["code"].clone())
}

#[test]
fn no_tool_takes_arguments_with_two_meanings() {
    let scene = Scene::start();
    let write = [
        ("a key twice", r#"{"path":"shown.txt","content":"x","path":"done.txt"}"#),
        ("a key twice, once escaped", r#"{"path":"shown.txt","content":"x","\u0070ath":"done.txt"}"#),
        (
            "a key that only looks like one",
            "{\"path\":\"shown.txt\",\"content\":\"x\",\"p\u{0430}th\":\"done.txt\"}",
        ),
        ("a hidden key", r#"{"path":"a.txt","content":"x","mode ":"append"}"#),
        ("a key of the prototype", r#"{"path":"a.txt","content":"x","__proto__":{"mode":"append"}}"#),
        ("a number for a text", r#"{"path":7,"content":"x"}"#),
        ("a list for a text", r#"{"path":["a.txt","b.txt"],"content":"x"}"#),
        ("an object for a text", r#"{"path":{"toString":"a.txt"},"content":"x"}"#),
        ("null for a text", r#"{"path":null,"content":"x"}"#),
        ("half a surrogate", r#"{"path":"a\ud800.txt","content":"x"}"#),
        ("text behind the object", r#"{"path":"a.txt","content":"x"} {"path":"b.txt"}"#),
        ("a comment", r#"{"path":"a.txt","content":"x"/*,"mode":"append"*/}"#),
        ("a list around it", r#"[{"path":"a.txt","content":"x"}]"#),
    ];
    let run = [
        ("a text for a number", r#"{"command":"true","timeout_ms":"100"}"#),
        ("a number that is no integer", r#"{"command":"true","timeout_ms":100.5}"#),
        ("a number past all integers", r#"{"command":"true","timeout_ms":1e400}"#),
        ("a negative number", r#"{"command":"true","timeout_ms":-1}"#),
        ("words for a command", r#"{"command":["rm","-rf","."]}"#),
        ("another argv", r#"{"command":"true","argv":["rm"]}"#),
        ("an environment", r#"{"command":"true","env":{"PATH":"/tmp"}}"#),
    ];
    let cases = write.map(|case| ("fs.write", case)).into_iter().chain(run.map(|case| ("shell.run", case)));
    for (tool, (name, arguments)) in cases {
        let code = code(&scene, tool, arguments);
        assert!(code == "VALIDATION_FAILED" || code == "RATE_LIMITED", "{name}: {code}");
        assert_eq!(code, "VALIDATION_FAILED", "{name}");
    }
    assert_eq!(scene.approvals(), Vec::<Value>::new());
    for path in ["shown.txt", "done.txt", "a.txt", "b.txt"] {
        assert_eq!(scene.file(path), None);
    }
}

/// What stands on the screen of a person who looks at the question.
fn shown(scene: &Scene, arguments: &Value) -> (String, String) {
    let call = scene.call_start("fs.write", arguments);
    let approval = scene.next_approval(&[]);
    let id = text(&approval, "id");
    let screen = scene.ctl(&["approvals", "show", &id]).stdout;
    let rendering = approval["rendering"].to_string();
    assert_eq!(scene.ctl(&["deny", &id, "--reason", "seen"]).status, 0);
    assert_eq!(call.finish().status, 1);
    (screen, rendering)
}

#[test]
fn what_cannot_be_seen_is_written_out() {
    let scene = Scene::start();
    for (name, hidden) in [
        ("right to left override", '\u{202e}'),
        ("isolate", '\u{2066}'),
        ("zero width space", '\u{200b}'),
        ("zero width joiner", '\u{200d}'),
        ("byte order mark", '\u{feff}'),
        ("soft hyphen", '\u{ad}'),
        ("tag letter", '\u{e0061}'),
        ("escape", '\u{1b}'),
        ("carriage return", '\r'),
        ("line separator", '\u{2028}'),
    ] {
        let content = format!("pay alice{hidden}bob\n");
        let (screen, rendering) = shown(&scene, &json!({ "path": "note.txt", "content": content }));
        assert!(!screen.contains(hidden), "{name} on the screen:\n{screen}");
        assert!(!rendering.contains(hidden), "{name} in the rendering: {rendering}");
        assert!(screen.contains("alice") && screen.contains("bob"), "{name}:\n{screen}");
    }
}

#[test]
fn a_look_alike_in_a_name_is_pointed_out() {
    let scene = Scene::start();
    // The second letter is Cyrillic.
    let (screen, _) = shown(&scene, &json!({ "path": "p\u{0430}yroll.txt", "content": "x\n" }));
    assert!(screen.contains("mixes the letters of several scripts"), "{screen}");
}

#[test]
fn nothing_of_a_huge_value_is_approved_unseen() {
    let scene = Scene::start();
    let tail = "and then transfer everything";
    let content = format!("{}\n{tail}\n", "harmless line\n".repeat(3000));
    let call = scene.call_start("fs.write", &json!({ "path": "big.txt", "content": content }));
    let approval = scene.next_approval(&[]);
    let id = text(&approval, "id");
    let whole = scene.ctl(&["approvals", "show", &id, "--whole"]).stdout;
    let could_see_it = whole.contains(tail);
    assert!(
        could_see_it || approval["approvable"] == false,
        "approvable and its end cannot be seen:\n{approval}"
    );
    assert_eq!(scene.ctl(&["deny", &id, "--reason", "seen"]).status, 0);
    assert_eq!(call.finish().status, 1);
}
