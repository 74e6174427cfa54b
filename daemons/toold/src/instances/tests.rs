//! Which instances stay and which make room; none of them is connected.

use std::task::Poll;

use testudo_sandbox::protocol::{Builtin, Program};

use super::lifecycle::Effect;
use super::*;

const IDLE: Duration = Duration::from_mins(15);

fn none() -> Instances {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Arc::new(Inbox::open(folder.path().join("inbox")).unwrap());
    let setting =
        Setting { sandboxes: PathBuf::new(), apply: PathBuf::new(), idle: IDLE, inbox, on_refusal: |_| {} };
    Instances::new(setting, Systemd::absent()).0
}

/// Sessions `s0`, `s1`, …, whose instances wait since one second after another.
fn instances(sessions: u64) -> (Instances, Instant) {
    let instances = none();
    let start = Instant::now();
    for number in 0..sessions {
        let slot = instances.slot(&format!("s{number}"), Template::Workshop);
        let since = start + Duration::from_secs(number);
        assert_eq!(slot.on(Event::Wanted, since), [Effect::Connect]);
        slot.on(Event::Answered, since);
    }
    (instances, start)
}

fn gone(instances: &Instances, sessions: u64) -> Vec<u64> {
    let slots = lock(&instances.slots);
    (0..sessions).filter(|n| !slots.contains_key(&(format!("s{n}"), Template::Workshop))).collect()
}

#[tokio::test]
async fn the_longest_idle_instances_make_room_and_busy_ones_stay() {
    let most = MOST as u64 + 2;
    let (instances, _) = instances(most);
    let busy = instances.slot("s0", Template::Workshop);
    instances.make_room();
    assert_eq!(gone(&instances, most), [1, 2]);
    drop(busy);
}

#[tokio::test]
async fn busy_instances_alone_are_all_kept() {
    let most = MOST as u64 + 2;
    let (instances, _) = instances(most);
    let busy: Vec<_> = (0..most).map(|n| instances.slot(&format!("s{n}"), Template::Workshop)).collect();
    instances.make_room();
    assert_eq!(lock(&instances.slots).len(), busy.len());
}

#[tokio::test]
async fn an_instance_is_let_go_when_it_was_idle_for_as_long_as_it_may() {
    let (instances, start) = instances(3);
    assert_eq!(instances.evict(start + Duration::from_mins(14)).await, 3);
    assert_eq!(instances.evict(start + IDLE + Duration::from_secs(1)).await, 1);
    assert_eq!(gone(&instances, 3), [0, 1]);
}

#[tokio::test]
async fn a_running_call_and_a_frozen_instance_are_not_idle() {
    let (instances, start) = instances(2);
    instances.slot("s0", Template::Workshop).on(Event::Begun, start);
    instances.slot("s1", Template::Workshop).on(Event::Froze, start);
    assert_eq!(instances.evict(start + 2 * IDLE).await, 2);
}

#[tokio::test]
async fn a_session_has_an_instance_for_each_template_and_closing_it_ends_all_of_them() {
    let (instances, now) = instances(2);
    let other = instances.slot("s0", Template::CodeExecutor);
    assert!(!Arc::ptr_eq(&other, &instances.slot("s0", Template::Workshop)));
    assert!(!Arc::ptr_eq(&other, &instances.slot("s1", Template::CodeExecutor)));
    other.on(Event::Wanted, now);
    other.on(Event::Answered, now);
    instances.close("s0");
    assert_eq!(gone(&instances, 2), [0]);
    assert_eq!(other.state(), State::Cleaning);
    assert_eq!(lock(&instances.slots).len(), 2, "s1 has its two");
}

fn look() -> Run {
    Run::new("c", Program::Builtin(Builtin::Exists { path: "a".into() }))
}

/// Why a call of `s0` in this template does not run.
async fn refused(instances: &Instances, template: Template) -> String {
    let (_wish, mut cancelled) = watch::channel(false);
    instances.run("s0", template, look(), None, &mut cancelled).await.unwrap_err().message
}

