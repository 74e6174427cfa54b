//! What a client saw, in the order in which it saw it, and waiting for what it has not seen yet.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

/// How long something that should come may take; two cores build and run everything at once.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// One thing that a client saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The room.
    pub room: String,
    /// The event; empty for an invitation.
    pub event: String,
    /// Who sent it, as the homeserver says.
    pub sender: String,
    /// Its type; `invitation` for one.
    pub kind: String,
    /// Its content, decrypted where it could be.
    pub content: Value,
    /// The key of a state event.
    pub state_key: Option<String>,
    /// Whether it was encrypted.
    pub sealed: bool,
    /// Whether it could be read.
    pub readable: bool,
    /// When it was seen.
    pub at: Instant,
}

impl Seen {
    /// What it says; empty if it says nothing.
    pub fn body(&self) -> &str {
        self.content["body"].as_str().unwrap_or_default()
    }

    /// Whether it relates in this way to an event.
    pub fn relates(&self, how: &str, target: &str) -> bool {
        let relation = &self.content["m.relates_to"];
        relation["rel_type"] == how && relation["event_id"] == target
    }

    /// Whether it replaces an event.
    pub fn edits(&self, target: &str) -> bool {
        self.relates("m.replace", target)
    }

    /// Whether it is a message of its own and not an edit.
    pub fn is_message(&self) -> bool {
        self.kind == "m.room.message" && self.content["m.relates_to"]["rel_type"] != "m.replace"
    }

    /// Whether it reacts to an event with this.
    pub fn reacts(&self, target: &str, key: &str) -> bool {
        self.kind == "m.reaction"
            && self.relates("m.annotation", target)
            && self.content["m.relates_to"]["key"] == key
    }
}

/// Everything that a client saw.
#[derive(Debug)]
pub struct Timeline {
    whose: String,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl Timeline {
    /// An empty one.
    pub fn new(whose: &str) -> Self {
        Self { whose: whose.to_owned(), seen: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Something was seen.
    pub fn push(&self, seen: Seen) {
        let mut all = self.seen.lock().expect("nobody stops while it holds this");
        all.push(seen);
        self.count.send_replace(all.len());
    }

    /// What was seen so far.
    pub fn so_far(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody stops while it holds this").clone()
    }

    /// How much was seen so far: where [`Self::after`] goes on.
    pub fn mark(&self) -> usize {
        *self.count.borrow()
    }

    /// The first thing, however long ago, that is right.
    pub async fn wait(&self, what: &str, is_right: impl Fn(&Seen) -> bool) -> Seen {
        self.after(0, what, is_right).await
    }

    /// The first thing that is right, of which it is known that it takes its time.
    pub async fn within(&self, limit: Duration, what: &str, is_right: impl Fn(&Seen) -> bool) -> Seen {
        self.find(limit, what, |seen| seen.iter().find(|one| is_right(one)).cloned()).await
    }

    /// The first thing after a mark that is right.
    pub async fn after(&self, mark: usize, what: &str, is_right: impl Fn(&Seen) -> bool) -> Seen {
        self.find(PATIENCE, what, |seen| seen.iter().skip(mark).find(|one| is_right(one)).cloned()).await
    }

    async fn find<T>(&self, limit: Duration, what: &str, find: impl Fn(&[Seen]) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            count.borrow_and_update();
            let found = find(&self.seen.lock().expect("nobody stops while it holds this"));
            if let Some(found) = found {
                return found;
            }
            let in_time = tokio::time::timeout_at(deadline, count.changed()).await.is_ok();
            assert!(in_time, "{} did not see {what} within {limit:?}, but\n{}", self.whose, self.told());
        }
    }

    /// The text of an event as it stands after its edits so far.
    pub fn text(&self, event: &str) -> String {
        let seen = self.so_far();
        let first = seen.iter().find(|one| one.event == event).map(Seen::body).unwrap_or_default();
        let last = seen.iter().rfind(|one| one.edits(event) && one.readable);
        last.and_then(|edit| edit.content["m.new_content"]["body"].as_str()).unwrap_or(first).to_owned()
    }

    /// How often an event was edited so far.
    pub fn edits(&self, event: &str) -> usize {
        self.so_far().iter().filter(|one| one.edits(event)).count()
    }

    /// What was seen, for people who look for a mistake.
    fn told(&self) -> String {
        let line = |one: &Seen| {
            let (mark, cut) = (if one.sealed { "sealed" } else { "open" }, 300);
            let content: String = one.content.to_string().chars().take(cut).collect();
            let readable = if one.readable { "" } else { ", unreadable" };
            format!("  {} {} {} ({mark}{readable}) {content}\n", one.event, one.sender, one.kind)
        };
        self.so_far().iter().map(line).collect()
    }
}
