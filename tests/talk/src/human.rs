//! A person with the SDK's client, on one device: what he does in a room, and what his own sync shows him.
//!
//! Contents are written out as the specification has them, so that a person can also say what no client would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use matrix_sdk::attachment::AttachmentConfig;
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::SyncSettings;
use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::encryption::verification::VerificationRequest;
use matrix_sdk::media::{MediaFormat, MediaRequestParameters};
use matrix_sdk::ruma::api::client::filter::FilterDefinition;
use matrix_sdk::ruma::api::client::room::create_room::v3::{Request as CreateRoom, RoomPreset};
use matrix_sdk::ruma::api::client::uiaa;
use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::events::{InitialStateEvent, room::MediaSource};
use matrix_sdk::ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId, uint};
use matrix_sdk::{Client, Room};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::synapse::{PASSWORD, Synapse};
use crate::timeline::{PATIENCE, Seen, Timeline};
use crate::verification;

/// A person on one device.
pub struct Human {
    /// His client.
    pub client: Client,
    /// What he saw.
    pub timeline: Arc<Timeline>,
    /// Who wants to verify him.
    pub requests: Mutex<mpsc::UnboundedReceiver<VerificationRequest>>,
    /// Who said that he sees the same emojis.
    pub confirmations: Mutex<mpsc::UnboundedReceiver<OwnedUserId>>,
    sync: JoinHandle<()>,
}

impl Human {
    /// A person on his first device, with a cross-signing identity of his own.
    pub async fn login(synapse: &Synapse, name: &str) -> Self {
        let human = Self::login_unsigned(synapse, name).await;
        human
            .client
            .encryption()
            .bootstrap_cross_signing(None)
            .await
            .expect("the first identity needs no password");
        human
    }

    /// A further device, which nobody signed: what somebody has who stole the password, or the homeserver itself.
    pub async fn login_unsigned(synapse: &Synapse, name: &str) -> Self {
        Self::login_at(synapse.url(), name, PASSWORD).await
    }

    /// Puts an identity of this device's making in the place of its user's, as the homeserver can for anybody; or as he
    /// does himself who lost all of his keys.
    pub async fn makes_up_an_identity(&self) {
        let encryption = self.client.encryption();
        let asked = encryption.bootstrap_cross_signing(None).await.expect_err("he has an identity");
        let session = asked.as_uiaa_response().and_then(|asked| asked.session.clone());
        let user = uiaa::UserIdentifier::Matrix(uiaa::MatrixUserIdentifier::new(self.user().to_string()));
        let mut proof = uiaa::Password::new(user, PASSWORD.to_owned());
        proof.session = session;
        let proof = Some(uiaa::AuthData::Password(proof));
        encryption.bootstrap_cross_signing(proof).await.expect("the homeserver takes it");
    }

    /// The same on a homeserver of somebody else's, who gave him a password.
    pub async fn login_at(url: &str, name: &str, password: &str) -> Self {
        let client = Client::builder().homeserver_url(url).build().await.expect("a client can be built");
        let auth = client.matrix_auth();
        auth.login_username(name, password).initial_device_display_name(name).await.expect("he may log in");
        let timeline = Arc::new(Timeline::new(name));
        let requests = Mutex::new(verification::requests(&client));
        let confirmations = Mutex::new(verification::confirmations(&client));
        let token =
            client.sync_once(settings(Duration::ZERO)).await.expect("the homeserver answers").next_batch;
        let sync = tokio::spawn(follow(client.clone(), timeline.clone(), token));
        Self { client, timeline, requests, confirmations, sync }
    }

    /// His id.
    pub fn user(&self) -> &UserId {
        self.client.user_id().expect("he is logged in")
    }

    /// His device.
    pub fn device(&self) -> &str {
        self.client.device_id().expect("he is logged in").as_str()
    }

    /// His session, to act beside his client.
    pub fn session(&self) -> MatrixSession {
        self.client.matrix_auth().session().expect("he is logged in")
    }

    /// Makes an encrypted room and invites into it.
    pub async fn create_room(&self, invited: &[&UserId]) -> OwnedRoomId {
        let content = RoomEncryptionEventContent::with_recommended_defaults();
        self.create_room_with(invited, Some(content)).await
    }

