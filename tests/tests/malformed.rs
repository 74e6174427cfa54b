//! Malformed, oversized and unknown arguments to every method, by a caller who may call it: a clear error, no harm.

use serde_json::{Value, json};
use testudo_tests::{Scene, text};

const INVALID: &str = "org.testudo.Error.InvalidArgument: ";
const TOO_LARGE: &str = "org.testudo.Error.TooLarge: ";
const NOT_FOUND: &str = "org.testudo.Error.NotFound: ";
/// More than any limit of a message.
const HUGE: &str = "r:9437184=x";

/// A method of an interface with arguments, called as a user, and how its answer begins.
type Case<A> = (&'static str, &'static str, &'static str, A, &'static str);

/// Calls them all on one appliance, which is as before at the end.
fn refused<'a, A: AsRef<[&'a str]> + std::fmt::Debug>(cases: &[Case<A>]) {
    let scene = Scene::start();
    let before = scene.pids();
    for (user, interface, member, arguments, expected) in cases {
        let said = scene.as_user(user, interface, member, arguments.as_ref());
        let short: String = said.stdout.chars().take(500).collect();
        assert!(
            said.status == 1 && said.stdout.starts_with(expected),
            "{interface}.{member} {arguments:?}: {short}"
        );
        assert!(
            said.stdout.len() < 4096,
            "{interface}.{member} {arguments:?}: what was wrong is not sent back whole"
        );
    }
    unharmed(&scene, &before);
}

