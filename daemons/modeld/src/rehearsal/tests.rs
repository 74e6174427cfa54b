//! Many sentences, each with the calls that it must lead to, and that no message stops the planner.

use proptest::prelude::*;
use serde_json::{Value, json};
use testudo::model::{CompletionRequest, Finish, Message, ToolSpec};

use super::answer;

const TOOLS: &[&str] = &[
    "fs.read",
    "fs.list",
    "fs.exists",
    "search.grep",
    "search.glob",
    "fs.write",
    "shell.run",
    "time.now",
    "echo",
];

fn offered() -> Vec<ToolSpec> {
    let tool = |name: &&str| ToolSpec {
        name: (*name).to_owned(),
        description: String::new(),
        parameters: json!({}),
    };
    TOOLS.iter().map(tool).collect()
}

/// Plays the agent: calls until the planner stops; gives the calls and the last words.
fn play(said: &str, outcome: impl Fn(usize) -> String) -> (Vec<(String, Value)>, String) {
    let mut request = CompletionRequest::new(vec![Message::user(said)], offered());
    let mut calls = Vec::new();
    loop {
        let completion = answer(&request);
        assert_eq!(completion, answer(&request), "two answers to one request differ");
        let [call] = completion.tool_calls.as_slice() else {
            assert_eq!(completion.finish, Finish::Stop);
            assert!(completion.tool_calls.is_empty() && !completion.text.is_empty());
            return (calls, completion.text);
        };
        assert_eq!(completion.finish, Finish::ToolCalls);
        assert_eq!(call.id, format!("r1-{}", calls.len() + 1));
        calls.push((call.name.clone(), call.arguments.clone()));
        assert!(calls.len() < 100, "does not end: {said:?}");
        request.messages.push(Message::assistant(completion.text.clone(), vec![call.clone()]));
        request.messages.push(Message::tool(call.id.clone(), outcome(calls.len())));
    }
}

fn calls(said: &str) -> Vec<(String, Value)> {
    play(said, |_| json!({"result": {}}).to_string()).0
}

#[track_caller]
fn leads_to(said: &str, expected: &[(&str, Value)]) {
    let expected: Vec<(String, Value)> =
        expected.iter().map(|(tool, args)| ((*tool).to_owned(), args.clone())).collect();
    assert_eq!(calls(said), expected, "{said}");
}

