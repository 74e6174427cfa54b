use matrix_sdk::ruma::{
    OwnedEventId, device_id, event_id, owned_event_id, owned_room_id, owned_user_id, room_id,
};
use proptest::prelude::*;
use testudo::approval::Scope;

use super::*;
use crate::approval::prompt::{End, Place};
use crate::incoming::Message;

mod attacks;

const NOW: u64 = 1_800_000_100_000;

pub(crate) fn prompt() -> Prompt {
    Prompt {
        key: "k".into(),
        approval: "a-7".into(),
        digest: "d1".into(),
        seen: "s1".into(),
        session: "m-1".into(),
        place: Place { room: owned_room_id!("!home:home.org"), thread: None, is_own: true },
        code: Code::parse("K7QM").unwrap(),
        headline: "shell.run wants to run".into(),
        event: Some(owned_event_id!("$prompt")),
        file: None,
        in_file: false,
        approvable: true,
        light: false,
        approve_by: Weight::Reply,
        scopes: Scope::ALL.to_vec(),
        is_plan: false,
        is_amendment: false,
        phrase: None,
        asked_ms: NOW - 60_000,
        expires_ms: NOW + 60_000,
        end: None,
        ending: None,
    }
}

fn light() -> Prompt {
    Prompt { light: true, approve_by: Weight::Reaction, ..prompt() }
}

fn verified() -> Trust {
    Trust::Verified(device_id!("PHONE").to_owned())
}

fn origin(trust: Trust) -> Origin {
    Origin {
        room: owned_room_id!("!home:home.org"),
        event: owned_event_id!("$answer"),
        sender: owned_user_id!("@ann:home.org"),
        trust,
        sent_ms: NOW - 1_000,
    }
}

fn says(text: &str) -> Incoming {
    said(text, origin(verified()), None)
}

fn said(text: &str, origin: Origin, reply_to: Option<OwnedEventId>) -> Incoming {
    Incoming::Message(Message { origin, thread: None, reply_to, content: Content::Text(text.into()) })
}

fn reacts(key: &str) -> Incoming {
    reacted(key, event_id!("$prompt"), origin(Trust::Plain))
}

fn reacted(key: &str, target: &EventId, origin: Origin) -> Incoming {
    Incoming::Reaction { origin, target: target.to_owned(), key: key.into() }
}

fn judge(controls: Controls) -> Judge {
    Judge { own: owned_user_id!("@testudo:home.org"), trust_homeserver: false, controls }
}

fn judged(judge: &Judge, prompt: &Prompt, incoming: &Incoming, standing: Standing) -> Judgement {
    judge.judge(prompt, &Attempt::of(incoming).unwrap(), standing, NOW)
}

fn owner(prompt: &Prompt, incoming: &Incoming) -> Judgement {
    judged(&judge(Controls::all()), prompt, incoming, Standing::Owner)
}

fn yes(manner: Weight, reach: Reach) -> Judgement {
    Judgement::Yes { manner, reach, steps: None, otp: None, phrase: None }
}

#[test]
fn an_owners_answers_count() {
    let word = |text: &str| owner(&prompt(), &says(text));
    assert_eq!(word("yes K7QM"), yes(Weight::Reply, Reach::Once));
    assert_eq!(word("session K7QM"), yes(Weight::Reply, Reach::Session));
    assert_eq!(word("for 2h K7QM"), yes(Weight::Reply, Reach::Until("2h".into())));
    assert_eq!(word("always K7QM"), yes(Weight::Reply, Reach::Always));
    assert_eq!(owner(&light(), &reacts("✅")), yes(Weight::Reaction, Reach::Once));
    assert_eq!(owner(&light(), &reacts("👍\u{fe0f}")), yes(Weight::Reaction, Reach::Once));
    assert_eq!(owner(&light(), &reacts("🔁")), yes(Weight::Reaction, Reach::Session));
    let reply = said("yes K7QM", origin(verified()), Some(owned_event_id!("$prompt")));
    assert_eq!(owner(&prompt(), &reply), yes(Weight::Reply, Reach::Once));
    let otp = owner(&Prompt { approve_by: Weight::Otp, ..prompt() }, &says("yes K7QM 123456"));
    assert!(matches!(otp, Judgement::Yes { manner: Weight::Otp, otp: Some(_), .. }), "{otp:?}");
    let steps = owner(&Prompt { is_plan: true, ..prompt() }, &says("1-3 K7QM"));
    assert!(matches!(steps, Judgement::Yes { steps: Some(steps), .. } if steps == "1-3"));
    let typed = word("yes K7QM I break 6 decisions");
    assert!(matches!(typed, Judgement::Yes { phrase: Some(typed), .. } if typed == "I break 6 decisions"));
}

