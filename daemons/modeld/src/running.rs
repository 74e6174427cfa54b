//! The completions under way: how many each caller may have, whose they are, and how each is stopped.
//!
//! A completion is known by its caller's unique bus name and the caller's own id, so that nobody can
//! touch another's. It is under way from [`Running::begin`] until its [`Slot`] is dropped; the daemon is
//! idle when, besides, every answer has been handed to the bus, see [`Answering`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// Why a completion cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The caller has as many under way as it may.
    #[error("cannot begin another completion: {most} are under way, try again when one has ended")]
    Busy {
        /// The most at one time.
        most: usize,
    },
    /// The caller has one of this id under way.
    #[error("cannot begin a completion: one with this id is under way")]
    Duplicate,
    /// The daemon is on its way out.
    #[error("cannot begin a completion: the daemon is stopping")]
    Stopping,
}

type Key = (String, String);

/// The table of completions under way.
#[derive(Debug)]
pub struct Running {
    most: usize,
    table: Mutex<Table>,
    /// Completions and answers that keep the daemon from being idle.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Table {
    stopping: bool,
    answering: usize,
    slots: BTreeMap<Key, Arc<Notify>>,
}

impl Running {
    /// A table for at most `most` of one caller at one time.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, table: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Counts the completion `id` of `caller` from now on.
    pub fn begin(self: &Arc<Self>, caller: &str, id: &str) -> Result<Slot, Refused> {
        let key = (caller.to_owned(), id.to_owned());
        let mut table = self.table();
        if table.stopping {
            return Err(Refused::Stopping);
        }
        if table.slots.contains_key(&key) {
            return Err(Refused::Duplicate);
        }
        // Each caller has its own share, so that a busy agent cannot keep a judge from being asked. The bus lets two call.
        if table.slots.keys().filter(|(owner, _)| owner == caller).count() >= self.most {
            return Err(Refused::Busy { most: self.most });
        }
        let stop = Arc::new(Notify::new());
        table.slots.insert(key.clone(), Arc::clone(&stop));
        self.tell(&table);
        Ok(Slot { running: Arc::clone(self), key, stop })
    }

    /// Stops the completion `id` of `caller`; whether there was one.
    pub fn cancel(&self, caller: &str, id: &str) -> bool {
        let table = self.table();
        let slot = table.slots.get(&(caller.to_owned(), id.to_owned()));
        slot.inspect(|stop| stop.notify_one()).is_some()
    }

    /// Stops all that `caller`, who left the bus, had under way.
    pub fn cancel_all_of(&self, caller: &str) {
        let table = self.table();
        let theirs = table.slots.iter().filter(|((owner, _), _)| owner == caller);
        theirs.for_each(|(_, stop)| stop.notify_one());
    }

    /// Lets nothing begin any more.
    pub fn close(&self) {
        self.table().stopping = true;
    }

    /// Stops everything.
    pub fn cancel_everything(&self) {
        self.table().slots.values().for_each(|stop| stop.notify_one());
    }

    /// Keeps the daemon from being idle until an answer has left; its completion no longer counts.
    pub fn answering(self: &Arc<Self>) -> Answering {
        let mut table = self.table();
        table.answering += 1;
        self.tell(&table);
        Answering { running: Arc::clone(self) }
    }

    /// Returns when nothing is under way and every answer has left.
    pub async fn idle(&self) {
        // An error means that the sender is gone, and it is in `self`.
        let mut count = self.count.subscribe();
        let _always_there = count.wait_for(|count| *count == 0).await;
    }

    fn tell(&self, table: &Table) {
        self.count.send_replace(table.slots.len() + table.answering);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds the lock can panic, so a poisoned table is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One completion under way; dropping it ends that.
#[derive(Debug)]
pub struct Slot {
    running: Arc<Running>,
    key: Key,
    stop: Arc<Notify>,
}

impl Slot {
    /// Returns when it is to be stopped, also if that was said before.
    pub async fn cancelled(&self) {
        self.stop.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.running.table();
        table.slots.remove(&self.key);
        self.running.tell(&table);
    }
}

/// An answer on its way to the bus; dropping it says that it has left.
#[derive(Debug)]
pub struct Answering {
    running: Arc<Running>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut table = self.running.table();
        table.answering = table.answering.saturating_sub(1);
        self.running.tell(&table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn the_table_is_bounded_and_ids_are_unique_per_caller() {
        let running = Running::new(2);
        let first = running.begin(":1.1", "a").unwrap();
        assert_eq!(running.begin(":1.1", "a").unwrap_err(), Refused::Duplicate);
        let _second = running.begin(":1.1", "b").unwrap();
        assert_eq!(running.begin(":1.1", "c").unwrap_err(), Refused::Busy { most: 2 });
        let _others = running.begin(":1.2", "a").unwrap();
        drop(first);
        let _third = running.begin(":1.1", "a").unwrap();
        running.close();
        assert_eq!(running.begin(":1.3", "a").unwrap_err(), Refused::Stopping);
    }

    #[tokio::test]
    async fn only_its_owner_stops_a_completion() {
        let running = Running::new(4);
        let slot = running.begin(":1.1", "a").unwrap();
        assert!(!running.cancel(":1.2", "a"));
        assert!(!running.cancel(":1.1", "b"));
        assert!(running.cancel(":1.1", "a"));
        slot.cancelled().await;
        let other = running.begin(":1.2", "a").unwrap();
        running.cancel_all_of(":1.2");
        other.cancelled().await;
        let answering = running.answering();
        drop((slot, other));
        assert!(running.idle().now_or_never().is_none());
        drop(answering);
        running.idle().await;
        assert!(!running.cancel(":1.1", "a"));
    }
}
