//! A desk with everything around it replaced, and what people do in its rooms.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{
    EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, device_id, owned_room_id, owned_user_id, room_id,
};
use testudo::approval::{Approval, Outcome, Scope, State};
use testudo::record::Entry;
use tokio::sync::oneshot;

use crate::approval::book::Book;
use crate::approval::desk::{Desk, Surroundings};
use crate::approval::judging::Judge;
use crate::approval::prompt::{Place, Prompt};
use crate::approval::{Post, Recording, Rooms};
use crate::authorship::Standing;
use crate::controls::Controls;
use crate::dispatcher::{Answers as _, Heard};
use crate::incoming::{Content, Incoming, Message, Origin, Trust};
use crate::outbox::Clock;
use crate::outgoing::Outgoing;
use crate::policy::{Deciding, News, PolicyError, Yes};
use crate::store::{Store, StoreError};

pub(super) const START: i64 = 1_800_000_000_000;

/// A `policyd` that notes what it is told and answers as it is set to.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) said: Mutex<Vec<String>>,
    pub(super) fails: Mutex<Option<PolicyError>>,
    pub(super) whole: Mutex<Option<Approval>>,
}

impl Decided {
    pub(super) fn outcome(&self, id: &str, state: State, by: &str) -> Result<Outcome, PolicyError> {
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        let by = Some(format!("matrix {by}"));
        Ok(Outcome {
            id: id.into(),
            state,
            digest: "d1".into(),
            reason: None,
            by,
            weight: None,
            scope: Some(Scope::Once),
            lease: None,
        })
    }
}

impl Deciding for Decided {
    fn whole<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Approval, PolicyError>> {
        let whole = self.whole.lock().unwrap().clone();
        async move { whole.ok_or(PolicyError::Gone("away".into())) }.boxed()
    }

    fn approve<'a>(&'a self, yes: Yes<'a>) -> BoxFuture<'a, Result<Outcome, PolicyError>> {
        let manner = yes.manner.word();
        self.said.lock().unwrap().push(format!("yes {} {} {} {manner}", yes.approval, yes.digest, yes.seen));
        let outcome = self.outcome(yes.approval, State::Approved, yes.by);
        async move { outcome }.boxed()
    }

    fn deny<'a>(
        &'a self,
        id: &'a str,
        reason: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, PolicyError>> {
        self.said.lock().unwrap().push(format!("no {id} {reason}"));
        let outcome = self.outcome(id, State::Denied, by);
        async move { outcome }.boxed()
    }
}

/// An outbox whose posts arrive when the test says so.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) queued: Mutex<Vec<(OwnedRoomId, String, Outgoing)>>,
    pub(super) waiting: Mutex<HashMap<String, oneshot::Sender<OwnedEventId>>>,
}

impl Post for Outbox {
    fn queue(&self, room: &RoomId, name: &str, outgoing: Outgoing, _: Option<u64>) -> Result<(), StoreError> {
        let mut queued = self.queued.lock().unwrap();
        if queued.iter().all(|(_, known, _)| known != name) {
            queued.push((room.to_owned(), name.to_owned(), outgoing));
        }
        Ok(())
    }

    fn hurry(&self, _: &RoomId) -> Result<(), StoreError> {
        Ok(())
    }

    fn delivered(&self, name: &str) -> BoxFuture<'static, Option<OwnedEventId>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap().insert(name.to_owned(), sender);
        async move { receiver.await.ok() }.boxed()
    }
}

/// The rooms in which somebody of no list is.
pub(super) type Closed = Arc<Mutex<Vec<OwnedRoomId>>>;

pub(super) struct Around {
    pub(super) own: Option<Place>,
    pub(super) owner: Option<OwnedRoomId>,
    pub(super) closed: Closed,
}

impl Rooms for Around {
    fn of(&self, _: &str) -> Option<Place> {
        self.own.clone()
    }

    fn of_owner(&self) -> Option<OwnedRoomId> {
        self.owner.clone()
    }

    fn is_encrypted(&self, room: &RoomId) -> bool {
        room != room_id!("!plain:home.org")
    }

    fn is_open<'a>(&'a self, room: &'a RoomId) -> BoxFuture<'a, bool> {
        std::future::ready(!self.closed.lock().unwrap().iter().any(|closed| closed == room)).boxed()
    }
}

#[derive(Default)]
pub(super) struct Recorded(pub(super) Mutex<Vec<Entry>>);

impl Recording for Recorded {
    fn append(&self, entry: Entry) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(entry);
        std::future::ready(()).boxed()
    }
}

/// A desk with everything around it; the store outlives a restart.
pub(super) struct Scene {
    pub(super) _directory: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) policy: Arc<Decided>,
    pub(super) post: Arc<Outbox>,
    pub(super) record: Arc<Recorded>,
    pub(super) now: Arc<AtomicI64>,
    pub(super) place: (Option<Place>, Option<OwnedRoomId>),
    pub(super) closed: Closed,
    pub(super) controls: Controls,
    pub(super) desk: Arc<Desk>,
}