#[test]
fn one_sentence_one_call() {
    let write = |path: &str, content: &str| json!({"path": path, "content": content});
    let mode =
        |path: &str, content: &str, mode: &str| json!({"path": path, "content": content, "mode": mode});
    let table: Vec<(&str, &str, Value)> = vec![
        ("read notes/a.txt", "fs.read", json!({"path": "notes/a.txt"})),
        ("Show me the file 'my notes.txt'.", "fs.read", json!({"path": "my notes.txt"})),
        ("cat /workspace/x", "fs.read", json!({"path": "/workspace/x"})),
        ("please open README.md", "fs.read", json!({"path": "README.md"})),
        ("could you please print the contents of src/lib.rs?", "fs.read", json!({"path": "src/lib.rs"})),
        ("what is in notes/a.txt?", "fs.read", json!({"path": "notes/a.txt"})),
        ("What's in notes/a.txt?", "fs.read", json!({"path": "notes/a.txt"})),
        ("what does a.txt say?", "fs.read", json!({"path": "a.txt"})),
        ("read /etc/shadow", "fs.read", json!({"path": "/etc/shadow"})),
        ("list src", "fs.list", json!({"path": "src"})),
        ("list files in src/bin", "fs.list", json!({"path": "src/bin"})),
        ("list the files in the folder src", "fs.list", json!({"path": "src"})),
        ("list files", "fs.list", json!({})),
        ("list", "fs.list", json!({})),
        ("ls", "fs.list", json!({})),
        ("ls src", "fs.list", json!({"path": "src"})),
        ("show me the files in src", "fs.list", json!({"path": "src"})),
        ("what files are in src?", "fs.list", json!({"path": "src"})),
        ("what files are there?", "fs.list", json!({})),
        ("list everything in the workspace", "fs.list", json!({})),
        ("ls -la", "shell.run", json!({"command": "ls -la"})),
        ("does notes/a.txt exist?", "fs.exists", json!({"path": "notes/a.txt"})),
        ("does the file 'a b' exist", "fs.exists", json!({"path": "a b"})),
        ("is there a file called Cargo.toml?", "fs.exists", json!({"path": "Cargo.toml"})),
        ("is there a file x", "fs.exists", json!({"path": "x"})),
        ("check whether x/y exists", "fs.exists", json!({"path": "x/y"})),
        ("search for foo in src", "search.grep", json!({"pattern": "foo", "path": "src"})),
        (
            "search for 'fn main' in src/*.rs",
            "search.grep",
            json!({"pattern": "fn main", "path": "src", "glob": "*.rs"}),
        ),
        ("search src for foo", "search.grep", json!({"pattern": "foo", "path": "src"})),
        ("grep foo in src", "search.grep", json!({"pattern": "foo", "path": "src"})),
        ("grep foo src", "search.grep", json!({"pattern": "foo", "path": "src"})),
        ("grep Needle", "search.grep", json!({"pattern": "Needle"})),
        (r"grep 'a\d+' everywhere", "search.grep", json!({"pattern": r"a\d+"})),
        (r"grep 'a\d+' in the project", "search.grep", json!({"pattern": r"a\d+"})),
        ("find the text 'foo' in *.rs", "search.grep", json!({"pattern": "foo", "glob": "*.rs"})),
        ("find 'foo' in all *.rs files", "search.grep", json!({"pattern": "foo", "glob": "*.rs"})),
        (
            "look for the word foo in a/**/*.md",
            "search.grep",
            json!({"pattern": "foo", "path": "a", "glob": "**/*.md"}),
        ),
        ("find files matching *.rs", "search.glob", json!({"pattern": "**/*.rs"})),
        ("find files matching *.rs in src", "search.glob", json!({"pattern": "**/*.rs", "path": "src"})),
        ("find *.toml files", "search.glob", json!({"pattern": "**/*.toml"})),
        (
            "find all *.toml files in the folder x",
            "search.glob",
            json!({"pattern": "**/*.toml", "path": "x"}),
        ),
        ("find files named Cargo.toml", "search.glob", json!({"pattern": "**/Cargo.toml"})),
        ("find src/*.rs", "search.glob", json!({"pattern": "src/*.rs"})),
        ("glob *.rs", "search.glob", json!({"pattern": "*.rs"})),
        ("where is Cargo.toml?", "search.glob", json!({"pattern": "**/Cargo.toml"})),
        ("write 'hi' to notes/a.txt", "fs.write", write("notes/a.txt", "hi")),
        ("Write \"a\\nb\\t\\\"c\\\"\" into x.", "fs.write", write("x", "a\nb\t\"c\"")),
        ("write `a\\nb` to x", "fs.write", write("x", "a\\nb")),
        ("write hello world to notes/a.txt", "fs.write", write("notes/a.txt", "hello world")),
        ("save 'go to bed' to the file 'to do.txt'", "fs.write", write("to do.txt", "go to bed")),
        ("write '' to empty.txt", "fs.write", write("empty.txt", "")),
        ("write x.txt with 'y'", "fs.write", write("x.txt", "y")),
        ("append 'x\\n' to y", "fs.write", mode("y", "x\n", "append")),
        ("add the line 'x' to y", "fs.write", mode("y", "x", "append")),
        ("create y with 'x'", "fs.write", mode("y", "x", "create")),
        ("create a new file called y with the content 'x'", "fs.write", mode("y", "x", "create")),
        ("create an empty file y", "fs.write", mode("y", "", "create")),
        ("overwrite y with 'x'", "fs.write", mode("y", "x", "overwrite")),
        ("write src/x.rs:\n```rust\nfn main() {}\n```", "fs.write", write("src/x.rs", "fn main() {}\n")),
        (
            "write this to x.md\n```\n# a; then b\n\n'c\n```\n",
            "fs.write",
            write("x.md", "# a; then b\n\n'c\n"),
        ),
        (
            "create the file x.md with the following content:\n```\na\n```",
            "fs.write",
            mode("x.md", "a\n", "create"),
        ),
        ("run ls -la", "shell.run", json!({"command": "ls -la"})),
        ("execute `make test`", "shell.run", json!({"command": "make test"})),
        ("run `a; b` in src", "shell.run", json!({"command": "a; b", "cwd": "src"})),
        ("run the command 'x y'", "shell.run", json!({"command": "x y"})),
        ("run make test in my-dir", "shell.run", json!({"command": "make test", "cwd": "my-dir"})),
        ("run make test in src", "shell.run", json!({"command": "make test", "cwd": "src"})),
        ("run echo \"a; then b\" | wc -c", "shell.run", json!({"command": "echo \"a; then b\" | wc -c"})),
        ("`true`", "shell.run", json!({"command": "true"})),
        ("run cat a.txt, b.txt", "shell.run", json!({"command": "cat a.txt, b.txt"})),
        ("what time is it?", "time.now", json!({})),
        ("time", "time.now", json!({})),
        ("tell me the current time, please", "time.now", json!({})),
        ("what's the time", "time.now", json!({})),
        ("say hello world", "echo", json!({"text": "hello world"})),
        ("echo 'a\\nb'", "echo", json!({"text": "a\nb"})),
        ("call fs.read {\"path\": \"a; then b\"}", "fs.read", json!({"path": "a; then b"})),
        ("call no.such {}", "no.such", json!({})),
        ("call time.now", "time.now", json!({})),
        ("call fs.read {oops", "fs.read", json!("{oops")),
        ("call fs.read [1]", "fs.read", json!([1])),
    ];
    for (said, tool, arguments) in table {
        leads_to(said, &[(tool, arguments)]);
    }
}

