//! `policyd`'s side against the real process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::config;
use testudo::extension::{Opinion, Stance};
use testudo::identity::Principal;
use testudo_policyd::extension::Extension;

use super::activator::Activator;
use super::{body, components};

fn extension(activator: &Activator, paths: &[PathBuf]) -> Extension {
    let config = config::Extension { components: paths.to_vec() };
    Extension::configured(&config, &activator.socket(), Arc::new(Instant::now)).unwrap()
}

fn judged() -> Judged {
    let action = Action {
        tool: "fs.write".into(),
        arguments: json!({"path": "a"}),
        effect: Effect::Write,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Operator("alice".into()),
        change_set: None,
    };
    Judged::new(action, "c-1")
}

fn stances(opinions: &[Opinion]) -> Vec<Stance> {
    opinions.iter().map(|opinion| opinion.stance).collect()
}

/// Asks, and kills the process once the request is on its way.
async fn killed_meanwhile(activator: &Activator, extension: &Extension) -> Vec<Opinion> {
    let judged = judged();
    let mut asked = Box::pin(extension.opinions(&judged));
    tokio::select! {
        biased;
        _ = &mut asked => panic!("an endless loop was answered at once"),
        () = std::future::ready(()) => activator.signal(Signal::SIGKILL),
    }
    asked.await
}

#[tokio::test]
async fn every_stance_arrives() {
    let bodies = [("a", body::ALLOW), ("b", body::PASS), ("c", body::DENY), ("d", body::ASK)];
    let (_directory, paths) = components(&bodies);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    assert_eq!(activator.starts(), 0, "nothing runs before somebody asks");
    let opinions = extension.opinions(&judged()).await;
    assert_eq!(stances(&opinions), [Stance::Allow, Stance::Pass, Stance::Deny, Stance::Ask]);
    assert_eq!(opinions[2].reason, "why.");
}

#[tokio::test]
async fn a_component_that_loops_denies_and_the_process_lives() {
    let (_directory, paths) = components(&[("loop", body::LOOP), ("ask", body::ASK)]);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    extension.warm().await;
    for _ in 0..3 {
        let opinions = extension.opinions(&judged()).await;
        assert_eq!(stances(&opinions), [Stance::Deny, Stance::Ask], "{opinions:?}");
    }
    assert_eq!((activator.starts(), extension.off().await), (1, None));
}

#[tokio::test]
async fn killed_once_it_comes_back_and_killed_twice_it_is_off() {
    let (_directory, paths) = components(&[("loop", body::LOOP)]);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    extension.warm().await;
    let opinions = killed_meanwhile(&activator, &extension).await;
    assert_eq!(opinions, [Opinion::failed("loop", "the extension process broke off")]);
    activator.ended();
    // Whatever this says comes from the next process.
    let again = extension.opinions(&judged()).await;
    assert!(!again[0].reason.contains("broke off") && !again[0].reason.contains(" off "), "{again:?}");
    assert_eq!(activator.starts(), 2);
    let opinions = killed_meanwhile(&activator, &extension).await;
    assert_eq!(stances(&opinions), [Stance::Deny]);
    activator.ended();
    for _ in 0..3 {
        let opinions = extension.opinions(&judged()).await;
        assert_eq!(stances(&opinions), [Stance::Deny]);
        assert!(opinions[0].reason.contains("is off and denies everything"), "{opinions:?}");
    }
    assert_eq!(activator.starts(), 2, "there is no third one");
}

#[tokio::test]
async fn a_process_that_is_stopped_is_given_up() {
    let (_directory, paths) = components(&[("ask", body::ASK)]);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    extension.warm().await;
    activator.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let opinions = extension.opinions(&judged()).await;
    assert_eq!(opinions, [Opinion::failed("ask", "gave no opinion in time")]);
    assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
    activator.signal(Signal::SIGCONT);
    // It only slept: the late answer is thrown away, and the next one counts.
    let opinions = extension.opinions(&judged()).await;
    assert_eq!(stances(&opinions), [Stance::Ask], "{opinions:?}");
    assert_eq!(activator.starts(), 1);
}

#[tokio::test]
async fn a_component_that_is_refused_denies_everything_and_says_why() {
    let (directory, paths) = components(&[("good", body::PASS)]);
    let text = r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#;
    std::fs::write(directory.path().join("good.wasm"), wat::parse_str(text).unwrap()).unwrap();
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    let opinions = extension.opinions(&judged()).await;
    assert_eq!(stances(&opinions), [Stance::Deny]);
    assert!(opinions[0].reason.contains("imports wasi:cli/environment@0.2.0"), "{opinions:?}");
    assert_eq!(activator.ended().code(), Some(78));
    assert_eq!(activator.starts(), 1);
}

#[tokio::test]
async fn a_component_that_was_exchanged_is_not_asked() {
    let (directory, paths) = components(&[("it", body::DENY)]);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    std::fs::write(directory.path().join("it.wasm"), body::component(body::ALLOW)).unwrap();
    let opinions = extension.opinions(&judged()).await;
    assert_eq!(stances(&opinions), [Stance::Deny]);
    assert!(opinions[0].reason.contains("has loaded other components"), "{opinions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_are_answered_each() {
    let (_directory, paths) = components(&[("ask", body::ASK), ("pass", body::PASS)]);
    let activator = Activator::new(&paths);
    let extension = extension(&activator, &paths);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let extension = extension.clone();
            tokio::spawn(async move { extension.opinions(&judged()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(stances(&call.await.unwrap()), [Stance::Ask, Stance::Pass]);
    }
    assert_eq!(activator.starts(), 1);
}
