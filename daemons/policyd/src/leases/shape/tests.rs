use super::*;
use proptest::prelude::*;
use serde_json::json;
use testudo::action::Action;
use testudo::declaration::Declaration;
use testudo::flow::Finding;
use testudo::identity::Daemon;

fn write(path: &str, content: &str) -> Judged {
    let action = Action {
        tool: "fs.write".into(),
        arguments: json!({ "path": path, "content": content }),
        effect: Effect::Write,
        phase: Phase::Apply,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: Some("00".into()),
    };
    let roles = [("path", Role::Path), ("content", Role::Content), ("mode", Role::Option)];
    Judged {
        declaration: Declaration {
            effects: BTreeSet::from([Effect::Write]),
            arguments: roles.map(|(name, role)| (name.to_owned(), role)).into(),
            ..Declaration::default()
        },
        changes: vec![change(path, "add")],
        ..Judged::new(action, "c-1")
    }
}

fn command(command: &str, stdin: &str, paths: &[&str]) -> Judged {
    let mut judged = write("x", "y");
    judged.action.tool = "shell.run".into();
    judged.action.arguments = json!({ "command": command, "stdin": stdin });
    judged.declaration.effects = BTreeSet::from([Effect::Execute]);
    let roles = [("command", Role::Command), ("stdin", Role::Content)];
    judged.declaration.arguments = roles.map(|(name, role)| (name.to_owned(), role)).into();
    judged.changes = paths.iter().map(|path| change(path, "modify")).collect();
    judged
}

fn message(to: &str, body: &str) -> Judged {
    let mut judged = write("x", "y");
    judged.action.tool = "mail.send".into();
    judged.action.phase = Phase::Call;
    judged.action.effect = Effect::Message;
    judged.action.arguments = json!({ "to": to, "body": body });
    judged.declaration.effects = BTreeSet::from([Effect::Message]);
    let roles = [("to", Role::Destination), ("body", Role::Content)];
    judged.declaration.arguments = roles.map(|(name, role)| (name.to_owned(), role)).into();
    judged.changes = Vec::new();
    judged
}

fn change(path: &str, kind: &str) -> ChangeSummary {
    ChangeSummary {
        path: path.into(),
        kind: kind.into(),
        size: 1,
        mode: Some(0o644),
        sha256: Some("00".into()),
        target: None,
        ..ChangeSummary::default()
    }
}

fn asked(rule: &str) -> Vec<Reason> {
    vec![Reason { rule: rule.into(), verdict: Verdict::Ask, text: String::new() }]
}

/// Whether a yes to the first for the session covers the second.
fn covers(given: &Judged, next: &Judged) -> bool {
    Shape::of(given, &asked("r"), Scope::Session).covers(next, &asked("r"))
}

#[test]
fn the_same_file_may_be_written_again_and_no_other() {
    let given = write("a.txt", "one");
    assert!(covers(&given, &given));
    assert!(covers(&given, &write("a.txt", "two")));
    let mut modified = write("a.txt", "two");
    modified.changes[0].kind = "modify".into();
    assert!(covers(&given, &modified), "it is there by now");
    for path in ["b.txt", "a.txt.sh", "a", "a.txt/b", "./a.txt", "A.txt", "*", "a.txt ", ""] {
        assert!(!covers(&given, &write(path, "one")), "{path:?}");
    }
}

type Change1 = fn(&mut Judged);

#[test]
fn nothing_that_was_shown_may_differ() {
    let given = write("a.txt", "one");
    let others: [(&str, Change1); 14] = [
        ("tool", |j| j.action.tool = "fs.append".into()),
        ("phase", |j| j.action.phase = Phase::Call),
        ("effect", |j| j.action.effect = Effect::Execute),
        ("session", |j| j.action.session = "other".into()),
        ("requester", |j| j.action.requester = Principal::Operator("root".into())),
        ("a new argument", |j| j.action.arguments["force"] = json!(true)),
        ("no path", |j| drop(j.action.arguments.as_object_mut().map(|all| all.remove("path")))),
        ("path of another type", |j| j.action.arguments["path"] = json!(["a.txt"])),
        ("no object", |j| j.action.arguments = json!(["a.txt", "one"])),
        ("another path changes too", |j| j.changes.push(change("b.txt", "add"))),
        ("it goes", |j| j.changes[0].kind = "delete".into()),
        ("it becomes a program", |j| j.changes[0].mode = Some(0o755)),
        ("it becomes a link", |j| j.changes[0].target = Some("/etc/passwd".into())),
        ("not all of it can be shown", |j| j.hidden = Some("too long".into())),
    ];
    for (what, change) in others {
        let mut next = given.clone();
        change(&mut next);
        assert!(!covers(&given, &next), "{what}");
    }
}

#[test]
fn a_new_reason_to_ask_is_a_new_question() {
    let given = write("a.txt", "one");
    let shape = Shape::of(&given, &asked("confirm"), Scope::Session);
    assert!(shape.covers(&given, &asked("confirm")));
    let both = [asked("confirm"), asked("untrusted")].concat();
    assert!(!shape.covers(&given, &both));
    let mut found = given.clone();
    found.flow.findings.push(Finding { word: "foreign-destination".into(), text: String::new() });
    assert!(!shape.covers(&found, &asked("confirm")));
}

