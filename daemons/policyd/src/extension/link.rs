//! One connection to the extension process: requests out, opinions in, matched by their ids.
//!
//! Whatever does not fit the protocol ends it: a process that says one thing wrong is not believed the next.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testudo::extension::{Component, EVALUATION, Facts, MAX_FRAME, Opinion, REPLY, Reply, Request};
use testudo::frame::{self, FrameError};
use testudo::limits::{self, LimitError};
use thiserror::Error;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The longest that the process may take to start, load and say hello.
const HELLO: Duration = Duration::from_secs(10);

/// The longest that a call waits: an evaluation, and its way there and back.
const LATE: Duration = EVALUATION.saturating_add(Duration::from_millis(150));

/// A process that says nothing for so long while it is asked something hangs.
const HUNG: Duration = Duration::from_secs(1);

/// Requests that may wait to be written.
const QUEUE: usize = 32;

/// Why there is no connection any more.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("cannot connect to the extension process: {0}")]
    Connect(#[source] io::Error),
    #[error("the extension process did not say hello within {} s", HELLO.as_secs())]
    Silent,
    #[error("the extension process refused to serve: {0}")]
    Refused(String),
    #[error(
        "the extension process has loaded other components than were configured; restart testudo-policyd to take them"
    )]
    Others,
    #[error("the extension process hung up")]
    HungUp,
    #[error("the extension process says nothing any more")]
    Hung,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the extension process sent what is no reply: {0}")]
    Reply(#[from] LimitError),
    #[error("the extension process sent a reply that nobody asked for")]
    Unasked,
}

impl LinkError {
    /// Another attempt would meet the same.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Others)
    }
}

/// The reading end of a connection that is up.
pub(super) type Reader = BufReader<OwnedReadHalf>;

/// A connection that said hello.
pub(super) struct Link {
    frames: mpsc::Sender<Vec<u8>>,
    writer: AbortHandle,
    cut: Notify,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    /// False once the connection has ended: nobody may begin to wait any more.
    up: bool,
    next: u64,
    /// When it was first asked something after it last said something.
    silent: Option<Instant>,
    asked: BTreeMap<u64, Asked>,
}

/// A request and who has not answered it yet.
struct Asked {
    open: BTreeSet<String>,
    opinions: mpsc::UnboundedSender<Opinion>,
}

/// Takes a request back when its asker is gone.
struct Turn<'l> {
    link: &'l Link,
    id: u64,
}

impl Link {
    /// Connects and waits for a hello with exactly these components.
    pub(super) async fn connect(
        socket: &Path,
        components: &[Component],
    ) -> Result<(Arc<Self>, Reader), LinkError> {
        let greet = async {
            let stream = UnixStream::connect(socket).await.map_err(LinkError::Connect)?;
            let (reading, writing) = stream.into_split();
            let mut reader = BufReader::new(reading);
            match receive(&mut reader).await? {
                Reply::Hello { components: loaded } if loaded == components => Ok((reader, writing)),
                Reply::Hello { .. } => Err(LinkError::Others),
                Reply::Refused { reason } => Err(LinkError::Refused(reason)),
                Reply::Opinion { .. } => Err(LinkError::Unasked),
            }
        };
        let (reader, writing) = tokio::time::timeout(HELLO, greet).await.map_err(|_| LinkError::Silent)??;
        let (frames, queue) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(send(writing, queue)).abort_handle();
        let waiting = Waiting { up: true, next: 0, silent: None, asked: BTreeMap::new() };
        Ok((Arc::new(Self { frames, writer, cut: Notify::new(), waiting: Mutex::new(waiting) }), reader))
    }

    /// Hands opinions out until the connection ends, and says why it did.
    pub(super) async fn hear(&self, mut reader: Reader) -> LinkError {
        loop {
            let reply = tokio::select! {
                reply = receive(&mut reader) => reply,
                () = self.cut.notified() => return LinkError::Hung,
            };
            let (id, opinion) = match reply {
                Ok(Reply::Opinion { id, opinion }) => (id, opinion),
                Ok(Reply::Hello { .. } | Reply::Refused { .. }) => return LinkError::Unasked,
                Err(error) => return error,
            };
            let mut waiting = self.waiting();
            let known = id < waiting.next;
            waiting.silent = None;
            match waiting.asked.get_mut(&id) {
                Some(asked) => {
                    if !asked.open.remove(&opinion.component) {
                        return LinkError::Unasked;
                    }
                    let _ = asked.opinions.send(opinion);
                }
                // For somebody who did not wait for it.
                None if known => {}
                None => return LinkError::Unasked,
            }
        }
    }

    /// Closes the connection, so that the process ends, and lets go of everybody who waits.
    pub(super) fn hang_up(&self) {
        self.writer.abort();
        let mut waiting = self.waiting();
        waiting.up = false;
        waiting.asked.clear();
    }

    /// What every component says to a call, or that it said nothing in time.
    pub(super) async fn ask(&self, components: &[Component], facts: Facts) -> Vec<Opinion> {
        let mut heard = BTreeMap::new();
        let why = self.collect(components, facts, &mut heard).await;
        let opinion = |component: &Component| {
            heard.remove(&component.name).unwrap_or_else(|| Opinion::failed(&component.name, why))
        };
        components.iter().map(opinion).collect()
    }

    /// Collects opinions; says what stopped it if some are missing.
    async fn collect(
        &self,
        components: &[Component],
        facts: Facts,
        heard: &mut BTreeMap<String, Opinion>,
    ) -> &'static str {
        const BROKEN: &str = "the extension process broke off";
        let (opinions, mut answers) = mpsc::unbounded_channel();
        let open = components.iter().map(|component| component.name.clone()).collect();
        let deadline = Instant::now() + LATE;
        let Some(turn) = self.begin(Asked { open, opinions }) else { return BROKEN };
        let Ok(text) = serde_json::to_vec(&Request::Evaluate { id: turn.id, facts }) else {
            return "the call cannot be told to the extension process";
        };
        if text.len() > MAX_FRAME {
            return "the call is too large to be judged";
        }
        self.waiting().silent.get_or_insert_with(Instant::now);
        let sent_and_heard = async {
            if self.frames.send(text).await.is_err() {
                return false;
            }
            while heard.len() < components.len() {
                let Some(opinion) = answers.recv().await else { return false };
                heard.insert(opinion.component.clone(), opinion);
            }
            true
        };
        match tokio::time::timeout_at(deadline, sent_and_heard).await {
            Ok(_) => BROKEN,
            Err(_) => {
                self.suspect();
                "gave no opinion in time"
            }
        }
    }

    fn begin(&self, asked: Asked) -> Option<Turn<'_>> {
        let mut waiting = self.waiting();
        if !waiting.up {
            return None;
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.asked.insert(id, asked);
        Some(Turn { link: self, id })
    }

    /// Somebody waited in vain: ends the connection if it has been silent for long enough.
    fn suspect(&self) {
        if self.waiting().silent.is_some_and(|since| since.elapsed() >= HUNG) {
            self.cut.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.link.waiting().asked.remove(&self.id);
    }
}

async fn receive(reader: &mut Reader) -> Result<Reply, LinkError> {
    let text = frame::read(reader, REPLY.message).await?.ok_or(LinkError::HungUp)?;
    Ok(limits::parse(&String::from_utf8_lossy(&text), REPLY)?)
}

async fn send(mut stream: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(text) = queue.recv().await {
        // The reading side hears of the end too, and says so.
        if frame::write(&mut stream, text, MAX_FRAME).await.is_err() {
            return;
        }
    }
}
