//! All sessions, and what can be asked of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use testudo::fault::Fault;
use testudo::limits::{self, BUS};
use testudo::record::Entry;
use testudo::turn::{Event, Finished};
use tokio::sync::oneshot;

use crate::attendance::Attendance;
use crate::conversation::Conversation;
use crate::name::SessionName;
use crate::runner::{self, Peers};
use crate::session::{Cancelled, Pending, Session};
use crate::speaker::Speaker;
use crate::store::{Found, Loaded, Sealed, Store};

mod keeping;

/// The most sessions at one time.
const MOST_SESSIONS: usize = 1024;
/// The longest that running turns may take to write their end when the daemon stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The agent.
pub struct Agent {
    limit: u32,
    store: Store,
    peers: Peers,
    sessions: Mutex<BTreeMap<SessionName, Arc<Session>>>,
    sealed: Vec<Sealed>,
    is_ending: AtomicBool,
}

impl Agent {
    /// An agent with the sessions that were found, and turns of at most `limit` completions.
    pub fn new(limit: u32, store: Store, peers: Peers, loaded: Loaded) -> Self {
        let Loaded { found, sealed } = loaded;
        let sessions = found.into_iter().map(|Found { name, conversation, .. }| {
            (name.clone(), Arc::new(Session::new(name, store.clone(), conversation)))
        });
        let sessions = Mutex::new(sessions.collect());
        Self { limit, store, peers, sessions, sealed, is_ending: AtomicBool::new(false) }
    }

    /// Records what became of turns that were running when the daemon went. They are over either way.
    pub async fn record_interrupted(&self, interrupted: &[Finished]) {
        for Finished { session, turn, .. } in interrupted {
            let entry = Entry::new("turn.finished")
                .session(session)
                .decision("interrupted")
                .with("turn", turn.as_str());
            if let Err(why) = self.peers.record(&entry).await {
                tracing::error!(
                    "the interruption of turn {turn} of session {session} is not in the record: {why}"
                );
            }
        }
    }

