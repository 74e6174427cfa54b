//! What an error of the homeserver or the SDK means: worth another attempt, or not.

use std::time::{Duration, SystemTime};

use matrix_sdk::ruma::api::error::{ErrorKind, RetryAfter};
use matrix_sdk::{Error, HttpError, RefreshTokenError};

use super::client::to_its_root;
use crate::homeserver::SendError;

/// What a failure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The homeserver is away, or wants us to wait; what is missing may come.
    Later {
        /// Why.
        cause: String,
        /// How long the homeserver wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The homeserver does not know our session any more; softly, when it keeps the device.
    LoggedOut {
        /// Whether the device is kept.
        softly: bool,
    },
    /// Who answers cannot show that it is the homeserver. Nothing was said to it; what is wrong may be mended there.
    Foreign(String),
    /// The homeserver refuses.
    Never(String),
}

/// How the library of TLS begins what it says of a certificate that it does not take.
const FOREIGN: &str = "invalid peer certificate: ";

impl Failure {
    /// What an error of a request means.
    pub(super) fn of_http(error: &HttpError) -> Self {
        let cause = match error {
            HttpError::Reqwest(error) => to_its_root(error),
            error => error.to_string(),
        };
        match error {
            HttpError::Reqwest(_) => {
                if let Some((_, why)) = cause.split_once(FOREIGN) {
                    return Self::Foreign(why.to_owned());
                }
            }
            HttpError::Cached(error) => return Self::of_http(error),
            HttpError::RefreshToken(RefreshTokenError::MatrixAuth(error)) => {
                // A token that cannot be renewed is as good as none.
                return match Self::of_http(error) {
                    Self::Never(_) => Self::LoggedOut { softly: false },
                    failure => failure,
                };
            }
            HttpError::RefreshToken(RefreshTokenError::RefreshTokenRequired) => {
                return Self::LoggedOut { softly: false };
            }
            _ => {}
        }
        match error.client_api_error_kind() {
            Some(ErrorKind::LimitExceeded(limit)) => {
                return Self::Later { cause, retry_after: limit.retry_after.as_ref().map(wait) };
            }
            Some(ErrorKind::UnknownToken(data)) => return Self::LoggedOut { softly: data.soft_logout },
            _ => {}
        }
        let Some(server) = error.as_client_api_error() else {
            // No answer, or none that says anything.
            return Self::Later { cause, retry_after: None };
        };
        if server.status_code.is_server_error() || server.status_code.as_u16() == 429 {
            Self::Later { cause, retry_after: None }
        } else {
            Self::Never(cause)
        }
    }

    /// What an error of the SDK means. What it could not encrypt or look up may be possible once more is known.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Http(error) => Self::of_http(error),
            Error::SerdeJson(_) | Error::WrongRoomState(_) | Error::Url(_) | Error::Identifier(_) => {
                Self::Never(error.to_string())
            }
            _ => Self::Later { cause: error.to_string(), retry_after: None },
        }
    }

    /// The same for what was to go to a room, or to come from somewhere.
    pub(super) fn sending(self, room: &(impl ToString + ?Sized)) -> SendError {
        let room = room.to_string();
        match self {
            Self::Later { cause, retry_after } => SendError::Later { room, cause, retry_after },
            Self::Foreign(cause) => SendError::Later { room, cause, retry_after: None },
            Self::LoggedOut { .. } => {
                SendError::Later { room, cause: "the homeserver logged us out".into(), retry_after: None }
            }
            Self::Never(cause) => SendError::Never { room, cause },
        }
    }
}

/// What is said of who cannot show that it is the homeserver.
pub(super) fn foreign(why: &str) -> String {
    format!(
        "who answers in the homeserver's place has no certificate for it: {why}; where that is of an authority of your own, \
         name it in `authorities`"
    )
}

fn wait(asked: &RetryAfter) -> Duration {
    match asked {
        RetryAfter::Delay(delay) => *delay,
        RetryAfter::DateTime(at) => at.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}
