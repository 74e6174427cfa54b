//! Talks with the agent for people: what is said in a room's main timeline or in a thread goes into the session of
//! that place, and the answer comes back there.
//!
//! ```text
//!  hear ──▶ exchanges (matrixd.db) ──▶ one worker a session ──▶ Agent1.Send ──▶ events ──▶ at most 15 edits
//!               ▲ what a restart finds                             └──▶ Agent1.Wait ──▶ outbox: the last words, files
//! ```
//! Promises: what was heard is answered, also after a restart; in a session one after the other; nobody is notified but
//! who asked, once, when the answer is whole; nothing of a model reaches a room that was not made harmless. Start at
//! [`Talk`]; [`pacing`] and [`markdown`] are the two things that everything else leans on.

pub mod asking;
pub mod draft;
pub mod exchange;
pub mod exchanges;
pub mod fence;
pub mod files;
pub mod following;
pub mod giving;
pub mod markdown;
pub mod pacing;
pub mod parts;
pub mod plain;
pub mod quotation;
pub mod sessions;
pub mod showing;
pub mod speaker;
pub mod taking_back;
pub mod typing;
pub mod words;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use testudo::config::Matrixd;

use crate::agent::Agent;
use crate::conversation::exchange::Exchange;
use crate::conversation::exchanges::{Exchanges, Kept};
use crate::conversation::markdown::Hygiene;
use crate::conversation::sessions::Sessions;
use crate::conversation::typing::Typing;
use crate::dispatcher::{Conversation, Heard, Postponed};
use crate::homeserver::Homeserver;
use crate::incoming::{Content, Incoming, Message, Origin};
use crate::outbox::{Clock, Outbox, Post, delay};
use crate::outgoing::{Outgoing, Text};
use crate::store::{Place, Places, Store, StoreError};

/// How often an exchange is tried again that the database did not take.
const MOST_FAULTS: u32 = 20;

/// What it talks with.
#[derive(Clone)]
pub struct Means {
    /// Who people are.
    pub config: Arc<Matrixd>,
    /// Whether what a model says is made harmless.
    pub hygiene: Hygiene,
    /// The agent.
    pub agent: Arc<dyn Agent>,
    /// The homeserver, for what need not survive.
    pub homeserver: Arc<dyn Homeserver>,
    /// For what must.
    pub outbox: Outbox,
    /// What a restart finds.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
}

/// The conversations. Clones are the same ones.
#[derive(Clone)]
pub struct Talk {
    means: Arc<Means>,
    places: Places,
    sessions: Sessions,
    exchanges: Exchanges,
    typing: Typing,
    /// What waits in each session that has a worker, by its numbers.
    waiting: Arc<Mutex<HashMap<String, VecDeque<i64>>>>,
}

impl Talk {
    /// Conversations with these means. What a restart left is taken up by [`Talk::resume`].
    ///
    /// # Errors
    /// When the database does not take the tables.
    pub fn new(means: Means) -> Result<Self, StoreError> {
        Ok(Self {
            places: Places::new(means.store.clone()),
            sessions: Sessions::new(means.store.clone())?,
            exchanges: Exchanges::new(means.store.clone())?,
            typing: Typing::new(means.homeserver.clone()),
            means: Arc::new(means),
            waiting: Arc::default(),
        })
    }

