//! Events of a room's timeline, read as what they say: nothing in them is believed but what [`super::proof`] proved.
//!
//! Read by hand and not into the SDK's types: a homeserver may send anything, and an event that is half understood
//! must not be taken for another. What cannot be read is dropped; what is larger than an event may be, too. A relation
//! stands outside the encryption, so that a homeserver can claim one: it is reported as a claim.

mod content;

use matrix_sdk::Client;
use matrix_sdk::deserialized_responses::{TimelineEvent, TimelineEventKind};
use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::proof::prove;
use super::skew::{Moment, Skew};
use crate::incoming::{Incoming, Message, Origin, Trust};

/// Largest event that is read, in bytes of JSON: the specification allows 64 KiB, and decrypted ones carry more.
const LARGEST: usize = 256 * 1024;
/// Most characters of a reaction.
const REACTION: usize = 64;

/// What encloses every event.
#[derive(Deserialize)]
struct Envelope {
    event_id: OwnedEventId,
    sender: OwnedUserId,
    #[serde(rename = "type")]
    kind: String,
    origin_server_ts: u64,
    #[serde(default)]
    state_key: Option<String>,
    #[serde(default)]
    redacts: Option<OwnedEventId>,
    #[serde(default)]
    content: Map<String, Value>,
    #[serde(default)]
    unsigned: Map<String, Value>,
}

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrapping<'e> {
    Plain,
    Decrypted,
    /// With the Megolm session whose key is missing.
    Undecryptable(Option<&'e str>),
}

/// Reads an event of a room's timeline; none where it says nothing to us.
pub(super) async fn receive(
    client: &Client,
    own: &UserId,
    room: &RoomId,
    skew: &Skew,
    event: &TimelineEvent,
) -> Option<Incoming> {
    let text = event.raw().json().get();
    let wrapping = match &event.kind {
        TimelineEventKind::PlainText { .. } => Wrapping::Plain,
        TimelineEventKind::Decrypted(_) => Wrapping::Decrypted,
        TimelineEventKind::UnableToDecrypt { utd_info, .. } => {
            Wrapping::Undecryptable(utd_info.session_id.as_deref())
        }
    };
    let mut envelope = open(text)?;
    // The clock of which we know something is that of our own homeserver; of others' it says nothing.
    let is_ours = envelope.sender.server_name() == own.server_name();
    envelope.origin_server_ts = skew.ours(envelope.origin_server_ts, is_ours, Moment::now());
    let trust = prove(client, &envelope.sender, event.encryption_info().map(AsRef::as_ref)).await;
    read(own, room, envelope, wrapping, trust)
}

/// Whose membership an event is, and which.
pub(super) fn membership(event: &TimelineEvent) -> Option<(String, String)> {
    let envelope = open(event.raw().json().get())?;
    let membership = envelope.content.get("membership")?.as_str()?.to_owned();
    (envelope.kind == "m.room.member").then_some((envelope.state_key?, membership))
}

fn open(text: &str) -> Option<Envelope> {
    if text.len() > LARGEST {
        tracing::debug!("dropped an event of {} bytes", text.len());
        return None;
    }
    serde_json::from_str(text).inspect_err(|cause| tracing::debug!("dropped an event: {cause}")).ok()
}

fn read(
    own: &UserId,
    room: &RoomId,
    envelope: Envelope,
    wrapping: Wrapping<'_>,
    trust: Trust,
) -> Option<Incoming> {
    // What is taken back already says nothing; what we said ourselves is no news, and never an answer.
    let is_member = envelope.kind == "m.room.member" && wrapping == Wrapping::Plain;
    if envelope.unsigned.contains_key("redacted_because") || (envelope.sender == own && !is_member) {
        return None;
    }
    let Envelope { event_id: event, sender, kind, origin_server_ts: sent_ms, .. } = envelope;
    let content = envelope.content;
    let origin = Origin { room: room.to_owned(), event, sender, trust, sent_ms };
    if let Wrapping::Undecryptable(session) = wrapping {
        return Some(Incoming::Undecryptable { origin, session: session.map(str::to_owned) });
    }
    match (kind.as_str(), envelope.state_key) {
        ("m.room.message" | "m.sticker", None) => Some(said(origin, &content, &kind)),
        ("m.reaction", None) => {
            let relation = content.get("m.relates_to")?;
            let is_annotation = relation.get("rel_type")?.as_str()? == "m.annotation";
            let key = content::cut(relation.get("key")?.as_str()?, REACTION);
            is_annotation.then_some(Incoming::Reaction { origin, target: id(relation, "event_id")?, key })
        }
        // Never inside of an encrypted event: the specification knows none, and clients do not show it.
        ("m.room.redaction", None) if wrapping == Wrapping::Plain => {
            let target = envelope.redacts.or_else(|| content.get("redacts")?.as_str()?.try_into().ok())?;
            Some(Incoming::Redaction { origin, target })
        }
        ("m.room.member", Some(user)) if wrapping == Wrapping::Plain => {
            let user = OwnedUserId::try_from(user).ok()?;
            let joined = content.get("membership")?.as_str()? == "join";
            Some(Incoming::Member { origin, user, joined })
        }
        _ => None,
    }
}

/// A message or an edit of one.
fn said(origin: Origin, content: &Map<String, Value>, kind: &str) -> Incoming {
    let relation = content.get("m.relates_to");
    let rel_type = relation.and_then(|relation| relation.get("rel_type")).and_then(Value::as_str);
    let thread = relation.filter(|_| rel_type == Some("m.thread")).and_then(|found| id(found, "event_id"));
    // In a thread a reply is made up for clients that know no threads.
    let is_made_up =
        relation.and_then(|relation| relation.get("is_falling_back")).and_then(Value::as_bool) == Some(true);
    let reply_to = relation
        .filter(|_| !(thread.is_some() && is_made_up))
        .and_then(|relation| id(relation.get("m.in_reply_to")?, "event_id"));
    if rel_type == Some("m.replace") {
        // An edit without a target or new words changes nothing; taken for a message it would be a second command.
        let text = content.get("m.new_content").and_then(Value::as_object).map(content::words);
        let target = relation.and_then(|relation| id(relation, "event_id"));
        return match (target, text) {
            (Some(target), Some(text)) => Incoming::Edit { origin, target, text },
            _ => other(origin, "m.replace"),
        };
    }
    let content = if kind == "m.sticker" {
        crate::incoming::Content::Other(kind.to_owned())
    } else {
        content::read(content, reply_to.is_some())
    };
    Incoming::Message(Message { origin, thread, reply_to, content })
}

fn other(origin: Origin, kind: &str) -> Incoming {
    let content = crate::incoming::Content::Other(kind.to_owned());
    Incoming::Message(Message { origin, thread: None, reply_to: None, content })
}

fn id(of: &Value, name: &str) -> Option<OwnedEventId> {
    let text = of.get(name)?.as_str()?;
    EventId::parse(text).ok()
}

#[cfg(test)]
mod tests;
