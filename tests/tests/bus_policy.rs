//! Who may call what, tried pair by pair on a bus with the shipped policy: what is not in the table is refused by the bus.

use std::collections::BTreeMap;

use testudo_appliance::BusPolicy;
use testudo_tests::{Scene, talking};

const OPERATOR: &[&str] = &["root"];
const USERS: [&str; 10] = [
    "root",
    "testudo-agentd",
    "testudo-auditd",
    "testudo-egressd",
    "testudo-matrixd",
    "testudo-modeld",
    "testudo-policyd",
    "testudo-toold",
    "testudo-work",
    "nobody",
];

/// Every method with well-formed arguments, and who may call it.
fn methods() -> Vec<(&'static str, &'static str, &'static [&'static str], Vec<&'static str>)> {
    let agent_and_people: Vec<&str> = vec!["root", "testudo-agentd"];
    let people = OPERATOR.to_vec();
    let people_from_afar: Vec<&str> = vec!["root", "testudo-matrixd"];
    vec![
        ("Agent1", "Send", &["s:x", "s:what time is it", "o:"], people_from_afar.clone()),
        ("Agent1", "Attach", &["s:x", "s:a.txt", "h:text", "o:"], people_from_afar.clone()),
        ("Agent1", "Fetch", &["s:x", "s:f-99"], people_from_afar.clone()),
        ("Agent1", "Wait", &["s:x", "s:none"], people_from_afar.clone()),
        ("Agent1", "Cancel", &["s:x", "s:none"], people_from_afar.clone()),
        ("Agent1", "Sessions", &[], people_from_afar.clone()),
        ("Agent1", "Session", &["s:x"], people_from_afar.clone()),
        ("Agent1", "Context", &["s:x"], people_from_afar.clone()),
        ("Agent1", "UseModel", &["s:x", "s:", "o:"], people_from_afar.clone()),
        ("Agent1", "Pin", &["s:x", "s:it", "o:"], people_from_afar.clone()),
        ("Agent1", "Unpin", &["s:x", "u:99", "o:"], people_from_afar.clone()),
        ("Agent1", "Compact", &["s:x", "o:"], people_from_afar.clone()),
        ("Agent1", "Subscribe", &["s:x"], people_from_afar.clone()),
        (
            "Audit1",
            "Append",
            &["s:{\"event\":\"x\"}", "o:"],
            vec![
                "testudo-agentd",
                "testudo-egressd",
                "testudo-matrixd",
                "testudo-modeld",
                "testudo-policyd",
                "testudo-toold",
            ],
        ),
        ("Audit1", "Log", &["t:0", "u:1", "o:"], people.clone()),
        ("Audit1", "Show", &["t:1"], people.clone()),
        ("Audit1", "Verify", &[], people.clone()),
        ("Audit1", "Head", &[], people_from_afar.clone()),
        ("Egress1", "Open", &["s:{}"], vec!["testudo-toold"]),
        ("Egress1", "Close", &["s:c-99"], vec!["testudo-toold"]),
        ("Egress1", "Status", &[], people.clone()),
        ("Matrix1", "Status", &[], people.clone()),
        ("Matrix1", "RecoveryKey", &[], people.clone()),
        ("Matrix1", "RotateRecoveryKey", &[], people.clone()),
        ("Matrix1", "Recover", &["s:none"], people.clone()),
        ("Matrix1", "Verifications", &[], people.clone()),
        ("Matrix1", "Verify", &["s:@ann:example.org", "s:"], people.clone()),
        ("Matrix1", "Accept", &["s:none"], people.clone()),
        ("Matrix1", "Emojis", &["s:none"], people.clone()),
        ("Matrix1", "Confirm", &["s:none", "b:false"], people.clone()),
        ("Matrix1", "AcceptIdentity", &["s:@ann:example.org", "s:none"], people.clone()),
        ("Matrix1", "DeadLetters", &[], people.clone()),
        ("Matrix1", "Rooms", &[], people.clone()),
        (
            "Models1",
            "Complete",
            &["s:1", "s:{\"messages\":[],\"tools\":[]}", "o:"],
            vec!["testudo-agentd", "testudo-policyd"],
        ),
        ("Models1", "Cancel", &["s:1"], vec!["testudo-agentd", "testudo-policyd"]),
        ("Models1", "List", &[], agent_and_people.clone()),
        ("Policy1", "Decide", &["s:{}", "o:"], vec!["testudo-egressd", "testudo-toold"]),
        ("Policy1", "Observe", &["s:x", "s:{}", "o:"], vec!["testudo-agentd", "testudo-toold"]),
        ("Policy1", "Await", &["s:a-99"], vec!["testudo-egressd", "testudo-toold"]),
        ("Policy1", "Redeem", &["s:a-99", "s:00"], vec!["testudo-egressd", "testudo-toold"]),
        ("Policy1", "Withdraw", &["s:a-99"], vec!["testudo-egressd", "testudo-toold"]),
        ("Policy1", "Plan", &["s:{}", "o:"], vec!["testudo-toold"]),
        ("Policy1", "Collect", &["s:a-99"], vec!["testudo-toold"]),
        ("Policy1", "Approvals", &["o:"], people_from_afar.clone()),
        ("Policy1", "Approve", &["s:a-99", "s:00", "o:"], people_from_afar.clone()),
        ("Policy1", "Deny", &["s:a-99", "s:no", "o:"], people_from_afar.clone()),
        ("Policy1", "Leases", &[], people_from_afar.clone()),
        ("Policy1", "Revoke", &["s:l-99", "o:"], people_from_afar.clone()),
        ("Policy1", "EnrolOtp", &[], people.clone()),
        ("Policy1", "Explain", &["s:{}"], people.clone()),
        ("Policy1", "Check", &["s:", "s:x"], people.clone()),
        ("Policy1", "Replay", &["s:x", "s:"], people.clone()),
        ("Policy1", "Amend", &["s:x", "s:", "o:"], people.clone()),
        ("Policy1", "Files", &[], people.clone()),
        ("Policy1", "Rules", &["s:x"], people_from_afar.clone()),
        ("Policy1", "Disable", &["s:x", "s:none", "o:"], people_from_afar.clone()),
        ("Policy1", "Enable", &["s:x", "s:none", "o:"], people_from_afar.clone()),
        ("Policy1", "Vouch", &["s:x", "s:text", "o:"], people_from_afar.clone()),
        ("Policy1", "Subscribe", &[], people_from_afar.clone()),
        ("Tools1", "Invoke", &["s:x", "s:time.now", "s:{}", "o:"], agent_and_people.clone()),
        ("Tools1", "Cancel", &["s:c-99"], agent_and_people.clone()),
        ("Tools1", "Catalogue", &[], agent_and_people.clone()),
        ("Tools1", "CloseSession", &["s:x"], agent_and_people.clone()),
        ("Tools1", "Receive", &["s:x", "s:a.txt", "h:text"], vec!["testudo-agentd"]),
        ("Tools1", "Fetch", &["s:x", "s:f-99"], vec!["testudo-agentd"]),
        ("Tools1", "Prepare", &["s:x"], agent_and_people),
        ("Tools1", "Undo", &["s:", "o:"], people.clone()),
        ("Tools1", "History", &["u:9"], people.clone()),
        ("Tools1", "Containment", &["s:none"], people.clone()),
        ("Tools1", "Stop", &["s:x", "o:"], people.clone()),
        ("Tools1", "Resume", &["s:x"], people.clone()),
        ("Tools1", "Stops", &[], people.clone()),
        ("Tools1", "Freeze", &["s:x"], people.clone()),
        ("Tools1", "Thaw", &["s:x"], people),
    ]
}

