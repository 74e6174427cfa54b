//! The daemon ends without a word, at every point of an exchange, and begins anew with what is on the disk.

use super::*;
use tokio::runtime::Runtime;

/// Everything that outlives the daemon.
struct World {
    rooms: Arc<Rooms>,
    agent: Arc<Thinker>,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { rooms: Rooms::new(), agent: thinker(), directory: directory() }
    }

    /// One life of the daemon: what runs at the end of it is gone.
    fn live<T>(&self, work: impl AsyncFnOnce(Stage) -> T) -> T {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let stage = Stage::without_courier(self.rooms.clone(), self.agent.clone(), &self.directory);
            stage.send();
            stage.talk.resume().unwrap();
            work(stage).await
        })
    }
}

#[test]
fn a_turn_that_ran_is_answered_in_the_message_that_showed_it() {
    let world = World::new();
    world.live(async |stage| {
        stage.say("$q", "Tell me").await;
        stage.agent.until_told(1).await;
        stage.agent.says("t1", "Once");
        stage.rooms.until(|sent| sent.len() == 1).await;
        // Noted right after it arrived.
        let exchanges = crate::conversation::exchanges::Exchanges::new(stage.store.clone()).unwrap();
        becomes(|| exchanges.answered_by(&event("$1")).unwrap().is_some()).await;
    });
    world.live(async |stage| {
        stage.agent.end(over("t1", "Once upon a time."));
        let sent = stage.rooms.until(|sent| sent.iter().any(notifies)).await;
        let Outgoing::Edit { target, .. } = &sent.last().unwrap().outgoing else { panic!("{sent:?}") };
        assert_eq!(target, &event("$1"));
    });
    world.live(async |stage| {
        assert_eq!(stage.talk.resume().unwrap(), 0, "it is over");
        assert_eq!(stage.agent.told.borrow().len(), 1);
        assert_eq!(stage.rooms.sent().iter().filter(|sent| notifies(sent)).count(), 1);
    });
}

#[test]
fn what_waited_is_told_in_order() {
    let world = World::new();
    world.live(async |stage| {
        for n in 0..5 {
            stage.say(&format!("$q{n}"), &format!("number {n}")).await;
        }
        stage.agent.until_told(1).await;
    });
    world.live(async |stage| {
        for n in 1..=5 {
            stage.agent.end(over(&format!("t{n}"), &format!("answer {n}")));
        }
        let told = stage.agent.until_told(5).await;
        let texts: Vec<&str> = told.iter().map(|told| told.text.as_str()).collect();
        assert_eq!(texts, ["number 0", "number 1", "number 2", "number 3", "number 4"]);
        stage.rooms.until(|sent| sent.iter().filter(|sent| notifies(sent)).count() == 5).await;
    });
}

#[test]
fn what_may_have_been_told_is_asked_for_before_it_is_told_again() {
    let world = World::new();
    world.agent.failures.lock().unwrap().push_back(AgentError::Later("gone in the middle".into()));
    world.live(async |stage| {
        stage.say("$q", "Hello?").await;
        becomes(|| stage.agent.failures.lock().unwrap().is_empty()).await;
    });
    *world.agent.heard.lock().unwrap() = Some(Heard::Over(over("t9", "I had heard it.")));
    world.live(async |stage| {
        let sent = stage.rooms.until(|sent| sent.iter().any(notifies)).await;
        assert_eq!(sent.last().unwrap().text().body, "I had heard it.");
        assert!(stage.agent.told.borrow().is_empty());
    });
}

#[test]
fn an_answer_that_was_queued_arrives_once() {
    let world = World::new();
    for life in 0..4 {
        world.live(async |stage| {
            stage.say("$q", "Hello?").await;
            stage.agent.until_told(1).await;
            stage.agent.end(over("t1", "Yes."));
            if life > 0 {
                stage.rooms.until(|sent| sent.iter().any(notifies)).await;
            }
        });
    }
    assert_eq!(world.rooms.sent().len(), 1);
    assert_eq!(world.agent.told.borrow().len(), 1);
}