    /// Goes on with what was said and not answered before a restart; answers how much that is. Once, at the start.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn resume(&self) -> Result<usize, StoreError> {
        let open = self.exchanges.open()?;
        for (number, session) in &open {
            self.enqueue(session, *number);
        }
        Ok(open.len())
    }

    /// Gives up what waits in a session and was not told to the agent; answers how much. What runs is ended by
    /// `Agent1.Cancel`, and its end is told.
    ///
    /// # Errors
    /// When the database does not take it.
    pub fn stop(&self, session: &str) -> Result<usize, StoreError> {
        let waiting = self.lock().get_mut(session).map(std::mem::take).unwrap_or_default();
        for number in &waiting {
            if let Some(mut exchange) = self.exchanges.get(*number)? {
                exchange.end();
                self.exchanges.change(*number, &exchange)?;
            }
        }
        Ok(waiting.len())
    }

    fn message(&self, message: &Message) -> Result<(), Postponed> {
        let origin = &message.origin;
        let Some(speaker) = speaker::speaker(&self.means.config, origin) else { return Ok(()) };
        match &message.content {
            Content::Text(text) if text.trim().is_empty() => return Ok(()),
            Content::Other(_) => return Ok(()),
            Content::Text(_) | Content::File { .. } => {}
        }
        let place = Place { room: origin.room.clone(), thread: message.thread.clone() };
        self.places.used(&place, self.means.clock.now_ms()).map_err(postponed)?;
        let session = self.sessions.of(&place).map_err(postponed)?;
        let exchange = Exchange::new(session.clone(), message.clone(), speaker.author);
        let kept = self.exchanges.begin(&exchange).map_err(postponed)?;
        match kept {
            Kept::As(number) => self.enqueue(&session, number),
            Kept::Known => return Ok(()),
            Kept::Full => return Err(Postponed("too much waits for the agent".to_owned())),
        }
        // It is on the disk: now it may be said that it was read.
        let (homeserver, room, event) =
            (self.means.homeserver.clone(), origin.room.clone(), origin.event.clone());
        tokio::spawn(async move { homeserver.read(&room, &event).await });
        if let Some(remark) = speaker::remark(&self.means.config, origin) {
            self.once(origin, remark).map_err(postponed)?;
        }
        Ok(())
    }

    /// What was said is never changed by an edit, which could come when half of it is done. It is said once.
    fn edited(&self, origin: &Origin, target: &matrix_sdk::ruma::EventId) -> Result<(), StoreError> {
        let Some(number) = self.exchanges.asked_by(target)? else { return Ok(()) };
        let Some(exchange) = self.exchanges.get(number)? else { return Ok(()) };
        if exchange.message.origin.sender != origin.sender {
            return Ok(());
        }
        let text = Text {
            thread: exchange.message.thread.clone(),
            ..markdown::notice("An edit does not change what I was told; send it anew.")
        };
        self.queue(&exchange, number, "edited", Outgoing::Text(text)).map(drop)
    }

    /// Tells a person something once in a room, for ever.
    fn once(&self, origin: &Origin, words: &str) -> Result<(), StoreError> {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(format!("{} {} {words}", origin.room, origin.sender));
        let name = format!("told-{}", hex::encode(digest.get(..12).unwrap_or_default()));
        if self.means.store.kept(&name)?.is_some() {
            return Ok(());
        }
        let post =
            Post::new(origin.room.clone(), Outgoing::Text(markdown::notice(words))).named(name.as_str());
        self.means.outbox.queue(post)?;
        self.means.store.keep(&name, b"told")
    }

    fn enqueue(&self, session: &str, number: i64) {
        let mut waiting = self.lock();
        if let Some(queue) = waiting.get_mut(session) {
            queue.push_back(number);
            return;
        }
        waiting.insert(session.to_owned(), VecDeque::from([number]));
        drop(waiting);
        tokio::spawn(self.clone().work(session.to_owned()));
    }

    /// Deals with what waits in a session, one after the other, until nothing does.
    async fn work(self, session: String) {
        while let Some(number) = self.next(&session) {
            let mut faults = 0;
            while let Err(error) = self.attempt(number, &session).await {
                tracing::error!("what was said in session {session} waits: {error}");
                faults += 1;
                if faults > MOST_FAULTS {
                    break;
                }
                tokio::time::sleep(delay(faults, None)).await;
            }
        }
    }

    /// Sees one exchange to its end. A bug on the way, be it of the library that encrypts, is a failed attempt: without its
    /// worker nothing more would be answered in the session.
    async fn attempt(&self, number: i64, session: &str) -> Result<(), String> {
        let (talk, session) = (self.clone(), session.to_owned());
        let attempt = tokio::spawn(async move { talk.deal_with(number, &session).await });
        match attempt.await {
            Ok(dealt) => dealt.map_err(|error| error.to_string()),
            Err(panic) => Err(panic.to_string()),
        }
    }

    /// The next of a session; when there is none, its worker is done.
    fn next(&self, session: &str) -> Option<i64> {
        let mut waiting = self.lock();
        let next = waiting.get_mut(session).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.remove(session);
        }
        next
    }

    /// Whether more waits in a session.
    fn has_more(&self, session: &str) -> bool {
        self.lock().get(session).is_some_and(|queue| !queue.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<i64>>> {
        // Nothing that holds the lock can panic, so a poisoned lock still guards a whole map.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation for Talk {
    fn hear<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, Result<(), Postponed>> {
        Box::pin(async move {
            match &heard.incoming {
                Incoming::Message(message) => self.message(message),
                Incoming::Edit { origin, target, .. } => self.edited(origin, target).map_err(postponed),
                Incoming::Redaction { origin, target } => {
                    self.redacted(origin, target).await.map_err(postponed)
                }
                Incoming::Reaction { .. } | Incoming::Undecryptable { .. } | Incoming::Member { .. } => {
                    Ok(())
                }
            }
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn postponed(error: StoreError) -> Postponed {
    Postponed(error.to_string())
}
