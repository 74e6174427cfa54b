//! The record of what leaves: every file that goes to a room, before it does and when it is there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, RoomId};
use sha2::{Digest as _, Sha256};
use testudo::record::Entry;
use testudo::recorder::{RecordError, Recorder};
use tokio::time::timeout;

use crate::outgoing::Outgoing;

/// How long `auditd` may take to keep an entry. One that it keeps later is kept twice.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is recorded.
pub trait Ledger: Send + Sync + 'static {
    /// Keeps an entry: when it returns well, that is durable.
    fn keep(&self, entry: Entry) -> BoxFuture<'_, Result<(), RecordError>>;
}

impl Ledger for Recorder {
    fn keep(&self, entry: Entry) -> BoxFuture<'_, Result<(), RecordError>> {
        async move {
            let Ok(kept) = timeout(PATIENCE, self.append(&entry)).await else {
                let silence = io::Error::new(io::ErrorKind::TimedOut, "testudo-auditd does not answer");
                return Err(zbus::Error::InputOutput(Arc::new(silence)).into());
            };
            kept.map(drop)
        }
        .boxed()
    }
}

/// What is recorded of something before it goes to a room; none of words, which are in the session that they come from.
pub(super) fn sending(room: &RoomId, outgoing: &Outgoing) -> Option<Entry> {
    let Outgoing::Attachment { name, mime, content, behalf, .. } = outgoing else { return None };
    let mut entry = Entry::new("file.sending")
        .with("name", name.as_str())
        .with("mime", mime.as_str())
        .with("size", content.len())
        .with("sha256", hex::encode(Sha256::digest(content)))
        .with("room", room.as_str());
    if let Some(behalf) = behalf {
        entry = entry.session(&behalf.session);
        if let Some(requester) = &behalf.requester {
            entry = entry.with("requester", format!("matrix {requester}"));
        }
    }
    Some(entry)
}

/// What is recorded of the same once it is there, as this event.
pub(super) fn sent(sending: Entry, event: &EventId) -> Entry {
    Entry { event: "file.sent".to_owned(), ..sending }.with("event_id", event.as_str())
}