fn refused_by_the_bus(said: &str) -> bool {
    said.contains("org.freedesktop.DBus.Error.AccessDenied")
}

#[test]
fn every_forbidden_pair_is_refused_by_the_bus_and_every_allowed_one_is_not() {
    let scene = Scene::with(|plan| talking(plan, &[]));
    let mut wrong = Vec::new();
    for (interface, member, arguments, allowed) in methods() {
        for user in USERS {
            let said = scene.as_user(user, interface, member, arguments);
            if refused_by_the_bus(&said.stdout) == allowed.contains(&user) {
                wrong.push(format!("{user} → {interface}.{member}: {}", said.stdout.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_above_has_every_method_of_the_contract() {
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for interface in ["Agent1", "Audit1", "Egress1", "Matrix1", "Models1", "Policy1", "Tools1"] {
        let file = format!("units/dbus-1/interfaces/org.testudo.{interface}.xml");
        let text = std::fs::read_to_string(testudo_tests::repository().join(file)).unwrap();
        for name in text.split("<method name=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            *written.entry(format!("{interface}.{name}")).or_default() += 1;
        }
    }
    let tried =
        methods().iter().map(|(interface, member, ..)| (format!("{interface}.{member}"), 1)).collect();
    assert_eq!(written, tried);
}

#[test]
fn without_the_policy_the_bus_refuses_nothing() {
    let scene = Scene::with(|plan| {
        talking(plan, &[]);
        plan.bus_policy = BusPolicy::Open;
    });
    for (interface, member, arguments, _) in methods() {
        let said = scene.as_user("nobody", interface, member, arguments);
        assert!(!refused_by_the_bus(&said.stdout), "{interface}.{member}: {said:?}");
    }
}

/// Names are as important as calls: who takes a daemon's name hears what is meant for it.
#[test]
fn nobody_can_take_a_daemons_name() {
    let take = |scene: &Scene, user: &str, interface: &str| {
        scene.as_user(user, "--own", &format!("org.testudo.{interface}"), &[])
    };
    let scene = Scene::with(|plan| talking(plan, &[]));
    for interface in ["Agent1", "Audit1", "Egress1", "Matrix1", "Models1", "Policy1", "Tools1"] {
        let unit = match interface {
            "Agent1" => "agentd",
            "Audit1" => "auditd",
            "Egress1" => "egressd",
            "Matrix1" => "matrixd",
            "Models1" => "modeld",
            "Policy1" => "policyd",
            _ => "toold",
        };
        scene.appliance.stop_unit(unit).unwrap();
        for user in USERS.into_iter().filter(|user| *user != format!("testudo-{unit}")) {
            let said = take(&scene, user, interface);
            assert!(refused_by_the_bus(&said.stdout), "{user} took {interface}: {said:?}");
        }
        assert_eq!(take(&scene, &format!("testudo-{unit}"), interface).status, 0, "the probe itself works");
    }
}