#[test]
fn what_a_program_reads_is_a_program() {
    let given = command("python3 -", "print(1)", &["out"]);
    assert!(covers(&given, &given));
    assert!(!covers(&given, &command("python3 -", "print(2)", &["out"])));
    assert!(!covers(&given, &command("python3 - ", "print(1)", &["out"])));
    assert!(!covers(&given, &command("python3 -", "print(1)", &["out", "more"])));
    assert!(covers(&given, &command("python3 -", "print(1)", &[])), "fewer changes are fewer");
}

#[test]
fn a_message_may_say_anything_to_the_same_person() {
    let given = message("bob@example.com", "hi");
    assert!(covers(&given, &message("bob@example.com", "again")));
    for to in ["bob@example.com.evil.org", "bob@example.org", "Bob@example.com", "bob@example.com,eve@x.org"]
    {
        assert!(!covers(&given, &message(to, "hi")), "{to}");
    }
}

#[test]
fn always_is_for_exactly_these_arguments_in_every_session() {
    let given = write("a.txt", "one");
    let shape = Shape::of(&given, &asked("r"), Scope::Always);
    let mut elsewhere = given.clone();
    elsewhere.action.session = "other".into();
    assert!(shape.covers(&elsewhere, &asked("r")));
    assert!(!shape.covers(&write("a.txt", "two"), &asked("r")));
}

#[test]
fn an_argument_that_nobody_declared_must_stay() {
    let mut given = write("a.txt", "one");
    given.declaration.arguments.clear();
    assert!(!covers(&given, &{
        let mut next = given.clone();
        next.action.arguments["content"] = json!("two");
        next
    }));
}

/// A connection as `egressd` has it decided.
fn connection(arguments: serde_json::Value) -> Judged {
    let mut judged = message("x", "y");
    judged.action.tool = CONNECT.into();
    judged.action.effect = Effect::ReadExternal;
    let roles = arguments.as_object().unwrap().keys().map(|name| {
        let role = match name.as_str() {
            "destination" => Role::Destination,
            "path" | "query" => Role::Content,
            // The worst that a daemon could say of it.
            _ => Role::Option,
        };
        (name.clone(), role)
    });
    judged.declaration.arguments = roles.collect();
    judged.declaration.effects = BTreeSet::from([Effect::ReadExternal]);
    judged.action.arguments = arguments;
    judged
}

/// The arguments of a look at a page with some of them changed; null takes one away.
fn look(changes: &serde_json::Value) -> Judged {
    let mut arguments = json!({
        "destination": "forge.example:443", "scheme": "https", "listed": false, "for": "web.fetch",
        "method": "GET", "path": "/readme", "query": "v=1",
    });
    for (name, value) in changes.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    connection(arguments)
}

#[test]
fn a_yes_to_a_look_is_for_looks_of_the_same_tool_at_the_same_place() {
    let given = look(&json!({}));
    for (next, covered) in [
        (json!({}), true),
        (json!({"path": "/other", "query": "v=2"}), true),
        (json!({"query": null}), true),
        (json!({"method": "HEAD"}), false),
        (json!({"method": "POST"}), false),
        (json!({"method": "OPTIONS"}), false),
        (json!({"scheme": "http"}), false),
        (json!({"scheme": "tls", "method": null, "path": null, "query": null}), false),
        (json!({"scheme": "tcp", "method": null, "path": null, "query": null}), false),
        (json!({"for": "test.run"}), false),
        (json!({"secrets": ["forge"]}), false),
        (json!({"content": "not shown, 9 bytes"}), false),
        (json!({"listed": true}), false),
        (json!({"destination": "forge.example:8443"}), false),
        (json!({"destination": "evil.example:443"}), false),
    ] {
        assert_eq!(covers(&given, &look(&next)), covered, "{next}");
    }
    let shape = Shape::of(&given, &asked("r"), Scope::Session);
    assert_eq!(
        shape.in_words(),
        "net.connect with the same destination and for and listed and method and scheme may run again, \
         with any path and query"
    );
}

#[test]
fn whatever_says_more_than_a_look_must_stay_as_it_was() {
    for given in [
        json!({"method": "POST", "content": "not shown, 9 bytes"}),
        json!({"method": "POST"}),
        json!({"scheme": "http"}),
        json!({"secrets": ["forge"]}),
    ] {
        let with = |more: serde_json::Value| {
            let mut all = given.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            look(&all)
        };
        let first = with(json!({}));
        assert!(covers(&first, &first), "{given}");
        for (name, other) in [("path", "/repo"), ("query", "x"), ("for", "code.run"), ("method", "DELETE")] {
            assert!(!covers(&first, &with(json!({ name: other }))), "{given} {name}");
        }
        assert!(!covers(&first, &with(json!({"secrets": ["admin"]}))), "{given}");
        assert!(!Shape::of(&first, &asked("r"), Scope::Session).in_words().contains("any"), "{given}");
    }
}

proptest! {
    #[test]
    fn no_other_path_is_ever_covered(given in "[a-c*/.]{1,6}", next in "[a-c*/.]{1,6}") {
        prop_assume!(given != next);
        prop_assert!(!covers(&write(&given, "x"), &write(&next, "x")));
    }
}
