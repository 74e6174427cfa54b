//! What the daemon that talks for people can do on the bus, as whoever took it over: say what people said, each with who
//! said it, and bring the answers of owners. For itself it can neither speak nor answer nor look at anything else.

use serde_json::{Value, json};
use testudo_appliance::{BusPolicy, Plan};
use testudo_tests::{Said, Scene, Started, ablated, text, wait};

const ANN: &str = "@ann:example.org";
const MATRIXD: &str = "testudo-matrixd";

fn people(plan: &mut Plan) {
    plan.set("matrixd", "owners", [ANN]);
    plan.set("matrixd", "members", ["@bob:example.org"]);
    plan.set("matrixd", "bridged", ["@irc_*:example.org"]);
}

fn propose(scene: &Scene, path: &str) -> (Started, Value) {
    let call = scene.call_start("fs.write", &json!({ "path": path, "content": "new\n" }));
    (call, scene.next_approval(&[]))
}

fn answer(scene: &Scene, approval: &Value, options: &str) -> Said {
    let id = format!("s:{}", text(approval, "id"));
    let digest = format!("s:{}", text(approval, "digest"));
    scene.as_user(MATRIXD, "Policy1", "Approve", &[&id, &digest, &format!("o:{options}")])
}

/// Everything that a yes of the owner has.
fn whole(approval: &Value) -> String {
    format!("by={ANN},answer=reply,seen={}", text(approval, "seen"))
}

