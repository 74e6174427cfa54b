use super::*;
use testudo::action::{Action, Effect, Phase};
use testudo::identity::Principal;
use testudo::label::Labels;
use testudo::verdict::{Layer, Reason, Verdict};

use crate::leases::shape::Shape;

mod parked;

const TTL: i64 = 300_000;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    (directory, ledger)
}

fn judged(hidden: Option<&str>) -> Judged {
    Judged {
        action: Action {
            tool: "fs.write".into(),
            arguments: serde_json::json!({}),
            effect: Effect::Write,
            phase: Phase::Apply,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: Some("x".into()),
        },
        call: "c".into(),
        declaration: testudo::declaration::Declaration::default(),
        bearer: None,
        taint: Labels::default(),
        flow: testudo::flow::Flow::default(),
        changes: Vec::new(),
        diff: None,
        hidden: hidden.map(str::to_owned),
    }
}

fn decision(judged: &Judged) -> Decision {
    Decision {
        verdict: Verdict::Ask,
        layer: Layer::Rules,
        reasons: Vec::new(),
        abstained: Vec::new(),
        digest: judged.action.digest().unwrap(),
        approve_by: Weight::default(),
        ttl_ms: None,
        approval: None,
    }
}

const NOBODY: &Watch = &Watch { route: None, parked: false };

fn asking(asker: &str, now_ms: i64) -> Asking<'_> {
    Asking { asker, watch: NOBODY, warnings: Vec::new(), now_ms, ttl_ms: TTL }
}

fn ask(ledger: &Ledger, now: i64, hidden: Option<&str>) -> Approval {
    ask_for(ledger, now, &judged(hidden), ":1.7").0
}

fn ask_for(ledger: &Ledger, now: i64, judged: &Judged, asker: &str) -> (Approval, bool) {
    let (entry, joined) = ledger.ask(judged, &decision(judged), asking(asker, now)).unwrap();
    (entry.approval, joined)
}

/// The same action for another call.
fn call(name: &str) -> Judged {
    Judged { call: name.into(), ..judged(None) }
}

const YES: Yes<'_> = Yes { by: "root", weight: Weight::Reply, scope: Scope::Once, steps: None, calls: 2 };

#[test]
fn a_yes_works_once_and_for_its_digest_only() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    assert!(matches!(ledger.redeem(&approval.id, &approval.digest, 1), Err(LedgerError::Settled { .. })));
    assert!(matches!(ledger.may_approve(&approval.id, "other", 1), Err(LedgerError::OtherDigest { .. })));
    ledger.may_approve(&approval.id, &approval.digest, 1).unwrap();
    let _ = ledger.approve(&approval.id, YES, 1).unwrap();
    assert!(matches!(ledger.redeem(&approval.id, "other", 2), Err(LedgerError::OtherDigest { .. })));
    ledger.redeem(&approval.id, &approval.digest, 2).unwrap();
    let again = ledger.redeem(&approval.id, &approval.digest, 3);
    assert!(matches!(again, Err(LedgerError::Settled { state: State::Redeemed, .. })));
}

#[test]
fn an_answer_is_final() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    let _ = ledger.settle(&approval.id, State::Denied, "root", Some("no"), 1).unwrap();
    assert!(matches!(
        ledger.approve(&approval.id, YES, 2),
        Err(LedgerError::Settled { state: State::Denied, .. })
    ));
    for state in [State::Denied, State::Expired] {
        let again = ledger.settle(&approval.id, state, "root", None, 2);
        assert!(matches!(again, Err(LedgerError::Settled { state: State::Denied, .. })));
    }
    assert_eq!(ledger.outcome(&approval.id, 2).unwrap().reason.as_deref(), Some("no"));
}

