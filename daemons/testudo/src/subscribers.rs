//! Streams: signals to the one connection that asked for them.
//!
//! Every subscriber has its own counter and a bounded buffer. One that reads too slowly loses its stream, and
//! the daemon loses nothing: whoever finds a gap in the numbers asks for the state anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::Connection;

use crate::bus;
use crate::fault::Fault;

/// Signals that may wait for one subscriber.
const BUFFER: usize = 1024;
/// Subscribers at one time; a person has a few windows, not a thousand.
const MOST: usize = 64;

/// One signal to send.
#[derive(Debug, Clone)]
struct Signal {
    member: &'static str,
    /// The first argument, for streams that have a topic.
    topic: Option<String>,
    body: String,
}

/// Open streams by connection and topic.
type Streams = HashMap<(String, Option<String>), mpsc::Sender<Signal>>;

/// The subscribers of one interface of one daemon.
#[derive(Clone)]
pub struct Subscribers {
    connection: Connection,
    path: &'static str,
    interface: &'static str,
    open: Arc<Mutex<Streams>>,
}

impl Subscribers {
    /// Nobody yet. Connections that leave the bus are forgotten by themselves.
    ///
    /// # Errors
    /// When the bus does not say who leaves.
    pub async fn new(
        connection: &Connection,
        path: &'static str,
        interface: &'static str,
    ) -> zbus::Result<Self> {
        let subscribers = Self { connection: connection.clone(), path, interface, open: Arc::default() };
        let mut departures = Box::pin(bus::departures(connection).await?);
        let weak = Arc::downgrade(&subscribers.open);
        tokio::spawn(async move {
            while let (Some(gone), Some(open)) = (departures.next().await, weak.upgrade()) {
                lock(&open).retain(|(connection, _), _| *connection != gone);
            }
        });
        Ok(subscribers)
    }

    /// Sends this connection everything from now on, or everything of one topic. Asking twice changes nothing.
    ///
    /// # Errors
    /// [`Fault::Busy`] when there are too many.
    pub fn add(&self, connection: &str, topic: Option<&str>) -> Result<(), Fault> {
        let key = (connection.to_owned(), topic.map(str::to_owned));
        let mut open = lock(&self.open);
        if open.get(&key).is_some_and(|sender| !sender.is_closed()) {
            return Ok(());
        }
        if open.len() >= MOST {
            return Err(Fault::Busy(format!("there are {MOST} subscribers already")));
        }
        let (sender, receiver) = mpsc::channel(BUFFER);
        open.insert(key, sender);
        tokio::spawn(deliver(
            self.connection.clone(),
            connection.to_owned(),
            self.path,
            self.interface,
            receiver,
        ));
        Ok(())
    }

    /// Sends `member(seq, body)` to all subscribers.
    pub fn emit(&self, member: &'static str, body: &str) {
        self.send(&Signal { member, topic: None, body: body.to_owned() });
    }

    /// Sends `member(topic, seq, body)` to the subscribers of the topic.
    pub fn emit_topic(&self, member: &'static str, topic: &str, body: &str) {
        self.send(&Signal { member, topic: Some(topic.to_owned()), body: body.to_owned() });
    }

    fn send(&self, signal: &Signal) {
        lock(&self.open)
            .retain(|(_, topic), sender| *topic != signal.topic || sender.try_send(signal.clone()).is_ok());
    }
}

async fn deliver(
    connection: Connection,
    destination: String,
    path: &'static str,
    interface: &'static str,
    mut signals: mpsc::Receiver<Signal>,
) {
    let mut seq = 0u64;
    while let Some(Signal { member, topic, body }) = signals.recv().await {
        seq += 1;
        let to = Some(destination.as_str());
        let sent = match topic {
            Some(topic) => connection.emit_signal(to, path, interface, member, &(topic, seq, body)).await,
            None => connection.emit_signal(to, path, interface, member, &(seq, body)).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Nothing that holds the lock can panic, so a poisoned lock still guards a whole map.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