#[tokio::test]
async fn a_frozen_session_takes_no_call_in_any_template_until_it_is_thawed() {
    let instances = none();
    assert_eq!(instances.freeze("s0").await, Held::default(), "it has no instance yet");
    for template in [Template::Workshop, Template::CodeExecutor, Template::Container] {
        let said = refused(&instances, template).await;
        assert!(said.contains("testudoctl thaw s0"), "{said}");
    }
    let (_wish, mut cancelled) = watch::channel(false);
    assert!(instances.prepare("s0", Template::Workshop, &mut cancelled).await.is_err());
    assert_eq!(lock(&instances.slots).len(), 0, "nothing was started");
    assert!(instances.require_thawed("s1").is_ok(), "another session goes on");
    instances.thaw("s0").await.unwrap();
    let said = refused(&instances, Template::Workshop).await;
    assert!(!said.contains("frozen"), "it was tried, where there is no sandbox: {said}");
}

#[tokio::test]
async fn no_end_of_a_frozen_instance_ends_the_freeze() {
    let (instances, start) = instances(1);
    let slot = instances.slot("s0", Template::Workshop);
    instances.freeze("s0").await;
    slot.on(Event::Froze, start);
    // Its call is overdue: it is thawed, ended and cleaned up.
    for event in [Event::Begun, Event::Overdue, Event::Thawed, Event::Ended { lost: true }] {
        slot.on(event, start);
    }
    assert!(refused(&instances, Template::Workshop).await.contains("frozen"));
    instances.close("s0");
    assert!(refused(&instances, Template::Workshop).await.contains("frozen"), "nor does closing the session");
}

#[tokio::test]
async fn a_call_that_waited_behind_a_frozen_one_does_not_run_after_it() {
    let instances = none();
    let slot = instances.slot("s0", Template::Workshop);
    let before = slot.instance.lock().await;
    let mut behind = std::pin::pin!(refused(&instances, Template::Workshop));
    let once = std::future::poll_fn(|context| Poll::Ready(behind.as_mut().poll(context)));
    assert!(once.await.is_pending(), "it waits for its turn");
    instances.freeze("s0").await;
    drop(before);
    let said = behind.await;
    assert!(said.contains("frozen"), "{said}");
    assert_eq!(slot.state(), State::Absent, "and no instance was made for it");
}

#[tokio::test]
async fn stopping_and_resuming_ends_a_freeze_and_each_alone_does_not() {
    let instances = none();
    let frozen = |session| instances.require_thawed(session).is_err();
    for session in ["s0", "s1"] {
        instances.freeze(session).await;
    }
    instances.note_resume(Some("s0"));
    instances.note_resume(None);
    assert!(frozen("s0") && frozen("s1"), "they were not stopped");
    instances.note_stop(Some("s0"));
    assert!(frozen("s0"));
    instances.note_resume(Some("s0"));
    assert!(!frozen("s0") && frozen("s1"));
    instances.note_stop(None);
    instances.note_resume(None);
    assert!(!frozen("s1"));
}

#[tokio::test]
async fn a_container_that_runs_on_and_a_unit_that_cannot_be_frozen_are_said() {
    let (instances, now) = instances(1);
    let slot = instances.slot("s0", Template::Container);
    for event in [Event::Wanted, Event::Answered, Event::Begun] {
        slot.on(event, now);
    }
    let said = instances.freeze("s0").await.complete("s0").unwrap_err().to_string();
    assert!(said.contains("container") && said.contains("testudoctl stop s0"), "{said}");
    assert!(refused(&instances, Template::Container).await.contains("frozen"));
    let unit = "testudo-sandbox-workshop@1.service".to_owned();
    let bearer = Bearer { unit, invocation: String::new() };
    instances.slot("s0", Template::Workshop).is(Some(bearer), None);
    slot.on(Event::Ended { lost: false }, now);
    let said = instances.freeze("s0").await.complete("s0").unwrap_err().to_string();
    assert!(said.contains("no service manager") && !said.contains("container"), "{said}");
}
