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
        let refused = scene.as_user("root", "Policy1", "Disable", &["s:main", &format!("s:{rule}")]);
        assert!(refused.stdout.starts_with("org.testudo.Error.Denied"), "{rule}: {refused:?}");
        assert!(scene.recorded("rule.disabled", |record| record["decision"] == "deny"
            && record["detail"]["rule"] == rule));
    }
    let unknown = scene.as_user("root", "Policy1", "Disable", &["s:main", "s:confirm-changes"]);
    assert!(
        unknown.stdout.starts_with("org.testudo.Error.NotFound"),
        "a rule of the other kind: {unknown:?}"
    );
    let nameless = scene.as_user("root", "Policy1", "Disable", &["s:a b", "s:blocks"]);
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
        let refused = scene.as_user(user, "Policy1", "Disable", &["s:main", "s:blocks"]);
        assert!(refused.stdout.starts_with("org.testudo.Error.Denied"), "{user}: {refused:?}");
    }
    assert_eq!(echo(&scene, "forbidden")["verdict"], "deny");
}

#[test]
fn nothing_is_switched_that_cannot_be_recorded() {
    let rules = Rules::new(RULES);
    let scene = Scene::with(|plan| rules.of(plan));
    scene.appliance.stop_unit("auditd").unwrap();
    let refused = scene.as_user("root", "Policy1", "Disable", &["s:main", "s:blocks"]);
    assert!(refused.stdout.starts_with("org.testudo.Error.Unavailable"), "{refused:?}");
    let listed = scene.ctl(&["rules", "main", "--json"]).json();
    assert!(listed["rules"].as_array().unwrap().iter().all(|rule| rule["enabled"] == true), "{listed}");
}
