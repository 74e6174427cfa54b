//! Turns what goes wrong with a server into errors that name it by host and port and hold no secret.

use std::time::Duration;

use hyper::header::{HeaderMap, RETRY_AFTER};

use super::answer::{self, Flaw};
use crate::egress::EgressError;
use crate::provider::{ProviderError, Said};

/// Makes the errors of one server.
pub(crate) struct Failures<'a> {
    pub(crate) server: &'a str,
}

impl Failures<'_> {
    fn server(&self) -> String {
        self.server.to_owned()
    }

    /// A response that is no success.
    pub(crate) fn status(
        &self,
        status: u16,
        model: &str,
        retry_after: Option<Duration>,
        words: &str,
    ) -> ProviderError {
        let server = self.server();
        match status {
            // What a server says about a key often repeats half of it.
            401 | 403 => ProviderError::Key { server, status },
            404 => ProviderError::Unknown { model: model.to_owned(), server, said: Said::new(words) },
            429 => ProviderError::RateLimited { server, retry_after },
            100..=399 => ProviderError::Redirected { server, status },
            400..=499 => ProviderError::Refused { server, status, said: Said::new(words) },
            _ => ProviderError::Server { server, status, said: Said::new(words) },
        }
    }

    /// No response: `egressd` is away, or hung up before one.
    pub(crate) fn transport(&self, error: &EgressError) -> ProviderError {
        let cause = error.to_string();
        let cause = cause.split(" (os error").next().unwrap_or_default().to_owned();
        ProviderError::Egress {
            server: self.server(),
            cause,
            is_sent: !matches!(error, EgressError::Away { .. }),
        }
    }

    /// `egressd` refused, for a `reason` of its own and with a sentence about it.
    pub(crate) fn barred(&self, reason: &str, sentence: &str) -> ProviderError {
        let (server, said) = (self.server(), Said::new(sentence));
        match reason {
            "name" | "unreachable" => ProviderError::Unreachable { server, said },
            _ => {
                let is_sent = !is_before_sending(reason);
                ProviderError::Barred { server, reason: Said::new(reason).to_string(), said, is_sent }
            }
        }
    }

    /// Nothing came for `gap`.
    pub(crate) fn silent(&self, gap: Duration) -> ProviderError {
        ProviderError::Silent { server: self.server(), gap }
    }

    /// `what` is over `limit`.
    pub(crate) fn too_large(&self, what: &'static str, limit: usize) -> ProviderError {
        ProviderError::TooLarge { server: self.server(), what, limit }
    }

    /// The answer is not one.
    pub(crate) fn flaw(&self, flaw: Flaw) -> ProviderError {
        let server = self.server();
        match flaw {
            Flaw::Malformed(what) => ProviderError::Malformed { server, what },
            Flaw::TooLarge => self.too_large("the answer", answer::LIMIT),
            Flaw::Failed(words) => ProviderError::Failed { server, said: Said::new(&words) },
            Flaw::Filtered => ProviderError::Filtered { server },
            Flaw::BrokeOff => ProviderError::BrokeOff { server },
        }
    }
}

/// Whether a refusal of `egressd` is one that comes before anything is sent to the server. Others are of its answer, or
/// of what may be.
fn is_before_sending(reason: &str) -> bool {
    matches!(
        reason,
        "form" | "denied" | "unanswered" | "address" | "server-name" | "secret" | "rate" | "unavailable"
    )
}

/// Whether a refusal of `egressd` may be gone in a moment, with nothing sent to the server.
pub(crate) fn passes(reason: &str) -> bool {
    matches!(reason, "name" | "unreachable" | "rate" | "unavailable")
}

/// The seconds of a `Retry-After` header; a date there is not understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_before_it_left_is_told_apart_from_what_was_refused_of_the_answer() {
        for (reasons, expected) in [
            (
                &["form", "denied", "unanswered", "address", "server-name", "secret", "rate", "unavailable"]
                    [..],
                true,
            ),
            (&["name", "unreachable"], true),
            (&["ticket", "size", "time", "gone", "answer", "", "something new"], false),
        ] {
            for reason in reasons {
                let error = Failures { server: "m:1" }.barred(reason, "");
                assert_eq!(error.reached_no_model(), expected, "{reason}");
            }
        }
    }
}
