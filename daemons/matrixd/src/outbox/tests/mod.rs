//! The courier against a homeserver that fails in every way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, OwnedEventId, RoomId};
use tempfile::TempDir;
use testudo::record::Entry;
use testudo::recorder::RecordError;
use tokio::time::Instant;

use super::*;
use crate::homeserver::{Homeserver, SendError};
use crate::outgoing::Text;
use crate::store::testing::{opened, room};

mod failing;
mod held;
mod order;
mod recorded;

/// What the homeserver does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accept,
    Later(Option<Duration>),
    Never,
    /// Accepted, after a second.
    Slow,
    /// It is in the room, but its answer never comes.
    AcceptAndHang,
    Panic,
}

/// One attempt, as the homeserver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    room: u32,
    words: String,
    /// Seconds since the start.
    at: u64,
}

/// What to do, by the room, the words and how often these were tried before.
type Rule = dyn Fn(u32, &str, usize) -> Answer + Send + Sync;

/// A homeserver that knows events by their transaction ids, as Matrix has it.
struct Rehearsed {
    start: Instant,
    answer: Box<Rule>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    events: HashMap<String, OwnedEventId>,
    /// What people see, in order.
    timeline: Vec<(u32, String)>,
    at_once: usize,
    most_at_once: usize,
    files_at_once: usize,
}

impl Rehearsed {
    fn new(answer: impl Fn(u32, &str, usize) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), answer: Box::new(answer), state: Mutex::default() })
    }

    fn seen(&self) -> Vec<(u32, String, u64)> {
        let state = self.state.lock().unwrap();
        state.seen.iter().map(|seen| (seen.room, seen.words.clone(), seen.at)).collect()
    }

    fn timeline(&self) -> Vec<(u32, String)> {
        self.state.lock().unwrap().timeline.clone()
    }

    fn accept(&self, transaction: &str, of_room: u32, words: &str) -> OwnedEventId {
        let mut state = self.state.lock().unwrap();
        if let Some(event) = state.events.get(transaction) {
            return event.clone();
        }
        let event = OwnedEventId::try_from(format!("$sent-{transaction}")).unwrap();
        state.events.insert(transaction.to_owned(), event.clone());
        state.timeline.push((of_room, words.to_owned()));
        event
    }
}

impl Homeserver for Rehearsed {
    fn send<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<OwnedEventId, SendError>> {
        async move {
            let (words, is_file) = match outgoing {
                Outgoing::Text(text) => (text.body.clone(), false),
                Outgoing::Attachment { content, .. } => (format!("{} bytes", content.len()), true),
                other => (format!("{other:?}"), false),
            };
            let of_room =
                room.as_str().trim_start_matches("!room").split(':').next().unwrap().parse().unwrap();
            let answer = {
                let mut state = self.state.lock().unwrap();
                let tried =
                    state.seen.iter().filter(|seen| seen.words == words && seen.room == of_room).count();
                state.seen.push(Seen {
                    room: of_room,
                    words: words.clone(),
                    at: self.start.elapsed().as_secs(),
                });
                state.at_once += 1;
                state.most_at_once = state.most_at_once.max(state.at_once);
                if is_file {
                    state.files_at_once += 1;
                    assert_eq!(state.files_at_once, 1, "one file at a time is in memory");
                }
                (self.answer)(of_room, &words, tried)
            };
            let takes = if answer == Answer::Slow { 1_000 } else { 10 };
            tokio::time::sleep(Duration::from_millis(takes)).await;
            if answer == Answer::AcceptAndHang {
                self.accept(transaction, of_room, &words);
                std::future::pending::<()>().await;
            }
            let mut state = self.state.lock().unwrap();
            state.at_once -= 1;
            state.files_at_once = state.files_at_once.saturating_sub(usize::from(is_file));
            drop(state);
            assert_ne!(answer, Answer::Panic, "the homeserver's client has a bug");
            let (room, cause) = (room.to_string(), "rehearsed".to_owned());
            match answer {
                Answer::Later(retry_after) => Err(SendError::Later { room, cause, retry_after }),
                Answer::Never => Err(SendError::Never { room, cause }),
                _ => Ok(self.accept(transaction, of_room, &words)),
            }
        }
        .boxed()
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }

    fn read<'a>(&'a self, _: &'a RoomId, _: &'a EventId) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }

    fn download<'a>(&'a self, _: &'a serde_json::Value, _: u64) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }
}

/// A record that takes everything but when it is away, or away for what is in its room.
#[derive(Default)]
struct Kept {
    entries: Mutex<Vec<Entry>>,
    is_away: AtomicBool,
    is_away_for_sent: AtomicBool,
}

impl Kept {
    fn events(&self) -> Vec<String> {
        self.entries.lock().unwrap().iter().map(|entry| entry.event.clone()).collect()
    }
}

impl Ledger for Kept {
    fn keep(&self, entry: Entry) -> BoxFuture<'_, Result<(), RecordError>> {
        let is_away_for_it = entry.event == "file.sent" && self.is_away_for_sent.load(Ordering::SeqCst);
        if is_away_for_it || self.is_away.load(Ordering::SeqCst) {
            return std::future::ready(Err(RecordError::Bus(zbus::Error::InvalidReply))).boxed();
        }
        self.entries.lock().unwrap().push(entry);
        std::future::ready(Ok(())).boxed()
    }
}

fn recorded() -> Arc<Kept> {
    Arc::default()
}

/// An outbox whose clock goes with the time of the runtime, which does not pass by itself.
fn outbox(directory: &TempDir) -> Outbox {
    let start = Instant::now();
    let clock = Clock::by(move || 1_000_000 + i64::try_from(start.elapsed().as_millis()).unwrap());
    Outbox::new(opened(directory.path()), clock)
}

fn words(of_room: u32, body: &str) -> Post {
    Post::new(room(of_room), Outgoing::Text(Text { body: body.into(), ..Text::default() }))
}

fn file(of_room: u32, size: usize) -> Post {
    let (name, mime) = ("a".to_owned(), "b".to_owned());
    let content = vec![1; size];
    Post::new(room(of_room), Outgoing::Attachment { name, mime, content, thread: None, behalf: None })
}
