//! The dispatcher with listeners that write down what they hear.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, OwnedEventId, RoomId};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::incoming::{Content, Message};
use crate::outbox::Clock;
use crate::store::testing::{config, event, opened};

mod loop_;
mod routes;

/// What a listener does with some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Quick,
    /// It waits until it is let go on.
    Slow,
    Panic,
    /// It cannot hear it so many times.
    Postpone(usize),
}

/// All listeners in one.
struct Ears {
    /// The event that asked a question.
    prompt: OwnedEventId,
    /// Where it waits for its answer.
    waits_in: Option<OwnedRoomId>,
    behaviour: Box<dyn Fn(&str) -> Behaviour + Send + Sync>,
    go_on: Semaphore,
    heard: Mutex<Vec<String>>,
    postponed: Mutex<usize>,
    changed: Notify,
}

impl Ears {
    fn new(behaviour: impl Fn(&str) -> Behaviour + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            prompt: event(999),
            waits_in: None,
            behaviour: Box::new(behaviour),
            go_on: Semaphore::new(0),
            heard: Mutex::default(),
            postponed: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn listeners(self: &Arc<Self>) -> Listeners {
        Listeners { answers: self.clone(), commands: self.clone(), conversation: self.clone() }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until so much was heard.
    async fn until(&self, count: usize) -> Vec<String> {
        loop {
            let changed = self.changed.notified();
            let heard = self.heard();
            if heard.len() >= count {
                return heard;
            }
            changed.await;
        }
    }

    fn note(&self, line: String) {
        self.heard.lock().unwrap().push(line);
        self.changed.notify_one();
    }

    async fn listen(&self, kind: &str, heard: &Heard) -> Result<(), Postponed> {
        let words = match &heard.incoming {
            Incoming::Message(Message { content: Content::Text(text), .. }) => text.clone(),
            other => other.origin().event.to_string(),
        };
        let number = room_number(&heard.incoming.origin().room);
        let again = if heard.again { " again" } else { "" };
        match (self.behaviour)(&words) {
            Behaviour::Postpone(times) => {
                let mut postponed = self.postponed.lock().unwrap();
                if *postponed < times {
                    *postponed += 1;
                    return Err(Postponed("the agent is away".into()));
                }
            }
            Behaviour::Slow => {
                self.note(format!("{kind} {number} begins {words}{again}"));
                self.go_on.acquire().await.unwrap().forget();
            }
            Behaviour::Panic => panic!("a listener has a bug"),
            Behaviour::Quick => {}
        }
        self.note(format!("{kind} {number} {words}{again}"));
        Ok(())
    }
}

fn room_number(room: &RoomId) -> String {
    room.as_str().trim_start_matches("!room").split(':').next().unwrap().to_owned()
}

impl Prompts for Ears {
    fn concerns(&self, _: &RoomId, event: &EventId) -> bool {
        self.prompt == event
    }

    fn waits_in(&self, room: &RoomId) -> bool {
        self.waits_in.as_deref() == Some(room)
    }

    fn reads_as_answer(&self, _: &RoomId, text: &str) -> bool {
        text.starts_with("yes 7K3M")
    }
}

impl Answers for Ears {
    fn judge<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        self.listen("answer", heard).map(drop).boxed()
    }

    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        self.listen("interrupted answer", heard).map(drop).boxed()
    }
}

impl Commands for Ears {
    fn carry_out<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        self.listen("command", heard).map(drop).boxed()
    }

    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        self.listen("interrupted command", heard).map(drop).boxed()
    }
}

impl Conversation for Ears {
    fn hear<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, Result<(), Postponed>> {
        self.listen("talk", heard).boxed()
    }
}

/// What a daemon has of its store.
struct Desk {
    inbox: Inbox,
    outbox: Outbox,
    letters: DeadLetters,
    now_ms: Arc<AtomicI64>,
}

impl Desk {
    fn open(directory: &TempDir) -> Self {
        let store = opened(directory.path());
        let now_ms = Arc::new(AtomicI64::new(0));
        let clock = Clock::by({
            let now_ms = now_ms.clone();
            move || now_ms.load(Ordering::SeqCst)
        });
        Self {
            inbox: Inbox::new(store.clone(), config()),
            outbox: Outbox::new(store.clone(), clock),
            letters: DeadLetters::new(store),
            now_ms,
        }
    }

    fn run(&self, ears: &Arc<Ears>) -> tokio::task::JoinHandle<()> {
        let dispatcher =
            Dispatcher::new(self.inbox.clone(), self.outbox.clone(), self.letters.clone(), ears.listeners());
        tokio::spawn(dispatcher.run())
    }

    /// Waits until nothing waits any more.
    async fn until_empty(&self) {
        while self.inbox.waiting().unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The end of a daemon, as sudden as it gets.
async fn kill(running: tokio::task::JoinHandle<()>) {
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
}
