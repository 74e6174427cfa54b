//! Every attempt to have something approved that must not be, each also without the control that stops it.

use matrix_sdk::ruma::{OwnedUserId, device_id, event_id, owned_event_id, owned_room_id, owned_user_id};

use super::*;

fn by(user: OwnedUserId, trust: Trust) -> Origin {
    Origin { sender: user, ..origin(trust) }
}

/// An attempt to have something approved, the refusal that it meets, and the control without which it succeeds.
struct Attack {
    name: &'static str,
    prompt: Prompt,
    incoming: Incoming,
    standing: Standing,
    was_taken_back: bool,
    now_ms: u64,
    meets: Judgement,
    without: Controls,
}

fn attack(name: &'static str, incoming: Incoming, meets: Refusal, without: Controls) -> Attack {
    Attack {
        name,
        prompt: prompt(),
        incoming,
        standing: Standing::Owner,
        was_taken_back: false,
        now_ms: NOW,
        meets: Judgement::Refused(meets),
        without,
    }
}

fn attacks() -> Vec<Attack> {
    let all = Controls::all();
    let (no_sender, no_device) = (Controls { sender: false, ..all }, Controls { device: false, ..all });
    let (no_weight, no_fresh) = (Controls { weight: false, ..all }, Controls { freshness: false, ..all });
    let (no_place, no_target) = (Controls { place: false, ..all }, Controls { target: false, ..all });
    let no_encryption = Controls { encryption: false, ..all };
    let phone = || verified();
    let laptop = Trust::Unverified(device_id!("LAPTOP").to_owned());
    let signed = Trust::CrossSigned(device_id!("TABLET").to_owned());
    let elsewhere = |trust| Origin { room: owned_room_id!("!other:home.org"), ..origin(trust) };
    let bob = || owned_user_id!("@bob:home.org");
    let bridged = || owned_user_id!("@signal_7:home.org");
    let code = "yes K7QM";
    let edit = |text: &str| Incoming::Edit {
        origin: origin(verified()),
        target: owned_event_id!("$before"),
        text: text.into(),
    };
    vec![
        attack("the homeserver forges a reaction", reacts("✅"), Refusal::Weight(Weight::Reply), no_weight),
        attack(
            "the homeserver forges one for the session",
            reacts("🔁"),
            Refusal::Weight(Weight::Reply),
            no_weight,
        ),
        attack(
            "the homeserver forges a message",
            said(code, origin(Trust::Plain), None),
            Refusal::Plain,
            no_encryption,
        ),
        Attack {
            standing: Standing::Member,
            ..attack(
                "a member who read the code",
                said(code, by(bob(), phone()), None),
                Refusal::Sender,
                no_sender,
            )
        },
        Attack {
            prompt: light(),
            standing: Standing::Member,
            ..attack(
                "a member reacts",
                reacted("✅", event_id!("$prompt"), by(bob(), Trust::Plain)),
                Refusal::Sender,
                no_sender,
            )
        },
        Attack {
            standing: Standing::Stranger,
            ..attack(
                "a stranger",
                said(code, by(owned_user_id!("@ann:evil.net"), phone()), None),
                Refusal::Sender,
                no_sender,
            )
        },
        Attack {
            standing: Standing::Bridged,
            ..attack("a bridged user", said(code, by(bridged(), phone()), None), Refusal::Sender, no_sender)
        },
        Attack {
            prompt: light(),
            meets: Judgement::Ours,
            ..attack(
                "the bot itself",
                reacted("✅", event_id!("$prompt"), by(owned_user_id!("@testudo:home.org"), Trust::Plain)),
                Refusal::Sender,
                no_sender,
            )
        },
        attack(
            "an unverified device of the owner",
            said(code, origin(laptop), None),
            Refusal::Device,
            no_device,
        ),
        attack(
            "a device of a user nobody verified",
            said(code, origin(signed), None),
            Refusal::Device,
            no_device,
        ),
        Attack {
            prompt: light(),
            ..attack(
                "a reaction on a copy",
                reacted("✅", event_id!("$copy"), origin(Trust::Plain)),
                Refusal::Target,
                no_target,
            )
        },
        attack(
            "a reply with the code to a copy",
            said(code, origin(verified()), Some(owned_event_id!("$copy"))),
            Refusal::Target,
            no_target,
        ),
        Attack {
            prompt: Prompt { end: Some(End::Denied), ..light() },
            ..attack("a reaction on an old prompt", reacts("✅"), Refusal::Ended(End::Denied), no_fresh)
        },
        Attack {
            prompt: Prompt { end: Some(End::Replaced), ..prompt() },
            ..attack(
                "the code of a prompt that was put anew",
                says(code),
                Refusal::Ended(End::Replaced),
                no_fresh,
            )
        },
        attack("an edit into a yes", edit(code), Refusal::Edited, no_fresh),
        attack("an edit as old clients show it", edit("* yes K7QM"), Refusal::Edited, no_fresh),
        Attack {
            prompt: light(),
            was_taken_back: true,
            ..attack("a reaction removed and added again", reacts("✅"), Refusal::TakenBack, no_fresh)
        },
        Attack {
            now_ms: NOW + 60_000,
            ..attack("a reply after expiry", says(code), Refusal::Expired, no_fresh)
        },
        Attack {
            prompt: light(),
            now_ms: NOW + 60_000,
            ..attack("a reaction after expiry", reacts("✅"), Refusal::Expired, no_fresh)
        },
        attack(
            "what is much older than the question",
            said(code, Origin { sent_ms: NOW - 3_600_000, ..origin(verified()) }, None),
            Refusal::Older,
            no_fresh,
        ),
        attack("a reply in another room", said(code, elsewhere(verified()), None), Refusal::Place, no_place),
        Attack {
            prompt: light(),
            ..attack(
                "a reaction in another room",
                reacted("✅", event_id!("$prompt"), elsewhere(Trust::Plain)),
                Refusal::Place,
                no_place,
            )
        },
        attack("another code", says("yes K7QN"), Refusal::Code, Controls { code: false, ..all }),
    ]
}

#[test]
fn every_attack_is_refused_and_succeeds_without_its_control() {
    for attack in attacks() {
        let mut attempt = Attempt::of(&attack.incoming).unwrap();
        attempt.was_taken_back = attack.was_taken_back;
        let judged =
            |controls| judge(controls).judge(&attack.prompt, &attempt, attack.standing, attack.now_ms);
        assert_eq!(judged(Controls::all()), attack.meets, "{}", attack.name);
        let without = judged(attack.without);
        assert!(matches!(without, Judgement::Yes { .. }), "{} without its control: {without:?}", attack.name);
    }
}

#[test]
fn an_attack_is_stopped_by_its_own_control_alone() {
    // None of the attacks passes when any control but its own is out.
    let all = Controls::all();
    let each = [
        Controls { sender: false, ..all },
        Controls { device: false, ..all },
        Controls { encryption: false, ..all },
        Controls { place: false, ..all },
        Controls { target: false, ..all },
        Controls { weight: false, ..all },
        Controls { code: false, ..all },
        Controls { freshness: false, ..all },
    ];
    for attack in attacks() {
        let mut attempt = Attempt::of(&attack.incoming).unwrap();
        attempt.was_taken_back = attack.was_taken_back;
        for controls in each.into_iter().filter(|controls| *controls != attack.without) {
            let judged = judge(controls).judge(&attack.prompt, &attempt, attack.standing, attack.now_ms);
            assert!(!matches!(judged, Judgement::Yes { .. }), "{}: {controls:?}", attack.name);
        }
    }
}
