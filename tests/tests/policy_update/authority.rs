//! Who may change the policy, and what no change can do.

use serde_json::{Value, json};
use testudo_appliance::BusPolicy;
use testudo_tests::{ablated, text};

use crate::place::{Place, allow, deny};

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
