//! The one thread that writes, and the queue before it.
//!
//! ```text
//!  callers ──▶ bounded queue ──▶ take all that wait, ≤ 256 ──▶ one transaction, one sync ──▶ answer them all
//! ```
//! A commit costs a sync of the disk however much it holds, so while one is under way the next batch gathers by
//! itself. A caller is answered when its record is durable, or is told that it is not; a full queue says so at
//! once. An error ends a batch and not the thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use testudo::fault::Fault;
use testudo::record::Entry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::chain::Tip;
use crate::store::{Draft, Store};
use crate::walk::AUDITD;

/// Most entries of one transaction.
const BATCH: usize = 256;
/// Most entries that wait.
const QUEUE: usize = 1024;
/// Most bytes of JSON that are being taken in or wait; parsed, hostile JSON is up to a hundred times as large.
const BYTES: usize = 2 * 1024 * 1024;

/// Where the time of a record comes from.
pub type Clock = Box<dyn Fn() -> Timestamp + Send>;

/// What the thread is asked to do.
enum Request {
    Append(Draft, oneshot::Sender<Result<u64, Fault>>),
    Ping(oneshot::Sender<bool>),
    Stop,
}

/// A share of the bytes that may wait; given back when dropped.
#[derive(Debug)]
#[must_use = "room that is given back at once bounds nothing"]
pub struct Room(#[expect(dead_code, reason = "held to be dropped")] OwnedSemaphorePermit);

/// A handle of the writing thread.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    tip: Arc<Mutex<Tip>>,
}

impl Writer {
    /// Hands the store to a thread of its own, which ends with [`Writer::stop`] or the last handle.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(store: Store, clock: Clock) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, requests) = mpsc::channel(QUEUE);
        let tip = Arc::new(Mutex::new(store.tip().clone()));
        let thread = Thread { store, clock, requests, tip: Arc::clone(&tip), refusing: false };
        let handle = thread::Builder::new().name("writer".to_owned()).spawn(move || thread.run())?;
        Ok((Self { queue, room: Arc::new(Semaphore::new(BYTES)), tip }, handle))
    }

    /// Reserves room for an entry of so many bytes, from before it is parsed until it is answered.
    ///
    /// # Errors
    /// [`Fault::Busy`] when too much waits already.
    pub fn room(&self, bytes: usize) -> Result<Room, Fault> {
        let busy = |_| Fault::Busy("too many records wait to be written; try again".to_owned());
        let permits = u32::try_from(bytes.min(BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(permits).map(Room).map_err(busy)
    }

    /// Keeps an entry and returns its sequence once it is durable.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the queue is full, [`Fault::Unavailable`] when the disk is or the daemon stops.
    pub async fn append(&self, writer: &'static str, entry: Entry) -> Result<u64, Fault> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Append(Draft { writer, entry }, answer);
        self.queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Fault::Busy(format!("{QUEUE} records wait to be written; try again"))
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// The last record that was acknowledged.
    pub fn tip(&self) -> Tip {
        self.tip.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the thread answers and its database still is where it was.
    pub async fn is_alive(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        // Waits for a place in the queue, which a thread that works makes soon.
        self.queue.send(Request::Ping(answer)).await.is_ok() && answered.await.unwrap_or(false)
    }

    /// Takes nothing more, keeps what waits, notes the end and ends the thread; the handle of
    /// [`Writer::start`] can be joined then.
    pub async fn stop(&self) {
        let _ = self.queue.send(Request::Stop).await;
        self.queue.closed().await;
    }
}

fn stopping() -> Fault {
    Fault::Unavailable("testudo-auditd is stopping; try again".to_owned())
}

struct Thread {
    store: Store,
    clock: Clock,
    requests: mpsc::Receiver<Request>,
    tip: Arc<Mutex<Tip>>,
    /// Whether the last batch was refused, so that a full disk is one line in the journal and not thousands.
    refusing: bool,
}

impl Thread {
    fn run(mut self) {
        let mut taken = Vec::with_capacity(BATCH);
        let mut noted = false;
        // Nothing comes any more once the queue is closed, by `Stop` or by the last handle, and empty.
        while self.requests.blocking_recv_many(&mut taken, BATCH) > 0 {
            let mut drafts = Vec::new();
            let mut answers = Vec::new();
            for request in taken.drain(..) {
                match request {
                    Request::Append(draft, answer) => {
                        drafts.push(draft);
                        answers.push(answer);
                    }
                    Request::Ping(answer) => {
                        let _ = answer.send(self.store.check_place().is_ok());
                    }
                    Request::Stop => {
                        self.requests.close();
                        noted = true;
                    }
                }
            }
            if !drafts.is_empty() {
                self.keep(drafts, answers);
            }
        }
        if noted {
            self.keep(vec![Draft { writer: AUDITD, entry: Entry::new("audit.stopped") }], Vec::new());
        }
    }

    fn keep(&mut self, drafts: Vec<Draft>, answers: Vec<oneshot::Sender<Result<u64, Fault>>>) {
        match self.store.append(drafts, (self.clock)()) {
            Ok(sequences) => {
                if std::mem::take(&mut self.refusing) {
                    tracing::warn!("records are kept again, from record {} on", self.store.tip().seq);
                }
                *self.tip.lock().unwrap_or_else(PoisonError::into_inner) = self.store.tip().clone();
                for (answer, sequence) in answers.into_iter().zip(sequences) {
                    // A caller that went away has its record all the same.
                    let _ = answer.send(Ok(sequence));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.refusing, true) {
                    tracing::error!("records are refused from now on: {error}");
                }
                let text = error.to_string();
                let unavailable = matches!(Fault::from(error), Fault::Unavailable(_));
                for answer in answers {
                    let text = text.clone();
                    let fault = if unavailable { Fault::Unavailable(text) } else { Fault::Internal(text) };
                    let _ = answer.send(Err(fault));
                }
            }
        }
    }
}