#[test]
fn several_steps_in_one_message() {
    let read = |path: &str| ("fs.read", json!({"path": path}));
    let hi = ("fs.write", json!({"path": "notes/a.txt", "content": "hi"}));
    let ls = ("shell.run", json!({"command": "ls -la"}));
    leads_to(
        "write 'hi' to notes/a.txt, then read notes/a.txt and run ls -la",
        &[hi.clone(), read("notes/a.txt"), ls.clone()],
    );
    for said in [
        "read a; read b; run ls -la",
        "read a. Read b. Run ls -la.",
        "1. read a\n2. read b\n3. run ls -la",
        "1) read a\n2) read b\n\n3) run ls -la\n",
        "1. read a 2. read b 3. run ls -la",
        "- read a\n- read b\n- run ls -la",
        "First read a, and then read b. Finally, run ls -la.",
        "read a and b, then run ls -la",
        "read a, b and run ls -la",
    ] {
        leads_to(said, &[read("a"), read("b"), ls.clone()]);
    }
    leads_to(
        "write x.sh:\n```sh\necho 1; echo 2\n```\nthen run sh x.sh",
        &[
            ("fs.write", json!({"path": "x.sh", "content": "echo 1; echo 2\n"})),
            ("shell.run", json!({"command": "sh x.sh"})),
        ],
    );
    leads_to("say 'a and read b' and read c", &[("echo", json!({"text": "a and read b"})), read("c")]);
}

