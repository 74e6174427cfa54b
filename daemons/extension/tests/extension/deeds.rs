//! What a component may say and do, without the process around it.

use std::time::{Duration, Instant};

use testudo::extension::{EVALUATION, Facts, MOST_REASON, Opinion, Stance};
use testudo_extension::component::Components;

use super::body::{self, field};
use super::{components, facts};

fn load(text: &str) -> Components {
    let (_directory, paths) = components(&[("it", text)]);
    Components::load(&paths).unwrap()
}

fn say(text: &str, facts: &Facts) -> Opinion {
    load(text).evaluate(0, facts).unwrap()
}

fn assert_denied(text: &str, because: &[&str]) {
    let opinion = say(text, &facts());
    assert_eq!(opinion.stance, Stance::Deny, "{opinion:?}");
    assert!(because.iter().any(|why| opinion.reason.contains(why)), "none of {because:?} is in {opinion:?}");
}

#[test]
fn the_four_opinions() {
    for (text, stance, reason) in [
        (body::PASS, Stance::Pass, ""),
        (body::ALLOW, Stance::Allow, "why."),
        (body::ASK, Stance::Ask, "why."),
        (body::DENY, Stance::Deny, "why."),
    ] {
        let expected = Opinion { component: "it".into(), stance, reason: reason.into() };
        assert_eq!(say(text, &facts()), expected);
    }
    assert!(load(body::PASS).evaluate(1, &facts()).is_none());
}

#[test]
fn a_component_sees_every_field_of_the_call() {
    let at = |offset: u32| format!("(i32.add (local.get $call) (i32.const {offset}))");
    let item = |list: u32| format!("(i32.load offset={list} (local.get $call))");
    let second = |list: u32, offset: u32| format!("(i32.add {} (i32.const {offset}))", item(list));
    for (text, seen) in [
        (body::echo(field::TOOL), "shell.run"),
        (body::letter(&item(8)), "D"),
        (body::letter(&second(8, 1)), "H"),
        (body::letter(&at(16)), "B"),
        (body::echo(field::SESSION), "main"),
        (body::echo(field::REQUESTER), "operator alice"),
        (body::echo(field::ARGUMENTS), r#"{"command":"make"}"#),
        (body::echo_item(field::ORIGINS, 0), "command"),
        (body::letter(&second(field::ORIGINS, 8)), "D"),
        (body::echo_item(field::TAINT, 0), "private"),
        (body::echo_item(field::TAINT, 8), "web:example.org"),
        (body::echo_item(field::FINDINGS, 0), "lured"),
        (body::echo_item(field::FINDINGS, 8), "a page told it to"),
        (body::echo_item(field::CHANGES, 0), "Makefile"),
        (body::echo_item(field::CHANGES, 8), "modify"),
    ] {
        assert_eq!(say(&text, &facts()).reason, seen, "{text}");
    }
}

#[test]
fn an_endless_loop_ends_within_its_time() {
    let components = load(body::LOOP);
    let began = Instant::now();
    let opinion = components.evaluate(0, &facts()).unwrap();
    assert_eq!(opinion.stance, Stance::Deny);
    let ended = ["used up its", "took longer than 100 ms"].iter().any(|why| opinion.reason.contains(why));
    assert!(ended, "{opinion:?}");
    // The rest is for a machine that is busy with other tests.
    assert!(began.elapsed() < EVALUATION * 5, "{:?}", began.elapsed());
}

#[test]
fn whoever_fails_denies_and_says_why() {
    assert_denied(body::TRAP, &["failed: wasm trap: wasm `unreachable` instruction executed"]);
    // On a busy machine the time ends before the memory or the stack does.
    assert_denied(body::HOG, &["failed: ", "took longer"]);
    assert_denied(body::RECURSE, &["call stack exhausted", "took longer"]);
    assert_denied(body::NO_SUCH_OPINION, &["failed: "]);
    assert_denied(body::NO_SUCH_ADDRESS, &["failed: "]);
    assert_denied(body::NO_TEXT, &["failed: "]);
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let (_directory, paths) =
        components(&[("hog", body::HOG), ("trap", body::TRAP), ("loop", body::LOOP), ("ask", body::ASK)]);
    let components = Components::load(&paths).unwrap();
    for _ in 0..3 {
        for index in 0..3 {
            assert_eq!(components.evaluate(index, &facts()).unwrap().stance, Stance::Deny);
        }
        assert_eq!(components.evaluate(3, &facts()).unwrap().stance, Stance::Ask);
    }
}

#[test]
fn every_evaluation_begins_anew() {
    let components = load(body::COUNT);
    let first = components.evaluate(0, &facts()).unwrap().reason;
    assert_eq!(first, "x", "'w' and one more");
    for _ in 0..100 {
        assert_eq!(components.evaluate(0, &facts()).unwrap().reason, first);
    }
}

#[test]
fn a_long_reason_is_cut() {
    let reason = say(body::CHATTER, &facts()).reason;
    assert_eq!(reason.len(), MOST_REASON);
}

#[test]
fn many_at_once_are_each_judged_by_themselves() {
    let (_directory, paths) =
        components(&[("loop", body::LOOP), ("ask", body::ASK), ("echo", &body::echo(field::SESSION))]);
    let components = Components::load(&paths).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(components.evaluate(0, &facts()).unwrap().stance, Stance::Deny));
        for session in 0..4 {
            let components = &components;
            scope.spawn(move || {
                let mut facts = facts();
                facts.session = format!("s-{session}");
                for _ in 0..20 {
                    assert_eq!(components.evaluate(1, &facts).unwrap().stance, Stance::Ask);
                    assert_eq!(components.evaluate(2, &facts).unwrap().reason, facts.session);
                }
            });
        }
    });
}

#[test]
fn a_call_as_large_as_calls_get_can_be_judged() {
    let mut facts = facts();
    facts.arguments = format!("\"{}\"", "x".repeat(1024 * 1024));
    facts.changes = (0..200).map(|n| (format!("folder/file-{n}"), "modify".into())).collect();
    let opinion = say(body::ASK, &facts);
    assert_eq!(opinion.stance, Stance::Ask, "{opinion:?}");
}

#[test]
fn the_clock_sleeps_between_evaluations() {
    let components = load(body::LOOP);
    let _ = components.evaluate(0, &facts());
    // The next one has its whole time, however long it was quiet, and so has the one after it.
    for _ in 0..2 {
        let began = Instant::now();
        let _ = components.evaluate(0, &facts());
        assert!(began.elapsed() > Duration::from_millis(1), "{:?}", began.elapsed());
    }
}