pub(super) fn room() -> Place {
    Place { room: owned_room_id!("!home:home.org"), thread: None, is_own: true }
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::at(Some(room()), None, Controls::all())
    }

    pub(super) fn at(own: Option<Place>, owner: Option<OwnedRoomId>, controls: Controls) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap();
        let (policy, post, record) = (Arc::default(), Arc::default(), Arc::default());
        let now = Arc::new(AtomicI64::new(START));
        let (place, closed) = ((own, owner), Arc::default());
        let desk = desk(&store, &policy, &post, &record, &now, (&place, &closed), controls);
        Self { _directory: directory, store, policy, post, record, now, place, closed, controls, desk }
    }

    /// The same store and outbox, another process.
    pub(super) fn restart(&mut self) {
        let Self { store, policy, post, record, now, place, closed, controls, .. } = &*self;
        self.desk = desk(store, policy, post, record, now, (place, closed), *controls);
    }

    pub(super) async fn asked(&self, approval: &Approval) {
        self.desk.take(News::Asked(Box::new(approval.clone()))).await;
    }

    /// Delivers everything of a prompt that waits, as events that are named like it.
    pub(super) async fn deliver(&self, end: &str) {
        let names: Vec<String> =
            self.post.waiting.lock().unwrap().keys().filter(|name| name.ends_with(end)).cloned().collect();
        for name in names {
            let sender = self.post.waiting.lock().unwrap().remove(&name).unwrap();
            sender.send(OwnedEventId::try_from(format!("${name}")).unwrap()).unwrap();
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn prompt(&self) -> Prompt {
        self.desk.book.of("a-7").unwrap().pop().unwrap()
    }

    /// What an owner's verified device says, under this event id.
    pub(super) async fn says(&self, event: &str, text: &str) {
        self.heard(&said(event, text, Trust::Verified(device_id!("PHONE").to_owned()))).await;
    }

    pub(super) async fn heard(&self, incoming: &Incoming) {
        let standing =
            if incoming.origin().sender == "@ann:home.org" { Standing::Owner } else { Standing::Member };
        self.desk.judge(&Heard { incoming: incoming.clone(), standing, again: false }).await;
    }

    pub(super) fn at_policy(&self) -> Vec<String> {
        self.policy.said.lock().unwrap().clone()
    }

    pub(super) fn sent(&self) -> Vec<(OwnedRoomId, Outgoing)> {
        self.post.queued.lock().unwrap().iter().map(|(room, _, out)| (room.clone(), out.clone())).collect()
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        let body = |(_, outgoing): (OwnedRoomId, Outgoing)| match outgoing {
            Outgoing::Text(text) => Some(text.body),
            Outgoing::Edit { text, .. } => Some(format!("edited: {}", text.body)),
            _ => None,
        };
        self.sent().into_iter().filter_map(body).collect()
    }
}

fn desk(
    store: &Store,
    policy: &Arc<Decided>,
    post: &Arc<Outbox>,
    record: &Arc<Recorded>,
    now: &Arc<AtomicI64>,
    ((own, owner), closed): (&(Option<Place>, Option<OwnedRoomId>), &Closed),
    controls: Controls,
) -> Arc<Desk> {
    let judge = Judge { own: owned_user_id!("@testudo:home.org"), trust_homeserver: false, controls };
    let now = now.clone();
    let around = Surroundings {
        policy: policy.clone(),
        post: post.clone(),
        rooms: Arc::new(Around { own: own.clone(), owner: owner.clone(), closed: closed.clone() }),
        record: record.clone(),
        clock: Clock::by(move || now.load(Ordering::SeqCst)),
    };
    Desk::new(judge, vec![owned_user_id!("@ann:home.org")], Book::new(store.clone()).unwrap(), around)
}

pub(super) fn origin(event: &str, sender: OwnedUserId, trust: Trust) -> Origin {
    Origin {
        room: owned_room_id!("!home:home.org"),
        event: OwnedEventId::try_from(event).unwrap(),
        sender,
        trust,
        sent_ms: u64::try_from(START).unwrap(),
    }
}

pub(super) fn said(event: &str, text: &str, trust: Trust) -> Incoming {
    let origin = origin(event, owned_user_id!("@ann:home.org"), trust);
    Incoming::Message(Message { origin, thread: None, reply_to: None, content: Content::Text(text.into()) })
}

pub(super) fn reacts(event: &str, sender: OwnedUserId, target: &EventId, key: &str) -> Incoming {
    Incoming::Reaction {
        origin: origin(event, sender, Trust::Plain),
        target: target.to_owned(),
        key: key.into(),
    }
}
