//! Changing the policy: what a person sees before, what it takes, and everything that must not change it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testudo_appliance::{BusPolicy, Plan};
use testudo_tests::{Said, Scene, ablated, text, wait};

const BASE: &str = r#"
[[rule]]
name = "base-echo"
action = "allow"
match = { tool = "echo" }

[[rule]]
name = "base-write"
action = "allow"
match = { effect = "write", phase = "call" }

[[rule]]
name = "base-apply"
action = "ask"
match = { phase = "apply" }

[[rule]]
name = "base-keep"
action = "deny"
match = { phase = "apply", path = "kept/**" }
"#;

/// An appliance with a policy of its own, and a folder for what is submitted.
struct Place {
    scene: Scene,
    folder: tempfile::TempDir,
}

impl Place {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let base = folder.path().join("base.toml");
        std::fs::write(&base, BASE).unwrap();
        let scene = Scene::with(|plan| {
            plan.visible.push(folder.path().to_path_buf());
            plan.set("policyd", "rules", vec![base]);
            change(plan);
        });
        Self { scene, folder }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Submits a file.
    fn update(&self, name: &str, text: &str) -> Said {
        self.scene.ctl(&["policy", "update", &self.file(name, text), "--json"])
    }

    /// Submits a file that is right, and returns the report.
    fn submit(&self, name: &str, text: &str) -> Value {
        let said = self.update(name, text);
        assert_eq!(said.status, 0, "{said:?}");
        said.json()
    }

    fn approve(&self, report: &Value, more: &[&str]) -> Said {
        let id = text(report, "approval");
        self.scene.ctl(&[&["approve", &id], more].concat())
    }

    /// Straight on the bus, as the channel of a person would.
    fn approve_as(&self, user: &str, report: &Value, options: &str) -> Said {
        let id = text(report, "approval");
        let question = self.question(&id);
        let digest = question.map(|question| text(&question, "digest")).unwrap_or_default();
        self.scene.as_user(user, "Policy1", "Approve", &[&format!("s:{id}"), &format!("s:{digest}"), options])
    }

    fn question(&self, id: &str) -> Option<Value> {
        self.scene.approvals().into_iter().find(|approval| approval["id"] == id)
    }

    fn echo(&self) -> String {
        let answer = self.scene.call("echo", &json!({ "text": "x" }));
        text(&answer, "verdict")
    }

    fn echoes(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.echo(), "allow");
        }
    }

    fn files(&self) -> Value {
        self.scene.ctl(&["policy", "show", "--json"]).json()
    }

    fn origin(&self, name: &str) -> Option<String> {
        let files = self.files();
        let file = files["files"].as_array().unwrap().iter().find(|file| file["name"] == name)?;
        Some(text(file, "origin"))
    }

    fn on_shelf(&self, file: &str) -> PathBuf {
        self.scene.appliance.state_dir().join("lib/policyd/policy").join(file)
    }

    fn restart(&self) {
        self.scene.appliance.kill9("policyd").unwrap();
        self.scene.appliance.wait_ready("policyd").unwrap();
    }
}

fn deny(name: &str, tool: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\naction = \"deny\"\nmatch = {{ tool = \"{tool}\" }}\nreason = \"no\"\n"
    )
}

fn allow(name: &str, tool: &str) -> String {
    deny(name, tool).replace("\"deny\"", "\"allow\"")
}

