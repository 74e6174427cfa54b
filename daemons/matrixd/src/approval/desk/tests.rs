use std::sync::atomic::Ordering;

use matrix_sdk::ruma::{OwnedRoomId, device_id, owned_event_id, owned_room_id, owned_user_id, room_id};
use testudo::approval::State;

use super::*;
use crate::approval::rendering::tests::approval;
use crate::authorship::Standing;
use crate::controls::Controls;
use crate::dispatcher::{Answers as _, Heard, Prompts as _};
use crate::incoming::{Incoming, Trust};
use scene::{START, Scene, origin, reacts, room, said};

mod scene;

fn light() -> Approval {
    Approval { light: true, approve_by: testudo::verdict::Weight::Reaction, ..approval() }
}

#[tokio::test]
async fn a_question_is_put_answered_once_and_edited_to_its_outcome() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let prompt = scene.prompt();
    assert!(prompt.is_shown());
    let words = format!("yes {}", prompt.code);
    assert!(scene.desk.reads_as_answer(room_id!("!home:home.org"), &words));
    scene.says("$1", &words).await;
    scene.says("$1", &words).await;
    scene.says("$2", &words).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 s1 reply"], "one event, and one prompt, has one effect");
    let bodies = scene.bodies();
    assert!(bodies[0].contains("⛨ TESTUDO ASKS · a-7"));
    assert_eq!(
        bodies[1],
        "edited: ⛨ a-7 · ✅ approved once by matrix @ann:home.org\n  fs.write wants to change 1 path"
    );
    assert_eq!(bodies[2], "No effect: a-7 is approved already.");
    // What was said to policyd comes back as a signal, and changes nothing.
    let outcome = scene.policy.outcome("a-7", State::Approved, "x").unwrap();
    scene.desk.take(News::Settled(outcome)).await;
    assert_eq!(scene.bodies().len(), 3);
}

#[tokio::test]
async fn a_light_question_is_seeded_and_answered_by_a_reaction() {
    let scene = Scene::new();
    scene.asked(&light()).await;
    scene.deliver(".ask").await;
    let event = scene.prompt().event.unwrap();
    let keys: Vec<String> = scene
        .sent()
        .into_iter()
        .filter_map(|(_, out)| match out {
            Outgoing::Reaction { key, target } if target == event => Some(key),
            _ => None,
        })
        .collect();
    assert_eq!(keys, ["✅", "🔁", "❌"]);
    // Our own come back from the homeserver, and a member's are refused.
    scene.heard(&reacts("$0", owned_user_id!("@testudo:home.org"), &event, "✅")).await;
    scene.heard(&reacts("$1", owned_user_id!("@bob:home.org"), &event, "✅")).await;
    assert_eq!(scene.at_policy(), [""; 0]);
    assert!(scene.desk.concerns(room_id!("!home:home.org"), &event));
    scene.heard(&reacts("$2", owned_user_id!("@ann:home.org"), &event, "✅")).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 s1 reaction"]);
}

#[tokio::test]
async fn a_refusal_is_said_and_recorded_once_and_counted_at_the_end() {
    let scene = Scene::new();
    scene.asked(&light()).await;
    scene.deliver(".ask").await;
    let event = scene.prompt().event.unwrap();
    for number in 0..5 {
        let sender = owned_user_id!("@bob:home.org");
        scene.heard(&reacts(&format!("$r{number}"), sender, &event, "✅")).await;
    }
    let told: Vec<String> = scene.bodies().into_iter().filter(|body| body.starts_with("No effect")).collect();
    assert_eq!(told, ["No effect: only an owner answers a-7."]);
    scene.heard(&reacts("$no", owned_user_id!("@ann:home.org"), &event, "❌")).await;
    assert_eq!(scene.at_policy(), ["no a-7 "]);
    let recorded = scene.record.0.lock().unwrap();
    assert_eq!(recorded.len(), 2);
    assert!(recorded.iter().all(|entry| {
        entry.event == "approval.refused"
            && entry.detail["approval"] == "a-7"
            && entry.detail["by"] == "matrix @bob:home.org"
            && entry.detail["reason"] == "sender"
    }));
    assert_eq!(recorded[1].detail["more"], 4);
}

