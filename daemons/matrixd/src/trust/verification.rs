//! Verifying people and devices by emoji, as operators do it.
//!
//! Requests of people on a list, and of other devices of our own account, are listed and wait; those of anybody else
//! are not heard. Nothing is answered by itself: [`Verifications::accept`] and [`Verifications::confirm`] are an
//! operator's word, and what may be done when is for [`super::flow`] to say.

use std::sync::Arc;
use std::time::Duration;

use matrix_sdk::Client;
use matrix_sdk::encryption::identities::Device;
use matrix_sdk::encryption::verification::VerificationRequest;
use matrix_sdk::ruma::events::key::verification::VerificationMethod;
use matrix_sdk::ruma::{OwnedDeviceId, OwnedUserId, UserId};
use testudo::config::Matrixd;
use thiserror::Error;

use super::book::{self, Book, Opened};
use super::flow::{Flow, Refusal, Seen, Short, State, Wish};
use super::{following, listening};
use crate::authorship::{Standing, standing};

/// Why a verification does not go on.
#[derive(Debug, Error)]
pub enum VerificationError {
    /// There is no such.
    #[error("there is no verification {0}")]
    Unknown(String),
    /// It is over, or not the time for it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The emoji did not come in time.
    #[error("cannot show the emoji of {0} yet: the other side has not answered; look again later")]
    Waiting(String),
    /// It cannot be started with them.
    #[error("cannot verify {user}: {why}")]
    Cannot {
        /// Whom.
        user: String,
        /// What is in the way, and what helps.
        why: String,
    },
    /// The homeserver did not take it.
    #[error("cannot {doing}: {cause}")]
    Homeserver {
        /// What was tried.
        doing: String,
        /// What it said.
        cause: String,
    },
}

/// All verifications of this device.
#[derive(Debug, Clone)]
pub struct Verifications {
    book: Arc<Book>,
    config: Arc<Matrixd>,
}

impl Verifications {
    /// None yet.
    pub fn new(config: Arc<Matrixd>) -> Self {
        Self { book: Arc::default(), config }
    }

    /// Listens for those that others begin. Once for each client.
    pub fn listen(&self, client: &Client) {
        listening::listen(self, client);
    }

    /// Those that go on and the last that ended, oldest first.
    pub fn list(&self) -> Vec<Flow> {
        self.book.list()
    }

    /// How many wait for an operator.
    pub fn waiting(&self) -> usize {
        self.list().iter().filter(|flow| flow.state == State::Requested).count()
    }

    /// Whether what this user begins is listed.
    pub(super) fn hears(&self, user: &UserId, own: Option<&UserId>) -> bool {
        own == Some(user) || matches!(standing(&self.config, user), Standing::Owner | Standing::Member)
    }

    /// Writes one down that somebody began, and follows it.
    pub(super) fn open(&self, opened: Opened, client: &Client) -> Option<String> {
        let (request, sas) = (opened.request.clone(), opened.sas.clone());
        let number = self.book.open(opened)?;
        match (request, sas) {
            (Some(request), _) => {
                drop(tokio::spawn(following::request(
                    Arc::clone(&self.book),
                    number,
                    request,
                    client.clone(),
                )));
            }
            (None, Some(sas)) => {
                drop(tokio::spawn(following::sas(Arc::clone(&self.book), number, sas, client.clone())));
            }
            (None, None) => {}
        }
        Some(format!("v-{number}"))
    }

    /// Asks a user, or one device of his, to verify; gives its name here.
    ///
    /// # Errors
    /// When he is on no list, has no identity or device to verify, or the homeserver does not take it.
    pub async fn start(
        &self,
        client: &Client,
        user: &str,
        device: &str,
    ) -> Result<String, VerificationError> {
        let cannot = |why: String| VerificationError::Cannot { user: user.to_owned(), why };
        let id = UserId::parse(user).map_err(|error| cannot(error.to_string()))?;
        if !self.hears(&id, client.user_id()) {
            return Err(cannot("he is neither an owner nor a member in the configuration".into()));
        }
        let request = ask(client, &id, device).await?;
        let opened = Opened {
            user: id.to_string(),
            device: Some(device.to_owned()).filter(|device| !device.is_empty()),
            ours: true,
            since: jiff::Timestamp::now().as_second(),
            transaction: request.flow_id().to_owned(),
            request: Some(request),
            sas: None,
        };
        self.open(opened, client).ok_or_else(|| cannot("it is listed already".into()))
    }

    /// Accepts one that somebody began.
    ///
    /// # Errors
    /// When it is accepted already or over, or the homeserver does not take it.
    pub async fn accept(&self, id: &str) -> Result<(), VerificationError> {
        let (number, (request, sas)) =
            self.wish(id, Wish::Accept, |entry| (entry.request.clone(), entry.sas.clone()))?;
        let accepted = match (request, sas) {
            (Some(request), _) => request.accept_with_methods(vec![VerificationMethod::SasV1]).await,
            (None, Some(sas)) => sas.accept().await,
            (None, None) => Ok(()),
        };
        accepted.map_err(|error| self.failed(number, &format!("accept {id}"), &error))
    }