#[test]
fn an_answer_over_a_channel_is_an_owners_or_none() {
    let scene = Scene::with(people);
    let (call, approval) = propose(&scene, "a.txt");
    let seen = text(&approval, "seen");
    for (options, because) in [
        (String::new(), "may not answer for itself"),
        (format!("answer=reply,seen={seen}"), "may not answer for itself"),
        (format!("by=@bob:example.org,answer=reply,seen={seen}"), "not call this person an owner"),
        (format!("by=@Ann:example.org,answer=reply,seen={seen}"), "not call this person an owner"),
        (format!("by=root,answer=reply,seen={seen}"), "not call this person an owner"),
        (format!("by={ANN},seen={seen}"), "how the person answered"),
        (format!("by={ANN},answer=local,seen={seen}"), "at this machine"),
        (format!("by={ANN},answer=reply"), "what the person was shown"),
        (format!("by={ANN},answer=reply,seen=0000"), "has changed since it was shown"),
        (format!("by={ANN},answer=reaction,seen={seen}"), "wants an answer in words"),
    ] {
        let said = answer(&scene, &approval, &options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
        let recorded = scene.recorded("approval.refused", |record| {
            record["detail"]["approval"] == approval["id"]
                && text(&record["detail"], "reason").contains(because)
        });
        assert!(recorded, "{options}: {because} is not in the record: {said:?}");
    }
    let id = format!("s:{}", text(&approval, "id"));
    for options in ["", "by=@bob:example.org"] {
        let said = scene.as_user(MATRIXD, "Policy1", "Deny", &[&id, "s:no", &format!("o:{options}")]);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
    }
    assert_eq!(scene.approvals().len(), 1, "the question stays open");
    assert_eq!(scene.file("a.txt"), None);

    let said = answer(&scene, &approval, &whole(&approval));
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    assert!(scene.file("a.txt").is_some());
    assert!(scene.recorded("approval.answered", |record| {
        record["detail"]["by"] == format!("matrix {ANN}") && record["decision"] == "approved"
    }));

    let (call, approval) = propose(&scene, "b.txt");
    let id = format!("s:{}", text(&approval, "id"));
    let said = scene.as_user(MATRIXD, "Policy1", "Deny", &[&id, "s:not now", &format!("o:by={ANN}")]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
}

#[test]
fn an_operator_answers_for_himself_alone() {
    let scene = Scene::with(people);
    let (call, approval) = propose(&scene, "a.txt");
    let id = format!("s:{}", text(&approval, "id"));
    let digest = format!("s:{}", text(&approval, "digest"));
    let options = format!("o:by={ANN}");
    let said = scene.as_user("root", "Policy1", "Approve", &[&id, &digest, &options]);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    let said = scene.as_user("root", "Policy1", "Deny", &[&id, "s:no", &options]);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    scene.approve(&approval);
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn without_the_control_a_channel_answers_for_itself() {
    let scene = Scene::with(|plan| {
        people(plan);
        ablated(plan, "policyd", "channel");
    });
    let (call, approval) = propose(&scene, "a.txt");
    let said = answer(&scene, &approval, "");
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
}

/// A lease that an operator gave in a session of his.
fn leased(scene: &Scene) {
    let (call, approval) = propose(scene, "a.txt");
    let said = scene.ctl(&["approve", &text(&approval, "id"), "--for", "session"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    assert_eq!(scene.as_user(MATRIXD, "Policy1", "Leases", &[]).json()[0]["id"], "l-1");
}

fn revoke(scene: &Scene, options: &str) -> Said {
    scene.as_user(MATRIXD, "Policy1", "Revoke", &["s:l-1", &format!("o:{options}")])
}

/// It is shown the leases of all sessions, and ending one only makes decisions stricter: an owner who is away from the
/// machine must be able to. But it is he who ends it, and the record says so.
#[test]
fn a_channel_ends_a_lease_of_any_session_for_an_owner_alone() {
    let scene = Scene::with(people);
    leased(&scene);
    for (options, because) in [
        ("", "may not answer for itself"),
        ("by=@bob:example.org", "not call this person an owner"),
        ("by=@eve:example.org", "not call this person an owner"),
        ("by=root", "not call this person an owner"),
    ] {
        let said = revoke(&scene, options);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{options}: {said:?}");
        let recorded = scene.recorded("command.refused", |record| {
            record["detail"]["method"] == "Revoke" && text(&record["detail"], "reason").contains(because)
        });
        assert!(recorded, "{options}: {because} is not in the record: {said:?}");
    }
    let by = format!("by={ANN}");
    let said = scene.as_user("root", "Policy1", "Revoke", &["s:l-1", &format!("o:{by}")]);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
    let held = scene.as_user("root", "Policy1", "Leases", &[]).json();
    assert_eq!(held.as_array().map(Vec::len), Some(1), "{held}");
    assert!(!scene.recorded("lease.revoked", |_| true));

    let said = revoke(&scene, &by);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(scene.as_user("root", "Policy1", "Leases", &[]).json(), json!([]));
    assert!(scene.recorded("lease.revoked", |record| record["detail"]["by"] == format!("matrix {ANN}")));
}

#[test]
fn without_the_control_a_channel_ends_leases_for_itself() {
    let scene = Scene::with(|plan| {
        people(plan);
        ablated(plan, "policyd", "channel");
    });
    leased(&scene);
    assert_eq!(revoke(&scene, "").status, 0);
    assert!(scene.recorded("lease.revoked", |record| record["detail"]["by"] == "matrixd"));
}

#[test]
fn a_reaction_is_a_reply_where_the_server_is_the_owners_own_and_never_for_the_policy() {
    let scene = Scene::with(|plan| {
        people(plan);
        plan.set("matrixd", "trust_homeserver", true);
    });
    let reaction = |approval: &Value| format!("by={ANN},answer=reaction,seen={}", text(approval, "seen"));
    let (call, approval) = propose(&scene, "a.txt");
    let said = answer(&scene, &approval, &reaction(&approval));
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));

    let rule = "[[rule]]\nname = \"a\"\nmatch = { effect = \"read\" }\naction = \"allow\"\nreason = \"r\"\n";
    let said = scene.as_user("root", "Policy1", "Amend", &["s:own", &format!("s:{rule}"), "o:"]);
    assert_eq!(said.status, 0, "{said:?}");
    let approval = scene.next_approval(&[]);
    let said = answer(&scene, &approval, &reaction(&approval));
    assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{said:?}");
    assert!(said.stdout.contains("wants an answer in words"), "{said:?}");
}

/// The bus refuses these; here it does not, and the daemons do.
#[test]
fn what_is_for_operators_alone_is_refused_twice() {
    let scene = Scene::with(|plan| {
        people(plan);
        plan.bus_policy = BusPolicy::Open;
    });
    for (interface, member, arguments) in [
        ("Policy1", "EnrolOtp", &[][..]),
        ("Policy1", "Explain", &["s:{}"]),
        ("Policy1", "Check", &["s:", "s:x"]),
        ("Policy1", "Replay", &["s:x", "s:"]),
        ("Policy1", "Amend", &["s:x", "s:", "o:"]),
        ("Policy1", "Files", &[]),
        ("Policy1", "Decide", &["s:{}", "o:"]),
        ("Policy1", "Observe", &["s:x", "s:{}", "o:"]),
        ("Policy1", "Redeem", &["s:a-1", "s:00"]),
        ("Tools1", "Stop", &["s:x", "o:"]),
        ("Audit1", "Log", &["t:0", "u:1", "o:"]),
        ("Audit1", "Verify", &[]),
    ] {
        let said = scene.as_user(MATRIXD, interface, member, arguments);
        assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{interface}.{member}: {said:?}");
    }
    let call = scene.as_user(MATRIXD, "Tools1", "Invoke", &["s:x", "s:time.now", "s:{}", "o:"]).json();
    assert_eq!(call["error"]["code"], "UNAUTHORIZED", "{call}");
    for user in ["testudo-toold", "testudo-modeld", "testudo-egressd", "nobody"] {
        for (interface, member, arguments) in [
            ("Agent1", "Send", &["s:m-x", "s:hi", "o:author=owner,speaker=@ann:example.org"][..]),
            ("Agent1", "Sessions", &[]),
            ("Agent1", "Fetch", &["s:m-x", "s:f-1"]),
            ("Agent1", "Context", &["s:m-x"]),
            ("Agent1", "UseModel", &["s:m-x", "s:", "o:author=owner,speaker=@ann:example.org"]),
            ("Agent1", "Pin", &["s:m-x", "s:it", "o:author=owner,speaker=@ann:example.org"]),
            ("Agent1", "Unpin", &["s:m-x", "u:1", "o:author=owner,speaker=@ann:example.org"]),
            ("Agent1", "Compact", &["s:m-x", "o:author=owner,speaker=@ann:example.org"]),
            ("Policy1", "Approvals", &["o:"]),
            ("Policy1", "Approve", &["s:a-1", "s:00", "o:by=@ann:example.org,answer=reply,seen=00"]),
            ("Policy1", "Deny", &["s:a-1", "s:no", "o:by=@ann:example.org"]),
            ("Audit1", "Head", &[]),
        ] {
            let said = scene.as_user(user, interface, member, arguments);
            assert!(
                said.stdout.starts_with("org.testudo.Error.Denied"),
                "{user} {interface}.{member}: {said:?}"
            );
        }
    }
}

/// Neither what operators say in theirs, nor what they approved there, nor the rules that hold there.
#[test]
fn a_channel_has_no_part_in_the_sessions_of_others() {
    let scene = Scene::with(people);
    let (owner, by) = ("o:author=owner,speaker=@ann:example.org", "o:by=@ann:example.org");
    let said = scene.as_user("root", "Agent1", "Send", &["s:main", "s:what time is it", "o:"]);
    let turn = format!("s:{}", said.stdout.trim());
    scene.as_user("root", "Agent1", "Wait", &["s:main", &turn]);
    for (interface, member, arguments) in [
        ("Agent1", "Send", &["s:main", "s:hi", owner][..]),
        // The empty name is the main one's.
        ("Agent1", "Send", &["s:", "s:hi", owner]),
        ("Agent1", "Attach", &["s:main", "s:a", "h:x", owner]),
        ("Agent1", "Fetch", &["s:main", "s:f-1"]),
        ("Agent1", "Wait", &["s:main", &turn]),
        ("Agent1", "Cancel", &["s:main", "s:"]),
        ("Agent1", "Session", &["s:main"]),
        ("Agent1", "Context", &["s:main"]),
        ("Agent1", "UseModel", &["s:main", "s:rehearsal", owner]),
        ("Agent1", "Pin", &["s:main", "s:x", owner]),
        ("Agent1", "Unpin", &["s:main", "u:1", owner]),
        ("Agent1", "Compact", &["s:main", owner]),
        ("Agent1", "Subscribe", &["s:main"]),
        ("Policy1", "Rules", &["s:main"]),
        ("Policy1", "Disable", &["s:main", "s:x", by]),
        ("Policy1", "Enable", &["s:main", "s:x", by]),
        ("Policy1", "Vouch", &["s:main", "s:x", by]),
    ] {
        let said = scene.as_user(MATRIXD, interface, member, arguments);
        assert!(
            said.stdout.starts_with("org.testudo.Error.Denied")
                && said.stdout.contains("nothing to do with session main"),
            "{interface}.{member}: {said:?}"
        );
    }
    let shown = scene.as_user("root", "Agent1", "Session", &["s:main"]).json();
    assert_eq!(shown["turns"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(scene.as_user(MATRIXD, "Agent1", "Subscribe", &["s:m-1"]).status, 0);
}

#[test]
fn what_a_channel_brings_is_labelled_with_who_said_it() {
    let scene = Scene::with(people);
    let send = |session: &str, options: &str| {
        scene.as_user(
            MATRIXD,
            "Agent1",
            "Send",
            &[&format!("s:m-{session}"), "s:what time is it", &format!("o:{options}")],
        )
    };
    for (options, refusal) in [
        ("", "InvalidArgument"),
        ("author=owner", "InvalidArgument"),
        ("speaker=@ann:example.org", "InvalidArgument"),
        ("author=operator,speaker=@ann:example.org", "InvalidArgument"),
        ("author=owner,speaker=@bob:example.org", "Denied"),
        ("author=owner,speaker=@eve:example.org", "Denied"),
        ("author=member,speaker=@irc_ann:example.org", "Denied"),
        ("author=bridged,speaker=@eve:example.org", "Denied"),
    ] {
        let said = send("refused", options);
        assert!(said.stdout.starts_with(&format!("org.testudo.Error.{refusal}")), "{options}: {said:?}");
    }
    for (author, speaker) in [
        ("owner", ANN),
        ("member", "@bob:example.org"),
        ("bridged", "@irc_x:example.org"),
        ("stranger", "@eve:evil.org"),
    ] {
        let said = send(author, &format!("author={author},speaker={speaker}"));
        assert_eq!(said.status, 0, "{said:?}");
        let turn = said.stdout.trim().to_owned();
        let ended =
            scene.as_user(MATRIXD, "Agent1", "Wait", &[&format!("s:m-{author}"), &format!("s:{turn}")]);
        assert_eq!(ended.status, 0, "{ended:?}");
        let shown = scene.as_user(MATRIXD, "Agent1", "Session", &[&format!("s:m-{author}")]).json();
        let first = &shown["messages"][0];
        assert_eq!(first["labels"]["sources"], json!([author]), "{shown}");
        let words = text(first, "text");
        assert_eq!(words.starts_with(&format!("matrix {speaker} (")), author != "owner", "{words}");
        assert!(words.ends_with("what time is it"), "{words}");
        assert!(scene.recorded("turn.started", |record| {
            record["session"] == format!("m-{author}")
                && record["detail"]["requester"] == format!("matrix {speaker}")
        }));
    }
    let said = scene.as_user("root", "Agent1", "Send", &["s:x", "s:hi", "o:author=stranger"]);
    assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{said:?}");
}

/// A person's file is in the session's sandboxes, read-only, and the session has its labels.
#[test]
fn a_file_that_somebody_sends_is_there_for_the_session_and_for_nobody_else() {
    let scene = Scene::with(people);
    let attach = |user: &str, session: &str, options: &str| {
        let (session, options) = (format!("s:{session}"), format!("o:{options}"));
        scene.as_user(user, "Agent1", "Attach", &[&session, "s:../plan now.txt", "h:what was sent", &options])
    };
    let read = |session: &str, path: &str| {
        let arguments = json!({ "path": path }).to_string();
        scene.ctl(&["call", "fs.read", &arguments, "--session", session, "--json"]).json()
    };
    for options in ["", "author=owner", "author=owner,speaker=@eve:evil.org"] {
        assert_eq!(attach(MATRIXD, "m-1", options).status, 1, "{options}");
    }
    // The sandbox may be there already, or not yet.
    scene.ctl(&["call", "time.now", "{}", "--session", "m-1"]);
    for number in 1..=2 {
        let said = attach(MATRIXD, "m-1", "author=member,speaker=@bob:example.org,mime=text/plain");
        assert_eq!((said.status, said.stdout.trim()), (0, format!("/inbox/{number}-plan_now.txt").as_str()));
        let found = read("m-1", said.stdout.trim());
        assert_eq!(found.pointer("/result/content/content"), Some(&json!("what was sent")), "{found}");
    }
    assert!(scene.recorded("file.received", |record| {
        record["session"] == "m-1" && record["detail"]["requester"] == "matrix @bob:example.org"
    }));
    let elsewhere = read("other", "/inbox/1-plan_now.txt");
    assert!(elsewhere["error"].is_object(), "{elsewhere}");
    let over = json!({ "path": "/inbox/1-plan_now.txt", "content": "x" }).to_string();
    let written = scene.ctl(&["call", "fs.write", &over, "--session", "m-1", "--json"]).json();
    assert!(written["error"].is_object(), "{written}");
    assert_eq!(attach("root", "m-1", "").stdout.trim(), "/inbox/3-plan_now.txt");
    let said = scene.as_user("testudo-toold", "Agent1", "Attach", &["s:m-1", "s:a", "h:x", "o:"]);
    assert!(said.stdout.contains("AccessDenied"), "{said:?}");
}

#[test]
fn where_the_record_stands_is_known_to_who_posts_it() {
    let scene = Scene::with(people);
    let head = || scene.as_user(MATRIXD, "Audit1", "Head", &[]).json();
    let before = head();
    assert_eq!(text(&before, "hash").len(), 64);
    assert!(before["seq"].as_u64().is_some_and(|seq| seq > 0) && text(&before, "time").ends_with('Z'));
    scene.call("time.now", &json!({}));
    let after = wait("another record", || Some(head()).filter(|head| head["seq"] != before["seq"]));
    let said = scene.ctl(&["audit", "verify", "--json"]).json();
    assert_eq!(said["ok"], true, "{said}");
    let recorded =
        scene.log().iter().any(|record| record["seq"] == after["seq"] && record["hash"] == after["hash"]);
    assert!(recorded, "{after}");
}