#[test]
fn time_equal_to_the_expiry_is_too_late() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    assert!(ledger.may_approve(&approval.id, &approval.digest, TTL - 1).is_ok());
    assert!(ledger.may_approve(&approval.id, &approval.digest, TTL).is_err());
    assert!(ledger.approve(&approval.id, YES, TTL).is_err());
    assert_eq!(ledger.overdue(TTL - 1).unwrap(), Vec::<String>::new());
    assert_eq!(ledger.overdue(TTL).unwrap(), [approval.id.as_str()]);
    let _ = ledger.settle(&approval.id, State::Expired, "clock", None, TTL).unwrap();
}

#[test]
fn a_yes_that_is_not_used_soon_goes_stale() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    let _ = ledger.approve(&approval.id, YES, 1).unwrap();
    assert!(ledger.redeem(&approval.id, &approval.digest, 1 + REDEEM_WITHIN_MS).is_err());
    ledger.redeem(&approval.id, &approval.digest, REDEEM_WITHIN_MS).unwrap();
}

#[test]
fn what_cannot_be_shown_whole_can_only_be_denied() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, Some("the diff is too long"));
    assert!(matches!(
        ledger.may_approve(&approval.id, &approval.digest, 1),
        Err(LedgerError::NotApprovable(_))
    ));
    let _ = ledger.settle(&approval.id, State::Denied, "root", None, 1).unwrap();
}

