//! Hears of verifications that others begin: from their devices, in rooms, and from clients that begin without asking.

use matrix_sdk::encryption::verification::{Verification, VerificationRequest};
use matrix_sdk::ruma::UserId;
use matrix_sdk::ruma::events::key::verification::request::ToDeviceKeyVerificationRequestEvent;
use matrix_sdk::ruma::events::key::verification::start::ToDeviceKeyVerificationStartEvent;
use matrix_sdk::ruma::events::room::message::{MessageType, OriginalSyncRoomMessageEvent};
use matrix_sdk::{Client, Room};

use super::book::Opened;
use super::verification::Verifications;

/// Has the client call us; handlers run in the loop that syncs, so they only write down.
pub(super) fn listen(verifications: &Verifications, client: &Client) {
    let ours = verifications.clone();
    client.add_event_handler(move |event: ToDeviceKeyVerificationRequestEvent, client: Client| {
        let ours = ours.clone();
        async move { requested(&ours, &client, &event.sender, event.content.transaction_id.as_str()).await }
    });
    let ours = verifications.clone();
    client.add_event_handler(move |event: OriginalSyncRoomMessageEvent, client: Client, _: Room| {
        let ours = ours.clone();
        async move {
            let MessageType::VerificationRequest(content) = &event.content.msgtype else { return };
            if client.user_id() == Some(&content.to) {
                requested(&ours, &client, &event.sender, event.event_id.as_str()).await;
            }
        }
    });
    let ours = verifications.clone();
    client.add_event_handler(move |event: ToDeviceKeyVerificationStartEvent, client: Client| {
        let ours = ours.clone();
        async move { begun(&ours, &client, &event.sender, event.content.transaction_id.as_str()).await }
    });
}

async fn requested(ours: &Verifications, client: &Client, sender: &UserId, transaction: &str) {
    if !ours.hears(sender, client.user_id()) {
        return tracing::info!("{sender} is on no list: a verification that he asks for is not heard");
    }
    let Some(request) = client.encryption().get_verification_request(sender, transaction).await else {
        return learn(client, sender);
    };
    if !request.we_started() {
        let device = device_of(&request);
        let opened = opened(sender, device, transaction);
        let _ = ours.open(Opened { request: Some(request), ..opened }, client);
    }
}

/// The SDK drops what a device asks that it does not know, and nobody tells it of devices of whom no room is shared with:
/// they are learned now, so that he is heard when he asks again. The loop that syncs does not wait for it.
fn learn(client: &Client, sender: &UserId) {
    let (client, user) = (client.clone(), sender.to_owned());
    drop(tokio::spawn(async move {
        match client.encryption().request_user_identity(&user).await {
            Ok(_) => tracing::warn!(
                "a verification that {user} asks for is too old or of a device that was not known: he must end it and ask again"
            ),
            Err(error) => tracing::warn!("the devices of {user} are not known: {error}"),
        }
    }));
}

/// Without a request before it: how verifying was before there were requests, and some clients still do it.
async fn begun(ours: &Verifications, client: &Client, sender: &UserId, transaction: &str) {
    if !ours.hears(sender, client.user_id()) {
        return;
    }
    if let Some(Verification::SasV1(sas)) = client.encryption().get_verification(sender, transaction).await
        && !sas.started_from_request()
        && !sas.we_started()
    {
        let device = Some(sas.other_device().device_id().to_string());
        let _ = ours.open(Opened { sas: Some(sas), ..opened(sender, device, transaction) }, client);
    }
}

fn opened(sender: &UserId, device: Option<String>, transaction: &str) -> Opened {
    Opened {
        user: sender.to_string(),
        device,
        ours: false,
        since: jiff::Timestamp::now().as_second(),
        transaction: transaction.to_owned(),
        request: None,
        sas: None,
    }
}

fn device_of(request: &VerificationRequest) -> Option<String> {
    use matrix_sdk::encryption::verification::VerificationRequestState as State;
    match request.state() {
        State::Requested { other_device_data, .. } | State::Ready { other_device_data, .. } => {
            Some(other_device_data.device_id().to_string())
        }
        _ => None,
    }
}
