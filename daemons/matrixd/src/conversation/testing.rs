//! A homeserver and an agent that do as a test says, around the real store, outbox and courier.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, OwnedEventId, RoomId, UserId, device_id};
use tempfile::TempDir;
use testudo::config::Matrixd;
use testudo::record::Entry;
use testudo::recorder::RecordError;
use testudo::turn::{End, Event, Finished};
use tokio::sync::{mpsc, watch};

use crate::agent::{Agent, AgentError, Attached, Heard as AgentHeard, Speaker};
use crate::authorship::Standing;
use crate::conversation::markdown::Hygiene;
use crate::conversation::{Means, Talk};
use crate::dispatcher::Heard;
use crate::homeserver::{Homeserver, SendError};
use crate::incoming::{Content, Incoming, Message, Origin, Trust};
use crate::outbox::{Clock, Ledger, Outbox, courier};
use crate::outgoing::{Outgoing, Text};
use crate::store::Store;

pub(super) const ROOM: &str = "!room:home.org";
pub(super) const ANN: &str = "@ann:home.org";
pub(super) const BOB: &str = "@bob:home.org";
/// The cause of a failure after which the event is there: only the answer was lost.
pub(super) const LOST: &str = "the answer was lost";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn store(directory: &TempDir) -> Store {
    Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap()
}

pub(super) fn event(id: &str) -> OwnedEventId {
    EventId::parse(id).unwrap()
}

pub(super) fn origin(id: &str, sender: &str) -> Origin {
    Origin {
        room: RoomId::parse(ROOM).unwrap(),
        event: event(id),
        sender: UserId::parse(sender).unwrap(),
        trust: Trust::Verified(device_id!("D").to_owned()),
        sent_ms: 1,
    }
}

/// Ann's words in the main timeline.
pub(super) fn said(id: &str, text: &str) -> Message {
    Message { origin: origin(id, ANN), thread: None, reply_to: None, content: Content::Text(text.to_owned()) }
}

pub(super) fn over(turn: &str, reply: &str) -> Finished {
    Finished { session: "m".into(), turn: turn.into(), reply: reply.into(), calls: vec![], end: End::Replied }
}

/// One event as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) event: OwnedEventId,
    pub(super) outgoing: Outgoing,
}

impl Sent {
    pub(super) fn text(&self) -> &Text {
        match &self.outgoing {
            Outgoing::Text(text) | Outgoing::Edit { text, .. } => text,
            other => panic!("{other:?} is no text"),
        }
    }
}

/// A homeserver; the events are numbered from `$1` on.
pub(super) struct Rooms {
    sent: watch::Sender<Vec<Sent>>,
    by_transaction: Mutex<HashMap<String, OwnedEventId>>,
    /// What the next sends come to instead.
    pub(super) failures: Mutex<VecDeque<SendError>>,
    /// How many of the next sends meet a bug of the library.
    pub(super) panics: AtomicUsize,
    /// While something else is always on its way: how often what need not be seen gave way to it.
    pub(super) crowded: watch::Sender<Option<usize>>,
    pub(super) typing: watch::Sender<Vec<bool>>,
    pub(super) read: watch::Sender<Vec<OwnedEventId>>,
    pub(super) files: Mutex<HashMap<String, Vec<u8>>>,
}

impl Rooms {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            sent: watch::channel(Vec::new()).0,
            by_transaction: Mutex::default(),
            failures: Mutex::default(),
            panics: AtomicUsize::default(),
            crowded: watch::channel(None).0,
            typing: watch::channel(Vec::new()).0,
            read: watch::channel(Vec::new()).0,
            files: Mutex::default(),
        })
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// Returns what was sent when it is as it should be.
    pub(super) async fn until(&self, is_it: impl Fn(&[Sent]) -> bool) -> Vec<Sent> {
        until(&self.sent, |sent| is_it(sent)).await
    }
}

