//! The dispatcher: takes what waits in the inbox to who it is for, in order for each room.
//!
//! Promises: what is routed the same way in a room is dealt with one after the other, in the order in which it came;
//! a room that is slow holds up no other, and neither answers nor commands wait for a slow conversation. Answers and
//! commands go out at most once, words at least once. However much waits, in memory are its numbers and what is
//! being dealt with: the inbox is the queue.
//!
//! For the parts of the daemon: [`Answers`] (with [`Prompts`]), [`Commands`] and [`Conversation`] are what they
//! implement; [`Dispatcher::run`] is the loop.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use matrix_sdk::ruma::OwnedRoomId;
use tokio::task::{Id, JoinSet};

use crate::approval::rendering::defused;
use crate::authorship::Standing;
use crate::conversation::plain;
use crate::incoming::Incoming;
use crate::outbox::{Outbox, Post, delay};
use crate::outgoing::{Outgoing, Text};
use crate::store::{DeadLetters, Inbox, LostKey, StoreError, Waiting, notice_name};

mod listeners;
mod route;
#[cfg(test)]
mod tests;

pub use listeners::{Answers, Commands, Conversation, Heard, Postponed};
pub use route::{Prompts, Route, route};

/// How many events are looked at before what is being dealt with is looked at again.
const PAGE: u32 = 64;
/// How soon the database is asked again when it failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(5);

/// Who listens.
#[derive(Clone)]
pub struct Listeners {
    /// To answers.
    pub answers: Arc<dyn Answers>,
    /// To commands.
    pub commands: Arc<dyn Commands>,
    /// To everything else.
    pub conversation: Arc<dyn Conversation>,
}

/// What is dealt with one after the other: the same kind of things in one room.
type Lane = (OwnedRoomId, Route);

/// The loop.
pub struct Dispatcher {
    inbox: Inbox,
    outbox: Outbox,
    dead_letters: DeadLetters,
    listeners: Listeners,
    /// What waits, by its numbers.
    lanes: HashMap<Lane, VecDeque<i64>>,
    tasks: JoinSet<Option<Route>>,
    /// Who is at work, for which lane and at which event.
    at_work: HashMap<Id, (Lane, i64)>,
    /// The last event that was routed.
    routed: i64,
}

impl Dispatcher {
    /// The dispatcher of an inbox.
    pub fn new(inbox: Inbox, outbox: Outbox, dead_letters: DeadLetters, listeners: Listeners) -> Self {
        Self {
            inbox,
            outbox,
            dead_letters,
            listeners,
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
            at_work: HashMap::new(),
            routed: 0,
        }
    }

    /// Takes everything that waits and that comes to who it is for, until it is dropped.
    pub async fn run(mut self) {
        loop {
            match self.route_page() {
                Ok(true) => {
                    self.settle_ended();
                    tokio::task::yield_now().await;
                }
                Ok(false) => self.wait().await,
                Err(error) => {
                    tracing::error!("{error}");
                    tokio::time::sleep(AFTER_A_FAULT).await;
                }
            }
        }
    }

    /// Routes the next events that wait; true when there may be more.
    fn route_page(&mut self) -> Result<bool, StoreError> {
        let page = self.inbox.page(self.routed, PAGE)?;
        let is_full = page.len() >= PAGE as usize;
        let mut done = Vec::new();
        for waiting in page {
            let standing = self.inbox.standing(&waiting.incoming.origin().sender);
            let way = route(&waiting.incoming, standing, self.listeners.answers.as_ref());
            match way {
                Route::Unheard => done.push(waiting.seq),
                Route::Undecryptable => {
                    if let Err(error) = self.tell_of_lost_key(&waiting, standing) {
                        tracing::error!("{error}");
                    }
                    done.push(waiting.seq);
                }
                Route::Answer | Route::Command | Route::Stop | Route::Talk => {
                    self.append(&(waiting.room().clone(), way), waiting.seq);
                }
            }
            self.routed = waiting.seq;
        }
        if !done.is_empty() {
            self.inbox.finish(&done)?;
        }
        Ok(is_full)
    }

    /// Returns when something came, or somebody is done.
    async fn wait(&mut self) {
        tokio::select! {
            () = self.inbox.arrived() => {}
            Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
        }
    }

