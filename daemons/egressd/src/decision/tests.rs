use super::*;
use crate::gate::Load;
use serde_json::json;
use testudo::action::Effect;
use testudo::egress::{Host, Pass, Scheme};
use testudo::identity::{Daemon, Principal};

fn call() -> Who {
    Who::Call(Pass {
        call: "c-1".into(),
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        tool: "test.run".into(),
        listed: Vec::new(),
        tunnels: Vec::new(),
        unattended: true,
        approver: Some("ada".into()),
    })
}

fn wish() -> Wish {
    let opaque = Wish::opaque(Scheme::Https, Host::parse("a.example").unwrap(), 443);
    Wish { method: "GET".into(), path: "/x".into(), ..opaque }
}

fn permit() -> Permit {
    Permit { verdict: Verdict::Allow, digest: "d".into(), approval: None }
}

#[test]
fn a_wish_is_an_action_that_says_all_of_it() {
    let judged = judged(&call(), &wish(), false);
    let expected = json!({
        "destination": "a.example:443", "scheme": "https", "listed": false, "for": "test.run", "method": "GET", "path": "/x",
    });
    assert_eq!(judged.action.arguments, expected);
    assert_eq!((judged.action.tool.as_str(), judged.call.as_str()), ("net.connect", "c-1"));
    assert_eq!(judged.action.session, "main");
    assert_eq!(judged.effects(), [Effect::ReadExternal].into());
    assert!(judged.declaration.arguments.len() == expected.as_object().unwrap().len(), "each has a role");
}

/// A yes is for a digest: whatever would make another request makes another one.
#[test]
fn whatever_changes_the_request_changes_the_digest() {
    let digest = |who: &Who, wish: &Wish, listed| judged(who, wish, listed).action.digest().unwrap();
    let base = digest(&call(), &wish(), false);
    let host = Host::parse("b.example").unwrap();
    for other in [
        Wish { scheme: Scheme::Http, ..wish() },
        Wish { host, ..wish() },
        Wish { port: 444, ..wish() },
        Wish { method: "HEAD".into(), ..wish() },
        Wish { path: "/y".into(), ..wish() },
        Wish { query: Some("q".into()), ..wish() },
        Wish { query: Some(String::new()), ..wish() },
        Wish { secrets: vec!["key".into()], ..wish() },
        Wish { load: Load::Bytes(1), ..wish() },
        Wish { load: Load::Endless, ..wish() },
    ] {
        assert_ne!(digest(&call(), &other, false), base, "{other:?}");
    }
    assert_ne!(digest(&call(), &wish(), true), base);
    assert_ne!(digest(&Who::Models, &wish(), false), base);
}

#[test]
fn who_sends_something_does_more_than_look() {
    for (method, says) in
        [("GET", false), ("HEAD", false), ("OPTIONS", false), ("POST", true), ("PUT", true), ("get", true)]
    {
        let judged = judged(&call(), &Wish { method: method.into(), ..wish() }, false);
        assert_eq!(judged.effects().contains(&Effect::Message), says, "{method}");
    }
    for (load, shown) in [
        (Load::Bytes(1), "not shown, 1 byte"),
        (Load::Bytes(70_000), "not shown, 70000 bytes"),
        (Load::Endless, "not shown, of a length that is not known"),
    ] {
        let judged = judged(&call(), &Wish { load, ..wish() }, false);
        assert_eq!(judged.action.arguments["content"], shown);
        assert!(judged.effects().contains(&Effect::Message), "{load:?}");
    }
}

#[test]
fn what_nobody_sees_could_say_anything() {
    for scheme in [Scheme::Tls, Scheme::Tcp] {
        let opaque = judged(&call(), &Wish::opaque(scheme, wish().host, 443), false);
        assert!(opaque.action.arguments.get("path").is_none());
        assert_eq!(opaque.action.arguments["content"], "not seen, in both directions");
        assert!(opaque.effects().contains(&Effect::Message), "{scheme:?}");
        assert!(!Wish::opaque(scheme, wish().host, 443).is_look());
    }
}

#[test]
fn questions_go_to_whom_the_call_names() {
    let given = options(&call());
    assert!(given.contains_key("unattended") && given.contains_key("approver"));
    assert!(options(&Who::Models).is_empty());
}

#[test]
fn only_a_yes_leads_on() {
    for (state, expected) in [
        (State::Approved, None),
        (State::Denied, Some(Reason::Denied)),
        (State::Expired, Some(Reason::Unanswered)),
        (State::Pending, Some(Reason::Unanswered)),
        (State::Withdrawn, Some(Reason::Unanswered)),
        (State::Redeemed, Some(Reason::Unanswered)),
    ] {
        let outcome = Outcome {
            id: "a-1".into(),
            state,
            digest: "d".into(),
            reason: Some("because".into()),
            by: None,
            weight: None,
            scope: None,
            lease: None,
        };
        assert_eq!(answered(&outcome).err().map(|turned| turned.reason), expected, "{state:?}");
    }
}

/// A question whose answer comes when the test says so.
fn question() -> (Question, watch::Sender<Option<Answer>>, oneshot::Receiver<()>) {
    let (wanted, unwanted) = oneshot::channel();
    let (answered, answer) = watch::channel(None);
    (Question { answer, _wanted: wanted }, answered, unwanted)
}

#[test]
fn identical_wishes_share_a_question_and_its_answer() {
    let decided = Decided::default();
    let (first, _answered, mut unwanted) = question();
    let first = decided.find("d", || first).unwrap();
    let second = decided.find("d", || panic!("it is asked already")).unwrap();
    drop(first);
    assert!(
        unwanted.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty),
        "one still waits"
    );
    drop(second);
    assert_eq!(unwanted.try_recv(), Err(oneshot::error::TryRecvError::Closed), "nobody waits");
    let (again, _answered, _unwanted) = question();
    let again = decided.find("d", || again).unwrap();
    decided.settle("d", &Ok(permit()));
    drop(again);
    assert_eq!(*decided.find("d", || panic!("it is known")).unwrap_err(), Ok(permit()));
    let (other, _answered, _unwanted) = question();
    assert!(decided.find("e", || other).is_ok(), "another digest is another question");
}

#[test]
fn a_no_holds_for_the_call_and_what_could_not_be_answered_is_asked_again() {
    for (reason, holds) in [(Reason::Denied, true), (Reason::Unanswered, false), (Reason::Unavailable, false)]
    {
        let decided = Decided::default();
        let (asked, _answered, _unwanted) = question();
        let _asked = decided.find("d", || asked).unwrap();
        decided.settle("d", &Err(Turned::new(reason, "no")));
        let (again, _answered, _unwanted) = question();
        assert_eq!(decided.find("d", || again).is_err(), holds, "{reason:?}");
    }
}

#[test]
fn answers_are_forgotten_before_there_are_too_many() {
    let decided = Decided::default();
    for number in 0..=MOST {
        decided.settle(&number.to_string(), &Ok(permit()));
    }
    let (asked, _answered, _unwanted) = question();
    assert!(decided.find("new", || asked).is_ok());
    assert_eq!(decided.lock().len(), 1);
}