    /// Makes a room with this encryption, or none.
    pub async fn create_room_with(
        &self,
        invited: &[&UserId],
        encryption: Option<RoomEncryptionEventContent>,
    ) -> OwnedRoomId {
        let mut request = CreateRoom::new();
        request.preset = Some(RoomPreset::PrivateChat);
        request.invite = invited.iter().map(|user| (*user).to_owned()).collect();
        let encryption =
            encryption.map(|content| InitialStateEvent::with_empty_state_key(content).to_raw_any());
        request.initial_state = encryption.into_iter().collect();
        let room = self.client.create_room(request).await.expect("a room can be made");
        room.room_id().to_owned()
    }

    /// Joins a room into which he was, or soon is, invited.
    pub async fn join(&self, room: &RoomId) {
        self.timeline
            .wait("an invitation", |seen| seen.kind == "invitation" && seen.room == room.as_str())
            .await;
        self.client.join_room_by_id(room).await.expect("he is invited");
        self.member(room, self.user(), "join").await;
    }

    /// Waits until somebody's membership is this.
    pub async fn member(&self, room: &RoomId, user: &UserId, membership: &str) -> Seen {
        let what = format!("that {user} is {membership} in {room}");
        let is_right = |seen: &Seen| {
            seen.kind == "m.room.member"
                && seen.room == room.as_str()
                && seen.state_key.as_deref() == Some(user.as_str())
                && seen.content["membership"] == membership
        };
        self.timeline.wait(&what, is_right).await
    }

    /// A room that he is in.
    pub fn room(&self, room: &RoomId) -> Room {
        self.client.get_room(room).expect("he is in the room")
    }

    /// Sends an event; it is encrypted where the room is, except reactions.
    pub async fn send(&self, room: &RoomId, kind: &str, content: Value) -> OwnedEventId {
        self.room(room).send_raw(kind, content).await.expect("it can be sent").response.event_id
    }

    /// Says something.
    pub async fn say(&self, room: &RoomId, text: &str) -> OwnedEventId {
        self.send(room, "m.room.message", json!({ "msgtype": "m.text", "body": text })).await
    }

    /// Replies to an event, in the main timeline.
    pub async fn reply(&self, room: &RoomId, to: &str, text: &str) -> OwnedEventId {
        let relation = json!({ "m.in_reply_to": { "event_id": to } });
        let content = json!({ "msgtype": "m.text", "body": text, "m.relates_to": relation });
        self.send(room, "m.room.message", content).await
    }

    /// Says something in a thread.
    pub async fn say_in_thread(&self, room: &RoomId, root: &str, text: &str) -> OwnedEventId {
        let relation = json!({
            "rel_type": "m.thread", "event_id": root,
            "is_falling_back": true, "m.in_reply_to": { "event_id": root },
        });
        let content = json!({ "msgtype": "m.text", "body": text, "m.relates_to": relation });
        self.send(room, "m.room.message", content).await
    }

    /// Puts something else in the place of what he said.
    pub async fn edit(&self, room: &RoomId, target: &str, text: &str) -> OwnedEventId {
        let content = json!({
            "msgtype": "m.text", "body": format!("* {text}"),
            "m.new_content": { "msgtype": "m.text", "body": text },
            "m.relates_to": { "rel_type": "m.replace", "event_id": target },
        });
        self.send(room, "m.room.message", content).await
    }

    /// Reacts to an event.
    pub async fn react(&self, room: &RoomId, target: &str, key: &str) -> OwnedEventId {
        self.send(room, "m.reaction", reaction(target, key)).await
    }

    /// Takes an event back.
    pub async fn redact(&self, room: &RoomId, target: &EventId) -> OwnedEventId {
        self.room(room).redact(target, None, None).await.expect("it can be taken back").event_id
    }

    /// Sends a file.
    pub async fn attach(&self, room: &RoomId, name: &str, mime: &str, data: &[u8]) -> OwnedEventId {
        let mime = mime.parse().expect("a type");
        let room = self.room(room);
        let sent = room.send_attachment(name, &mime, data.to_vec(), AttachmentConfig::new());
        sent.await.expect("a file can be sent").event_id
    }

    /// The content of a file that he saw.
    pub async fn download(&self, seen: &Seen) -> Vec<u8> {
        let source = serde_json::from_value::<MediaSource>(seen.content.clone()).expect("it is a file");
        let request = MediaRequestParameters { source, format: MediaFormat::File };
        self.client.media().get_media_content(&request, false).await.expect("it can be had")
    }

    /// Waits for a message with this text in it, of somebody else. On a slow machine an answer is seen before its end, and
    /// comes as an edit.
    pub async fn hears(&self, room: &RoomId, part: &str) -> Seen {
        let what = format!("a message with {part:?}");
        let is_right = |seen: &Seen| {
            seen.kind == "m.room.message"
                && seen.room == room.as_str()
                && seen.sender != self.user().as_str()
                && seen.body().contains(part)
        };
        self.timeline.wait(&what, is_right).await
    }