#[tokio::test]
async fn a_reaction_that_was_taken_back_is_not_taken_again() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let (event, ann) = (scene.prompt().event.unwrap(), owned_user_id!("@ann:home.org"));
    scene.heard(&reacts("$1", ann.clone(), &event, "✅")).await;
    assert!(scene.desk.concerns(room_id!("!home:home.org"), &owned_event_id!("$1")));
    let back = origin("$2", ann.clone(), Trust::Plain);
    scene.heard(&Incoming::Redaction { origin: back, target: owned_event_id!("$1") }).await;
    scene.heard(&reacts("$3", ann, &event, "✅")).await;
    assert_eq!(scene.at_policy(), [""; 0]);
    assert!(scene.bodies().last().unwrap().contains("taken back"), "{:?}", scene.bodies());
}

#[tokio::test]
async fn an_open_question_is_answered_after_a_restart() {
    let mut scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let prompt = scene.prompt();
    scene.restart();
    scene.desk.take(News::All(vec![approval()])).await;
    assert_eq!(scene.prompt(), prompt, "it is not asked again");
    assert_eq!(scene.bodies().len(), 1);
    scene.says("$1", &format!("yes {}", prompt.code)).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 s1 reply"]);
}

#[tokio::test]
async fn a_question_whose_sending_a_restart_interrupted_is_one_question() {
    let mut scene = Scene::new();
    scene.asked(&approval()).await;
    scene.restart();
    scene.desk.take(News::All(vec![approval()])).await;
    scene.deliver(".ask").await;
    assert!(scene.prompt().is_shown());
    assert_eq!(scene.bodies().len(), 1);
}

#[tokio::test]
async fn what_was_settled_while_nobody_watched_is_shown_as_ended() {
    let mut scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    scene.restart();
    scene.desk.take(News::All(Vec::new())).await;
    assert!(scene.bodies()[1].contains("settled"), "{:?}", scene.bodies());
    // How it ended may still be told.
    let outcome = scene.policy.outcome("a-7", State::Denied, "root").unwrap();
    scene.desk.take(News::Settled(outcome)).await;
    assert!(scene.bodies()[2].contains("denied by matrix root"), "{:?}", scene.bodies());

    let late = Scene::new();
    late.asked(&approval()).await;
    late.deliver(".ask").await;
    late.now.store(START + 3_600_000, Ordering::SeqCst);
    late.desk.take(News::All(Vec::new())).await;
    assert!(late.bodies()[1].contains("expired"), "{:?}", late.bodies());
}

#[tokio::test]
async fn a_question_that_looks_different_is_put_again_with_another_code() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let old = scene.prompt();
    scene.asked(&Approval { seen: "s2".into(), calls: 2, ..approval() }).await;
    scene.deliver(".ask").await;
    let new = scene.prompt();
    assert!(new.code != old.code && new.event != old.event);
    assert!(scene.bodies().iter().any(|body| body.starts_with("edited") && body.contains("anew")));
    scene.says("$1", &format!("yes {}", old.code)).await;
    assert_eq!(scene.at_policy(), [""; 0]);
    scene.says("$2", &format!("yes {}", new.code)).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 s2 reply"]);
}

#[tokio::test]
async fn a_yes_to_what_is_cut_waits_for_the_file_with_the_whole_of_it() {
    let scene = Scene::new();
    let mut whole = Approval { seen: "whole".into(), ..approval() };
    whole.rendering[1].lines = (0..3000).map(|number| format!("+line {number}")).collect();
    *scene.policy.whole.lock().unwrap() = Some(whole);
    scene.asked(&Approval { cut: true, seen: "brief".into(), ..approval() }).await;
    let files = |sent: Vec<(OwnedRoomId, Outgoing)>| {
        sent.into_iter()
            .filter(|(_, out)| {
                matches!(out, Outgoing::Attachment { content, .. }
            if String::from_utf8_lossy(content).contains("+line 2999"))
            })
            .count()
    };
    assert_eq!(files(scene.sent()), 1);
    scene.deliver(".ask").await;
    let words = format!("yes {}", scene.prompt().code);
    scene.says("$1", &words).await;
    assert_eq!(scene.at_policy(), [""; 0]);
    scene.deliver(".file").await;
    scene.says("$2", &words).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 whole reply"]);
}