fn unharmed(scene: &Scene, before: &[i32]) {
    let answer = scene.ctl(&["send", "--wait", "--json", "say hello"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(scene.ctl(&["audit", "verify", "--json"]).json()["ok"], true);
    assert_eq!(scene.pids(), before, "no daemon was restarted");
}

#[test]
fn bodies_that_are_not_what_they_should_be() {
    let bodies = [
        ("s:", INVALID),
        ("s:nonsense", INVALID),
        ("s:3", INVALID),
        ("s:[]", INVALID),
        ("s:{\"unknown\":1}", INVALID),
        ("s:{\"event\":7,\"action\":7,\"messages\":7}", INVALID),
        ("s:\u{1}\u{1b}[31m\u{202e}{}", INVALID),
        ("r:60=[", INVALID),
        ("r:200=[", TOO_LARGE),
        ("r:200={\"a\":", TOO_LARGE),
        (HUGE, TOO_LARGE),
    ];
    let mut cases: Vec<Case<Vec<&str>>> = Vec::new();
    for (body, expected) in bodies {
        cases.push(("testudo-toold", "Audit1", "Append", vec![body, "o:"], expected));
        cases.push(("testudo-agentd", "Models1", "Complete", vec!["s:1", body, "o:"], expected));
        cases.push(("testudo-toold", "Policy1", "Decide", vec![body, "o:"], expected));
        cases.push(("root", "Policy1", "Explain", vec![body], expected));
    }
    refused(&cases);
}

#[test]
fn names_and_ids_that_are_none() {
    let mut cases: Vec<Case<Vec<&str>>> = Vec::new();
    for name in
        ["s:../x", "s:a/b", "s:.", "s:-a", "s:a b", "s:\u{e4}", "s:a\u{202e}b", "s:a\nb", "r:65=a", HUGE]
    {
        cases.push(("root", "Agent1", "Send", vec![name, "s:hello", "o:"], INVALID));
        cases.push(("root", "Agent1", "Wait", vec![name, "s:t"], INVALID));
        cases.push(("root", "Agent1", "Cancel", vec![name, "s:t"], INVALID));
        cases.push(("root", "Agent1", "Session", vec![name], INVALID));
        cases.push(("root", "Agent1", "Subscribe", vec![name], INVALID));
    }
    for id in ["s:", "s:a b", "s:\u{e4}", "s:a\nb", "r:129=a", HUGE] {
        cases.push(("testudo-agentd", "Models1", "Complete", vec![id, "s:{}", "o:"], INVALID));
    }
    for id in ["s:", "s:a-99", "s:-1", "s:1", "s:a-18446744073709551616", "s:a-\u{202e}", "r:1000=a"] {
        cases.push(("testudo-toold", "Policy1", "Await", vec![id], NOT_FOUND));
        cases.push(("testudo-toold", "Policy1", "Redeem", vec![id, "s:00"], NOT_FOUND));
        cases.push(("testudo-toold", "Policy1", "Withdraw", vec![id], NOT_FOUND));
        cases.push(("root", "Policy1", "Approve", vec![id, "s:00", "o:"], NOT_FOUND));
        cases.push(("root", "Policy1", "Deny", vec![id, "s:no", "o:"], NOT_FOUND));
    }
    for id in ["s:", "s:none", "s:\u{202e}", "r:1000=a"] {
        cases.push(("root", "Agent1", "Wait", vec!["s:new", id], NOT_FOUND));
        cases.push(("root", "Agent1", "Cancel", vec!["s:new", id], NOT_FOUND));
    }
    for sequence in
        ["t:0", "t:999999", "t:9223372036854775807", "t:9223372036854775808", "t:18446744073709551615"]
    {
        cases.push(("root", "Audit1", "Show", vec![sequence], NOT_FOUND));
    }
    cases.push(("root", "Agent1", "Session", vec!["s:new"], NOT_FOUND));
    refused(&cases);
}

#[test]
fn options_that_nobody_knows() {
    let message = "s:{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[]}";
    refused(&[
        ("root", "Agent1", "Send", vec!["s:x", "s:hello", "o:nonsense=1"], INVALID),
        ("root", "Agent1", "Send", vec!["s:x", "s:", "o:"], INVALID),
        ("root", "Agent1", "Send", vec!["s:x", "s: \n\t", "o:"], INVALID),
        ("root", "Agent1", "Send", vec!["s:x", HUGE, "o:"], TOO_LARGE),
        ("root", "Tools1", "Invoke", vec!["s:x", "s:echo", "s:{}", "o:nonsense=1"], INVALID),
        ("root", "Tools1", "Invoke", vec!["s:x", "s:echo", HUGE, "o:"], TOO_LARGE),
        ("testudo-toold", "Audit1", "Append", vec!["s:{\"event\":\"x\"}", "o:nonsense=1"], INVALID),
        ("testudo-toold", "Audit1", "Append", vec!["s:{\"event\":\"\u{1b}[2J\"}", "o:"], INVALID),
        ("testudo-toold", "Audit1", "Append", vec!["s:{\"event\":\"\"}", "o:"], INVALID),
        ("root", "Audit1", "Log", vec!["t:0", "u:1", "o:nonsense=1"], INVALID),
        ("testudo-agentd", "Models1", "Complete", vec!["s:1", message, "o:nonsense=1"], INVALID),
        ("testudo-agentd", "Models1", "Complete", vec!["s:1", message, "o:model=unknown"], NOT_FOUND),
        ("testudo-toold", "Policy1", "Decide", vec!["s:{}", "o:nonsense=1"], INVALID),
        ("root", "Policy1", "Approvals", vec!["o:nonsense=1"], INVALID),
        ("root", "Policy1", "Approve", vec!["s:a-1", "s:00", "o:for=ever"], INVALID),
        ("root", "Policy1", "Approve", vec!["s:a-1", "s:00", "o:nonsense=1"], INVALID),
        ("root", "Policy1", "Deny", vec!["s:a-1", "s:no", "o:nonsense=1"], INVALID),
        ("root", "Policy1", "Check", vec![HUGE, "s:x"], TOO_LARGE),
    ]);
}

/// Arguments of other types than the interface says, too few and too many.
#[test]
fn other_types_than_the_interface_has() {
    let wrong = "org.freedesktop.DBus.Error.";
    refused(&[
        ("root", "Agent1", "Send", vec!["t:1"], wrong),
        ("root", "Agent1", "Wait", vec!["s:x"], wrong),
        ("root", "Agent1", "Cancel", vec!["t:1", "t:2"], wrong),
        ("root", "Agent1", "Session", vec!["u:1"], wrong),
        ("root", "Agent1", "Subscribe", vec!["o:a=b"], wrong),
        ("testudo-toold", "Audit1", "Append", vec!["s:{}"], wrong),
        ("root", "Audit1", "Log", vec!["s:0", "s:1", "o:"], wrong),
        ("root", "Audit1", "Show", vec!["s:1"], wrong),
        ("testudo-agentd", "Models1", "Complete", vec!["s:1", "s:{}"], wrong),
        ("testudo-agentd", "Models1", "Cancel", vec!["t:1"], wrong),
        ("testudo-toold", "Policy1", "Decide", vec!["s:{}"], wrong),
        ("testudo-toold", "Policy1", "Await", vec!["t:1"], wrong),
        ("testudo-toold", "Policy1", "Redeem", vec!["s:a-1"], wrong),
        ("testudo-toold", "Policy1", "Withdraw", vec!["t:1"], wrong),
        ("root", "Policy1", "Approvals", vec!["s:x"], wrong),
        ("root", "Policy1", "Approve", vec!["s:a-1", "s:00"], wrong),
        ("root", "Policy1", "Deny", vec!["s:a-1", "s:no"], wrong),
        ("root", "Policy1", "Explain", vec!["t:1"], wrong),
        ("root", "Policy1", "Check", vec!["s:x"], wrong),
        ("root", "Tools1", "Invoke", vec!["s:x", "s:echo", "s:{}"], wrong),
        ("root", "Tools1", "Cancel", vec!["t:1"], wrong),
        ("root", "Tools1", "CloseSession", vec!["t:1"], wrong),
    ]);
}

/// What is odd and still an answer: there is nothing to find, to end or to check.
#[test]
fn odd_questions_with_plain_answers() {
    let scene = Scene::start();
    let before = scene.pids();
    for odd in ["s:", "s:\u{202e}\u{1}", "s:../x", HUGE] {
        for (user, interface, member) in [
            ("root", "Tools1", "Cancel"),
            ("root", "Tools1", "CloseSession"),
            ("testudo-agentd", "Models1", "Cancel"),
        ] {
            let said = scene.as_user(user, interface, member, &[odd]);
            assert_eq!(
                said.status,
                0,
                "{interface}.{member}: {}",
                said.stdout.chars().take(200).collect::<String>()
            );
        }
    }
    let beyond = scene.as_user("root", "Audit1", "Log", &["t:18446744073709551615", "u:4294967295", "o:"]);
    assert_eq!(beyond.stdout.trim(), "[]", "{beyond:?}");
    let nobody = scene.as_user("root", "Audit1", "Log", &["t:0", "u:10", "o:session=\u{202e}' OR 1=1 --"]);
    assert_eq!(nobody.stdout.trim(), "[]", "{nobody:?}");
    let report = scene.as_user("root", "Policy1", "Check", &["s:[[rule\u{202e}", "s:\u{1b}[2J"]).json();
    assert_eq!(report["ok"], false, "{report}");
    unharmed(&scene, &before);
}

/// A call that is wrong is an answer with its code, and in the record.
#[test]
fn tool_arguments_that_no_tool_takes() {
    let scene = Scene::start();
    let before = scene.pids();
    let deep = format!("s:{{\"text\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let long = format!("s:{{\"text\":\"{}\"}}", "x".repeat(110_000));
    for (tool, arguments, field, part) in [
        ("echo", "s:", "", "JSON"),
        ("echo", "s:nonsense", "", "JSON"),
        ("echo", "s:[]", "", "object"),
        ("echo", "s:{}", "", "text"),
        ("echo", "s:{\"text\":1}", "/text", "string"),
        ("echo", "s:{\"text\":\"a\",\"text2\":\"b\"}", "", "text2"),
        ("echo", "s:{\"text\":\"a\",\"__proto__\":{}}", "", "__proto__"),
        ("echo", deep.as_str(), "", "nested"),
        ("echo", long.as_str(), "", "string"),
        ("fs.read", "s:{\"path\":\"a\",\"offset\":-1}", "/offset", "minimum"),
        ("fs.read", "s:{\"path\":\"\"}", "/path", "shorter"),
        ("fs.write", "s:{\"path\":\"a\",\"content\":\"b\",\"mode\":\"append \"}", "/mode", "append"),
        ("shell.run", "s:{\"command\":\"true\",\"timeout_ms\":1e99}", "/timeout_ms", "integers"),
    ] {
        let said = scene.as_user("root", "Tools1", "Invoke", &["s:x", &format!("s:{tool}"), arguments, "o:"]);
        let answer = said.json();
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["stage"]),
            (&json!("VALIDATION_FAILED"), &json!(3)),
            "{tool} {arguments}: {answer}"
        );
        assert_eq!(error["field"], field, "{tool}: {answer}");
        assert!(text(error, "message").contains(part), "{tool}: {answer}");
        assert!(scene.recorded("call.refused", |record| record["call"] == answer["call"]
            && record["detail"]["stage"] == 3));
    }
    // Only the tool itself can know that these mean nothing.
    for (tool, arguments) in [
        ("fs.read", json!({ "path": "a\0b" })),
        ("fs.write", json!({ "path": "a\0b", "content": "" })),
        ("search.grep", json!({ "pattern": "(" })),
        ("search.glob", json!({ "pattern": "a[" })),
    ] {
        let answer = scene.call(tool, &arguments);
        assert_eq!(answer["error"]["code"], "HANDLER_ERROR", "{tool} {arguments}: {answer}");
    }
    assert_eq!(scene.shell("echo \0")["exit"], 126);
    unharmed(&scene, &before);
}

#[test]
fn sessions_and_calls_that_have_no_proper_name() {
    let scene = Scene::start();
    let before = scene.pids();
    let long = "s:".to_owned() + &"a".repeat(65);
    for session in ["s:", "s:../x", "s:a b", "s:\u{202e}", long.as_str(), HUGE] {
        let said =
            scene.as_user("root", "Tools1", "Invoke", &[session, "s:echo", "s:{\"text\":\"x\"}", "o:"]);
        let answer: Value = said.json();
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["stage"]), (&json!("UNAUTHORIZED"), &json!(1)), "{answer}");
        assert!(scene.recorded("call.refused", |record| record["call"] == answer["call"]));
    }
    for call in ["a b", "../x", "\u{202e}"] {
        let option = format!("o:call={call}");
        let said =
            scene.as_user("root", "Tools1", "Invoke", &["s:x", "s:echo", "s:{\"text\":\"x\"}", &option]);
        assert_eq!(said.json()["error"]["stage"], 1, "{said:?}");
    }
    let long = format!("s:{}", "x".repeat(10_000));
    for tool in ["s:", "s:fs.erase", "s:\u{202e}ohce", long.as_str()] {
        let answer = scene.as_user("root", "Tools1", "Invoke", &["s:x", tool, "s:{}", "o:"]).json();
        assert_eq!(answer["error"]["code"], "UNKNOWN_TOOL", "{answer}");
        assert!(answer["tool"].as_str().is_some_and(|tool| tool.chars().count() <= 128), "{answer}");
    }
    unharmed(&scene, &before);
}
