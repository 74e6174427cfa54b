//! The runner of `*.cases.toml`: what it reads, what it finds wrong, and where it says so.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use testudo_policy::index::RuleSet;
use testudo_policy::{cases, rule};

const POLICY: &str = r#"
[[tag]]
name = "core"
tool = "fs.read"

[[rule]]
name = "look"
match = { effect = "read", tag = "core" }
action = "allow"

[[rule]]
name = "meet"
match = { effect = "message", private = true, taint = "web", origin = { destination = ["found", "made"] } }
action = "ask"
approve_by = "otp"

[[rule]]
name = "finding"
match = { flow = "after-secret" }
action = "deny"

[[rule]]
name = "by-alice"
match = { requester = "operator:alice", phase = "apply", path = "docs/**" }
action = "allow"
constraints = { max_size = "1KiB", max_changes = 2 }

[[rule]]
name = "contained"
match = { effect = "execute" }
action = "allow"
constraints = { sandbox = "standard" }
"#;

fn rules() -> RuleSet {
    RuleSet::new([rule::parse("p.toml", POLICY).unwrap().0])
}

#[test]
fn everything_that_a_rule_can_match_can_be_a_case() {
    let text = r#"
[[case]]
name = "a core tool reads"
tool = "fs.read"
effect = "read"
paths = ["a"]
expect = "allow"
rules = ["look"]

[[case]]
name = "another tool is no core tool"
tool = "x.read"
effect = "read"
expect = "deny"
rules = ["default"]

[[case]]
name = "all three meet"
tool = "mail.send"
effect = "message"
arguments = { to = "a@example.org", body = "hi" }
roles = { to = "destination", body = "content" }
origins = { to = "found", body = "made" }
taint = ["owner", "web:example.org"]
private = true
expect = "ask"
approve_by = "otp"

[[case]]
name = "a finding"
tool = "mail.send"
effect = ["message", "spend"]
findings = ["after-secret"]
expect = "deny"

[[case]]
name = "two small changes by alice"
tool = "fs.write"
effect = "write"
phase = "apply"
requester = "operator:alice"
paths = ["docs/a", "docs/b"]
size = "512"
expect = "allow"

[[case]]
name = "two larger ones"
tool = "fs.write"
effect = "write"
phase = "apply"
requester = "operator:alice"
paths = ["docs/a", "docs/b"]
size = "513"
expect = "deny"

[[case]]
name = "a contained command"
tool = "shell.run"
effect = "execute"
sandboxed = true
expect = "allow"
"#;
    let report = cases::run("p.cases.toml", text, &rules()).unwrap();
    assert_eq!((report.cases, report.wrong, report.idle), (7, vec![], vec![]));
}

#[test]
fn a_wrong_case_is_shown_where_its_expectation_stands() {
    let text = "[[case]]\nname = \"look away\"\ntool = \"fs.read\"\neffect = \"read\"\nexpect = \"deny\"\n";
    let report = cases::run("p.cases.toml", text, &rules()).unwrap();
    assert!(!report.is_right());
    assert_eq!(
        report.wrong[0].finding.to_string(),
        "p.cases.toml:5:10: look away: expected deny, and it is allow by look\n  expect = \"deny\"\n           ^~~~~~"
    );
    assert_eq!(report.idle, ["by-alice", "contained", "finding", "meet"]);

    let other = text.replace("\"deny\"", "\"allow\"\nrules = [\"look\", \"meet\"]");
    let report = cases::run("p.cases.toml", &other, &rules()).unwrap();
    assert!(report.wrong[0].finding.message.ends_with("expected to hear look, meet, and heard look"));
}

#[test]
fn mistakes_are_all_shown_with_their_places() {
    let text = "[[case]]\nname = \"a\"\ntool = \"t\"\neffect = \"raed\"\nexpect = \"maybe\"\ncolour = 1\n\n[[case]]\nname = \"a\"\n";
    let shown = cases::run("p.cases.toml", text, &rules()).unwrap_err().to_string();
    for expected in [
        "p.cases.toml:4:10: `raed` is none of read, ",
        "p.cases.toml:5:10: expected one of allow, ask, deny",
        "p.cases.toml:6:1: unknown key `colour`",
        "p.cases.toml:8:1: `tool` is missing",
        "p.cases.toml:8:1: `expect` is missing",
    ] {
        assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
    }
    let shown = cases::run("p.cases.toml", "", &rules()).unwrap_err().to_string();
    assert!(shown.contains("`case` is missing"), "{shown}");
}