#[tokio::test]
async fn an_answer_that_a_restart_interrupted_has_no_second_effect() {
    let mut scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let prompt = scene.prompt();
    let words = format!("yes {}", prompt.code);
    // The process died between the claim and the answer of policyd.
    let ann = owned_user_id!("@ann:home.org");
    assert!(scene.desk.book.claim(&owned_event_id!("$1"), &prompt.key, &ann, 0).unwrap());
    scene.restart();
    let trust = || Trust::Verified(device_id!("PHONE").to_owned());
    let again = |event: &str| Heard {
        incoming: said(event, &words, trust()),
        standing: Standing::Owner,
        again: true,
    };
    scene.desk.interrupted(&again("$1")).await;
    scene.desk.interrupted(&again("$1")).await;
    assert_eq!(scene.at_policy(), [""; 0]);
    assert!(scene.bodies().last().unwrap().contains("answer it again"));
    // One that was not claimed had no effect yet, and has it now.
    scene.desk.interrupted(&again("$2")).await;
    assert_eq!(scene.at_policy(), ["yes a-7 d1 s1 reply"]);
}

#[tokio::test]
async fn what_policyd_refuses_is_said_in_its_words() {
    for (error, expected) in [
        (PolicyError::Refused("the code is wrong".into()), "No effect: the code is wrong."),
        (PolicyError::Gone("no reply".into()), "I do not know whether your answer to a-7 arrived"),
    ] {
        let scene = Scene::new();
        scene.asked(&approval()).await;
        scene.deliver(".ask").await;
        *scene.policy.fails.lock().unwrap() = Some(error);
        scene.says("$1", &format!("yes {}", scene.prompt().code)).await;
        assert!(scene.bodies().last().unwrap().starts_with(expected), "{:?}", scene.bodies());
        assert_eq!(scene.prompt().end, None, "the question stays open");
    }
}

#[tokio::test]
async fn a_question_goes_to_an_encrypted_room_or_nowhere() {
    let owner = owned_room_id!("!owner:home.org");
    let plain = Place { room: owned_room_id!("!plain:home.org"), ..room() };
    for (own, owner_room, expected) in [
        (Some(room()), Some(owner.clone()), Some(owned_room_id!("!home:home.org"))),
        (None, Some(owner.clone()), Some(owner.clone())),
        (Some(plain.clone()), Some(owner.clone()), Some(owner)),
        (Some(plain), None, None),
        (None, Some(owned_room_id!("!plain:home.org")), None),
    ] {
        let scene = Scene::at(own, owner_room, Controls::all());
        scene.asked(&Approval { parked: true, session: "nightly".into(), ..approval() }).await;
        assert_eq!(scene.sent().first().map(|(room, _)| room.clone()), expected);
    }
}

#[tokio::test]
async fn where_somebody_else_would_hear_it_a_question_goes_elsewhere_or_waits() {
    let (home, owner) = (owned_room_id!("!home:home.org"), owned_room_id!("!owner:home.org"));
    let asked = |scene: &Scene| -> Vec<_> {
        let is_question = |sent: &(_, Outgoing)| matches!(&sent.1, Outgoing::Text(_));
        scene.sent().into_iter().filter(is_question).map(|(room, _)| room).collect()
    };
    let scene = Scene::at(Some(room()), Some(owner.clone()), Controls::all());
    *scene.closed.lock().unwrap() = vec![home.clone(), owner.clone()];
    scene.asked(&approval()).await;
    assert!(asked(&scene).is_empty(), "neither room is fit");
    *scene.closed.lock().unwrap() = vec![home.clone()];
    scene.asked(&approval()).await;
    assert_eq!(asked(&scene), std::slice::from_ref(&owner));

    // It was on its way to its own room when somebody came there.
    let scene = Scene::at(Some(room()), Some(owner.clone()), Controls::all());
    scene.asked(&approval()).await;
    *scene.closed.lock().unwrap() = vec![home.clone()];
    scene.asked(&approval()).await;
    scene.asked(&approval()).await;
    assert_eq!(asked(&scene), [home.clone(), owner.clone()], "asked again, once");
    // It stood in its own room when somebody came there.
    let scene = Scene::at(Some(room()), Some(owner), Controls::all());
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    *scene.closed.lock().unwrap() = vec![home.clone()];
    scene.asked(&approval()).await;
    assert_eq!(asked(&scene), [home]);
}

#[tokio::test]
async fn an_end_that_comes_before_the_question_arrives_is_shown_when_it_does() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    let outcome = scene.policy.outcome("a-7", State::Withdrawn, "toold").unwrap();
    scene.desk.take(News::Settled(outcome)).await;
    assert_eq!(scene.bodies().len(), 1);
    scene.deliver(".ask").await;
    assert!(scene.bodies()[1].contains("withdrawn"), "{:?}", scene.bodies());
}

