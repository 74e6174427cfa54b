//! Every life can end, and what is asked for is asked once.

use proptest::prelude::*;

use super::*;

const IDLE: Duration = Duration::from_mins(15);
const ALMOST: Duration = Duration::from_mins(14);

fn life() -> (Life, Instant) {
    let now = Instant::now();
    (Life::new(IDLE, now), now)
}

fn ready() -> (Life, Instant) {
    let (mut life, now) = life();
    assert_eq!(life.on(Event::Wanted, now), [Effect::Connect]);
    assert_eq!(life.on(Event::Wanted, now), [], "one connection is enough");
    life.on(Event::Answered, now);
    assert!(life.is_usable());
    (life, now)
}

#[test]
fn it_waits_for_calls_and_is_let_go_when_none_comes_for_long() {
    let (mut life, t0) = ready();
    life.on(Event::Begun, t0);
    assert_eq!(life.on(Event::Tick, t0 + 2 * IDLE), [], "a call may take its time");
    life.on(Event::Ended { lost: false }, t0 + IDLE);
    assert_eq!(life.on(Event::Tick, t0 + IDLE + ALMOST), []);
    assert_eq!(life.on(Event::Tick, t0 + 2 * IDLE), [Effect::Clean(Step::HangUp)]);
    life.on(Event::Tried(Step::HangUp, Outcome::Done), t0);
    assert_eq!((life.state(), life.ended_badly()), (State::Gone, false));
}

#[test]
fn a_frozen_one_is_thawed_before_it_is_stopped_and_each_step_is_tried_whatever_the_others_did() {
    let (mut life, now) = ready();
    life.on(Event::Froze, now);
    assert!(life.is_frozen() && !life.is_usable());
    assert_eq!(life.on(Event::Begun, now), [], "a frozen one takes no call");
    assert_eq!(life.on(Event::Tick, now + 2 * IDLE), [], "it waits for a person");
    let steps = [Step::Thaw, Step::HangUp, Step::Stop];
    assert_eq!(life.on(Event::Released, now), steps.map(Effect::Clean));
    for step in steps {
        assert_eq!(life.state(), State::Cleaning);
        life.on(Event::Tried(step, Outcome::Failed), now);
    }
    assert_eq!(life.state(), State::Gone);
    assert_eq!(life.tried(), steps.map(|step| (step, Outcome::Failed)));
    assert!(life.ended_badly());
}

#[test]
fn a_frozen_call_is_thawed_and_told_to_end() {
    let (mut life, now) = ready();
    life.on(Event::Begun, now);
    life.on(Event::Froze, now);
    assert_eq!(life.on(Event::Released, now), [Effect::Clean(Step::Thaw), Effect::Cancel]);
    life.on(Event::Tried(Step::Thaw, Outcome::Done), now);
    assert_eq!(life.on(Event::Ended { lost: true }, now), [Effect::Clean(Step::HangUp)]);
}

#[test]
fn one_that_starts_or_ends_can_be_frozen_and_is_thawed() {
    let (mut life, now) = life();
    life.on(Event::Wanted, now);
    life.on(Event::Froze, now);
    life.on(Event::Answered, now);
    assert!(life.is_frozen() && !life.is_usable());
    life.on(Event::Thawed, now);
    assert!(life.is_usable());
    life.on(Event::Begun, now);
    life.on(Event::Released, now);
    life.on(Event::Froze, now);
    let late = life.on(Event::Tick, now + PATIENCE);
    assert_eq!(late.first(), Some(&Effect::Clean(Step::Thaw)), "it could not be stopped otherwise");
}

#[test]
fn a_call_that_does_not_end_when_told_to_ends_with_its_unit() {
    let (mut life, now) = ready();
    life.on(Event::Begun, now);
    assert_eq!(life.on(Event::Released, now), [Effect::Cancel]);
    assert_eq!(life.on(Event::Released, now), [], "it was told already");
    assert_eq!(life.on(Event::Tick, now), []);
    let late = life.on(Event::Tick, now + PATIENCE);
    assert_eq!(late, [Effect::Clean(Step::HangUp), Effect::Clean(Step::Stop)]);
}

#[test]
fn one_that_was_lost_is_stopped_by_the_service_manager_too() {
    let (mut life, now) = ready();
    life.on(Event::Begun, now);
    let effects = life.on(Event::Ended { lost: true }, now);
    assert_eq!(effects, [Effect::Clean(Step::HangUp), Effect::Clean(Step::Stop)]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let step = prop_oneof![Just(Step::Thaw), Just(Step::HangUp), Just(Step::Stop)];
    let outcome = prop_oneof![Just(Outcome::Done), Just(Outcome::Failed), Just(Outcome::Unavailable)];
    prop_oneof![
        Just(Event::Wanted),
        Just(Event::Answered),
        Just(Event::Failed),
        Just(Event::Begun),
        any::<bool>().prop_map(|lost| Event::Ended { lost }),
        Just(Event::Overdue),
        Just(Event::Froze),
        Just(Event::Thawed),
        Just(Event::Released),
        Just(Event::Tick),
        (step, outcome).prop_map(|(step, outcome)| Event::Tried(step, outcome)),
    ]
}

proptest! {
    /// Whatever happened, an instance that is released is gone once what it asks for was tried, however it came out.
    #[test]
    fn every_life_can_be_brought_to_its_end(
        events in prop::collection::vec((any_event(), 0u64..2000), 0..40),
        outcomes in prop::collection::vec(any::<bool>(), 8),
    ) {
        let (mut life, mut now) = life();
        let mut pending = Vec::new();
        let mut connects = 0;
        for (event, seconds) in events {
            now += Duration::from_secs(seconds);
            let effects = life.on(event, now);
            connects += effects.iter().filter(|effect| **effect == Effect::Connect).count();
            pending.extend(effects);
        }
        prop_assert!(connects <= 1);
        pending.extend(life.on(Event::Released, now));
        let mut outcomes = outcomes.into_iter().cycle();
        while !pending.is_empty() {
            for effect in std::mem::take(&mut pending) {
                let answer = match effect {
                    Effect::Connect => continue,
                    Effect::Cancel => Event::Tick,
                    Effect::Clean(step) => {
                        let outcome = if outcomes.next() == Some(true) { Outcome::Done } else { Outcome::Failed };
                        Event::Tried(step, outcome)
                    }
                };
                pending.extend(life.on(answer, now));
            }
            now += PATIENCE;
            pending.extend(life.on(Event::Tick, now));
        }
        now += PATIENCE;
        for effect in life.on(Event::Tick, now) {
            if let Effect::Clean(step) = effect {
                life.on(Event::Tried(step, Outcome::Failed), now);
            }
        }
        prop_assert_eq!(life.state(), State::Gone);
        prop_assert_eq!(life.on(Event::Wanted, now), []);
        prop_assert_eq!(life.state(), State::Gone, "gone for good");
    }

    /// An instance that may be frozen is never let go without having been thawed first.
    #[test]
    fn thawing_comes_before_everything_else(events in prop::collection::vec(any_event(), 0..40)) {
        let (mut life, now) = life();
        for event in events {
            let frozen = life.is_frozen();
            let effects = life.on(event, now + IDLE);
            let parts = effects.iter().any(|effect| matches!(effect, Effect::Cancel | Effect::Clean(Step::Stop | Step::HangUp)));
            if frozen && parts {
                prop_assert_eq!(effects.first(), Some(&Effect::Clean(Step::Thaw)));
            }
        }
    }
}