/// Returns when something that nothing tells about is so.
pub(super) async fn becomes(is_it: impl Fn() -> bool) {
    let waiting = async {
        while !is_it() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

pub(super) async fn until<T: Clone + std::fmt::Debug>(
    watched: &watch::Sender<T>,
    is_it: impl Fn(&T) -> bool,
) -> T {
    let mut receiver = watched.subscribe();
    match tokio::time::timeout(PATIENCE, receiver.wait_for(|now| is_it(now))).await {
        Ok(now) => now.unwrap().clone(),
        Err(late) => panic!("it did not come to that, {late}: {:?}", watched.borrow()),
    }
}

impl Homeserver for Rooms {
    fn send<'a>(
        &'a self,
        _: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<OwnedEventId, SendError>> {
        Box::pin(async move {
            let is_bug =
                self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            assert!(is_bug.is_err(), "Session expired");
            let failure = self.failures.lock().unwrap().pop_front();
            if let Some(error) = &failure
                && !matches!(error, SendError::Later { cause, .. } if cause == LOST)
            {
                return Err(error.clone());
            }
            if let Some(known) = self.by_transaction.lock().unwrap().get(transaction) {
                return Ok(known.clone());
            }
            let event = event(&format!("${}", self.sent.borrow().len() + 1));
            self.by_transaction.lock().unwrap().insert(transaction.to_owned(), event.clone());
            let sent = Sent { event: event.clone(), outgoing: outgoing.clone() };
            self.sent.send_modify(|all| all.push(sent));
            failure.map_or(Ok(event), Err)
        })
    }

    fn send_if_free<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Option<Result<OwnedEventId, SendError>>> {
        Box::pin(async move {
            if self.crowded.borrow().is_some() {
                self.crowded.send_modify(|times| *times = times.map(|times| times + 1));
                return None;
            }
            Some(self.send(room, transaction, outgoing).await)
        })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, is_typing: bool) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.typing.send_modify(|typing| typing.push(is_typing)) })
    }

    fn read<'a>(&'a self, _: &'a RoomId, event: &'a EventId) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.read.send_modify(|read| read.push(event.to_owned())) })
    }

    fn download<'a>(
        &'a self,
        source: &'a serde_json::Value,
        _: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        Box::pin(async move {
            let name = source.as_str().unwrap_or_default();
            let never = || SendError::Never { room: ROOM.into(), cause: "there is no such file".into() };
            self.files.lock().unwrap().get(name).cloned().ok_or_else(never)
        })
    }
}

/// One thing that the agent was told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) session: String,
    pub(super) speaker: Speaker,
    pub(super) text: String,
    pub(super) files: Vec<Attached>,
}

/// An agent; the turns are numbered from `t1` on and end when a test says so.
pub(super) struct Thinker {
    pub(super) told: watch::Sender<Vec<Told>>,
    pub(super) attached: Mutex<Vec<(String, Vec<u8>)>>,
    pub(super) failures: Mutex<VecDeque<AgentError>>,
    pub(super) heard: Mutex<Option<AgentHeard>>,
    /// Files that it gave, by their ids, for as long as they can be had.
    pub(super) given: Mutex<HashMap<String, Vec<u8>>>,
    ends: watch::Sender<HashMap<String, Finished>>,
    pub(super) cancelled: watch::Sender<HashSet<String>>,
    followers: Mutex<HashMap<String, mpsc::Sender<Event>>>,
}

impl Thinker {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            told: watch::channel(Vec::new()).0,
            attached: Mutex::default(),
            failures: Mutex::default(),
            heard: Mutex::default(),
            given: Mutex::default(),
            ends: watch::channel(HashMap::new()).0,
            cancelled: watch::channel(HashSet::new()).0,
            followers: Mutex::default(),
        })
    }

    /// Ends a turn.
    pub(super) fn end(&self, finished: Finished) {
        self.ends.send_modify(|ends| {
            ends.insert(finished.turn.clone(), finished);
        });
    }

    /// The model says something in a turn of the only session.
    pub(super) fn says(&self, turn: &str, delta: &str) {
        let event = Event::Text { turn: turn.into(), delta: delta.into() };
        for follower in self.followers.lock().unwrap().values() {
            follower.try_send(event.clone()).unwrap();
        }
    }

    pub(super) async fn until_told(&self, count: usize) -> Vec<Told> {
        until(&self.told, |told| told.len() >= count).await
    }
}