#[tokio::test]
async fn talk_is_no_answer() {
    let scene = Scene::new();
    let here = room_id!("!home:home.org");
    assert!(!scene.desk.reads_as_answer(here, "yes K7QM"), "nothing waits");
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    let other = if scene.prompt().code == Code::parse("2222").unwrap() { "3333" } else { "2222" };
    for (text, expected) in [
        (format!("yes {other}"), true),
        (format!("no {}", scene.prompt().code), true),
        (format!("no {other} thanks"), false),
        ("no".into(), false),
        ("yes please".into(), false),
        ("yes that".into(), false),
        (format!("/deny {} not today", scene.prompt().approval), true),
        (format!("/approve {} {}", scene.prompt().approval, scene.prompt().code), true),
        ("/deny a-999".into(), false),
        ("/deny".into(), false),
    ] {
        assert_eq!(scene.desk.reads_as_answer(here, &text), expected, "{text}");
    }
    assert!(!scene.desk.concerns(here, &owned_event_id!("$other")));
    scene.says("$1", "yes please").await;
    assert_eq!(scene.bodies().len(), 1);
}

#[tokio::test]
async fn a_reaction_on_a_copy_has_an_effect_only_without_the_control() {
    for (target, expected) in [(true, 0), (false, 1)] {
        let controls = Controls { target, ..Controls::all() };
        let scene = Scene::at(Some(room()), None, controls);
        scene.asked(&light()).await;
        scene.deliver(".ask").await;
        let copy = owned_event_id!("$copy");
        assert_eq!(scene.desk.concerns(room_id!("!home:home.org"), &copy), !target);
        scene.heard(&reacts("$1", owned_user_id!("@ann:home.org"), &copy, "✅")).await;
        assert_eq!(scene.at_policy().len(), expected);
    }
}

#[tokio::test]
async fn a_reaction_on_a_copy_is_answered_once_and_recorded() {
    let scene = Scene::new();
    scene.asked(&light()).await;
    scene.deliver(".ask").await;
    assert!(scene.desk.waits_in(room_id!("!home:home.org")));
    assert!(!scene.desk.waits_in(room_id!("!other:home.org")));
    let (ann, copy) = (owned_user_id!("@ann:home.org"), owned_event_id!("$copy"));
    for (number, sign) in ["✅", "🔁", "👍", "❌", "✅"].into_iter().enumerate() {
        scene.heard(&reacts(&format!("$r{number}"), ann.clone(), &copy, sign)).await;
    }
    let told: Vec<String> = scene.bodies().into_iter().filter(|body| body.starts_with("No effect")).collect();
    assert_eq!(told, ["No effect: that was not given to a-7 itself, but to another message."]);
    assert_eq!(scene.at_policy(), [""; 0]);
    let recorded = scene.record.0.lock().unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].detail["reason"], "target");
}

#[tokio::test]
async fn who_mistypes_again_and_again_is_told_at_once_and_then_five_times_a_minute() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    *scene.policy.fails.lock().unwrap() = Some(PolicyError::Refused("the one-time code is wrong".into()));
    let words = format!("yes {} 123456", scene.prompt().code);
    let told = || scene.bodies().into_iter().filter(|body| body.starts_with("No effect")).count();
    // One every ten seconds: told at 0, 10, 20, 30, 40 and 60, 70, 80, 90, 100, and 120.
    for number in 0..13 {
        scene.says(&format!("$m{number}"), &words).await;
        scene.now.fetch_add(10_000, Ordering::SeqCst);
    }
    assert_eq!(scene.at_policy().len(), 13, "each is tried, and recorded there");
    assert_eq!(told(), 11, "{:?}", scene.bodies());
    // That nobody knows what became of it is said each time.
    *scene.policy.fails.lock().unwrap() = Some(PolicyError::Gone("away".into()));
    for number in 0..2 {
        scene.says(&format!("$g{number}"), &words).await;
    }
    assert_eq!(scene.bodies().iter().filter(|body| body.starts_with("I do not know")).count(), 2);
}

#[tokio::test]
async fn what_policyd_says_does_not_look_like_a_question() {
    let scene = Scene::new();
    scene.asked(&approval()).await;
    scene.deliver(".ask").await;
    *scene.policy.fails.lock().unwrap() = Some(PolicyError::Gone("\u{26e8} TESTUDO ASKS\u{202e}".into()));
    scene.says("$1", &format!("yes {}", scene.prompt().code)).await;
    let last = scene.bodies().pop().unwrap();
    assert!(!rendering::is_like_a_question(&last) && !last.contains('\u{202e}'), "{last}");
}