    /// The emoji, as soon as both sides have them, and no later than `within`. From then on they count as shown.
    ///
    /// # Errors
    /// When it is not accepted, is over, or they do not come in time.
    pub async fn emojis(&self, id: &str, within: Duration) -> Result<Short, VerificationError> {
        let mut turned = self.book.watch();
        let mut begun = false;
        let shown = async {
            loop {
                turned.borrow_and_update();
                let (number, (short, state, request)) = self.wish(id, Wish::Show, |entry| {
                    (
                        entry.flow.short().cloned(),
                        entry.flow.state,
                        entry.request.clone().filter(|_| !entry.flow.ours),
                    )
                })?;
                if let Some(short) = short {
                    return Ok(short);
                }
                if let (State::Ready, Some(request), false) = (state, request, begun) {
                    begun = true;
                    let started = request.start_sas().await;
                    started.map_err(|error| self.failed(number, &format!("begin {id}"), &error))?;
                }
                // The sender lives as long as the book.
                let _ = turned.changed().await;
            }
        };
        tokio::time::timeout(within, shown).await.map_err(|_| VerificationError::Waiting(id.to_owned()))?
    }

    /// Says whether both sides saw the same; if not, it is over and nobody is verified. A yes is the half of it: done it
    /// is when the other side says the same.
    ///
    /// # Errors
    /// When nobody looked at the emoji, it is over, or the homeserver does not take it.
    pub async fn confirm(&self, id: &str, matches: bool) -> Result<(), VerificationError> {
        let wish = if matches { Wish::Confirm } else { Wish::Refuse };
        let (number, (request, sas)) = self.wish(id, wish, |entry| {
            let is_shown = entry.flow.is_shown();
            // Ours goes first: the end can be here before the homeserver's answer is.
            entry.flow.observe(if matches {
                Seen::Confirmed
            } else {
                let why = if is_shown { "an operator saw other emoji" } else { "an operator refused it" };
                Seen::Ended { mismatch: is_shown, why: why.to_owned() }
            });
            (entry.request.clone(), entry.sas.clone().map(|sas| (sas, is_shown)))
        })?;
        let said = match (request, sas) {
            (_, Some((sas, _))) if matches => sas.confirm().await,
            (_, Some((sas, true))) => sas.mismatch().await,
            (Some(request), _) => request.cancel().await,
            (None, Some((sas, false))) => sas.cancel().await,
            (None, None) => Ok(()),
        };
        said.map_err(|error| self.failed(number, &format!("answer {id}"), &error))
    }

    fn wish<T>(
        &self,
        id: &str,
        wish: Wish,
        work: impl FnOnce(&mut book::Entry) -> T,
    ) -> Result<(u64, T), VerificationError> {
        let unknown = || VerificationError::Unknown(id.to_owned());
        let number = book::number(id).ok_or_else(unknown)?;
        Ok((number, self.book.wish(number, wish, work).ok_or_else(unknown)??))
    }

    /// What was not sent is not sent again by the protocol: it is over, and another can be begun.
    fn failed(&self, number: u64, doing: &str, error: &matrix_sdk::Error) -> VerificationError {
        self.book.see(
            number,
            Seen::Ended { mismatch: false, why: format!("the homeserver did not take it: {error}") },
        );
        VerificationError::Homeserver { doing: doing.to_owned(), cause: error.to_string() }
    }
}

/// Sends the request: to the device that is named, into the room that we share alone, or to the only device.
async fn ask(
    client: &Client,
    user: &OwnedUserId,
    device: &str,
) -> Result<VerificationRequest, VerificationError> {
    let cannot = |why: String| VerificationError::Cannot { user: user.to_string(), why };
    let failed = |cause: &dyn std::fmt::Display| VerificationError::Homeserver {
        doing: format!("ask {user} to verify"),
        cause: cause.to_string(),
    };
    let methods = || vec![VerificationMethod::SasV1];
    let encryption = client.encryption();
    // Devices and identity as the homeserver has them now.
    let identity = encryption.request_user_identity(user).await.map_err(|error| failed(&error))?;
    let wanted: OwnedDeviceId = if device.is_empty() {
        let identity = identity.ok_or_else(|| cannot("he has no cross-signing identity".into()))?;
        if client.user_id() == Some(user) || client.get_dm_room(user).is_some() {
            let asked = identity.request_verification_with_methods(methods()).await;
            return asked.map_err(|error| failed(&error));
        }
        let devices = encryption.get_user_devices(user).await.map_err(|error| failed(&error))?;
        let mut signed: Vec<_> = devices.devices().filter(Device::is_cross_signed_by_owner).collect();
        match (signed.pop(), signed.len()) {
            (Some(device), 0) => device.device_id().to_owned(),
            (Some(device), _) => {
                let names = signed.iter().map(|device| device.device_id().as_str());
                let names: Vec<&str> = names.chain([device.device_id().as_str()]).collect();
                return Err(cannot(format!("he has several devices, name one: {}", names.join(", "))));
            }
            (None, _) => return Err(cannot("none of his devices is signed by him".into())),
        }
    } else {
        device.into()
    };
    let device = encryption.get_device(user, &wanted).await.map_err(|error| failed(&error))?;
    let device = device.ok_or_else(|| cannot(format!("he has no device {wanted}")))?;
    device.request_verification_with_methods(methods()).await.map_err(|error| failed(&error))
}
