use super::*;
use testudo::action::{Action, Effect, Phase};
use testudo::identity::Principal;
use testudo::label::Labels;
use testudo::verdict::{Layer, Verdict};

const TTL: i64 = 300_000;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
    (directory, ledger)
}

fn ask(ledger: &Ledger, now: i64, hidden: Option<&str>) -> Approval {
    let judged = Judged {
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
        taint: Labels::default(),
        changes: Vec::new(),
        diff: None,
        hidden: hidden.map(str::to_owned),
    };
    let decision = Decision {
        verdict: Verdict::Ask,
        layer: Layer::Rules,
        reasons: Vec::new(),
        abstained: Vec::new(),
        digest: judged.action.digest().unwrap(),
        approval: None,
    };
    ledger.ask(&judged, &decision, ":1.7", now, TTL).unwrap()
}

#[test]
fn a_yes_works_once_and_for_its_digest_only() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    assert!(matches!(ledger.redeem(&approval.id, &approval.digest, 1), Err(LedgerError::Settled { .. })));
    assert!(matches!(ledger.may_approve(&approval.id, "other", 1), Err(LedgerError::OtherDigest { .. })));
    ledger.may_approve(&approval.id, &approval.digest, 1).unwrap();
    let _ = ledger.settle(&approval.id, State::Approved, "root", None, 1).unwrap();
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
    for state in [State::Approved, State::Denied, State::Expired] {
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
    assert!(ledger.settle(&approval.id, State::Approved, "root", None, TTL).is_err());
    assert_eq!(ledger.overdue(TTL - 1).unwrap(), Vec::<String>::new());
    assert_eq!(ledger.overdue(TTL).unwrap(), [approval.id.as_str()]);
    let _ = ledger.settle(&approval.id, State::Expired, "clock", None, TTL).unwrap();
}

#[test]
fn a_yes_that_is_not_used_soon_goes_stale() {
    let (_directory, ledger) = ledger();
    let approval = ask(&ledger, 0, None);
    let _ = ledger.settle(&approval.id, State::Approved, "root", None, 1).unwrap();
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
    assert_eq!(ledger.pending().unwrap(), [(approval.clone(), ":1.7".to_owned())]);
    assert_ne!(ask(&ledger, 1, None).id, approval.id, "ids are never used again");
}

#[test]
fn one_session_cannot_crowd_out_the_others() {
    let (_directory, ledger) = ledger();
    for _ in 0..MOST_OF_SESSION {
        let _ = ask(&ledger, 0, None);
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
    let _ = ledger.settle(&approval.id, State::Approved, "root", None, 1).unwrap();
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
