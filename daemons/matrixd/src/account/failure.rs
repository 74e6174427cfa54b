//! What an error of the homeserver or the SDK means: worth another attempt, or not.

use std::time::{Duration, SystemTime};

use matrix_sdk::ruma::api::error::{ErrorKind, RetryAfter};
use matrix_sdk::{Error, HttpError, RefreshTokenError};

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
    /// The homeserver refuses.
    Never(String),
}

impl Failure {
    /// What an error of a request means.
    pub(super) fn of_http(error: &HttpError) -> Self {
        let cause = error.to_string();
        match error {
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
            Self::LoggedOut { .. } => {
                SendError::Later { room, cause: "the homeserver logged us out".into(), retry_after: None }
            }
            Self::Never(cause) => SendError::Never { room, cause },
        }
    }
}

fn wait(asked: &RetryAfter) -> Duration {
    match asked {
        RetryAfter::Delay(delay) => *delay,
        RetryAfter::DateTime(at) => at.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}
