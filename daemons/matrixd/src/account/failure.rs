//! What an error of the homeserver or the SDK means: worth another attempt, or not.

use std::time::{Duration, SystemTime};

use matrix_sdk::media::MediaError;
use matrix_sdk::ruma::api::error::{Error as Refusal, ErrorKind, RetryAfter};
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
/// Most bytes of what a homeserver says that anybody is shown.
const MOST_SAID: usize = 200;

impl Failure {
    /// What an error of a request means.
    pub(super) fn of_http(error: &HttpError) -> Self {
        let cause = match error {
            HttpError::Reqwest(error) => to_its_root(error),
            error => line(&error.to_string()),
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
            // The library asks how much the homeserver takes, and does not even try.
            Error::Media(MediaError::MediaTooLargeToUpload { .. }) => Self::Never(error.to_string()),
            Error::SerdeJson(_) | Error::WrongRoomState(_) | Error::Url(_) | Error::Identifier(_) => {
                Self::Never(error.to_string())
            }
            _ => Self::Later { cause: error.to_string(), retry_after: None },
        }
    }

    /// What an error of the SDK means that something of ours met on its way to a room: where the homeserver refused it,
    /// with what helps, for the people there. What is said there is said as ours, encrypted: none of it is in words of the
    /// homeserver, which only the journal has.
    pub(super) fn of_sending(error: &Error) -> Self {
        let Self::Never(cause) = Self::of(error) else { return Self::of(error) };
        let too_large =
            "finds it too large; ask for less at a time, or have its operator allow more (max_upload_size)";
        if let Error::Media(MediaError::MediaTooLargeToUpload { max, current }) = error {
            return Self::Never(format!(
                "of {current} bytes the homeserver takes {max} at most: it {too_large}"
            ));
        }
        tracing::warn!("what was to go to a room is refused: {}", line(&cause));
        let Some(refusal) = error.as_client_api_error() else {
            return Self::Never("the Matrix library cannot send it; the journal says why".into());
        };
        let answer = answer(refusal);
        Self::Never(match (refusal.error_kind(), refusal.status_code.as_u16()) {
            (Some(ErrorKind::TooLarge), _) | (_, 413) => format!("the homeserver {too_large} ({answer})"),
            (Some(ErrorKind::Forbidden), _) | (_, 403) => format!(
                "the homeserver does not let me; who runs the room or the homeserver can give me the right to ({answer})"
            ),
            _ => format!("the homeserver refuses it ({answer})"),
        })
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

/// The status of a refusal, and its code where that is one of the specification's: others are words, too.
fn answer(refusal: &Refusal) -> String {
    let status = refusal.status_code.as_u16();
    let known = refusal.error_kind().filter(|kind| kind.custom_json_data().is_none());
    known.map_or_else(|| status.to_string(), |kind| format!("{status} {}", kind.errcode()))
}

/// What a homeserver says, as one short line.
fn line(said: &str) -> String {
    let mut line = String::new();
    for c in said.chars().filter(|c| !c.is_control()) {
        if line.len() + c.len_utf8() > MOST_SAID {
            break;
        }
        line.push(c);
    }
    line
}

fn wait(asked: &RetryAfter) -> Duration {
    match asked {
        RetryAfter::Delay(delay) => *delay,
        RetryAfter::DateTime(at) => at.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::api::client::uiaa::UiaaResponse;
    use matrix_sdk::ruma::api::error::{ErrorBody, FromHttpResponseError};
    use matrix_sdk::ruma::uint;
    use serde_json::json;

    use super::*;

    /// What the homeserver answers.
    fn refusal(status: u16, code: &str, said: &str) -> Error {
        let body = serde_json::from_value(json!({ "errcode": code, "error": said })).unwrap();
        let refusal = Refusal::new(status.try_into().unwrap(), ErrorBody::Standard(body));
        let refusal = FromHttpResponseError::Server(UiaaResponse::MatrixError(refusal));
        HttpError::Api(Box::new(refusal)).into()
    }

    fn told(error: &Error) -> String {
        let Failure::Never(cause) = Failure::of_sending(error) else { unreachable!() };
        cause
    }

    #[test]
    fn the_homeserver_puts_no_words_into_our_mouth() {
        let evil = "your session ended; log in at https://evil.example";
        for (status, code, expected) in [
            (400, "M_BAD_JSON", "the homeserver refuses it (400 M_BAD_JSON)"),
            (400, "M_LOG_IN_AT_EVIL", "the homeserver refuses it (400)"),
            (400, evil, "the homeserver refuses it (400)"),
        ] {
            assert_eq!(told(&refusal(status, code, evil)), expected);
        }
        for (status, code, helps) in
            [(403, "M_FORBIDDEN", "can give me the right to"), (413, "M_TOO_LARGE", "ask for less at a time")]
        {
            let told = told(&refusal(status, code, evil));
            assert!(told.contains(helps) && told.ends_with(&format!(" ({status} {code})")), "{told}");
            assert!(!told.contains("evil"), "{told}");
        }
        let unreadable = serde_json::from_value::<bool>(json!(evil)).unwrap_err();
        assert!(unreadable.to_string().contains("evil"));
        assert!(!told(&Error::SerdeJson(unreadable)).contains("evil"));
    }

    #[test]
    fn what_the_homeserver_says_is_shown_to_operators_as_one_short_line() {
        let said = format!("no\u{1b}[2J\n{}", "ä".repeat(1_000));
        let Failure::Never(cause) = Failure::of(&refusal(400, "M_UNKNOWN", &said)) else { unreachable!() };
        assert!(cause.contains("[400 / M_UNKNOWN] no[2Jä"), "{cause}");
        assert!((199..=200).contains(&cause.len()), "{cause}");
    }

    #[test]
    fn what_is_larger_than_the_homeserver_takes_is_not_tried_again_and_again() {
        let error = Error::Media(MediaError::MediaTooLargeToUpload { max: uint!(10), current: uint!(11) });
        assert!(matches!(Failure::of(&error), Failure::Never(_)));
        let Failure::Never(cause) = Failure::of_sending(&error) else { unreachable!() };
        assert!(cause.contains("of 11 bytes the homeserver takes 10 at most"), "{cause}");
        assert!(cause.contains("ask for less at a time"), "{cause}");
    }
}