#[test]
fn questions_survive_a_restart() {
    let (directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    drop(ledger);
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    let pending: Vec<Approval> = ledger.pending().unwrap().into_iter().map(|entry| entry.approval).collect();
    assert_eq!(pending, std::slice::from_ref(&approval));
    assert_eq!(ledger.askers().unwrap(), [":1.7"]);
    let _ = ledger.settle(&approval.id, State::Denied, "root", None, 1).unwrap();
    assert_ne!(ask(&ledger, 1, None).id, approval.id, "ids are never used again");
}

#[test]
fn one_session_cannot_crowd_out_the_others() {
    let (_directory, ledger) = ledger();
    for number in 0..MOST_OF_SESSION {
        let mut other = judged(None);
        other.action.change_set = Some(number.to_string());
        let _ = ask_for(&ledger, 0, &other, ":1.7");
    }
    assert!(matches!(ledger.check_room("main", 10), Err(LedgerError::Full)));
    ledger.check_room("other", 10).unwrap();
    let long = usize::try_from(MOST_BYTES_OF_SESSION).unwrap() + 1;
    assert!(matches!(ledger.check_room("other", long), Err(LedgerError::TooLong(_))));
}

#[test]
fn ten_racing_uses_give_one_success() {
    let (directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    let _ = ledger.approve(&approval.id, YES, 1).unwrap();
    let path = directory.path().join("l.db");
    let wins: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let ledger = Ledger::open(&path, Controls::all()).unwrap();
                    ledger.database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                    usize::from(ledger.redeem(&approval.id, &approval.digest, 2).is_ok())
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
}

#[test]
fn identical_calls_share_a_question_and_each_has_its_own_use_of_the_yes() {
    let (_directory, ledger) = ledger();
    let (first, joined) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    assert!(!joined);
    let (second, joined) = ask_for(&ledger, 1, &call("c-2"), ":1.7");
    assert!(joined);
    assert_eq!((second.id.as_str(), second.calls), (first.id.as_str(), 2));
    let _ = ledger.approve(&first.id, YES, 2).unwrap();
    let (third, joined) = ask_for(&ledger, 3, &call("c-3"), ":1.7");
    assert!(!joined && third.id != first.id, "who comes after the yes asks anew");
    ledger.redeem(&first.id, &first.digest, 4).unwrap();
    assert_eq!(ledger.find(&first.id, 4).unwrap().state, State::Approved);
    ledger.redeem(&first.id, &first.digest, 4).unwrap();
    let again = ledger.redeem(&first.id, &first.digest, 4);
    assert!(
        matches!(again, Err(LedgerError::Settled { state: State::Redeemed, .. })),
        "as many as waited, no more"
    );
}

#[test]
fn who_asks_again_for_the_same_call_is_still_one() {
    let (directory, ledger) = ledger();
    let (first, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    drop(ledger);
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    let (again, joined) = ask_for(&ledger, 1, &call("c-1"), ":1.7");
    assert!(joined);
    assert_eq!((again.id, again.calls), (first.id, 1));
}

#[test]
fn a_question_that_says_something_else_is_another_one() {
    let (_directory, ledger) = ledger();
    let (first, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let mut heavier = decision(&call("c-2"));
    heavier.approve_by = Weight::Otp;
    let (entry, joined) = ledger.ask(&call("c-2"), &heavier, asking(":1.7", 1)).unwrap();
    assert!(!joined && entry.approval.id != first.id);
    let (_, joined) = ask_for(&ledger, TTL, &call("c-3"), ":1.7");
    assert!(!joined, "one whose time is over is not joined");
}

#[test]
fn a_question_ends_when_the_last_one_who_waits_is_gone() {
    let (_directory, ledger) = ledger();
    let (first, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let _ = ask_for(&ledger, 0, &call("c-2"), ":1.8");
    assert_eq!(ledger.depart(":1.9").unwrap(), Vec::<String>::new());
    assert_eq!(ledger.depart(":1.7").unwrap(), Vec::<String>::new());
    assert_eq!(ledger.depart(":1.8").unwrap(), [first.id.as_str()]);
    let (other, _) = ask_for(&ledger, TTL, &call("c-1"), ":1.7");
    let _ = ask_for(&ledger, TTL, &call("c-2"), ":1.7");
    assert!(!ledger.leave(&other.id).unwrap());
    assert!(ledger.leave(&other.id).unwrap());
}

#[test]
fn a_lease_lives_until_its_end_or_its_revocation_and_through_a_restart() {
    let (directory, ledger) = ledger();
    let (approval, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let shape = Shape::of(&call("c-1"), &[], Scope::Until);
    let yes = Yes { scope: Scope::Until, ..YES };
    let (outcome, _) = ledger.lease(&approval.id, yes, shape, Some(100), 1).unwrap();
    assert_eq!(outcome.lease.as_deref(), Some("l-1"));
    drop(ledger);
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    assert_eq!(ledger.leases(99).unwrap().len(), 1);
    assert_eq!(ledger.leases(100).unwrap().len(), 0, "now equal to the expiry is too late");
    assert!(matches!(ledger.end_lease("l-9", "root", 2), Err(LedgerError::Unknown { .. })));
    assert!(matches!(ledger.end_lease("a-1", "root", 2), Err(LedgerError::Unknown { .. })));
    ledger.end_lease("l-1", "root", 2).unwrap();
    assert!(ledger.leases(3).unwrap().is_empty());
    assert!(ledger.end_lease("l-1", "root", 3).is_err());
}

#[test]
fn a_lease_that_cannot_be_read_is_not_passed_over() {
    let (_directory, ledger) = ledger();
    let (approval, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let shape = Shape::of(&call("c-1"), &[], Scope::Always);
    let yes = Yes { scope: Scope::Always, ..YES };
    let _ = ledger.lease(&approval.id, yes, shape, None, 1).unwrap();
    ledger.database.execute("UPDATE lease SET shape = json_set(shape, '$.more', 1)", []).unwrap();
    assert!(matches!(ledger.leases(2), Err(LedgerError::Damaged { .. })));
}

#[test]
fn a_yes_that_comes_too_late_gives_no_lease() {
    let (_directory, ledger) = ledger();
    let (approval, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let shape = Shape::of(&call("c-1"), &[], Scope::Always);
    let yes = Yes { scope: Scope::Always, ..YES };
    assert!(ledger.lease(&approval.id, yes, shape, None, TTL).is_err());
    assert!(ledger.leases(0).unwrap().is_empty());
}

/// What the first version wrote: its questions are still answered, its used yeses stay used.
#[test]
fn a_ledger_of_the_first_version_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("l.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE approval (
             number INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, state TEXT NOT NULL, asker TEXT NOT NULL,
             requested_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, answered_ms INTEGER, answered_by TEXT,
             reason TEXT, body TEXT NOT NULL) STRICT;
         CREATE INDEX approval_state ON approval (state);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    let body = serde_json::json!({
        "id": "", "digest": "d", "session": "main", "tool": "fs.write", "arguments": {}, "reasons": [],
        "requested_at": "", "expires_at": "", "phase": "apply", "effect": "write",
        "requester": { "kind": "operator", "name": "root" }, "call": "c-1", "changes": [], "diff": null,
        "approvable": true, "light": false, "state": "pending", "answer": null
    });
    for (state, answered) in [("pending", None), ("redeemed", Some(5)), ("approved", Some(5))] {
        old.execute(
            "INSERT INTO approval (digest, state, asker, requested_ms, expires_ms, answered_ms, body)
             VALUES ('d', ?1, ':1.7', 0, 1000, ?2, ?3)",
            params![state, answered, body.to_string()],
        )
        .unwrap();
    }
    drop(old);
    let ledger = Ledger::open(&path, Controls::all()).unwrap();
    assert_eq!(ledger.find("a-1", 10).unwrap().calls, 1);
    assert_eq!(ledger.askers().unwrap(), [":1.7"]);
    let _ = ledger.approve("a-1", YES, 10).unwrap();
    ledger.redeem("a-1", "d", 11).unwrap();
    assert!(ledger.redeem("a-2", "d", 11).is_err(), "used is used");
    ledger.redeem("a-3", "d", 11).unwrap();
    drop(ledger);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&path, Controls::all()), Err(LedgerError::Newer { version: 99, .. })));
}

#[test]
fn a_yes_that_was_not_used_can_be_taken_back_and_a_used_one_not() {
    let (_directory, ledger) = ledger();
    let states = |now| -> Vec<State> {
        ledger.unused(now).unwrap().into_iter().map(|approval| approval.state).collect()
    };
    let approval = ask(&ledger, 0, None);
    assert_eq!(states(1), [State::Pending]);
    let outcome = ledger.approve(&approval.id, YES, 1).unwrap();
    assert_eq!((outcome.state, states(2)), (State::Approved, vec![State::Approved]));
    let outcome = ledger.revoke(&approval.id, "the changed policy denies it", 2).unwrap();
    assert_eq!(outcome.state, State::Withdrawn);
    assert_eq!(outcome.reason.as_deref(), Some("the changed policy denies it"));
    assert!(ledger.redeem(&approval.id, &approval.digest, 3).is_err());
    assert_eq!(states(3), []);

    let used = ask(&ledger, 10, None);
    let outcome = ledger.approve(&used.id, YES, 11).unwrap();
    assert_eq!(outcome.state, State::Approved);
    ledger.redeem(&used.id, &used.digest, 12).unwrap();
    assert_eq!(states(13), []);
    assert!(matches!(ledger.revoke(&used.id, "late", 13), Err(LedgerError::Settled { .. })));
}

#[test]
fn calls_that_join_after_the_question_was_seen_are_not_granted() {
    let (_directory, ledger) = ledger();
    let (seen, _) = ask_for(&ledger, 0, &call("c-1"), ":1.7");
    let (_, joined) = ask_for(&ledger, 1, &call("c-2"), ":1.7");
    assert!(joined);
    let _ = ledger.approve(&seen.id, Yes { calls: seen.calls, ..YES }, 2).unwrap();
    ledger.redeem(&seen.id, &seen.digest, 3).unwrap();
    assert!(ledger.redeem(&seen.id, &seen.digest, 3).is_err(), "one was seen");

    let (other, _) = ask_for(&ledger, 4, &call("c-3"), ":1.7");
    let _ = ledger.approve(&other.id, Yes { calls: 9, ..YES }, 5).unwrap();
    ledger.redeem(&other.id, &other.digest, 6).unwrap();
    assert!(ledger.redeem(&other.id, &other.digest, 6).is_err(), "one waited");
}
