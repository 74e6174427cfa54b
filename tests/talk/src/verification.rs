//! Two people compare seven emojis: the side of the one with the SDK's client.

use futures_util::{Stream, StreamExt as _};
use matrix_sdk::Client;
use matrix_sdk::encryption::verification::{
    SasState, SasVerification, Verification, VerificationRequest, VerificationRequestState,
};
use matrix_sdk::ruma::events::key::verification::mac::{
    OriginalSyncKeyVerificationMacEvent, ToDeviceKeyVerificationMacEvent,
};
use matrix_sdk::ruma::events::key::verification::request::ToDeviceKeyVerificationRequestEvent;
use matrix_sdk::ruma::events::room::message::{MessageType, OriginalSyncRoomMessageEvent};
use matrix_sdk::ruma::{OwnedUserId, UserId};
use tokio::sync::mpsc;

use crate::human::Human;
use crate::timeline::PATIENCE;

/// The emojis are on the screen; it is for the person to say whether they are the same.
pub struct Comparison {
    sas: SasVerification,
    /// The seven, as symbols.
    pub emojis: Vec<String>,
}

/// Every request to be verified that reaches a client, by device or in a room.
pub fn requests(client: &Client) -> mpsc::UnboundedReceiver<VerificationRequest> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let in_room = sender.clone();
    client.add_event_handler(|event: ToDeviceKeyVerificationRequestEvent, client: Client| async move {
        let flow = event.content.transaction_id;
        if let Some(request) = client.encryption().get_verification_request(&event.sender, flow).await {
            let _ = sender.send(request);
        }
    });
    client.add_event_handler(|event: OriginalSyncRoomMessageEvent, client: Client| async move {
        if let MessageType::VerificationRequest(_) = event.content.msgtype
            && let Some(request) =
                client.encryption().get_verification_request(&event.sender, event.event_id).await
            && !request.we_started()
        {
            let _ = in_room.send(request);
        }
    });
    receiver
}

/// Everybody who says that the emojis are the same, by device or in a room.
pub fn confirmations(client: &Client) -> mpsc::UnboundedReceiver<OwnedUserId> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let in_room = sender.clone();
    client.add_event_handler(|event: ToDeviceKeyVerificationMacEvent| async move {
        let _ = sender.send(event.sender);
    });
    client.add_event_handler(|event: OriginalSyncKeyVerificationMacEvent| async move {
        let _ = in_room.send(event.sender);
    });
    receiver
}

impl Human {
    /// Waits until somebody has said that the emojis are the same. Who says so only then says everything in its order:
    /// of a client that hears it while it says so itself, the end can be there before the word, and is not heard.
    pub async fn is_confirmed_by(&self, other: &UserId) {
        let mut confirmations = self.confirmations.lock().await;
        let confirmed = async { while confirmations.recv().await.expect("the client runs") != *other {} };
        tokio::time::timeout(PATIENCE, confirmed).await.expect("the other side says that they are the same");
    }

    /// Accepts the next request and waits for the emojis.
    pub async fn accept_verification(&self, from: &UserId) -> Comparison {
        let mut requests = self.requests.lock().await;
        let request =
            tokio::time::timeout(PATIENCE, requests.recv()).await.expect("somebody asks to be verified");
        let request = request.expect("the client runs");
        assert_eq!(request.other_user_id(), from);
        request.accept().await.expect("a request can be accepted");
        compare(&request, false).await
    }

    /// Asks somebody to be verified on his device, by what a client shows beside it, and waits for the emojis.
    pub async fn ask_verification(&self, of: &UserId, device: &str) -> VerificationRequest {
        let device =
            self.client.encryption().get_device(of, device.into()).await.expect("the store can be read");
        device.expect("the device is known").request_verification().await.expect("a request can be sent")
    }
}

/// Goes on from an accepted request to the emojis. With `starts` we say that it shall be by emojis.
pub async fn compare(request: &VerificationRequest, starts: bool) -> Comparison {
    let mut changes = Box::pin(request.changes());
    let sas = loop {
        match request.state() {
            VerificationRequestState::Ready { .. } if starts => {
                break request.start_sas().await.expect("it can be started").expect("both can do it");
            }
            VerificationRequestState::Transitioned { verification: Verification::SasV1(sas), .. } => {
                break sas;
            }
            VerificationRequestState::Done | VerificationRequestState::Cancelled(_) => {
                panic!("it ended: {:?}", request.state())
            }
            _ => next(&mut changes, "an answer to the request").await,
        }
    };
    let mut changes = Box::pin(sas.changes());
    if !sas.we_started() {
        sas.accept().await.expect("it can be accepted");
    }
    let emojis = loop {
        match sas.state() {
            SasState::KeysExchanged { emojis, .. } => break emojis.expect("both have emojis"),
            SasState::Cancelled(why) => panic!("it was cancelled: {why:?}"),
            _ => next(&mut changes, "the keys").await,
        }
    };
    let emojis = emojis.emojis.iter().map(|emoji| emoji.symbol.to_owned()).collect();
    Comparison { sas, emojis }
}

impl Comparison {
    /// They are the same.
    pub async fn says_same(&self) {
        self.sas.confirm().await.expect("it can be confirmed");
    }

    /// Waits until both sides said so.
    pub async fn is_over(self) {
        let mut changes = Box::pin(self.sas.changes());
        loop {
            match self.sas.state() {
                SasState::Done { .. } => return,
                SasState::Cancelled(why) => panic!("it was cancelled: {why:?}"),
                _ => next(&mut changes, "the other side's confirmation").await,
            }
        }
    }

    /// They are not the same.
    pub async fn reject(self) {
        self.sas.mismatch().await.expect("it can be rejected");
    }
}

async fn next<T>(changes: &mut (impl Stream<Item = T> + Unpin), what: &str) {
    let change = tokio::time::timeout(PATIENCE, changes.next()).await;
    change.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}")).expect("the client runs");
}