    /// From now on he encrypts with a new key.
    pub async fn rotate(&self, room: &RoomId) {
        self.room(room).discard_room_key().await.expect("a key can be thrown away");
    }

    /// Waits until this person's client takes somebody for who he says he is.
    pub async fn comes_to_trust(&self, user: &UserId) {
        let trusts = async {
            while !self.trusts(user).await {
                // Between two looks at what the sync in the background does.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, trusts).await.unwrap_or_else(|_| panic!("{user} is not verified"));
    }

    /// Whether this person's client takes somebody for who he says he is.
    pub async fn trusts(&self, user: &UserId) -> bool {
        let identity = self.client.encryption().get_user_identity(user).await.expect("the store can be read");
        identity.is_some_and(|identity| identity.is_verified())
    }
}

impl Drop for Human {
    fn drop(&mut self) {
        self.sync.abort();
    }
}

/// The content of a reaction.
pub fn reaction(target: &str, key: &str) -> Value {
    json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": target, "key": key } })
}

fn settings(timeout: Duration) -> SyncSettings {
    let mut filter = FilterDefinition::default();
    // Nothing of a burst is left out.
    filter.room.timeline.limit = Some(uint!(2000));
    SyncSettings::new().timeout(timeout).filter(filter.into())
}

/// The person's own sync, until he is dropped. A homeserver that is away is waited for.
async fn follow(client: Client, timeline: Arc<Timeline>, mut token: String) {
    let mut unreadable: Vec<Seen> = Vec::new();
    loop {
        let Ok(response) = client.sync_once(settings(Duration::from_secs(10)).token(&*token)).await else {
            // Between two looks at another process.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        token = response.next_batch;
        for (room, update) in &response.rooms.invited {
            for event in &update.invite_state.events {
                let event: Value = event.deserialize_as_unchecked().unwrap_or_default();
                if event["type"] == "m.room.member" && event["content"]["membership"] == "invite" {
                    timeline.push(seen(room, &event, "invitation", (false, true)));
                }
            }
        }
        let joined = response.rooms.joined.iter().map(|(room, update)| (room, &update.timeline));
        let left = response.rooms.left.iter().map(|(room, update)| (room, &update.timeline));
        for (room, update) in joined.chain(left) {
            for event in &update.events {
                let one = of_timeline(room, event);
                if !one.readable {
                    unreadable.push(one.clone());
                }
                timeline.push(one);
            }
        }
        for (room, update) in &response.rooms.joined {
            for event in &update.ephemeral {
                let event: Value = event.deserialize_as_unchecked().unwrap_or_default();
                let kind = event["type"].as_str().unwrap_or_default().to_owned();
                timeline.push(seen(room, &event, &kind, (false, true)));
            }
        }
        if !response.to_device.is_empty() {
            unreadable = read_again(&client, &timeline, unreadable).await;
        }
    }
}

/// Keys may have come: what can be read now is seen once more; the rest is returned.
async fn read_again(client: &Client, timeline: &Timeline, unreadable: Vec<Seen>) -> Vec<Seen> {
    let mut left = Vec::new();
    for one in unreadable {
        let room = <&RoomId>::try_from(one.room.as_str()).expect("a room's id");
        let event = <&EventId>::try_from(one.event.as_str()).expect("an event's id");
        let event = match client.get_room(room) {
            Some(room) => room.event(event, None).await.ok(),
            None => None,
        };
        match event.map(|event| of_timeline(room, &event)) {
            Some(read) if read.readable => timeline.push(read),
            _ => left.push(one),
        }
    }
    left
}

fn of_timeline(room: &RoomId, event: &TimelineEvent) -> Seen {
    let value: Value = event.raw().deserialize_as_unchecked().unwrap_or_default();
    let kind = value["type"].as_str().unwrap_or_default().to_owned();
    let unreadable = event.kind.is_utd();
    seen(room, &value, &kind, (unreadable || event.encryption_info().is_some(), !unreadable))
}

fn seen(room: &RoomId, event: &Value, kind: &str, (sealed, readable): (bool, bool)) -> Seen {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    Seen {
        room: room.to_string(),
        event: text("event_id"),
        sender: text("sender"),
        kind: kind.to_owned(),
        content: event["content"].clone(),
        state_key: event["state_key"].as_str().map(str::to_owned),
        sealed,
        readable,
        at: Instant::now(),
    }
}
