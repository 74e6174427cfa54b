//! The transcript under "Try it" in docs/matrix.md is what a try says: it is started again, and every line must come, in order.

use std::process::{Command, Stdio};

use testudo_appliance::Plan;
use testudo_talk::synapse::python;
use testudo_tests::repository;

/// What is typed into the shell of a try, with what it answers.
const PROMPT: &str = "$ ";

/// The transcript after its first line, which starts it: what the try says, and commands with what they say.
fn transcript() -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let guide = std::fs::read_to_string(repository().join("docs/matrix.md")).unwrap();
    let (_, rest) = guide.split_once("```console\n$ ./try --matrix\n").expect("the guide has a transcript");
    let (block, _) = rest.split_once("```").expect("which ends");
    let (mut said, mut commands) = (Vec::new(), Vec::<(String, Vec<String>)>::new());
    for line in block.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()) {
        match (line.strip_prefix(PROMPT), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, answer))) => answer.push(line),
            (None, None) => said.push(line),
        }
    }
    (said, commands)
}

/// Whether a line is the one of the guide, in which `…` stands for what is different each time.
fn is_shown(guide: &str, said: &str) -> bool {
    let mut rest = said;
    let mut parts = guide.split('…');
    let Some(begin) = parts.next().and_then(|begin| rest.strip_prefix(begin)) else { return false };
    rest = begin;
    let mut last = "";
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        (rest, last) = (after, part);
    }
    rest.is_empty() || (guide.contains('…') && last.is_empty())
}

fn assert_shown(guide: &[String], said: &str) {
    let mut lines = said.lines().map(str::trim_end);
    for line in guide {
        assert!(lines.any(|said| is_shown(line, said)), "`{line}` does not come (in this order) in:\n{said}");
    }
}

#[test]
fn the_guide_shows_what_a_try_says() {
    let (said, commands) = transcript();
    let bin_dir = Plan::bin_dir_of_test().expect("a test knows where it is");
    // What each of them says ends with a line that none of them says.
    let script: Vec<String> =
        commands.iter().map(|(command, _)| format!("{command} 2>&1; echo {PROMPT}")).collect();
    let mut try_it = Command::new(bin_dir.join("testudo-try"));
    try_it
        .arg("--python")
        .arg(python())
        .args(["--matrix", "run", "sh", "-c", &script.join("\n")])
        .stdin(Stdio::null());
    let output = try_it.output().expect("the daemons and testudo-try are built");
    let heard = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{heard}");
    assert_shown(&said, &heard);
    let answers = String::from_utf8(output.stdout).unwrap();
    let end = format!("{}\n", PROMPT.trim_end());
    let mut answers = answers.split(&end);
    for (command, answer) in &commands {
        let heard = answers.next().unwrap_or_else(|| panic!("`{command}` says nothing"));
        assert_shown(answer, heard);
    }
    assert!(!said.is_empty() && !commands.is_empty(), "there is a transcript to compare");
}

#[test]
fn a_line_of_the_guide_leaves_open_what_it_says() {
    for (guide, said, shown) in [
        ("a … c", "a b c", true),
        ("a …", "a b", true),
        ("a", "a", true),
        ("a", "a b", false),
        ("a … c", "a b d", false),
        ("a … c", "a b c d", false),
        ("b …", "a b", false),
    ] {
        assert_eq!(is_shown(guide, said), shown, "{guide} / {said}");
    }
}