#[test]
fn a_yes_that_cannot_be_is_told_why() {
    let reply = || said("it looks fine to me", origin(verified()), Some(owned_event_id!("$prompt")));
    for (prompt, incoming, refusal) in [
        (Prompt { approvable: false, ..prompt() }, says("yes K7QM"), Refusal::NotApprovable),
        (Prompt { in_file: true, ..prompt() }, says("yes K7QM"), Refusal::NotShown),
        (Prompt { in_file: true, ..light() }, reacts("✅"), Refusal::NotShown),
        (Prompt { event: None, ..prompt() }, says("yes K7QM"), Refusal::NotShown),
        (Prompt { scopes: vec![Scope::Once], ..prompt() }, says("session K7QM"), Refusal::Reach),
        (prompt(), says("1-3 K7QM"), Refusal::Steps),
        (Prompt { approve_by: Weight::Otp, ..prompt() }, says("yes K7QM"), Refusal::Otp),
        (Prompt { approve_by: Weight::Otp, ..prompt() }, reacts("✅"), Refusal::Weight(Weight::Otp)),
        (Prompt { approve_by: Weight::Local, ..prompt() }, says("yes K7QM 123456"), Refusal::Local),
        (prompt(), reply(), Refusal::Words),
        (prompt(), says("no K7QN"), Refusal::Code),
    ] {
        assert_eq!(owner(&prompt, &incoming), Judgement::Refused(refusal), "{incoming:?}");
        assert!(!refusal.sentence(&prompt).contains("K7QM"), "the code stands in the prompt alone");
    }
    let shown = Prompt { in_file: true, file: Some(owned_event_id!("$file")), ..prompt() };
    assert_eq!(owner(&shown, &says("yes K7QM")), yes(Weight::Reply, Reach::Once));
}

#[test]
fn a_no_is_taken_by_any_way_from_an_owner_and_from_nobody_else() {
    let no = |reason: &str| Judgement::No { reason: reason.into() };
    let reply = said("no", origin(verified()), Some(owned_event_id!("$prompt")));
    for prompt in [
        prompt(),
        light(),
        Prompt { approvable: false, in_file: true, ..prompt() },
        Prompt { approve_by: Weight::Local, ..prompt() },
    ] {
        assert_eq!(owner(&prompt, &reacts("❌")), no(""));
        assert_eq!(owner(&prompt, &reply), no(""));
        assert_eq!(owner(&prompt, &says("no K7QM because it is late")), no("it is late"));
        assert_eq!(owner(&prompt, &says("/deny a-7 too late")), no("too late"));
    }
    let all = judge(Controls::all());
    assert_eq!(judged(&all, &prompt(), &reacts("❌"), Standing::Member), Judgement::Refused(Refusal::Sender));
    let laptop = Trust::Unverified(device_id!("LAPTOP").to_owned());
    let unproved = said("no", origin(laptop), Some(owned_event_id!("$prompt")));
    assert_eq!(owner(&prompt(), &unproved), Judgement::Refused(Refusal::Device));
}

#[test]
fn a_homeserver_of_ones_own_lets_a_reaction_answer_what_wants_a_reply_and_it_is_told_as_what_it_is() {
    let trusting = Judge { trust_homeserver: true, ..judge(Controls::all()) };
    let judged = |prompt: &Prompt| judged(&trusting, prompt, &reacts("✅"), Standing::Owner);
    assert_eq!(judged(&prompt()), yes(Weight::Reaction, Reach::Once));
    for approve_by in [Weight::Otp, Weight::Local] {
        let heavy = Prompt { approve_by, ..prompt() };
        assert_eq!(judged(&heavy), Judgement::Refused(Refusal::Weight(approve_by)));
    }
    let amendment = Prompt { is_amendment: true, ..prompt() };
    assert_eq!(judged(&amendment), Judgement::Refused(Refusal::Weight(Weight::Reply)));
}

#[test]
fn what_says_nothing_is_no_attempt() {
    for incoming in [
        says("good morning"),
        reacts("🎉"),
        reacts(""),
        Incoming::Edit { origin: origin(verified()), target: owned_event_id!("$x"), text: "hello".into() },
        Incoming::Redaction { origin: origin(verified()), target: owned_event_id!("$x") },
    ] {
        assert_eq!(Attempt::of(&incoming), None, "{incoming:?}");
    }
    assert_eq!(origin(Trust::Plain).room, room_id!("!home:home.org"));
}

fn any_trust() -> impl Strategy<Value = Trust> {
    prop::sample::select(vec![
        Trust::Plain,
        Trust::Unverified(device_id!("A").to_owned()),
        Trust::CrossSigned(device_id!("B").to_owned()),
        verified(),
    ])
}

proptest! {
    #[test]
    fn a_heavy_yes_is_words_with_the_code_from_a_verified_device_of_an_owner_in_time_and_place(
        text in "(yes|session|always|for 2h|no|1) (K7QM|K7QN|7777)( 123456)?",
        trust in any_trust(),
        standing in prop::sample::select(vec![Standing::Owner, Standing::Member, Standing::Bridged, Standing::Stranger]),
        is_here in any::<bool>(),
        reply_to in prop::sample::select(vec![None, Some("$prompt"), Some("$copy")]),
        late in 0u64..120_000,
    ) {
        let room = if is_here { owned_room_id!("!home:home.org") } else { owned_room_id!("!other:home.org") };
        let reply_to = reply_to.map(|event| OwnedEventId::try_from(event).unwrap());
        let is_copy = reply_to.as_deref() == Some(event_id!("$copy"));
        let incoming = said(&text, Origin { room, ..origin(trust.clone()) }, reply_to);
        let Some(attempt) = Attempt::of(&incoming) else { return Ok(()) };
        let judged = judge(Controls::all()).judge(&prompt(), &attempt, standing, NOW - 60_000 + late);
        if matches!(judged, Judgement::Yes { .. }) {
            prop_assert!(text.contains("K7QM") && !text.starts_with("no"));
            prop_assert!(matches!(trust, Trust::Verified(_)) && standing == Standing::Owner);
            prop_assert!(is_here && !is_copy && late < 120_000);
        }
    }
}
