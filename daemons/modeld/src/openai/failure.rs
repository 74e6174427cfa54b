//! Turns what goes wrong with a server into errors that name it by host and port and hold no secret.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::answer::{self, Flaw};
use crate::provider::{ProviderError, Said};
use crate::secret::Secret;

/// Makes the errors of one server.
pub(crate) struct Failures<'a> {
    pub(crate) server: &'a str,
    pub(crate) key: Option<&'a Secret>,
}

impl Failures<'_> {
    fn server(&self) -> String {
        self.server.to_owned()
    }

    /// A server's words, short and without the key.
    fn said(&self, words: &str) -> Said {
        Said::new(words, |text| self.key.map_or_else(|| text.to_owned(), |key| key.blot(text)))
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
            404 => ProviderError::Unknown { model: model.to_owned(), server, said: self.said(words) },
            429 => ProviderError::RateLimited { server, retry_after },
            100..=399 => ProviderError::Redirected { server, status },
            400..=499 => ProviderError::Refused { server, status, said: self.said(words) },
            _ => ProviderError::Server { server, status, said: self.said(words) },
        }
    }

    /// No response: the connection could not be made, or broke before one.
    pub(crate) fn transport(&self, error: &reqwest::Error, connect: Duration) -> ProviderError {
        let mut cause = error.source();
        while let Some(deeper) = cause.and_then(std::error::Error::source) {
            cause = Some(deeper);
        }
        let cause = match cause {
            _ if error.is_timeout() => format!("no connection within {} s", connect.as_secs_f32()),
            Some(cause) => cause.to_string(),
            None => "the connection broke".to_owned(),
        };
        let cause = cause.split(" (os error").next().unwrap_or_default().to_lowercase();
        let cause = self.said(&cause).to_string().trim_start_matches(": ").to_owned();
        ProviderError::Unreachable { server: self.server(), cause }
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
            Flaw::Failed(words) => ProviderError::Failed { server, said: self.said(&words) },
            Flaw::Filtered => ProviderError::Filtered { server },
            Flaw::BrokeOff => ProviderError::BrokeOff { server },
        }
    }
}

/// The seconds of a `Retry-After` header; a date there is not understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