    fn settle_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Option<Route>), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(panic) => panic.id(),
        };
        let Some((lane, seq)) = self.at_work.remove(&id) else { return };
        match ended {
            Ok((_, None)) => {}
            Ok((_, Some(way))) => self.append(&(lane.0.clone(), way), seq),
            Err(panic) => {
                tracing::error!("an event of {} is given up: {panic}", lane.0);
                if let Err(error) = self.inbox.finish(&[seq]) {
                    tracing::error!("{error}");
                }
            }
        }
        self.go_on(&lane);
    }

    fn append(&mut self, lane: &Lane, seq: i64) {
        self.lanes.entry(lane.clone()).or_default().push_back(seq);
        self.go_on(lane);
    }

    /// Begins the next of a lane, unless somebody is at work there.
    fn go_on(&mut self, lane: &Lane) {
        if self.at_work.values().any(|(busy, _)| busy == lane) {
            return;
        }
        let Some(seq) = self.lanes.get_mut(lane).and_then(VecDeque::pop_front) else {
            self.lanes.remove(lane);
            return;
        };
        let (inbox, listeners, way) = (self.inbox.clone(), self.listeners.clone(), lane.1);
        let task = self.tasks.spawn(async move { deal_with(&inbox, &listeners, way, seq).await });
        self.at_work.insert(task.id(), (lane.clone(), seq));
    }

    /// Tells a room once of each lost key, whatever is sent with it; and once an hour for each sender, since members
    /// and the homeserver can make up as many keys as they like.
    fn tell_of_lost_key(&self, waiting: &Waiting, standing: Standing) -> Result<(), StoreError> {
        let Incoming::Undecryptable { origin, session } = &waiting.incoming else { return Ok(()) };
        let key = LostKey { room: origin.room.as_str(), session: session.as_deref() };
        if self.dead_letters.is_told(key)? {
            return Ok(());
        }
        // Of bridged people a homeserver can make up any number.
        let whose = if standing == Standing::Bridged { "everybody bridged" } else { origin.sender.as_str() };
        let name = notice_name(whose, self.outbox.now_ms());
        if self.outbox.is_known(&name)? {
            return Ok(());
        }
        let text = Text {
            body: format!(
                "I cannot read what {} sent: its key did not reach me. I look for it in the key backup, ask the other \
                 devices of my account for it, and will read what was sent when it comes. If it matters, say it \
                 again after `/discardsession`, or from another device. In this hour I do not say so again.",
                defused(&plain::harmless(origin.sender.as_str()))
            ),
            notice: true,
            ..Text::default()
        };
        // By its name it is one post, should we end before it is noted that the room is told.
        self.outbox.queue(Post::new(origin.room.clone(), Outgoing::Text(text)).named(name))?;
        self.dead_letters.note_told(key)
    }
}

/// Deals with one event, and forgets it; or returns where it goes on to.
async fn deal_with(inbox: &Inbox, listeners: &Listeners, way: Route, seq: i64) -> Option<Route> {
    let waiting = until_done(|| inbox.load(seq)).await?;
    let standing = inbox.standing(&waiting.incoming.origin().sender);
    let heard = Heard { incoming: waiting.incoming, standing, again: waiting.again };
    if let (Route::Answer, Incoming::Redaction { origin, target }) = (way, &heard.incoming) {
        // What it takes back is judged by now, and noted once however often this is done.
        listeners.answers.judge(&heard).await;
        if !listeners.answers.concerns(&origin.room, target) {
            return Some(Route::Talk);
        }
        until_done(|| inbox.finish(&[seq])).await;
        return None;
    }
    // On the disk before anything is done: should we end in the middle, it is known that we were at it.
    until_done(|| inbox.hand(seq)).await;
    match (way, heard.again) {
        (Route::Answer, false) => listeners.answers.judge(&heard).await,
        (Route::Answer, true) => listeners.answers.interrupted(&heard).await,
        (Route::Command | Route::Stop, false) => listeners.commands.carry_out(&heard).await,
        (Route::Command | Route::Stop, true) => listeners.commands.interrupted(&heard).await,
        (Route::Talk | Route::Unheard | Route::Undecryptable, _) => {
            say(listeners.conversation.as_ref(), &heard).await;
        }
    }
    until_done(|| inbox.finish(&[seq])).await;
    None
}

/// Says it to the agent, again and again until it is heard.
async fn say(conversation: &dyn Conversation, heard: &Heard) {
    let mut failures = 0_u32;
    while let Err(postponed) = conversation.hear(heard).await {
        tracing::warn!("{postponed}");
        failures = failures.saturating_add(1);
        tokio::time::sleep(delay(failures, None)).await;
    }
}

/// Works with the database until it works: a full disk is no reason to lose what somebody said.
async fn until_done<T>(work: impl Fn() -> Result<T, StoreError>) -> T {
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) => tracing::error!("{error}"),
        }
        tokio::time::sleep(AFTER_A_FAULT).await;
    }
}
