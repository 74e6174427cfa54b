//! Any OpenAI-compatible server: `POST {base_url}/chat/completions` with streaming and tool calls.
//!
//! Promises: connects to the configured address only (no redirects, no proxies), sends the key in one
//! header and shows it nowhere, bounds every size and every silence, and tries again only before the
//! first byte of an answer has come. Start at [`OpenAi::complete`](Provider::complete).

mod answer;
mod body;
mod endpoint;
mod events;
mod failure;
mod names;

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response};
use testudo::model::{Completion, CompletionRequest};

use crate::provider::{Deltas, Provider, ProviderError};
use crate::secret::Secret;
use answer::{Answer, Flaw};
use endpoint::Endpoint;
pub use endpoint::EndpointError;
use events::{EventError, Events};
use failure::Failures;
use names::Names;

/// The name of the provider.
pub const NAME: &str = "openai";

/// The most bytes of a whole response: an answer of the largest size in the smallest pieces.
const RESPONSE_LIMIT: usize = 64 << 20;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next piece of an answer that has begun.
    pub gap: Duration,
    /// Before the second attempt; twice as long before the third.
    pub backoff: Duration,
    /// The longest that a server may make us wait before another attempt.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            gap: Duration::from_secs(90),
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// A server that speaks the `OpenAI` protocol, and one of its models.
pub struct OpenAi {
    client: Client,
    endpoint: Endpoint,
    model: String,
    key: Option<Secret>,
    patience: Patience,
}

/// Why the provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not taken.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There are no certificates to check servers against, for example.
    #[error("cannot set up encrypted connections")]
    Client(#[source] reqwest::Error),
}

impl OpenAi {
    /// Connects to nothing yet.
    pub fn new(
        base_url: &str,
        allow_http: bool,
        model: String,
        key: Option<Secret>,
        patience: Patience,
    ) -> Result<Self, SetupError> {
        let endpoint = Endpoint::below(base_url, allow_http)?;
        let client = Client::builder()
            .user_agent(concat!("testudo-modeld/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .gzip(false)
            .https_only(endpoint.is_encrypted())
            .connect_timeout(patience.connect);
        // A server on this machine must be usable where no certificates are installed.
        let client = if endpoint.is_encrypted() { client } else { client.tls_certs_only([]) };
        let client = client.build().map_err(|error| SetupError::Client(error.without_url()))?;
        Ok(Self { client, endpoint, model, key, patience })
    }

    fn failures(&self) -> Failures<'_> {
        Failures { server: &self.endpoint.server, key: self.key.as_ref() }
    }

    /// Asks until a response has begun, at most three times.
    async fn open(&self, request: &CompletionRequest, model: &str) -> Result<Response, ProviderError> {
        const AGAIN: u32 = 2;
        let mut usage = true;
        let mut attempt = 0;
        loop {
            let (error, wait) = match self.post(&body::body(request, model, usage)).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status().as_u16();
                    let wait = failure::retry_after(response.headers());
                    let said = self.read_error(response).await;
                    if usage && matches!(status, 400 | 422) && said.contains("stream_options") {
                        usage = false;
                        continue;
                    }
                    let retriable = matches!(status, 429 | 500 | 502 | 503 | 504 | 529);
                    let error = self.failures().status(status, model, wait, &said);
                    (error, retriable.then(|| wait.unwrap_or(self.patience.backoff * 2_u32.pow(attempt))))
                }
                Err(error) => {
                    let wait = error.is_connect().then(|| self.patience.backoff * 2_u32.pow(attempt));
                    (self.failures().transport(&error, self.patience.connect), wait)
                }
            };
            match wait {
                Some(wait) if attempt < AGAIN && wait <= self.patience.longest_wait => {
                    tracing::debug!("asking again in {} ms: {error}", wait.as_millis());
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
                _ => return Err(error),
            }
        }
    }

    async fn post(&self, body: &serde_json::Value) -> Result<Response, reqwest::Error> {
        let mut request = self.client.post(self.endpoint.url.clone()).json(body);
        if let Some(value) = self.key.as_ref().and_then(Secret::bearer) {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await
    }

    /// What a refusing server says about it; empty if it says nothing in JSON.
    async fn read_error(&self, mut response: Response) -> String {
        const MOST: usize = 16 * 1024;
        let mut body = Vec::new();
        while body.len() < MOST
            && let Ok(Ok(Some(chunk))) = tokio::time::timeout(self.patience.connect, response.chunk()).await
        {
            body.extend_from_slice(&chunk);
        }
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        json.get("error").and_then(answer::words_of).or_else(|| answer::words_of(&json)).unwrap_or_default()
    }

    async fn receive(&self, mut response: Response, deltas: &Deltas) -> Result<Answer, ProviderError> {
        let whole = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
        let mut answer = Answer::default();
        let (mut events, mut body, mut size) = (Events::default(), Vec::new(), 0_usize);
        while !answer.is_done() {
            let next = tokio::time::timeout(self.patience.gap, response.chunk()).await;
            let next = next.map_err(|_| self.failures().silent(self.patience.gap))?;
            // A connection that ends badly after the last piece has done no harm; `conclude` knows.
            let Some(chunk) = next.ok().flatten() else { break };
            size = size.saturating_add(chunk.len());
            if size > if whole { 4 * answer::LIMIT } else { RESPONSE_LIMIT } {
                return Err(self.failures().too_large("the response", RESPONSE_LIMIT));
            }
            if whole {
                body.extend_from_slice(&chunk);
                continue;
            }
            let pieces = events.push(&chunk).map_err(|error| match error {
                EventError::TooLarge => self.failures().too_large("an event", events::LIMIT),
                EventError::NotText => self.failures().flaw(Flaw::Malformed("an event is not UTF-8")),
            })?;
            for piece in pieces {
                let text = answer.take(&piece).map_err(|flaw| self.failures().flaw(flaw))?;
                deltas.send(&text).await;
                if answer.is_done() {
                    break;
                }
            }
        }
        if whole {
            let body = String::from_utf8(body).unwrap_or_default();
            let text = answer.take(&body).map_err(|flaw| self.failures().flaw(flaw))?;
            deltas.send(&text).await;
        }
        Ok(answer)
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        deltas: Deltas,
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        async move {
            let names = Names::of(&request.tools)?;
            let model = request.model.as_deref().unwrap_or(&self.model);
            let response = self.open(request, model).await?;
            let answer = self.receive(response, &deltas).await?;
            answer.conclude(&names, model, NAME).map_err(|flaw| self.failures().flaw(flaw))
        }
        .boxed()
    }
}
