//! What every source of completions offers, and how it fails.
//!
//! A [`Provider`] gives pieces of text through [`Deltas`] while it works and the whole at its end.
//! Dropping its future abandons the request at once: that is how cancelling and the time limit work.

use std::time::Duration;

use futures_util::future::BoxFuture;
use testudo::model::{Completion, CompletionRequest};
use tokio::sync::mpsc;

/// A source of completions.
pub trait Provider: Send + Sync {
    /// `rehearsal` or `openai`.
    fn name(&self) -> &'static str;

    /// The model that answers when a request names none.
    fn model(&self) -> &str;

    /// The models that answer when a request names them.
    fn other_models(&self) -> &[String] {
        &[]
    }

    /// Answers `request`, sending the text piece by piece on the way.
    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        deltas: Deltas,
    ) -> BoxFuture<'a, Result<Completion, ProviderError>>;
}

/// Where a provider sends pieces of text. Nobody need listen.
#[derive(Debug, Clone)]
pub struct Deltas(mpsc::Sender<String>);

impl Deltas {
    /// Pieces go into `sender`; a full one makes the provider wait.
    pub fn new(sender: mpsc::Sender<String>) -> Self {
        Self(sender)
    }

    /// Sends a piece; an empty one is not sent.
    pub async fn send(&self, text: &str) {
        if !text.is_empty() {
            // Whoever does not listen has the whole text in the completion.
            let _unheard = self.0.send(text.to_owned()).await;
        }
    }
}

/// Why there is no completion. No message holds a query or anything of the conversation; a key is not here to be held.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Two tools of a request cannot be told apart on the wire.
    #[error("cannot offer the tools {first} and {second} together: on the wire both are called {wire}")]
    Names {
        /// The tool that came first.
        first: String,
        /// The tool that clashes with it.
        second: String,
        /// The name that both would have.
        wire: String,
    },
    /// `egressd` is not there.
    #[error(
        "cannot reach the model server at {server}: {cause}; check testudo-egressd, through which all requests go"
    )]
    Egress {
        /// Host and port.
        server: String,
        /// What is wrong with the way to it.
        cause: String,
        /// The request may have gone out before that.
        is_sent: bool,
    },
    /// No connection to the server.
    #[error(
        "cannot reach the model server at {server}{said}; check that it runs and that base_url in [modeld] is right"
    )]
    Unreachable {
        /// Host and port.
        server: String,
        /// What `egressd` says about it, after a colon, or nothing.
        said: Said,
    },
    /// `egressd` does not let the request through.
    #[error("cannot reach the model server at {server}: testudo-egressd refused it{reason}{said}")]
    Barred {
        /// Host and port.
        server: String,
        /// The word for the reason, after a colon.
        reason: String,
        /// What `egressd` says about it, after a colon, or nothing.
        said: Said,
        /// The request may have gone out before that.
        is_sent: bool,
    },
    /// The server does not accept the key, or wants one.
    #[error(
        "cannot use the model server at {server}: the server refused the key (status {status}); check the secret that api_key_secret in [modeld] names"
    )]
    Key {
        /// Host and port.
        server: String,
        /// The HTTP status, 401 or 403.
        status: u16,
    },
    /// The server knows no such model, or nothing at this address.
    #[error(
        "cannot use the model {model} at {server}: the server knows no such model or path (status 404){said}"
    )]
    Unknown {
        /// The model asked for.
        model: String,
        /// Host and port.
        server: String,
        /// What the server said, after a colon, or nothing.
        said: Said,
    },
    /// The server wants fewer requests.
    #[error("cannot use the model server at {server} now: too many requests{}", later(*.retry_after))]
    RateLimited {
        /// Host and port.
        server: String,
        /// How long to wait, if the server said so.
        retry_after: Option<Duration>,
    },
    /// The server does not accept the request.
    #[error("cannot use the model server at {server}: it refused the request (status {status}){said}")]
    Refused {
        /// Host and port.
        server: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, after a colon, or nothing.
        said: Said,
    },
    /// The server failed.
    #[error("cannot use the model server at {server}: it failed (status {status}){said}")]
    Server {
        /// Host and port.
        server: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, after a colon, or nothing.
        said: Said,
    },
    /// The server reported an error in the middle of an answer.
    #[error("cannot finish the answer of {server}: the server failed{said}")]
    Failed {
        /// Host and port.
        server: String,
        /// What the server said, after a colon, or nothing.
        said: Said,
    },
    /// The server points elsewhere, which is never followed.
    #[error(
        "cannot use the model server at {server}: it redirects elsewhere (status {status}), which is not followed; put the final address into base_url in [modeld]"
    )]
    Redirected {
        /// Host and port.
        server: String,
        /// The HTTP status.
        status: u16,
    },
    /// What came is not what the protocol says.
    #[error("cannot understand the answer of {server}: {what}")]
    Malformed {
        /// Host and port.
        server: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The answer passed a limit.
    #[error("cannot take the answer of {server}: {what} is over the limit of {limit} bytes")]
    TooLarge {
        /// Host and port.
        server: String,
        /// Which part.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection ended before the answer did.
    #[error("cannot finish the answer of {server}: it broke off in the middle")]
    BrokeOff {
        /// Host and port.
        server: String,
    },
    /// Nothing came for too long.
    #[error("cannot finish the answer of {server}: nothing came for {} s", .gap.as_secs_f32())]
    Silent {
        /// Host and port.
        server: String,
        /// The longest allowed gap.
        gap: Duration,
    },
    /// The server withheld the answer.
    #[error("cannot finish the answer of {server}: its content filter withheld it")]
    Filtered {
        /// Host and port.
        server: String,
    },
}

impl ProviderError {
    /// Whether a model may have read the request before it failed.
    pub(crate) const fn may_have_been_read(&self) -> bool {
        !self.reached_no_model() && !matches!(self, Self::RateLimited { .. } | Self::Names { .. })
    }

    /// Whether it is certain that no model has read the request: it did not leave the machine, or came to a server that
    /// let nobody in.
    pub(crate) const fn reached_no_model(&self) -> bool {
        match self {
            Self::Egress { is_sent, .. } | Self::Barred { is_sent, .. } => !*is_sent,
            Self::Unreachable { .. } | Self::Key { .. } => true,
            _ => false,
        }
    }
}

fn later(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!("; try again in {} s", wait.as_secs().max(1)))
}

/// Words of another about an error: one short line, free of control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said(Option<String>);

impl Said {
    /// The most characters that are kept.
    const KEPT: usize = 200;

    /// Keeps a line of `text`.
    pub fn new(text: &str) -> Self {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .filter(|c| !is_invisible(*c))
            .take(Self::KEPT)
            .collect();
        let line = line.trim();
        Self((!line.is_empty()).then(|| line.to_owned()))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |line| write!(to, ": {line}"))
    }
}

/// Marks that reorder or hide text on a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
