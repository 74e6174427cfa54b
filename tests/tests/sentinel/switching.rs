//! Switching a rule off: by a person, in one session, on the record, and only where the policy lets it.

use serde_json::json;
use testudo_tests::Scene;

use crate::{RULES, Rules, echo, echo_in};

#[test]
fn a_rule_is_switched_off_in_one_session_and_on_the_record() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| rules.of(plan));
    assert_eq!(echo(&scene, "forbidden")["verdict"], "deny");
    let off = scene.ctl(&["rules", "disable", "blocks", "--session", "main"]);
    assert_eq!(off.status, 0, "{off:?}");
    assert!(off.stdout.contains("off in session main"), "{off:?}");
    assert_eq!(echo(&scene, "forbidden")["verdict"], "allow");
    let elsewhere = echo_in(&scene, "other", "forbidden").finish().json();
    assert_eq!(elsewhere["verdict"], "deny", "it holds in all others");
    assert!(scene.recorded("rule.disabled", |record| {
        record["session"] == "main"
            && record["detail"]["rule"] == "blocks"
            && record["detail"]["by"] == "root"
    }));
    let listed = scene.ctl(&["rules", "main", "--json"]).json();
    let enabled: Vec<_> =
        listed["rules"].as_array().unwrap().iter().map(|rule| rule["enabled"].clone()).collect();
    assert_eq!(enabled, [json!(true), json!(false), json!(true)]);

    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    assert_eq!(echo(&scene, "forbidden")["verdict"], "allow", "a restart forgets no switch");
    assert_eq!(scene.ctl(&["rules", "enable", "blocks"]).status, 0);
    assert_eq!(echo(&scene, "forbidden")["verdict"], "deny");
    assert!(scene.recorded("rule.enabled", |_| true));
}

#[test]
fn what_the_policy_does_not_let_go_stays() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| rules.of(plan));
    for rule in ["fixed", "asks", "SECURITY.md"] {
        let refused = scene.as_user("root", "Policy1", "Disable", &["s:main", &format!("s:{rule}"), "o:"]);
        assert!(refused.stdout.starts_with("org.testudo.Error.Denied"), "{rule}: {refused:?}");
        assert!(scene.recorded("rule.disabled", |record| record["decision"] == "deny"
            && record["detail"]["rule"] == rule));
    }
    let unknown = scene.as_user("root", "Policy1", "Disable", &["s:main", "s:confirm-changes", "o:"]);
    assert!(
        unknown.stdout.starts_with("org.testudo.Error.NotFound"),
        "a rule of the other kind: {unknown:?}"
    );
    let nameless = scene.as_user("root", "Policy1", "Disable", &["s:a b", "s:blocks", "o:"]);
    assert!(nameless.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{nameless:?}");
    assert_eq!(echo(&scene, "never")["verdict"], "deny");
}

#[test]
fn no_daemon_switches_a_rule() {
    let rules = Rules::new(RULES);
    let open = |plan: &mut testudo_appliance::Plan| {
        rules.of(plan);
        plan.bus_policy = testudo_appliance::BusPolicy::Open;
    };
    let scene = Scene::with(open);
    for user in ["testudo-agentd", "testudo-toold", "testudo-modeld", "nobody"] {
        let refused = scene.as_user(user, "Policy1", "Disable", &["s:main", "s:blocks", "o:"]);
        assert!(refused.stdout.starts_with("org.testudo.Error.Denied"), "{user}: {refused:?}");
    }
    assert_eq!(echo(&scene, "forbidden")["verdict"], "deny");
}

fn switch(scene: &Scene, member: &str, session: &str, options: &str) -> testudo_tests::Said {
    let (session, options) = (format!("s:{session}"), format!("o:{options}"));
    scene.as_user("testudo-matrixd", "Policy1", member, &[&session, "s:blocks", &options])
}

#[test]
fn a_channel_switches_for_an_owner_in_its_own_sessions_and_the_record_names_him() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| {
        rules.of(plan);
        plan.set("matrixd", "owners", ["@ann:example.org"]);
        plan.set("matrixd", "members", ["@bob:example.org"]);
    });
    for member in ["Disable", "Enable"] {
        for (session, options, because) in [
            ("m-1", "", "may not answer for itself"),
            ("m-1", "by=@bob:example.org", "not call this person an owner"),
            ("m-1", "by=@eve:example.org", "not call this person an owner"),
            ("main", "by=@ann:example.org", "nothing to do with session main"),
        ] {
            let said = switch(&scene, member, session, options);
            assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{member} {options}: {said:?}");
            let recorded = scene.recorded("command.refused", |record| {
                record["detail"]["method"] == member
                    && record["session"] == session
                    && record["detail"]["reason"].as_str().is_some_and(|reason| reason.contains(because))
            });
            assert!(recorded, "{member} {options}: {because} is not in the record");
        }
    }
    let forged = ["s:main", "s:blocks", "o:by=@ann:example.org"];
    let said = scene.as_user("root", "Policy1", "Disable", &forged);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    let in_room = || echo_in(&scene, "m-1", "forbidden").finish().json()["verdict"].clone();
    assert_eq!((in_room(), &echo(&scene, "forbidden")["verdict"]), (json!("deny"), &json!("deny")));

    for (member, event, verdict) in
        [("Disable", "rule.disabled", "allow"), ("Enable", "rule.enabled", "deny")]
    {
        assert_eq!(switch(&scene, member, "m-1", "by=@ann:example.org").status, 0);
        assert_eq!(in_room(), verdict, "{member}");
        assert!(scene.recorded(event, |record| {
            record["session"] == "m-1" && record["detail"]["by"] == "matrix @ann:example.org"
        }));
    }
}

#[test]
fn without_the_control_a_channel_switches_for_itself_where_it_likes() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| {
        rules.of(plan);
        testudo_tests::ablated(plan, "policyd", "channel");
    });
    assert_eq!(echo(&scene, "forbidden")["verdict"], "deny");
    assert_eq!(switch(&scene, "Disable", "main", "").status, 0);
    assert_eq!(echo(&scene, "forbidden")["verdict"], "allow");
}

#[test]
fn nothing_is_switched_that_cannot_be_recorded() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| rules.of(plan));
    scene.appliance.stop_unit("auditd").unwrap();
    let refused = scene.as_user("root", "Policy1", "Disable", &["s:main", "s:blocks", "o:"]);
    assert!(refused.stdout.starts_with("org.testudo.Error.Unavailable"), "{refused:?}");
    let listed = scene.ctl(&["rules", "main", "--json"]).json();
    assert!(listed["rules"].as_array().unwrap().iter().all(|rule| rule["enabled"] == true), "{listed}");
}