#[test]
fn what_cannot_be_planned_is_said_first() {
    for said in [
        "write me a poem",
        "write tests for foo in src",
        "make coffee",
        "hello",
        "help",
        "",
        "delete all my files",
        "read",
        "run",
        "write 'x' 'y' to z",
    ] {
        let (calls, text) = play(said, |_| String::new());
        assert_eq!(calls, [], "{said}");
        assert!(text.starts_with("I am the built-in rehearsal planner, without intelligence"), "{text}");
        assert!(text.contains(said) && text.contains("call TOOL"), "{text}");
    }
    let (calls, text) =
        play("dance a little, then read a", |_| json!({"result": {"content": "A"}}).to_string());
    assert_eq!(calls.len(), 1);
    assert!(
        text.starts_with("I am the built-in")
            && text.contains("dance a little")
            && text.contains("read a: A")
    );
}

#[test]
fn a_refused_step_is_reported_and_the_rest_goes_on() {
    let (calls, text) = play("read /etc/shadow, then run ls", |call| match call {
        1 => json!({"error": {"code": "HANDLER_ERROR", "message": "outside of the workspace"}}).to_string(),
        _ => json!({"result": {"content": {"exit": 0, "stdout": "a\nb\n", "stderr": ""}}}).to_string(),
    });
    assert_eq!(calls.len(), 2);
    assert_eq!(
        text,
        "read /etc/shadow: refused, HANDLER_ERROR: outside of the workspace\nrun ls:\n    exit status 0\n    a\n    b"
    );
}

#[test]
fn only_named_calls_go_beyond_what_is_on_offer() {
    let request = CompletionRequest::new(vec![Message::user("run ls")], Vec::new());
    let completion = answer(&request);
    assert!(completion.tool_calls.is_empty() && completion.text.contains("shell.run is not on offer"));
    let request = CompletionRequest::new(vec![Message::user("call shell.run {}")], Vec::new());
    assert_eq!(answer(&request).tool_calls.len(), 1);
}

#[test]
fn a_later_turn_starts_its_own_plan() {
    let mut request = CompletionRequest::new(vec![Message::user("read a")], offered());
    let first = answer(&request).tool_calls;
    request.messages.push(Message::assistant("", first));
    request.messages.push(Message::tool("r1-1", "A"));
    request.messages.push(Message::assistant("read a: A", vec![]));
    request.messages.push(Message::user("read b"));
    let second = answer(&request);
    assert_eq!(second.tool_calls[0].id, "r2-1");
    assert_eq!(second.tool_calls[0].arguments, json!({"path": "b"}));
}

#[test]
fn the_plan_is_told_before_its_first_step() {
    let request = CompletionRequest::new(vec![Message::user("read a, then say hi")], offered());
    assert_eq!(answer(&request).text, "The plan:\n1. read a\n2. say hi\n");
    let request = CompletionRequest::new(vec![Message::user("read a")], offered());
    assert_eq!(answer(&request).text, "");
}

#[test]
fn too_many_steps_end() {
    let (calls, text) = play(&"read a\n".repeat(500), |_| "x".to_owned());
    assert_eq!(calls.len(), 20);
    assert!(text.contains("too many steps"), "{text}");
    let _ends = calls_of_long(&"and read a ".repeat(5_000));
    let _ends = calls_of_long(&"'".repeat(50_000));
    let _ends = calls_of_long(&"=\"a ".repeat(20_000));
}

fn calls_of_long(said: &str) -> usize {
    calls(said).len()
}

proptest! {
    #[test]
    fn no_message_stops_the_planner(said in any::<String>()) {
        play(&said, |_| "x".to_owned());
    }

    #[test]
    fn no_mixture_of_its_own_words_stops_the_planner(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "read", "write", "'", "\"", "`", "```", "\n", "then", "and", ",", ";", ". ", "to", "in", "call", "{", "}",
            "find", "1.", "2)", "a.txt", "*.rs", "run", "say", "é", "“", "”", "with", ":", "\\", "ls", "-la", "",
        ]), 0..40),
        glue in proptest::sample::select(vec!["", " "]),
    ) {
        play(&words.join(glue), |_| "x".to_owned());
    }
}
