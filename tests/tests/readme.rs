//! The transcript in the README is what the chat says: its questions are asked again and every line must come, in order.

use std::io::Write as _;
use std::process::Stdio;

use testudo_tests::{Scene, repository};

/// The lines of the README's transcript.
fn transcript() -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```console\n").expect("the README has a transcript");
    let (block, _) = rest.split_once("```").expect("which ends");
    block.lines().map(str::to_owned).collect()
}

/// What the person typed: after the chat's prompts.
fn typed(line: &str) -> Option<&str> {
    line.strip_prefix("› ").or_else(|| line.split_once("[reason] › ").map(|(_, answer)| answer))
}

/// A line without what differs from run to run: durations.
fn steady(line: &str) -> String {
    line.split(" · ").filter(|part| !is_duration(part)).collect::<Vec<_>>().join(" · ").trim().to_owned()
}

fn is_duration(part: &str) -> bool {
    let number = part.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[test]
fn the_readme_shows_what_happens() {
    let scene = Scene::start();
    scene.put("LICENSE", &std::fs::read_to_string(repository().join("LICENSE")).unwrap());
    let lines = transcript();
    let mut chat = scene
        .appliance
        .testudoctl()
        .arg("chat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = chat.stdin.take().unwrap();
    for line in lines.iter().filter_map(|line| typed(line)) {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    let said = String::from_utf8(chat.wait_with_output().unwrap().stdout).unwrap();
    let mut rest = said.lines().map(steady);
    for line in lines.iter().filter(|line| typed(line).is_none()) {
        let expected = steady(line);
        assert!(rest.any(|said| said == expected), "`{expected}` does not come (in this order) in:\n{said}");
    }
}