    /// Accepts what a person says and returns the id of its turn.
    ///
    /// # Errors
    /// When the text is empty or too long, too much is under way, or the turn cannot be recorded.
    pub async fn send(
        self: &Arc<Self>,
        name: SessionName,
        text: String,
        speaker: Speaker,
        attendance: Attendance,
    ) -> Result<String, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::InvalidArgument("the text is empty: say what is to be done".into()));
        }
        // What is measured is the text as JSON, which is how it travels on.
        limits::scan(&serde_json::Value::from(text.as_str()).to_string(), BUS)?;
        self.is_there()?;
        let session = self.open(name)?;
        let turn = format!("t-{}", uuid::Uuid::new_v4());
        let (begun, has_begun) = oneshot::channel();
        let pending = Pending { turn: turn.clone(), text, speaker, attendance, begun };
        if session.enqueue(pending)? {
            tokio::spawn(Self::work(self.clone(), session));
            // Only the first in the queue can say by now whether its turn begins.
            if let Ok(Err(why)) = has_begun.await {
                return Err(Fault::Unavailable(why));
            }
        }
        Ok(turn)
    }

    /// Takes a file that a person sends into a session, and gives its path in the session's sandboxes. The record and
    /// `policyd` know of it before any call can read it.
    ///
    /// # Errors
    /// When it cannot be recorded, told or kept.
    pub async fn attach(
        &self,
        name: SessionName,
        file: &str,
        content: OwnedFd,
        speaker: &Speaker,
    ) -> Result<String, Fault> {
        self.is_there()?;
        let content = File::from(content);
        let size = content.metadata().ok().map(|about| about.len());
        let session = self.open(name)?;
        let entry = Entry::new("file.received")
            .session(session.name())
            .with("requester", speaker.name.as_str())
            .with("size", size);
        self.peers.record(&entry).await.map_err(Fault::Unavailable)?;
        let told = self.peers.policy.tell_received(session.name(), speaker.author, size).await;
        told.map_err(|error| Fault::Unavailable(error.to_string()))?;
        self.peers.tools.receive(session.name(), file, content.into()).await
    }

    /// Waits for a turn to end.
    ///
    /// # Errors
    /// When there is no such turn.
    pub async fn wait(&self, name: &SessionName, turn: &str) -> Result<Finished, Fault> {
        self.session(name)?.wait(turn).await
    }

    /// Ends a turn; false when it was over already.
    ///
    /// # Errors
    /// When there is no such turn.
    pub fn cancel(&self, name: &SessionName, turn: &str) -> Result<bool, Fault> {
        match self.session(name)?.cancel(turn)? {
            Cancelled::Running => Ok(true),
            Cancelled::Waiting(finished) => {
                self.peers.tell(name.as_str(), &Event::TurnFinished { turn: finished });
                Ok(true)
            }
            Cancelled::Over => Ok(false),
        }
    }

    /// Ends every turn of a session that runs or waits, and summing it up; false when there is none.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn cancel_all(&self, name: &SessionName) -> Result<bool, Fault> {
        // The last first: what waits must not begin because what runs has ended.
        let session = self.session(name)?;
        let turns = session.under_way();
        let mut was_any = session.cancel_compaction();
        for turn in turns.iter().rev() {
            was_any |= self.cancel(name, turn).unwrap_or(false);
        }
        Ok(was_any)
    }

    /// All sessions, by name.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// The sessions that this version cannot open.
    pub fn sealed(&self) -> &[Sealed] {
        &self.sealed
    }

    /// One session.
    ///
    /// # Errors
    /// [`Fault::NotFound`], or [`Fault::Internal`] where this version cannot open it.
    pub fn session(&self, name: &SessionName) -> Result<Arc<Session>, Fault> {
        self.can_open(name)?;
        self.lock().get(name).cloned().ok_or_else(|| Fault::NotFound(format!("there is no session {name}")))
    }

    /// Those who follow.
    pub const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The sentence for `systemctl status`.
    pub fn status(&self) -> String {
        let sessions = self.sessions();
        let running = sessions.iter().filter(|session| session.is_running()).count();
        format!("Conversations: {}; turns running: {running}.", sessions.len())
    }

    /// Ends all turns and returns when their ends are written.
    pub async fn drain(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
        let sessions = self.sessions();
        let draining = join_all(sessions.iter().map(|session| session.drain()));
        if tokio::time::timeout(DRAIN_TIMEOUT, draining).await.is_err() {
            tracing::warn!("a turn did not end in time; it will count as interrupted");
        }
    }

    fn is_there(&self) -> Result<(), Fault> {
        if self.is_ending.load(Ordering::SeqCst) {
            return Err(Fault::Unavailable("testudo-agentd stops: try again when it is back".into()));
        }
        Ok(())
    }

    /// Whether another version's file stands where this session's would be: it is neither shown nor written over.
    /// Trying again does not help, so nobody is told that it might.
    fn can_open(&self, name: &SessionName) -> Result<(), Fault> {
        let sealed = self.sealed.iter().find(|sealed| sealed.name == *name);
        sealed.map_or(Ok(()), |sealed| Err(Fault::Internal(sealed.to_string())))
    }

    fn open(&self, name: SessionName) -> Result<Arc<Session>, Fault> {
        self.can_open(&name)?;
        let mut sessions = self.lock();
        let count = sessions.len();
        match sessions.entry(name.clone()) {
            Slot::Occupied(slot) => Ok(slot.get().clone()),
            Slot::Vacant(_) if count >= MOST_SESSIONS => {
                Err(Fault::Busy(format!("there are {MOST_SESSIONS} sessions already")))
            }
            Slot::Vacant(slot) => {
                let session = Session::new(name, self.store.clone(), Conversation::default());
                Ok(slot.insert(Arc::new(session)).clone())
            }
        }
    }

    async fn work(self: Arc<Self>, session: Arc<Session>) {
        while let Some((pending, stop)) = session.next() {
            testudo::daemon::status(&self.status());
            runner::run(&self.peers, &session, self.limit, pending, &stop).await;
            testudo::daemon::status(&self.status());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionName, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