#[test]
fn an_approved_change_is_in_force_recorded_and_can_be_taken_back() {
    let place = Place::start();
    place.echoes(2);
    let report = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(
        (&report["breaking"], &report["loosening"], &report["phrase"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    assert_eq!(report["changed"][0]["mark"], "breaking", "{report}");
    assert_eq!(report["changed"][0]["before"]["verdict"], "allow");
    let spoke = report["changed"][0]["after"]["reasons"].as_array().unwrap();
    assert!(spoke.iter().any(|reason| reason["rule"] == "quiet"), "{report}");
    assert_eq!(place.echo(), "allow", "nothing changes before a person said so");

    let question = place.question(&text(&report, "approval")).unwrap();
    assert_eq!((&question["tool"], &question["effect"]), (&json!("policy.update"), &json!("configure")));
    assert!(text(&question, "diff").contains("+name = \"quiet\""), "{question}");
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
    assert_eq!(place.origin("mine").as_deref(), Some("amended"));
    let events: Vec<String> = place.scene.log().iter().map(|record| text(record, "event")).collect();
    let at = |event: &str| {
        events.iter().position(|other| other == event).unwrap_or_else(|| panic!("{event}: {events:?}"))
    };
    assert!(
        at("approval.requested") < at("approval.answered") && at("approval.answered") < at("policy.amended")
    );

    place.restart();
    assert_eq!(place.echo(), "deny", "it outlives a restart");

    let back = place.scene.ctl(&["policy", "revert", "mine", "--json"]).json();
    assert_eq!((&back["loosening"], &back["digest"]), (&json!(5), &Value::Null), "{back}");
    assert_eq!(place.approve(&back, &[]).status, 0);
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
    let again = place.scene.ctl(&["policy", "revert", "mine", "--json"]).json();
    assert_eq!(place.approve(&again, &["--phrase", &text(&again, "phrase")]).status, 0, "{again}");
    assert_eq!(place.echo(), "deny", "what was taken back can be had again");
}

#[test]
fn waiting_for_the_answer_ends_with_it() {
    let place = Place::start();
    let file = place.file("mine", &deny("quiet", "echo"));
    for (answer, status, in_force) in [("deny", 1, false), ("approve", 0, true)] {
        let waiting = place.scene.ctl_start(&["policy", "update", &file, "--wait", "--json"]);
        let question = place.scene.next_approval(&[]);
        assert_eq!(place.scene.ctl(&[answer, &text(&question, "id")]).status, 0);
        let said = waiting.finish();
        assert_eq!(said.status, status, "{said:?}");
        assert_eq!(said.json()["in_force"], in_force, "{said:?}");
    }
}

#[test]
fn mistakes_have_places_and_change_nothing() {
    let place = Place::start();
    for (wrong, expected) in [
        (
            "[[rule]]\nname = \"a\"\naction = \"alow\"\nmatch = {}\n",
            "mine.toml:3:10: expected one of allow, ask, deny",
        ),
        ("[[rule\n", "mine.toml:1:"),
        (
            "[[rule]]\nname = \"base-echo\"\naction = \"deny\"\nmatch = { tool = \"x\" }\n",
            "mine.toml:2:8: another policy file has a rule",
        ),
        ("# a\u{202e}b\n", "mine.toml:1:4: nobody can see the character U+202E"),
    ] {
        let said = place.update("mine", wrong);
        assert_eq!(said.status, 78, "{said:?}");
        let report = said.json();
        assert_eq!((&report["ok"], &report["approval"]), (&json!(false), &Value::Null));
        assert!(text(&json!({ "f": report["findings"].to_string() }), "f").contains(expected), "{report}");
        let shown = place.scene.ctl(&["policy", "update", &place.file("mine", wrong)]);
        assert!(shown.stderr.contains(expected), "{shown:?}");
    }
    assert!(place.scene.approvals().is_empty());
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
    let same = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(place.approve(&same, &[]).status, 0);
    let again = place.update("mine", &deny("quiet", "echo"));
    assert!(again.status == 1 && again.stdout.contains("says exactly this already"), "{again:?}");
}

#[test]
fn six_broken_decisions_want_the_phrase_and_five_do_not() {
    let place = Place::start();
    place.echoes(5);
    let five = place.submit("five", &deny("quiet", "echo"));
    assert_eq!((&five["breaking"], &five["phrase"]), (&json!(5), &Value::Null));
    assert_eq!(place.approve(&five, &[]).status, 0);
    assert_eq!(place.echo(), "deny");

    let place = Place::start();
    place.echoes(6);
    let six = place.submit("six", &deny("quiet", "echo"));
    assert_eq!(six["phrase"], "I break 6 decisions");
    let shown = place.scene.ctl(&["approvals"]);
    for expected in ["policy.update", "+name = \"quiet\"", "a yes must type: I break 6 decisions"] {
        assert!(shown.stdout.contains(expected), "{expected}: {shown:?}");
    }
    for options in ["o:", "o:phrase=", "o:phrase=I break 5 decisions", "o:phrase=i break 6 decisions"] {
        let said = place.approve_as("root", &six, options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
        assert!(said.stdout.contains("I break 6 decisions"), "the person is told what to type: {said:?}");
    }
    assert_eq!(place.echo(), "allow");
    let said = place.approve(&six, &["--phrase", "I break 6 decisions"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(place.echo(), "deny");
}

#[test]
fn without_the_phrase_anything_could_be_broken_in_passing() {
    let place = Place::with(|plan| ablated(plan, "policyd", "typed-phrase"));
    place.echoes(6);
    let report = place.submit("six", &deny("quiet", "echo"));
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn what_loosens_stands_first() {
    let place = Place::start();
    place.echoes(1);
    let refused = place.scene.call("time.now", &json!({}));
    assert_eq!(refused["verdict"], "deny");
    let report = place.submit("mine", &format!("{}{}", allow("clock", "time.now"), deny("quiet", "echo")));
    let marks: Vec<&Value> =
        report["changed"].as_array().unwrap().iter().map(|changed| &changed["mark"]).collect();
    assert_eq!(marks, ["loosening", "breaking"], "{report}");
    let question = place.question(&text(&report, "approval")).unwrap();
    assert!(
        question["reasons"].to_string().contains("1 of the last 2 decisions would get through more easily")
    );
    assert!(
        question["arguments"]["changed"][0]
            .as_str()
            .unwrap()
            .starts_with("loosening: deny → allow: time.now")
    );
    let file = place.file("mine", &allow("clock", "time.now"));
    let shown = place.scene.ctl(&["policy", "replay", &file]);
    assert!(shown.stdout.contains("loosening  deny → allow  time.now {}"), "{shown:?}");
}

#[test]
fn a_replay_has_no_effect_and_weighs_what_was_weighed_then() {
    let place = Place::start();
    place.echoes(1);
    let call = place.scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    let question = place.scene.next_approval(&[]);
    place.scene.approve(&question);
    assert_eq!(call.finish().status, 0);
    place.restart();
    let rules =
        "[[rule]]\nname = \"keep-a\"\naction = \"deny\"\nmatch = { phase = \"apply\", path = \"a.txt\" }\n";
    let said = place.scene.ctl(&["policy", "replay", &place.file("mine", rules), "--json"]);
    let report = said.json();
    assert_eq!((&report["replayed"], &report["breaking"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(report["changed"][0]["phase"], "apply");
    assert_eq!((&report["approval"], place.scene.approvals().len()), (&Value::Null, 0));
    assert_eq!(place.origin("mine"), None);
    assert!(!place.scene.recorded("policy.amended", |_| true));
}

#[test]
fn killed_while_the_file_is_written_the_old_policy_stays() {
    let place = Place::start();
    let first = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&first, &[]).status, 0);
    let second = place.submit("mine", &deny("quiet", "echo"));
    // Opening a pipe that nobody reads blocks, so this is where policyd stands when it is killed.
    let pipe = place.on_shelf("mine.toml.new");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(pipe.parent().unwrap()).unwrap());
    std::os::unix::fs::chown(&pipe, Some(owner), None).unwrap();
    let approving = place.scene.ctl_start(&["approve", &text(&second, "approval")]);
    wait("the write", || {
        place
            .scene
            .recorded("policy.amended", |record| record["detail"]["base"] == second["base"])
            .then_some(())
    });
    place.restart();
    assert_ne!(approving.finish().status, 0);
    assert_eq!(place.echo(), "allow");
    assert_eq!(text(&place.scene.call("time.now", &json!({})), "verdict"), "deny");
    assert_eq!(place.origin("mine").as_deref(), Some("amended"));
    assert!(!pipe.exists(), "what was unfinished is cleared away");
    // The yes is used up; nothing installs it later.
    let late = place.approve_as("root", &second, "o:");
    assert_eq!(late.status, 1, "{late:?}");
    // The way is free for another one.
    let third = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(place.approve(&third, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn killed_at_any_moment_the_policy_is_the_old_one_or_the_new_one() {
    let place = Place::start();
    for round in 0..6u64 {
        let report = place.submit(&format!("mine-{round}"), &deny(&format!("quiet-{round}"), "time.now"));
        let name = text(&report, "name");
        let approving = place.scene.ctl_start(&["approve", &text(&report, "approval")]);
        // Whichever moment this is, the outcome must be one of two.
        std::thread::sleep(std::time::Duration::from_millis(round * 12));
        place.restart();
        let said = approving.finish();
        let in_force = place.origin(&name);
        assert!(matches!(in_force.as_deref(), None | Some("amended")), "{in_force:?}");
        let amended = place.scene.recorded("policy.amended", |record| record["detail"]["name"] == name);
        assert!(in_force.is_none() || amended, "what is in force was recorded before");
        assert!(said.status != 0 || in_force.is_some(), "who was told yes has it: {said:?}");
        assert_eq!(place.files()["troubles"], json!([]));
        if let Some(question) = place.question(&text(&report, "approval")) {
            assert_eq!(place.scene.ctl(&["deny", &text(&question, "id")]).status, 0);
        }
    }
}

#[test]
fn a_question_about_the_policy_outlives_policyd() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    place.restart();
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

fn damage(path: &Path) {
    let whole = std::fs::read(path).unwrap();
    std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
}

#[test]
fn a_damaged_file_falls_back_to_the_last_good_one_and_says_so() {
    let place = Place::start();
    for text in [deny("quiet", "echo"), deny("quiet", "time.now")] {
        let report = place.submit("mine", &text);
        assert_eq!(place.approve(&report, &[]).status, 0);
    }
    assert_eq!(place.echo(), "allow");
    place.scene.appliance.stop_unit("policyd").unwrap();
    damage(&place.on_shelf("mine.toml"));
    place.scene.appliance.start_unit("policyd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("deny", Some("last-good")));
    assert!(place.files()["troubles"][0].as_str().unwrap().contains("its last good text is in force"));
    assert!(place.scene.appliance.log("policyd").contains("the amendment mine is damaged"));
    let mended = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&mended, &[]).status, 0);
    place.restart();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("allow", Some("amended")));
    assert_eq!(place.files()["troubles"], json!([]));
}

#[test]
fn without_any_good_text_everything_is_denied_until_it_is_mended() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&report, &[]).status, 0);
    place.scene.appliance.stop_unit("policyd").unwrap();
    damage(&place.on_shelf("mine.toml"));
    place.scene.appliance.start_unit("policyd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("deny", Some("unreadable")));
    let mended = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&mended, &[]).status, 0);
    assert_eq!(place.echo(), "allow");
}

#[test]
fn no_daemon_changes_the_policy() {
    let amend = |place: &Place, user: &str| {
        let rule = format!("s:{}", allow("open", "time.now"));
        place.scene.as_user(user, "Policy1", "Amend", &["s:mine", &rule, "o:"])
    };
    let shipped = Place::start();
    for user in
        ["testudo-agentd", "testudo-toold", "testudo-modeld", "testudo-auditd", "testudo-work", "nobody"]
    {
        let said = amend(&shipped, user);
        assert!(said.stdout.contains("AccessDenied"), "{user}: {said:?}");
    }
    let open = Place::with(|plan| plan.bus_policy = BusPolicy::Open);
    for user in ["testudo-agentd", "testudo-toold", "nobody"] {
        let said = amend(&open, user);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{user}: {said:?}");
        assert!(said.stdout.contains("may not change the policy"), "{user}: {said:?}");
    }
    assert!(open.scene.approvals().is_empty());
    assert!(open.scene.recorded("approval.refused", |record| {
        text(&record["detail"], "reason").contains("may not change the policy")
    }));
    // With both taken out the agent gets its question in front of people: these two are what stops it.
    let without = Place::with(|plan| {
        plan.bus_policy = BusPolicy::Open;
        ablated(plan, "policyd", "amender-identity");
    });
    assert_eq!(amend(&without, "testudo-agentd").status, 0);
    assert_eq!(without.scene.approvals().len(), 1);
}

#[test]
fn toold_neither_uses_nor_withdraws_a_question_about_the_policy() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    let id = text(&report, "approval");
    let digest = text(&place.question(&id).unwrap(), "digest");
    let (id, digest) = (format!("s:{id}"), format!("s:{digest}"));
    for (member, arguments) in [("Redeem", vec![id.as_str(), &digest]), ("Withdraw", vec![&id])] {
        let said = place.scene.as_user("testudo-toold", "Policy1", member, &arguments);
        assert!(said.stdout.contains("is about the policy itself"), "{member}: {said:?}");
    }
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn of_two_changes_that_race_one_counts_and_the_other_is_submitted_again() {
    let place = Place::start();
    let one = place.submit("one", &deny("quiet", "echo"));
    let two = place.submit("two", &allow("clock", "time.now"));
    let question = place.question(&text(&two, "approval")).unwrap();
    assert_eq!(place.approve(&one, &[]).status, 0);
    // What was compared with rules that are gone is withdrawn, and a yes that was under way is refused.
    assert_eq!(place.question(&text(&two, "approval")), None);
    let (id, digest) = (format!("s:{}", text(&question, "id")), format!("s:{}", text(&question, "digest")));
    let late = place.scene.as_user("root", "Policy1", "Approve", &[&id, &digest, "o:"]);
    assert!(late.stdout.starts_with("org.testudo.Error.Denied"), "{late:?}");
    assert_eq!((place.origin("one").as_deref(), place.origin("two")), (Some("amended"), None));
    assert_eq!(text(&place.scene.call("time.now", &json!({})), "verdict"), "deny");

    // Answered at the same moment: never both on top of the same rules.
    let (three, four) = (place.submit("three", "# three\n"), place.submit("four", "# four\n"));
    let answers =
        [&three, &four].map(|report| place.scene.ctl_start(&["approve", &text(report, "approval")]));
    let taken = answers.map(|answer| answer.finish().status == 0);
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    assert_eq!((place.origin("three").is_some(), place.origin("four").is_some()), (taken[0], taken[1]));
}

#[test]
fn an_answer_that_is_too_light_changes_nothing() {
    for weight in ["otp", "local"] {
        let place = Place::with(|plan| {
            plan.set("policyd", "amend_by", weight);
        });
        let report = place.submit("mine", &deny("quiet", "echo"));
        assert_eq!(report["approve_by"], weight);
        for options in ["o:", "o:answer=reaction", "o:answer=reply", "o:code=123456"] {
            let said = place.approve_as("root", &report, options);
            assert_eq!(said.status, 1, "{weight} {options}: {said:?}");
            assert!(said.stdout.starts_with("org.testudo.Error."), "{weight} {options}: {said:?}");
        }
        assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None), "{weight}");
    }
    // The default wants a reply, which a reaction is not.
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    let said = place.approve_as("root", &report, "o:answer=reaction");
    assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{said:?}");
    let lasting = place.approve_as("root", &report, "o:for=session");
    assert_eq!(lasting.status, 1, "no yes to a change lasts: {lasting:?}");
    assert_eq!(place.origin("mine"), None);
}

#[test]
fn no_amendment_switches_a_built_in_rule_off() {
    let place = Place::with(|plan| {
        plan.set("policyd", "amendments", "replace");
    });
    let all = "[[rule]]\nname = \"protect-apply-journal\"\naction = \"allow\"\nmatch = { effect = [\"read\", \"write\", \"execute\", \"configure\"] }\n";
    let report = place.submit("base", all);
    assert_eq!(place.approve(&report, &[]).status, 0);
    let open = place.scene.call("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    assert_eq!(open["verdict"], "allow", "the amendment is in force: {open}");
    for path in [".testudo/journal", "a/../.testudo/x"] {
        let answer = place.scene.call("fs.write", &json!({ "path": path, "content": "x" }));
        assert_ne!(answer["error"], Value::Null, "{path}: {answer}");
        assert_eq!(place.scene.file(".testudo/x"), None);
    }
}

#[test]
fn what_the_configuration_declares_stays() {
    let declared = Place::with(|plan| {
        plan.set("policyd", "amendments", "none");
    });
    let said = declared.update("mine", &deny("quiet", "echo"));
    assert_eq!(said.status, 1);
    assert!(said.stdout.contains("policyd.amendments is \\\"none\\\""), "{said:?}");
    assert!(said.stdout.contains("services.testudo.settings.policyd.amendments"), "{said:?}");

    let added = Place::start();
    let said = added.update("base", &allow("open", "time.now"));
    assert!(said.status == 1 && said.stdout.contains("the configuration declares base"), "{said:?}");
    // An added file lifts no denial of a declared one.
    let report = added
        .submit("mine", "[[rule]]\nname = \"open\"\naction = \"allow\"\nmatch = { phase = \"apply\" }\n");
    assert_eq!(added.approve(&report, &[]).status, 0);
    let kept = added.scene.call("fs.write", &json!({ "path": "kept/a", "content": "x" }));
    assert_eq!(kept["verdict"], "deny", "{kept}");
}

#[test]
fn a_question_that_the_changed_policy_denies_is_withdrawn() {
    let place = Place::start();
    let denied = place.scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    let first = place.scene.next_approval(&[]);
    let other = ["call", "fs.write", r#"{"path":"b.txt","content":"x"}"#, "--session", "other", "--json"];
    let asked = place.scene.ctl_start(&other);
    let second = place.scene.next_approval(&[&text(&first, "id")]);
    let report = place.submit(
        "mine",
        "[[rule]]\nname = \"keep-a\"\naction = \"deny\"\nmatch = { phase = \"apply\", path = \"a.txt\" }\n",
    );
    assert_eq!(report["breaking"], 1, "{report}");
    assert_eq!(place.approve(&report, &[]).status, 0);
    let said = denied.finish();
    assert_eq!(said.status, 1, "{said:?}");
    assert!(place.scene.recorded("approval.withdrawn", |record| {
        record["detail"]["approval"] == first["id"]
            && text(&record["detail"], "reason") == "the changed policy denies it"
    }));
    place.scene.approve(&second);
    assert_eq!(asked.finish().status, 0, "the other question stands");
    assert_eq!((place.scene.file("a.txt"), place.scene.file("b.txt").is_some()), (None, true));
}

#[test]
fn a_lease_lifts_no_denial_of_the_changed_policy() {
    let place = Place::start();
    let call = place.scene.call_start("fs.write", &json!({ "path": "a.txt", "content": "x" }));
    let question = place.scene.next_approval(&[]);
    assert_eq!(place.scene.ctl(&["approve", &text(&question, "id"), "--for", "session"]).status, 0);
    assert_eq!(call.finish().status, 0);
    let report = place.submit(
        "mine",
        "[[rule]]\nname = \"keep-a\"\naction = \"deny\"\nmatch = { phase = \"apply\", path = \"a.txt\" }\n",
    );
    assert_eq!(place.approve(&report, &[]).status, 0);
    let answer = place.scene.call("fs.write", &json!({ "path": "a.txt", "content": "y" }));
    assert_eq!(answer["verdict"], "deny", "{answer}");
    assert_eq!(place.scene.file("a.txt").as_deref(), Some(&b"x"[..]));
}

#[test]
fn what_cannot_be_recorded_does_not_change_the_policy() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    let digest = text(&place.question(&text(&report, "approval")).unwrap(), "digest");
    place.scene.appliance.stop_unit("auditd").unwrap();
    let (id, digest) = (format!("s:{}", text(&report, "approval")), format!("s:{digest}"));
    let said = place.scene.as_user("root", "Policy1", "Approve", &[&id, &digest, "o:"]);
    assert_eq!(said.status, 1, "{said:?}");
    place.scene.appliance.start_unit("auditd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
}

#[test]
fn explain_says_over_the_bus_and_offline_what_would_be_decided() {
    let place = Place::start();
    let over_the_bus = place.scene.ctl(&["policy", "explain", "echo", r#"{"text":"x"}"#, "--json"]).json();
    assert_eq!(
        (&over_the_bus["verdict"], &over_the_bus["layer"]),
        (&json!("allow"), &json!("rules")),
        "{over_the_bus}"
    );
    assert!(over_the_bus["origins"].is_object(), "{over_the_bus}");
    let base = place.folder.path().join("base.toml").display().to_string();
    let offline = place
        .scene
        .ctl(&[
            "policy",
            "explain",
            "fs.write",
            r#"{"path":"kept/a"}"#,
            "--phase",
            "apply",
            "--effect",
            "write",
            "--policy",
            &base,
            "--json",
        ])
        .json();
    assert_eq!(offline["verdict"], "deny", "{offline}");
    assert_eq!(offline["reasons"].as_array().unwrap().len(), 2, "{offline}");
}
