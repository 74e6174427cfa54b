//! Whatever happens in whatever order, nothing is confirmed that nobody saw, and what is over stays over.

use super::*;
use proptest::prelude::*;

fn short(number: u16) -> Short {
    Short { emojis: Vec::new(), decimals: [number; 3] }
}

fn flow(ours: bool) -> Flow {
    Flow::new("v-1".into(), "@ann:home.org".into(), None, ours, 0)
}

#[derive(Debug, Clone)]
enum Act {
    See(Seen),
    Want(Wish),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::See(Seen::Ready)),
        Just(Act::See(Seen::Started)),
        Just(Act::See(Seen::Accepted)),
        (0..2_u16).prop_map(|number| Act::See(Seen::Keys(short(number)))),
        any::<bool>().prop_map(|identity| Act::See(Seen::Done { identity })),
        any::<bool>().prop_map(|mismatch| Act::See(Seen::Ended { mismatch, why: "they ended it".into() })),
        prop_oneof![Just(Wish::Accept), Just(Wish::Show), Just(Wish::Confirm), Just(Wish::Refuse)]
            .prop_map(Act::Want),
    ]
}

proptest! {
    #[test]
    fn nothing_is_confirmed_that_an_operator_did_not_accept_and_see(ours: bool, acts in proptest::collection::vec(act(), 0..40)) {
        let mut flow = flow(ours);
        let (mut accepted, mut current, mut seen) = (ours, None, None);
        let mut confirmed = false;
        for act in acts {
            let over = flow.state.is_over();
            let before = flow.clone();
            match act {
                Act::See(what) => {
                    if let (Seen::Keys(short), false) = (&what, confirmed || over) {
                        current = Some(short.clone());
                    }
                    if what == Seen::Started && !confirmed && !over {
                        current = None;
                    }
                    flow.observe(what);
                }
                Act::Want(wish) => {
                    let done = flow.wish(wish).is_ok();
                    match wish {
                        Wish::Accept => accepted |= done,
                        Wish::Show if done => {
                            prop_assert!(accepted);
                            seen.clone_from(&current);
                        }
                        Wish::Confirm if done => {
                            prop_assert!(accepted && seen.is_some() && seen == current);
                            flow.observe(Seen::Confirmed);
                            confirmed = true;
                        }
                        _ => {}
                    }
                }
            }
            prop_assert!(!over || flow == before, "what is over stays over");
            prop_assert!(flow.state != State::Done || confirmed, "done without our word");
        }
    }
}

#[test]
fn a_verification_goes_its_way() {
    let mut flow = flow(false);
    assert_eq!(
        flow.wish(Wish::Show).unwrap_err().to_string(),
        "cannot show the emoji of v-1: accept it first"
    );
    assert!(!flow.may_proceed());
    flow.wish(Wish::Accept).unwrap();
    assert!(flow.may_proceed());
    flow.observe(Seen::Ready);
    flow.observe(Seen::Started);
    assert_eq!(
        flow.wish(Wish::Confirm).unwrap_err().to_string(),
        "cannot confirm v-1: there is nothing to compare yet"
    );
    flow.observe(Seen::Keys(short(1)));
    assert!(flow.wish(Wish::Confirm).unwrap_err().to_string().contains("look at them first"));
    flow.wish(Wish::Show).unwrap();
    flow.wish(Wish::Confirm).unwrap();
    flow.observe(Seen::Confirmed);
    flow.observe(Seen::Done { identity: true });
    assert_eq!(flow.state, State::Done);
    assert_eq!(flow.wish(Wish::Confirm).unwrap_err().to_string(), "v-1 is over: the user is verified");
}

#[test]
fn other_keys_must_be_looked_at_again() {
    let mut flow = flow(true);
    flow.observe(Seen::Ready);
    flow.observe(Seen::Keys(short(1)));
    flow.wish(Wish::Show).unwrap();
    assert!(flow.is_shown());
    flow.observe(Seen::Started);
    flow.observe(Seen::Keys(short(2)));
    assert!(flow.wish(Wish::Confirm).is_err());
    flow.wish(Wish::Show).unwrap();
    flow.wish(Wish::Confirm).unwrap();
}

#[test]
fn a_flow_is_written_for_programs() {
    let json = serde_json::to_value(flow(false)).unwrap();
    let expected = serde_json::json!({
        "id": "v-1", "user": "@ann:home.org", "device": null, "ours": false, "state": "requested", "identity": null,
        "why": null, "since": 0
    });
    assert_eq!(json, expected);
}
