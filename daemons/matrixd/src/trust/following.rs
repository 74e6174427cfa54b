//! Follows what the SDK does about a verification, from its first request to its end.
//!
//! What is done here by itself is to begin what an operator asked for, and to agree to the other side's beginning of
//! what he accepted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use matrix_sdk::Client;
use matrix_sdk::encryption::verification::{
    CancelInfo, SasState, SasVerification, VerificationRequest, VerificationRequestState,
};
use matrix_sdk::ruma::UserId;
use matrix_sdk::ruma::events::key::verification::cancel::CancelCode;

use super::book::Book;
use super::flow::{Emoji, Seen, Short};

/// Between two looks at whether our signature has come back.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked for.
const LOOKS: u32 = 40;

/// Follows a request until it is over.
pub(super) async fn request(book: Arc<Book>, number: u64, request: VerificationRequest, client: Client) {
    let mut changes = Box::pin(request.changes());
    let mut state = request.state();
    let mut following: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        match state {
            VerificationRequestState::Created { .. } | VerificationRequestState::Requested { .. } => {}
            VerificationRequestState::Ready { other_device_data, .. } => {
                let device = other_device_data.device_id().to_string();
                let _ = book.with(number, |entry| entry.flow.device = Some(device));
                book.see(number, Seen::Ready);
                // Who asked begins. What they asked for is begun by them, or when an operator wants to see the emoji.
                let ours = book.with(number, |entry| entry.flow.ours).unwrap_or(false);
                if ours && let Err(error) = request.start_sas().await {
                    let why = format!("the homeserver did not take our beginning: {error}");
                    book.see(number, Seen::Ended { mismatch: false, why });
                }
            }
            VerificationRequestState::Transitioned { verification } => {
                if let Some(begun) = verification.sas() {
                    // The other side may begin anew; what was begun before is dead then.
                    if let Some(before) = following.take() {
                        before.abort();
                    }
                    following = Some(tokio::spawn(sas(Arc::clone(&book), number, begun, client.clone())));
                }
            }
            VerificationRequestState::Done => return,
            VerificationRequestState::Cancelled(info) => return book.see(number, ended(&info)),
        }
        match changes.next().await {
            Some(next) => state = next,
            None => return,
        }
    }
}

/// Follows a comparison until it is over.
pub(super) async fn sas(book: Arc<Book>, number: u64, sas: SasVerification, client: Client) {
    let mut changes = Box::pin(sas.changes());
    let _ = book.with(number, |entry| {
        entry.flow.observe(Seen::Started);
        entry.sas = Some(sas.clone());
    });
    let mut state = sas.state();
    loop {
        match state {
            SasState::Created { .. } => {}
            SasState::Started { .. } => agree(&book, number, &sas).await,
            SasState::Accepted { .. } => book.see(number, Seen::Accepted),
            SasState::KeysExchanged { emojis, decimals } => {
                let emojis = emojis.map(|emojis| emojis.emojis).into_iter().flatten().map(|emoji| Emoji {
                    symbol: emoji.symbol.to_owned(),
                    name: emoji.description.to_owned(),
                });
                let decimals = [decimals.0, decimals.1, decimals.2];
                book.see(number, Seen::Keys(Short { emojis: emojis.collect(), decimals }));
            }
            SasState::Confirmed => book.see(number, Seen::Confirmed),
            SasState::Done { verified_identities, .. } => {
                let other = sas.other_user_id();
                let named = verified_identities.iter().any(|identity| identity.user_id() == other);
                let identity = named && is_verified(&client, other).await;
                return book.see(number, Seen::Done { identity });
            }
            SasState::Cancelled(info) => return book.see(number, ended(&info)),
        }
        match changes.next().await {
            Some(next) => state = next,
            None => return,
        }
    }
}

/// Looks until our signature has come back from the homeserver: only then he counts as verified.
async fn is_verified(client: &Client, user: &UserId) -> bool {
    for _ in 0..LOOKS {
        match client.encryption().request_user_identity(user).await {
            Ok(Some(identity)) if identity.is_verified() => return true,
            // The signature goes out with the next sync.
            _ => tokio::time::sleep(LOOK).await,
        }
    }
    false
}

/// Agrees to the other side's beginning, if an operator accepted. Whoever asked first, either side may begin.
pub(super) async fn agree(book: &Book, number: u64, sas: &SasVerification) {
    let may = book.with(number, |entry| entry.flow.may_proceed()).unwrap_or(false);
    if may
        && !sas.we_started()
        && let Err(error) = sas.accept().await
    {
        let why = format!("the homeserver did not take our agreement: {error}");
        book.see(number, Seen::Ended { mismatch: false, why });
    }
}

fn ended(info: &CancelInfo) -> Seen {
    let by = if info.cancelled_by_us() { "we ended it" } else { "the other side ended it" };
    let mismatch = matches!(info.cancel_code(), CancelCode::MismatchedSas);
    Seen::Ended { mismatch, why: format!("{by}: {}", info.reason()) }
}
