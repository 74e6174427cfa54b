//! A bad configuration: all its mistakes at once, with their places, exit status 78, and no daemon half up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use testudo_appliance::{Appliance, Plan};
use testudo_tests::plan;

const MISTAKES: &str = "[agentd]\nmax_turn = 3\n\n[policyd]\napproval_ttl = \"5\"\n\n[toold]\nburst = \"x\"\ncall_timeout = -1\n\n[auditdd]\n";
/// Place, sentence and the line with its caret.
const EXPECTED: [&str; 5] = [
    ":2:1: unknown key `max_turn`: did you mean `max_turns`?\n  max_turn = 3\n  ^~~~~~~~\n",
    ":5:16: ",
    ":8:9: expected an integer",
    ":9:16: ",
    ":11:2: unknown table `auditdd`",
];
const DAEMONS: [&str; 6] = ["policyd", "auditd", "toold", "agentd", "modeld", "matrixd"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn start_fails(change: impl FnOnce(&mut Plan)) -> String {
    let mut plan = plan();
    change(&mut plan);
    match Appliance::start(plan) {
        Ok(_) => panic!("it starts with a bad configuration"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_daemon_shows_all_mistakes_and_exits_with_78() {
    let folder = folder();
    let file = folder.path().join("testudo.toml");
    fs::write(&file, MISTAKES).unwrap();
    for daemon in DAEMONS {
        let program = plan().bin_dir.join(format!("testudo-{daemon}"));
        let output = Command::new(program).arg("--config").arg(&file).env_clear().output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{daemon}: {said}");
        for expected in EXPECTED {
            assert!(
                said.contains(&format!("{}{expected}", file.display())),
                "{daemon}: {expected:?} is not in:\n{said}"
            );
        }
        assert!(said.contains("\n  burst = \"x\"\n          ^~~\n"), "{daemon}: {said}");
    }
}

#[test]
fn a_configuration_that_is_no_toml_or_not_there_or_unreadable() {
    let folder = folder();
    let file = folder.path().join("testudo.toml");
    let binary: &[u8] = b"\xff\xfe\0\x01";
    let deep = format!("[toold]\nburst = {}", "[".repeat(100_000));
    let many = "x = \u{202e}\n".repeat(1000);
    for text in
        [binary, b"[toold\nburst = 1", b"= = =", b"[toold]\n[toold]\n", deep.as_bytes(), many.as_bytes()]
    {
        fs::write(&file, text).unwrap();
        for daemon in DAEMONS {
            let program = plan().bin_dir.join(format!("testudo-{daemon}"));
            let output = Command::new(program).arg("--config").arg(&file).env_clear().output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{daemon}: {:?}", output.status);
            assert!(
                String::from_utf8_lossy(&output.stderr).contains("testudo.toml"),
                "{daemon} names the file"
            );
        }
    }
    for daemon in DAEMONS {
        let program = plan().bin_dir.join(format!("testudo-{daemon}"));
        let output = Command::new(program)
            .args(["--config", "/nonexistent/testudo.toml"])
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{daemon}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/testudo.toml"), "{daemon}");
    }
}

#[test]
fn more_mistakes_than_anyone_reads_do_not_hold_it_up() {
    let folder = folder();
    let file = folder.path().join("testudo.toml");
    for text in ["= x\n".repeat(50_000), format!("a = [{}]", "= ,".repeat(50_000))] {
        fs::write(&file, text).unwrap();
        let program = plan().bin_dir.join("testudo-policyd");
        let output = Command::new(program).arg("--config").arg(&file).env_clear().output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!((1..=100).contains(&said.matches("testudo.toml:").count()), "{said}");
        assert!(said.len() < 100_000, "{} bytes", said.len());
    }
}

#[test]
fn an_appliance_with_a_bad_configuration_does_not_start_and_says_why() {
    let said = start_fails(|plan| plan.config_text = Some(MISTAKES.to_owned()));
    for expected in EXPECTED {
        assert!(said.contains(expected.lines().next().unwrap()), "{expected:?} is not in:\n{said}");
    }
    assert!(said.contains("78"), "{said}");
}

#[test]
fn a_policy_that_is_not_there() {
    let said = start_fails(|plan| {
        plan.set("policyd", "rules", ["/nonexistent/policy.toml"]);
    });
    assert!(said.contains("cannot read the policy /nonexistent/policy.toml"), "{said}");
    assert!(said.contains("78"), "{said}");
}

#[test]
fn all_mistakes_of_all_policies_are_shown() {
    let folder = folder();
    let [one, two] = ["one.toml", "two.toml"].map(|name| folder.path().join(name));
    fs::write(
        &one,
        "[[rule]]\nname = \"a\"\nmatch = { effct = \"read\" }\naction = \"alow\"\nreason = \"r\"\n",
    )
    .unwrap();
    fs::write(&two, "[[rule]]\nname = \"b\"\nmatch = { effect = \"reed\" }\naction = \"allow\"\n").unwrap();
    let said = start_fails(|plan| {
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", [&one, &two]);
    });
    for expected in ["one.toml:3:", "one.toml:4:", "two.toml:3:", "effct", "alow", "reed"] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
}