impl Agent for Thinker {
    fn say<'a>(
        &'a self,
        session: &'a str,
        speaker: &'a Speaker,
        text: &'a str,
        files: &'a [Attached],
    ) -> BoxFuture<'a, Result<String, AgentError>> {
        Box::pin(async move {
            if let Some(error) = self.failures.lock().unwrap().pop_front() {
                return Err(error);
            }
            let told = Told {
                session: session.into(),
                speaker: speaker.clone(),
                text: text.into(),
                files: files.to_vec(),
            };
            self.told.send_modify(|all| all.push(told));
            Ok(format!("t{}", self.told.borrow().len()))
        })
    }

    fn attach<'a>(
        &'a self,
        _: &'a str,
        _: &'a Speaker,
        name: &'a str,
        _: Option<&'a str>,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<String, AgentError>> {
        Box::pin(async move {
            self.attached.lock().unwrap().push((name.to_owned(), content.to_vec()));
            Ok(format!("/inbox/{name}"))
        })
    }

    fn fetch<'a>(&'a self, _: &'a str, file: &'a str) -> BoxFuture<'a, Result<File, AgentError>> {
        Box::pin(async move {
            let unknown = || AgentError::Unknown("there is no such file".into());
            let content = self.given.lock().unwrap().get(file).cloned().ok_or_else(unknown)?;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            Ok(file)
        })
    }

    fn wait<'a>(&'a self, _: &'a str, turn: &'a str) -> BoxFuture<'a, Result<Finished, AgentError>> {
        Box::pin(async move {
            let mut ends = self.ends.subscribe();
            let ends = ends.wait_for(|ends| ends.contains_key(turn)).await.unwrap();
            Ok(ends.get(turn).unwrap().clone())
        })
    }

    fn cancel<'a>(&'a self, _: &'a str, turn: &'a str) -> BoxFuture<'a, Result<bool, AgentError>> {
        Box::pin(async move {
            self.cancelled.send_modify(|cancelled| {
                cancelled.insert(turn.to_owned());
            });
            self.end(Finished { end: End::Cancelled, ..over(turn, "This turn was cancelled.") });
            Ok(true)
        })
    }

    fn follow<'a>(&'a self, session: &'a str) -> BoxFuture<'a, mpsc::Receiver<Event>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(64);
            self.followers.lock().unwrap().insert(session.to_owned(), sender);
            receiver
        })
    }

    fn heard<'a>(&'a self, _: &'a str, _: &'a str, _: i64) -> BoxFuture<'a, Result<AgentHeard, AgentError>> {
        Box::pin(async move { Ok(self.heard.lock().unwrap().clone().unwrap_or(AgentHeard::No)) })
    }
}

/// A record that takes everything.
#[derive(Default)]
pub(super) struct Kept(pub(super) Mutex<Vec<Entry>>);

impl Ledger for Kept {
    fn keep(&self, entry: Entry) -> BoxFuture<'_, Result<(), RecordError>> {
        self.0.lock().unwrap().push(entry);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Everything around a conversation.
pub(super) struct Stage {
    pub(super) talk: Talk,
    pub(super) rooms: Arc<Rooms>,
    pub(super) agent: Arc<Thinker>,
    pub(super) store: Store,
    pub(super) record: Arc<Kept>,
    outbox: Outbox,
}

impl Stage {
    /// Around this directory, which stays when the stage is gone.
    pub(super) fn new(directory: &TempDir) -> Self {
        let stage = Self::without_courier(Rooms::new(), Thinker::new(), directory);
        stage.send();
        stage
    }

    pub(super) fn without_courier(rooms: Arc<Rooms>, agent: Arc<Thinker>, directory: &TempDir) -> Self {
        let store = store(directory);
        let clock = Clock::by(|| 1_000_000);
        let outbox = Outbox::new(store.clone(), clock.clone());
        let config = Matrixd { owners: vec![ANN.into()], members: vec![BOB.into()], ..Matrixd::default() };
        let means = Means {
            config: Arc::new(config),
            hygiene: Hygiene::Full,
            agent: agent.clone(),
            homeserver: rooms.clone(),
            outbox: outbox.clone(),
            store: store.clone(),
            clock,
        };
        Self { talk: Talk::new(means).unwrap(), rooms, agent, store, record: Arc::default(), outbox }
    }

    /// Sends what is queued, from now on.
    pub(super) fn send(&self) {
        tokio::spawn(courier::run(self.outbox.clone(), self.rooms.clone(), self.record.clone()));
    }

    pub(super) async fn hear(&self, incoming: Incoming) {
        use crate::dispatcher::Conversation as _;
        self.talk.hear(&Heard { incoming, standing: Standing::Owner, again: false }).await.unwrap();
    }

    pub(super) async fn say(&self, id: &str, text: &str) {
        self.hear(Incoming::Message(said(id, text))).await;
    }
}
